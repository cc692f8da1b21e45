/*
 * local.h - the built-in engine: hears, looks up and speaks without any provider.
 *
 * It behaves as a Realtime provider does, event for event, and asks for knowledge as one does: by
 * calling the tool query_knowledge_base. What it can do is limited, and callee says so: it
 * understands what a business's own vocabulary leads it to expect and answers with sentences of
 * that business's knowledge. It is there for trying callee, for tests, for air-gapped places and as
 * the last fall-back when every provider fails.
 *
 *   Units    audio/pcmu, audio/pcma at 8 kHz and audio/pcm at 24 kHz, both ways.
 *   Memory   the driver must outlive its engines; it keeps the vocabularies' models
 *            (LOCAL_MODELS_MAX).
 *   Thread   the driver: any. An engine: its loop's; hearing and speaking run on the pool given.
 *   Bounds   LOCAL_* in base/limits.h.
 */
#ifndef ENGINE_LOCAL_H
#define ENGINE_LOCAL_H

#include "base/err.h"
#include "engine/engine.h"
#include "net/worker.h"

/* Zero means the default, except `live`. */
struct local_opts {
    struct worker_pool *live; /* for what a listener waits for; outlives the driver */
    const char *model_dir;    /* of the acoustic model */
    const char *voice;        /* "slt" (default), "kal16", "rms", "awb"; a session may choose */
    unsigned decoders_max;
};

/* Makes a driver named "local" in *out. ERR_NOTFOUND with a sentence when the acoustic model is not
 * installed, ERR_INVALID for an unknown voice. */
enum err local_driver_open(const struct local_opts *opts, struct engine_driver *out,
                           struct err_detail *detail) MUST_CHECK;
/* Frees what local_driver_open made. No engine of it may be left. */
void local_driver_close(struct engine_driver *driver);

#endif
