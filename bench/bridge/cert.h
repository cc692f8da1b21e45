/*
 * cert.h - a certificate for 127.0.0.1, made on the spot: the provider's end with TLS.
 *
 *   Thread   any.
 */
#ifndef BENCH_BRIDGE_CERT_H
#define BENCH_BRIDGE_CERT_H

#include "base/err.h"

/* Writes a self-signed P-256 certificate, valid for a day, and its key as PEM files. */
enum err cert_make(const char *cert_path, const char *key_path,
                   struct err_detail *detail) MUST_CHECK;

#endif
