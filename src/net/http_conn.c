#include <stdio.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "net/http_private.h"

static void process(struct http_conn *hc);

/* -- the end -- */

static void free_when_unused(struct http_conn *hc)
{
    if (hc->conn || hc->processing || hc->scheduled)
        return;
    mem_free(hc);
}

/* Leaves the server; the memory follows when nothing on the stack or deferred holds it. */
static void leave(struct http_conn *hc)
{
    hc->conn = NULL;
    http_wait_end(hc);
    loop_timer_free(hc->timer);
    hc->timer = NULL;
    buf_fini(&hc->in);
    struct http_server *s = hc->server;
    if (hc->prev)
        hc->prev->next = hc->next;
    else
        s->first = hc->next;
    if (hc->next)
        hc->next->prev = hc->prev;
    free_when_unused(hc);
    http_server_released(s);
}

void http_conn_hand_over(struct http_conn *hc)
{
    ASSERT(!hc->exchange);
    leave(hc);
}

static void on_closed(void *ctx, enum err why)
{
    struct http_conn *hc = ctx;
    struct http_exchange *ex = hc->exchange;
    (void)why;
    hc->exchange = NULL;
    if (ex && hc->phase == HTTP_HANDLED)
        http_exchange_gone(ex);
    else if (ex)
        http_exchange_free(ex);
    leave(hc);
}

/* -- answers -- */

const char *http_reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } table[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].status == status)
            return table[i].reason;
    return "Unknown";
}

/* IMF-fixdate (RFC 9110 section 5.6.7), in English whatever the locale. */
static void put_date(struct buf *b)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm t;
    gmtime_r(&now, &t);
    buf_printf(b, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n", days + 3 * t.tm_wday,
               t.tm_mday, months + 3 * t.tm_mon, t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

/* Writes the answer; false when the connection is ending. */
static bool write_answer(struct http_conn *hc, const struct http_answer *a)
{
    struct buf b;
    buf_init(&b, HTTP_HEAD_BYTES_MAX + HTTP_REPLY_JOIN_BYTES);
    FAULTS_OFF();
    buf_printf(&b, "HTTP/1.1 %u %s\r\n", a->status, http_reason(a->status));
    put_date(&b);
    if (a->content_type) {
        buf_printf(&b, "Content-Type: %s\r\nContent-Length: %zu\r\n", a->content_type, a->body.len);
    } else if (a->status != 204 && a->status != 304) {
        buf_put_str(&b, STR("Content-Length: 0\r\n"));
    }
    buf_put_str(&b,
                hc->keep_alive ? STR("Connection: keep-alive\r\n") : STR("Connection: close\r\n"));
    buf_put_str(&b, a->fields);
    buf_put_str(&b, STR("\r\n"));
    FAULTS_ON();
    ASSERT(buf_ok(&b)); /* http_reply_header bounds what handlers add */

    struct str body = a->content_type && !hc->head_only ? a->body : STR("");
    size_t need = conn_queued(hc->conn) + b.len + body.len;
    conn_set_out_max(hc->conn, need > CONN_OUT_BYTES_MAX ? need : CONN_OUT_BYTES_MAX);
    bool ok;
    if (body.len <= HTTP_REPLY_JOIN_BYTES) {
        buf_put_str(&b, body);
        ok = conn_write(hc->conn, b.p, b.len) == OK;
    } else {
        ok = conn_write(hc->conn, b.p, b.len) == OK && conn_write(hc->conn, body.p, body.len) == OK;
    }
    buf_fini(&b);
    return ok;
}

static void set_idle_timer(struct http_conn *hc)
{
    hc->out_seen = conn_queued(hc->conn);
    loop_timer_set(hc->timer,
                   hc->fresh ? hc->server->head_timeout_ms : hc->server->idle_timeout_ms);
}

static void run_process(void *ctx)
{
    struct http_conn *hc = ctx;
    hc->scheduled = false;
    if (hc->conn)
        process(hc);
    else
        free_when_unused(hc);
}

static void schedule_process(struct http_conn *hc)
{
    if (hc->processing || hc->scheduled)
        return;
    hc->scheduled = true;
    loop_defer(hc->loop, run_process, hc);
}

void http_conn_answer(struct http_conn *hc, const struct http_answer *a)
{
    ASSERT(hc->conn && !hc->exchange);
    bool alive = write_answer(hc, a);
    hc->fresh = false;
    hc->moved = false;
    hc->head_started = false;
    hc->head_only = false;
    if (!alive || !hc->keep_alive) {
        hc->phase = HTTP_ENDING;
        http_wait_end(hc);
        loop_timer_cancel(hc->timer);
        buf_release(&hc->in);
        conn_finish(hc->conn);
        return;
    }
    hc->phase = HTTP_HEAD;
    http_wait_begin(hc);
    set_idle_timer(hc);
    schedule_process(hc);
}

void http_conn_problem(struct http_conn *hc, unsigned status, const char *title, const char *detail,
                       struct str fields)
{
    struct buf b;
    buf_init(&b, HTTP_REPLY_JOIN_BYTES * 4);
    struct str name = str_of(title ? title : http_reason(status));
    struct str text = detail && utf8_valid(str_of(detail)) ? str_of(detail) : STR_NONE;
    buf_put_str(&b, STR("{\"type\":\"about:blank\",\"title\":"));
    buf_put_json(&b, name);
    buf_printf(&b, ",\"status\":%u", status);
    if (text.p) {
        buf_put_str(&b, STR(",\"detail\":"));
        buf_put_json(&b, text);
    }
    buf_put_str(&b, STR(",\"error\":"));
    buf_put_json(&b, text.p ? text : name);
    buf_put_str(&b, STR("}"));
    struct http_answer a = {status, "application/problem+json", fields,
                            buf_ok(&b) ? buf_str(&b) : STR("{}")};
    http_conn_answer(hc, &a);
    buf_fini(&b);
}

/* Answers a request that got no further, and ends the connection: what follows in the stream can
 * no longer be told apart. */
static void refuse(struct http_conn *hc, unsigned status, const char *detail)
{
    struct http_exchange *ex = hc->exchange;
    hc->exchange = NULL;
    LOG_INFO(NULL, "http.refused", "peer=%s status=%u why=\"%s\"",
             ex ? ex->peer : conn_peer(hc->conn), status, detail);
    if (ex)
        http_exchange_free(ex);
    hc->keep_alive = false;
    http_conn_problem(hc, status, NULL, detail, STR(""));
}

/* -- requests -- */

static void dispatch(struct http_conn *hc)
{
    const struct http_route *route = hc->route;
    hc->phase = HTTP_HANDLED;
    http_wait_end(hc);
    loop_timer_cancel(hc->timer);
    route->fn(route->ctx, hc->exchange);
}

/* The request names no route, or one that cannot take it. */
static void answer_unrouted(struct http_conn *hc, unsigned status, const char *detail,
                            struct str fields)
{
    struct http_exchange *ex = hc->exchange;
    if (ex->head.chunked || ex->head.length)
        hc->keep_alive = false; /* cheaper than reading a body nobody wants */
    hc->exchange = NULL;
    http_exchange_free(ex);
    http_conn_problem(hc, status, NULL, detail, fields);
}

static bool find_route(struct http_conn *hc)
{
    const struct http_head *h = &hc->exchange->head;
    char line[256 + 16];
    struct buf allow;
    buf_init(&allow, 256);
    hc->route = http_router_find(hc->server->router, http_method(hc->exchange), h->path, &allow);
    if (hc->route) {
        buf_fini(&allow);
        if (!hc->route->opts.websocket || http_head_has_token(h, STR("upgrade"), STR("websocket")))
            return true;
        answer_unrouted(hc, 426, "This address speaks WebSocket.",
                        STR("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"));
        return false;
    }
    snprintf(line, sizeof(line), "Allow: %s\r\n", buf_cstr(&allow));
    if (allow.len)
        answer_unrouted(hc, 405, "This address does not know that method.", str_of(line));
    else
        answer_unrouted(hc, 404, "There is nothing at this address.", STR(""));
    buf_fini(&allow);
    return false;
}

void http_parcel_free(struct http_parcel *p)
{
    conn_parcel_fini(&p->conn);
    buf_fini(&p->in);
    mem_free(p);
}

/* Takes the connection to the loop or process that owns the call the request is about: before its
 * body, and with everything that is here already. True when it is gone. */
static bool take_elsewhere(struct http_conn *hc)
{
    struct http_server *s = hc->server;
    struct http_exchange *ex = hc->exchange;
    const struct http_route *route = hc->route;
    struct str owner = STR_NONE;
    struct owner to;
    if (!s->hub || hc->moved)
        return false;
    if (route->opts.owned && ex->head.path.len > route->path.len)
        owner = str_slice(ex->head.path, route->path.len + 1, ex->head.path.len);
    if (!http_hub_elsewhere(s->hub, s, owner, route->opts.placed, &to))
        return false;
    struct http_parcel *p = mem_zalloc(sizeof(*p));
    if (!conn_release(hc->conn, &p->conn)) { /* it is ending; nobody waits for an answer */
        mem_free(p);
        return false;
    }
    buf_init(&p->in, hc->in.max);
    buf_put(&p->in, ex->text, ex->text_len);
    buf_put_str(&p->in, buf_str(&hc->in));
    ASSERT(buf_ok(&p->in)); /* head and rest lay in a buffer of that size before */
    hc->exchange = NULL;
    http_exchange_free(ex);
    leave(hc);
    http_hub_send(s->hub, s, &to, p);
    return true;
}

/* Behind a trusted proxy it is the client that it names whose bodies are counted. False when that
 * one has enough of them. */
static bool admit_client(struct http_conn *hc)
{
    struct address client;
    if (!hc->exchange->named || !address_parse(str_of(hc->exchange->peer), &client))
        return true;
    if (http_wait_crowded(hc->server, &client))
        return false;
    http_wait_count(hc, &client);
    return true;
}

/* A whole head is at the front of `in`. */
static void begin(struct http_conn *hc, size_t len)
{
    unsigned status = 400;
    struct http_exchange *ex = http_exchange_new(hc, str_slice(buf_str(&hc->in), 0, len));
    hc->exchange = ex;
    buf_consume(&hc->in, len);
    hc->scanned = 0;
    if (http_parse_head(str_n(ex->text, len), &ex->head, &status) != OK) {
        refuse(hc, status, "The request cannot be understood.");
        return;
    }
    http_exchange_name_client(ex);
    hc->keep_alive = ex->head.keep_alive && !hc->server->closing;
    hc->head_only = str_eq(ex->head.method, STR("HEAD"));
    if (!find_route(hc) || take_elsewhere(hc))
        return;
    size_t body_max = hc->route->opts.body_max;
    if (ex->head.length > body_max) {
        refuse(hc, 413, "The body is too large.");
        return;
    }
    if (!ex->head.chunked && ex->head.length == 0) {
        dispatch(hc);
        return;
    }
    if (!admit_client(hc)) {
        refuse(hc, 429, "Too many requests at once.");
        return;
    }
    buf_init(&ex->body, body_max);
    hc->chunk = (struct http_chunk){0};
    hc->body_left = ex->head.length;
    hc->phase = HTTP_BODY;
    loop_timer_set(hc->timer, hc->server->body_timeout_ms);
    struct str go_on = STR("HTTP/1.1 100 Continue\r\n\r\n"); /* RFC 9110 section 10.1.1 */
    if (ex->head.expects && hc->in.len == 0 && conn_write(hc->conn, go_on.p, go_on.len) != OK)
        LOG_DEBUG(NULL, "http.continue", "peer=%s err=closed", ex->peer);
}

/* Its request is not whole from now on; a proxy's waits for whom it names. */
static void count_peer(struct http_conn *hc)
{
    struct address peer;
    if (!hc->trusted && address_parse(str_of(conn_peer(hc->conn)), &peer))
        http_wait_count(hc, &peer);
}

/* Tries to take a head from `in`. False when it must wait for more. */
static bool take_head(struct http_conn *hc)
{
    while (str_starts(buf_str(&hc->in), STR("\r\n"))) { /* RFC 9112 section 2.2 */
        buf_consume(&hc->in, 2);
        hc->scanned = 0;
    }
    if (hc->in.len == 0)
        return false;
    if (conn_queued(hc->conn) > CONN_OUT_BYTES_MAX / 2) {
        conn_want_drained(hc->conn); /* it sends requests faster than it takes answers */
        return false;
    }
    if (!hc->head_started) {
        hc->head_started = true;
        count_peer(hc);
        loop_timer_set(hc->timer, hc->server->head_timeout_ms);
    }
    size_t len = 0;
    enum err err = http_parse_find_end(buf_str(&hc->in), &hc->scanned, &len);
    if (err == ERR_AGAIN)
        return false;
    if (err == OK)
        begin(hc, len);
    else if (err == ERR_LIMIT)
        refuse(hc, 431, "The request's head is too large.");
    else
        refuse(hc, 400, "The request's lines are not ended as they must be.");
    return true;
}

/* Feeds body bytes; returns how many were used. */
static size_t feed_body(struct http_conn *hc, struct str in)
{
    struct http_exchange *ex = hc->exchange;
    size_t used = 0;
    bool done = false;
    enum err err;
    if (ex->head.chunked) {
        err = http_chunk_feed(&hc->chunk, in, &ex->body, &used, &done);
    } else {
        used = in.len < hc->body_left ? in.len : (size_t)hc->body_left;
        err = buf_append(&ex->body, in.p, used);
        hc->body_left -= used;
        done = hc->body_left == 0;
    }
    if (err == ERR_LIMIT)
        refuse(hc, 413, "The body is too large.");
    else if (err != OK)
        refuse(hc, 400, "The body's chunks cannot be understood.");
    else if (done)
        dispatch(hc);
    return used;
}

/* Takes as many requests from `in` as can be answered at once, one at a time. */
static void process(struct http_conn *hc)
{
    if (hc->processing)
        return;
    hc->processing = true;
    bool more = true;
    while (more && hc->conn && hc->in.len) {
        if (hc->phase == HTTP_HEAD) {
            more = take_head(hc);
        } else if (hc->phase == HTTP_BODY) {
            size_t used = feed_body(hc, buf_str(&hc->in));
            if (hc->conn && hc->phase != HTTP_ENDING)
                buf_consume(&hc->in, used);
        } else {
            more = false;
        }
    }
    hc->processing = false;
    if (!hc->conn) {
        free_when_unused(hc);
        return;
    }
    if (hc->in.len == 0)
        buf_release(&hc->in); /* an idle connection holds nothing */
    conn_pause_reading(hc->conn, hc->phase != HTTP_ENDING && hc->in.len >= HTTP_HEAD_BYTES_MAX);
}

/* -- events -- */

static void on_open(void *ctx)
{
    struct http_conn *hc = ctx;
    if (hc->surplus)
        refuse(hc, 503, "Too many connections.");
}

static void on_data(void *ctx, uint8_t *p, size_t len)
{
    struct http_conn *hc = ctx;
    if (hc->phase == HTTP_ENDING)
        return;
    /* process() leaves less than HTTP_HEAD_BYTES_MAX or pauses, so a read always fits behind it. */
    FAULTS_OFF();
    buf_put(&hc->in, p, len);
    FAULTS_ON();
    ASSERT(buf_ok(&hc->in));
    process(hc);
}

static void on_drained(void *ctx)
{
    schedule_process(ctx);
}

static void on_timer(void *ctx)
{
    struct http_conn *hc = ctx;
    if (hc->phase == HTTP_BODY) {
        refuse(hc, 408, "The body did not arrive in time.");
    } else if (hc->phase == HTTP_HEAD && hc->head_started) {
        refuse(hc, 408, "The request did not arrive in time.");
    } else if (hc->phase == HTTP_HEAD && conn_queued(hc->conn) < hc->out_seen) {
        set_idle_timer(hc); /* a slow reader, but it reads */
    } else {
        conn_close(hc->conn);
    }
}

static const struct conn_events conn_handlers = {on_open, on_data, on_drained, on_closed};

/* Into the server's list. */
static void enter(struct http_conn *hc)
{
    struct http_server *s = hc->server;
    hc->timer = loop_timer_new(s->loop, on_timer, hc);
    set_idle_timer(hc);
    hc->next = s->first;
    if (s->first)
        s->first->prev = hc;
    s->first = hc;
    s->count++;
    if (!hc->surplus)
        http_wait_begin(hc);
}

void http_conn_adopt(struct http_server *s, struct http_parcel *p, unsigned refusal)
{
    struct http_conn *hc = mem_zalloc(sizeof(*hc));
    *hc = (struct http_conn){.server = s, .loop = s->loop, .moved = true, .in = p->in};
    buf_init(&p->in, hc->in.max); /* its bytes are ours now */
    enum err err = conn_adopt(s->loop, &p->conn, &conn_handlers, hc, &hc->conn);
    http_parcel_free(p);
    struct address peer;
    hc->trusted = err == OK && address_parse(str_of(conn_peer(hc->conn)), &peer) &&
                  address_set_has(&s->trusted, &peer);
    if (err != OK) {
        LOG_ERROR(NULL, "http.adopt", "err=%s", err_name(err));
        buf_fini(&hc->in);
        mem_free(hc);
        return;
    }
    enter(hc);
    if (refusal)
        refuse(hc, refusal, "The server is too busy.");
    else
        process(hc);
}

void http_conn_give_way(struct http_conn *hc)
{
    LOG_INFO(NULL, "http.gave_way", "peer=%s", conn_peer(hc->conn));
    http_wait_end(hc);
    hc->phase = hc->exchange ? hc->phase : HTTP_ENDING;
    conn_close(hc->conn);
}

void http_conn_open(struct http_server *s, int fd, const struct address *peer, bool surplus)
{
    struct http_conn *hc = mem_zalloc(sizeof(*hc));
    hc->server = s;
    hc->loop = s->loop;
    hc->surplus = surplus;
    hc->fresh = true;
    hc->trusted = peer && address_set_has(&s->trusted, peer);
    enum err err = conn_accept(s->loop, fd, s->tls, 0, &conn_handlers, hc, &hc->conn);
    if (err != OK) {
        LOG_ERROR(NULL, "http.accept", "err=%s", err_name(err));
        mem_free(hc);
        return;
    }
    buf_init(&hc->in, HTTP_HEAD_BYTES_MAX + LOOP_READ_BYTES);
    enter(hc);
    if (peer && !surplus && !hc->trusted)
        http_wait_count(hc, peer);
}
