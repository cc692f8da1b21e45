/*
 * rt_beta.h - the retired beta shape of the Realtime API, translated at the edge.
 *
 * Inside, everything speaks the GA shape. A client that asks for the beta (header OpenAI-Beta:
 * realtime=v1, or subprotocol openai-beta.realtime-v1) and a self-hosted provider that never left
 * it are served by putting these two functions between the socket and rt_event: rt_beta_to_ga on
 * what arrives, before rt_event_parse, and rt_beta_from_ga on what leaves, after rt_event_write.
 * Both take the events of clients and of servers.
 *
 * One message in, zero, one or two out: conversation.item.created is the beta's for
 * conversation.item.added and, once the item is complete, conversation.item.done. Messages that are
 * the same in both shapes pass as they are; a message of the other shape already is not hurt. What
 * only one shape has (temperature; truncation, reasoning) is dropped on the way to the other.
 *
 *   Output   every message is one line, ended by '\n', appended to `out`.
 *   Thread   any; no state.
 *   Errors   ERR_INVALID (with a sentence in `detail`, may be NULL): not a JSON object with a
 *            string `type`. Members of the wrong type are left for rt_event_parse to refuse.
 */
#ifndef PROTO_RT_BETA_H
#define PROTO_RT_BETA_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum err rt_beta_to_ga(struct buf *out, struct str text, struct err_detail *detail) MUST_CHECK;
enum err rt_beta_from_ga(struct buf *out, struct str text, struct err_detail *detail) MUST_CHECK;

#endif
