#include "net/http_client.h"

#include <curl/curl.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/url.h"

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer *timer; /* what libcurl wants to be woken for */
    char *ca_file;
    struct http_fetch *first;
    size_t count;
    size_t fed;       /* requests whose data function is owed something */
    bool dispatching; /* a done function may be running: closing waits for it */
    bool closed;
};

struct http_fetch {
    struct http_client *client;
    struct http_fetch *prev, *next;
    CURL *easy;
    struct curl_slist *headers;
    struct buf body;
    size_t received;
    bool too_large;
    http_data_fn *data;
    http_done_fn *done;
    void *ctx;
    char host[256]; /* for people; the URL's path may hold what is not for logs */
};

/* libuv frees a handle later than libcurl forgets its socket. */
struct watch {
    uv_poll_t poll;
    struct http_client *client; /* NULL once libcurl has let go */
    curl_socket_t fd;
};

/* -- libcurl's sockets and timer on the loop -- */

static void dispatch(struct http_client *c);

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct watch *w = handle->data;
    struct http_client *c = w->client;
    int running = 0;
    int what = status < 0 ? CURL_CSELECT_ERR : 0;
    if (!c)
        return;
    if (events & UV_READABLE)
        what |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        what |= CURL_CSELECT_OUT;
    curl_multi_socket_action(c->multi, w->fd, what, &running);
    dispatch(c);
}

static void on_timer(void *ctx)
{
    struct http_client *c = ctx;
    int running = 0;
    curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    dispatch(c);
}

static int timer_wanted(CURLM *multi, long timeout_ms, void *ctx)
{
    struct http_client *c = ctx;
    (void)multi;
    if (timeout_ms < 0)
        loop_timer_cancel(c->timer);
    else
        loop_timer_set(c->timer, (uint64_t)timeout_ms);
    return 0;
}

static void on_watch_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

static struct watch *watch_new(struct http_client *c, curl_socket_t fd)
{
    struct watch *w = mem_zalloc(sizeof(*w));
    int rc = uv_poll_init_socket(loop_uv(c->loop), &w->poll, fd);
    if (rc != 0) {
        LOG_ERROR(NULL, "http_client.poll", "err=\"%s\" next=\"the request will time out\"",
                  uv_strerror(rc));
        mem_free(w);
        return NULL;
    }
    w->client = c;
    w->fd = fd;
    w->poll.data = w;
    curl_multi_assign(c->multi, fd, w);
    return w;
}

static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct http_client *c = ctx;
    struct watch *w = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            w->client = NULL;
            curl_multi_assign(c->multi, fd, NULL);
            uv_close((uv_handle_t *)&w->poll, on_watch_closed);
        }
        return 0;
    }
    if (!w)
        w = watch_new(c, fd);
    if (!w)
        return 0;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    uv_poll_start(&w->poll, events, on_poll);
    return 0;
}

/* -- the end of a request -- */

static void fetch_free(struct http_fetch *f)
{
    curl_easy_cleanup(f->easy);
    curl_slist_free_all(f->headers);
    buf_fini(&f->body);
    mem_free(f);
}

static void fetch_unlink(struct http_fetch *f)
{
    struct http_client *c = f->client;
    ASSERT(c->count > 0);
    if (f->data && f->body.len)
        c->fed--;
    curl_multi_remove_handle(c->multi, f->easy);
    if (f->prev)
        f->prev->next = f->next;
    else
        c->first = f->next;
    if (f->next)
        f->next->prev = f->prev;
    c->count--;
}

static enum err err_of(CURLcode code)
{
    /* The rest of libcurl's hundred codes are failures of the connection. */
    if (code == CURLE_OK)
        return OK;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ERR_TIMEOUT;
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        return ERR_DENIED;
    if (code == CURLE_COULDNT_RESOLVE_HOST)
        return ERR_NOTFOUND;
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ||
        code == CURLE_WEIRD_SERVER_REPLY)
        return ERR_INVALID;
    return code == CURLE_SSL_CACERT_BADFILE ? ERR_IO : ERR_CLOSED;
}

static void finish(struct http_fetch *f, CURLcode code)
{
    struct err_detail detail = {{0}};
    struct http_result result = {.err = err_of(code), .fetch = f};
    fetch_unlink(f);
    if (f->too_large) {
        result.err = err_explain(&detail, ERR_LIMIT, "the answer of %s is larger than %zu bytes",
                                 f->host, f->body.max);
    } else if (code != CURLE_OK) {
        err_explain(&detail, result.err, "no answer from %s: %s", f->host,
                    curl_easy_strerror(code));
    } else {
        long status = 0;
        curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
        result.status = (unsigned)status;
        result.body = buf_str(&f->body);
    }
    result.detail = result.err == OK ? NULL : detail.text;
    f->done(f->ctx, &result);
    fetch_free(f);
}

static void teardown(struct http_client *c)
{
    while (c->first) {
        struct http_fetch *f = c->first;
        fetch_unlink(f);
        fetch_free(f);
    }
    if (c->multi)
        curl_multi_cleanup(c->multi);
    loop_timer_free(c->timer);
    mem_free(c->ca_file);
    mem_free(c);
    curl_global_cleanup();
}

/* What libcurl's write function kept: libcurl must not be called from inside of that, and a data
 * function is free to do so. */
static void hand_over_data(struct http_client *c)
{
    struct http_fetch *f = c->first;
    while (!c->closed && c->fed && f) {
        if (!f->data || !f->body.len) {
            f = f->next;
            continue;
        }
        struct buf piece = f->body;
        buf_init(&f->body, piece.max);
        c->fed--;
        f->data(f->ctx, buf_str(&piece));
        buf_fini(&piece);
        f = c->first; /* it may have been cancelled, or any other */
    }
}

/* Hands over what has come and what has ended. */
static void dispatch(struct http_client *c)
{
    CURLMsg *msg;
    int left;
    ASSERT(!c->dispatching);
    c->dispatching = true;
    hand_over_data(c);
    while (!c->closed && (msg = curl_multi_info_read(c->multi, &left)) != NULL) {
        struct http_fetch *f = NULL;
        if (msg->msg != CURLMSG_DONE)
            continue;
        CURLcode code = msg->data.result; /* gone with the handle */
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&f);
        finish(f, code);
    }
    c->dispatching = false;
    if (c->closed)
        teardown(c);
}

/* -- public -- */

enum err http_client_open(struct http_client **out, struct loop *l, const char *ca_file)
{
    loop_assert_thread(l);
    /* Counted by libcurl, and safe from several threads since 7.84. */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ERR_IO;
    struct http_client *c = mem_zalloc(sizeof(*c));
    c->loop = l;
    c->timer = loop_timer_new(l, on_timer, c);
    c->ca_file = ca_file ? mem_strdup(ca_file) : NULL;
    c->multi = curl_multi_init();
    if (!c->multi) {
        teardown(c);
        return ERR_IO;
    }
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)HTTP_CLIENT_IDLE_MAX);
    *out = c;
    return OK;
}

void http_client_close(struct http_client *c)
{
    if (!c || c->closed)
        return;
    loop_assert_thread(c->loop);
    c->closed = true;
    if (!c->dispatching)
        teardown(c);
}

static bool answer_is_good(struct http_fetch *f)
{
    long status = 0;
    curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status <= 299;
}

static size_t on_body(char *p, size_t size, size_t count, void *ctx)
{
    struct http_fetch *f = ctx;
    const size_t len = size * count, kept = f->body.len;
    if (f->received == 0 && f->data && !answer_is_good(f))
        f->data = NULL;
    f->too_large = len > f->body.max - f->received || buf_append(&f->body, p, len) != OK;
    if (f->too_large)
        return 0; /* aborts the transfer */
    f->received += len;
    if (f->data && kept == 0 && len)
        f->client->fed++;
    return len;
}

/* A line break would smuggle in a header of its own. */
static bool header_valid(const char *header)
{
    for (const char *p = header; *p; p++)
        if ((unsigned char)*p < 0x20 && *p != '\t')
            return false;
    return strchr(header, ':') != NULL;
}

static void set_string(CURL *easy, CURLoption option, struct str value)
{
    char *text = mem_strndup(value.len ? value.p : "", value.len);
    curl_easy_setopt(easy, option, text); /* copied */
    explicit_bzero(text, value.len);      /* may be a password */
    mem_free(text);
}

static void set_method(CURL *easy, const struct http_fetch_opts *opts)
{
    const bool is_get = strcmp(opts->method, "GET") == 0;
    const bool is_post = strcmp(opts->method, "POST") == 0;
    if (strcmp(opts->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (is_post || opts->body.len) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)opts->body.len);
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, opts->body.len ? opts->body.p : "");
    }
    if (!is_post && (!is_get || opts->body.len))
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, opts->method);
}

static void set_options(struct http_fetch *f, const struct http_fetch_opts *opts)
{
    const uint32_t timeout_ms = opts->timeout_ms ? opts->timeout_ms : HTTP_CLIENT_TIMEOUT_MS;
    CURL *easy = f->easy;
    set_string(easy, CURLOPT_URL, opts->url);
    set_method(easy, opts);
    /* Without these two, curl would ask before sending a body, and would read the environment. */
    f->headers = curl_slist_append(NULL, "Expect:");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    for (const char *const *h = opts->headers; h && *h; h++)
        f->headers = curl_slist_append(f->headers, *h);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, f->headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "callee/" CALLEE_VERSION);
    if (opts->userpwd.len) {
        set_string(easy, CURLOPT_USERPWD, opts->userpwd);
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    }
    if (f->client->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, f->client->ca_file);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, f);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, f);
}

enum err http_fetch(struct http_client *c, const struct http_fetch_opts *opts, http_done_fn *done,
                    void *ctx, struct http_fetch **out)
{
    struct url url;
    loop_assert_thread(c->loop);
    if (c->closed)
        return ERR_CLOSED;
    if (url_parse(opts->url, &url, NULL) != OK || url.websocket)
        return ERR_INVALID;
    for (const char *const *h = opts->headers; h && *h; h++)
        if (!header_valid(*h))
            return ERR_INVALID;
    if (c->count >= HTTP_CLIENT_FETCHES_MAX || FAULT("http_client.fetch"))
        return ERR_LIMIT;

    struct http_fetch *f = mem_zalloc(sizeof(*f));
    f->easy = curl_easy_init();
    ASSERT(f->easy); /* fails only without memory */
    f->client = c;
    f->data = opts->data;
    f->done = done;
    f->ctx = ctx;
    buf_init(&f->body, opts->body_max ? opts->body_max : HTTP_CLIENT_BODY_BYTES_MAX);
    (void)str_copy(f->host, sizeof(f->host), url.host);
    set_options(f, opts);
    if (curl_multi_add_handle(c->multi, f->easy) != CURLM_OK) {
        fetch_free(f);
        return ERR_IO;
    }
    f->next = c->first;
    if (c->first)
        c->first->prev = f;
    c->first = f;
    c->count++;
    if (out)
        *out = f;
    return OK;
}

void http_fetch_cancel(struct http_fetch *f)
{
    loop_assert_thread(f->client->loop);
    fetch_unlink(f);
    fetch_free(f);
}

struct str http_fetch_header(const struct http_fetch *f, const char *name)
{
    struct curl_header *h;
    if (curl_easy_header(f->easy, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
        return STR_NONE;
    /* The last one of the name. */
    if (h->amount > 1 &&
        curl_easy_header(f->easy, name, h->amount - 1, CURLH_HEADER, -1, &h) != CURLHE_OK)
        return STR_NONE;
    return str_of(h->value);
}

struct str http_result_header(const struct http_result *r, const char *name)
{
    return r->status ? http_fetch_header(r->fetch, name) : STR_NONE;
}
