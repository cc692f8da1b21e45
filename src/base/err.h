/*
 * err.h - the one error type of the program.
 *
 * Every function that can fail returns enum err and nothing else; results leave through out
 * parameters, which are written only on OK. Detail for humans goes to the log where the failure
 * is detected, and to a caller's struct err_detail where a person or a peer must read it.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define MUST_CHECK __attribute__((warn_unused_result))

enum err {
    OK = 0,
    ERR_AGAIN,    /* nothing now; a callback will say when to retry */
    ERR_LIMIT,    /* a documented bound was reached; nothing was changed */
    ERR_INVALID,  /* the peer or the user sent something malformed */
    ERR_NOTFOUND, /* the named thing does not exist */
    ERR_DENIED,   /* authentication or permission */
    ERR_TIMEOUT,  /* a deadline of ours passed */
    ERR_CLOSED,   /* the other end is gone, or we are closing */
    ERR_IO,       /* the operating system failed us; see the log for errno */
    ERR_UPSTREAM, /* a provider answered with an error; see err_detail */
};

/* A sentence for the person or peer that must read why something failed. Never holds secrets. */
struct err_detail {
    char text[256];
};

/* Short lower-case name, for example "limit". Never NULL; static storage. Any thread. */
const char *err_name(enum err err);

/* Writes the sentence (cut at 255 bytes) and returns `err`, so that a function can end with
 * `return err_explain(detail, ERR_INVALID, "...")`. `detail` may be NULL. Any thread. */
enum err err_explain(struct err_detail *detail, enum err err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
