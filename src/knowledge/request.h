/*
 * request.h - the store request that answers a question; private to knowledge/.
 *
 *   Thread   any.
 */
#ifndef KNOWLEDGE_REQUEST_H
#define KNOWLEDGE_REQUEST_H

#include "store/store.h"

/* The caller's, to submit, run or free. */
struct store_req *knowledge_request(struct str business_id, struct str question, size_t k);

#endif
