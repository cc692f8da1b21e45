/* One read or write on the descriptor or through OpenSSL, and what came of it. */
#include <errno.h>
#include <openssl/err.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "net/conn_private.h"
#include "net/tls_private.h"

enum err conn_errno(int code)
{
    switch (code) {
    case ECONNRESET:
    case ECONNREFUSED:
    case ECONNABORTED:
    case EPIPE:
        return ERR_CLOSED;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    default:
        return ERR_IO;
    }
}

/* Sorts out what OpenSSL returned. ERR_clear_error must have been called before the operation. */
static enum conn_io tls_outcome(struct conn *c, int rc, enum err *why)
{
    int saved = errno;
    char text[128];
    switch (SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return CONN_IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return CONN_IO_END;
    case SSL_ERROR_SYSCALL:
        *why = saved ? conn_errno(saved) : ERR_CLOSED;
        ERR_clear_error();
        return CONN_IO_FAILED;
    default:
        *why = ERR_INVALID;
        /* An end without close_notify may be a truncation, so it does not pass as an end. */
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
            *why = ERR_CLOSED;
        LOG_DEBUG(NULL, "conn.tls", "peer=%s err=\"%s\"", c->peer, tls_error(text, sizeof(text)));
        return CONN_IO_FAILED;
    }
}

enum conn_io conn_io_read(struct conn *c, uint8_t *p, size_t *len, enum err *why)
{
    if (c->ssl) {
        ERR_clear_error();
        errno = 0;
        int rc = SSL_read_ex(c->ssl, p, LOOP_READ_BYTES, len);
        return rc == 1 ? CONN_IO_DONE : tls_outcome(c, rc, why);
    }
    ssize_t n = FAULT_CALL("conn.recv", ECONNRESET, read(c->sock->fd, p, LOOP_READ_BYTES));
    if (n > 0) {
        *len = (size_t)n;
        return CONN_IO_DONE;
    }
    if (n == 0)
        return CONN_IO_END;
    if (errno == EAGAIN || errno == EINTR)
        return CONN_IO_AGAIN;
    *why = conn_errno(errno);
    return CONN_IO_FAILED;
}

enum conn_io conn_io_write(struct conn *c, const void *p, size_t len, size_t *sent, enum err *why)
{
    if (c->ssl) {
        ERR_clear_error();
        errno = 0;
        int rc = SSL_write_ex(c->ssl, p, len, sent);
        return rc == 1 ? CONN_IO_DONE : tls_outcome(c, rc, why);
    }
    ssize_t n = FAULT_CALL("conn.send", EPIPE, send(c->sock->fd, p, len, MSG_NOSIGNAL));
    if (n >= 0) {
        *sent = (size_t)n;
        return CONN_IO_DONE;
    }
    if (errno == EAGAIN || errno == EINTR)
        return CONN_IO_AGAIN;
    *why = conn_errno(errno);
    return CONN_IO_FAILED;
}
