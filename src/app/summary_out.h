/*
 * summary_out.h - a call's stored summary (session/summary.h) on standard output.
 *
 *   Thread   the main thread.
 */
#ifndef APP_SUMMARY_OUT_H
#define APP_SUMMARY_OUT_H

#include <stdint.h>

#include "base/str.h"

/* For people: a few lines; nothing when there is no summary. */
void summary_out_text(struct str json, struct str outcome);
/* One line of JSON. */
void summary_out_json(struct str json, struct str outcome, int64_t cost_nanousd);

#endif
