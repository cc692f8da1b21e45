/*
 * call_defaults.h - the settings as a call starts with them, before a business changes any.
 *
 *   Memory   the strings are the configuration's.
 *   Thread   any; reads only.
 */
#ifndef APP_CALL_DEFAULTS_H
#define APP_CALL_DEFAULTS_H

#include "app/config.h"
#include "call/call.h"

void call_defaults(const struct app_config *c, struct call_config *k);

#endif
