/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <curl/curl.h>
#include <glib.h>

G_BEGIN_DECLS

#define ENDPOINT_DEFAULT "unix:///run/docker.sock"

/* Where an engine listens, and how it is talked to. */
typedef struct Endpoint {
        char *socket_path; /* NULL: not a socket of this host */
        char *url;         /* "http://localhost:2375" */
        char *certificate; /* ours; files in PEM form, NULL: none */
        char *key;
        char *ca; /* the engine's certificate is to be signed by; NULL: whom this host trusts */
} Endpoint;

/* "unix:///path" or "tcp://host:port", the port being 2375, or 2376 with TLS, which any of the three files
 * asks for. -EINVAL: neither. */
int endpoint_parse(
                const char *text, const char *certificate, const char *key, const char *ca, Endpoint *ret);
void endpoint_clear(Endpoint *endpoint);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Endpoint, endpoint_clear)

/* Makes a transfer go there. */
int endpoint_apply(const Endpoint *endpoint, CURL *easy, const char *path);

G_END_DECLS
