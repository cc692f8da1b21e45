/*
 * limits.h - every bound of the program, with its unit and its reason.
 *
 * A queue, buffer, list fed from outside, retry or time that is not named here is a bug. Values a
 * person may want to change are configuration keys (app/config); what stands here is either a fact
 * of a protocol or a safety net.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* -- log -- */
#define LOG_LINE_BYTES_MAX       2048 /* a line longer than this helps nobody */
#define LOG_EVENT_SLOTS          64   /* events whose rate is watched at once */
#define LOG_EVENT_PER_SECOND_MAX 50   /* more of one event in a second are only counted */

/* -- JSON -- */
#define JSON_DEPTH_MAX 32 /* deeper text is an attack on a recursive parser */

#endif
