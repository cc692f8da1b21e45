/*
 * realtime.h - the engine driver for any Realtime-compatible provider over WebSocket.
 *
 * One WebSocket is one engine session. Events pass through as text; only a provider that still
 * speaks the retired beta shape is translated at this edge (proto/rt_beta.h), so nothing above
 * knows of it. The driver itself is a fixed configuration that every loop shares.
 *
 *   Units    lengths in bytes, times in milliseconds.
 *   Memory   realtime_driver_open copies all it is given except the TLS context, which must outlive
 *            the driver; the driver must outlive its engines.
 *   Thread   the driver: any, read-only after it was opened. An engine: its loop's.
 *   Bounds   REALTIME_MESSAGE_BYTES_MAX in, REALTIME_AUDIO_OUT_BYTES_MAX waiting audio out;
 *            REALTIME_CONNECT_TIMEOUT_MS for the handshake.
 */
#ifndef ENGINE_REALTIME_H
#define ENGINE_REALTIME_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "engine/engine.h"
#include "net/tls.h"

enum realtime_shape {
    REALTIME_GA,   /* the current shape; text passes as it is */
    REALTIME_BETA, /* asks for the beta shape with its header and translates */
    REALTIME_AUTO, /* asks for nothing and translates if session.created has the beta's shape */
};

struct realtime_opts {
    struct str url;   /* ws:// or wss://; empty = REALTIME_URL */
    struct str model; /* becomes ?model= when the URL names none; empty = the URL is complete */
    /* Sent as "Authorization: Bearer"; empty = no such header. Never logged. */
    struct str api_key;
    enum realtime_shape shape;
    struct tls_client *tls;      /* needed for wss */
    uint32_t connect_timeout_ms; /* 0 = REALTIME_CONNECT_TIMEOUT_MS */
};

#define REALTIME_URL "wss://api.openai.com/v1/realtime"

/*
 * Makes a driver named "realtime" in *out. ERR_INVALID, with a sentence that repeats neither key
 * nor URL, for a URL that is no ws(s) address, wss without a TLS context, or a key that cannot
 * stand in a header.
 *
 * What its engines report beyond engine.h: on_closed's `why` is ERR_DENIED when the provider
 * refused the key (HTTP 401 or 403, close code 3000), OK after engine_close, ERR_UPSTREAM
 * otherwise; the reason reads "provider refused: HTTP 401", "provider not reached: ...", "closed
 * 3000 invalid_request_error.invalid_api_key" or "connection lost". engine_send before on_open is
 * ERR_AGAIN, after engine_close or the end ERR_CLOSED. Binary messages are ignored and counted.
 */
enum err realtime_driver_open(const struct realtime_opts *opts, struct engine_driver *out,
                              struct err_detail *detail) MUST_CHECK;
/* Frees what realtime_driver_open made. No engine of it may be left. */
void realtime_driver_close(struct engine_driver *driver);

#endif
