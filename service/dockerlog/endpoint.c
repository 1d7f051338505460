/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "endpoint.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/un.h>

#define PORT     2375
#define PORT_TLS 2376

static int parse_unix(const GUri *uri, Endpoint *endpoint)
{
        const char *path = g_uri_get_path((GUri *) uri), *host = g_uri_get_host((GUri *) uri);

        if ((host && *host) || *path != '/' ||
                        strlen(path) >= sizeof(((struct sockaddr_un *) NULL)->sun_path))
                return -EINVAL;

        endpoint->socket_path = g_strdup(path);
        endpoint->url = g_strdup("http://localhost");
        return 0;
}

static int parse_tcp(const GUri *uri, bool tls, Endpoint *endpoint)
{
        const char *path = g_uri_get_path((GUri *) uri), *host = g_uri_get_host((GUri *) uri);
        int port = g_uri_get_port((GUri *) uri);

        if (!host || *host == '\0' || (*path != '\0' && strcmp(path, "/") != 0))
                return -EINVAL;
        if (port < 0)
                port = tls ? PORT_TLS : PORT;

        endpoint->url = g_strdup_printf(strchr(host, ':') ? "%s://[%s]:%i" : "%s://%s:%i",
                        tls ? "https" : "http", host, port);
        return 0;
}

int endpoint_parse(const char *text, const char *certificate, const char *key, const char *ca, Endpoint *ret)
{
        g_autoptr(GUri) uri = g_uri_parse(text, G_URI_FLAGS_NONE, NULL);
        bool tls = certificate || key || ca;
        g_auto(Endpoint) endpoint = {};
        int r = -EINVAL;

        if (!uri || g_uri_get_userinfo(uri) || g_uri_get_query(uri) || g_uri_get_fragment(uri))
                return -EINVAL;
        if (strcmp(g_uri_get_scheme(uri), "unix") == 0 && !tls)
                r = parse_unix(uri, &endpoint);
        else if (strcmp(g_uri_get_scheme(uri), "tcp") == 0)
                r = parse_tcp(uri, tls, &endpoint);
        if (r < 0)
                return r;

        endpoint.certificate = g_strdup(certificate);
        endpoint.key = g_strdup(key);
        endpoint.ca = g_strdup(ca);
        *ret = endpoint;
        endpoint = (Endpoint){};
        return 0;
}

void endpoint_clear(Endpoint *endpoint)
{
        g_clear_pointer(&endpoint->socket_path, g_free);
        g_clear_pointer(&endpoint->url, g_free);
        g_clear_pointer(&endpoint->certificate, g_free);
        g_clear_pointer(&endpoint->key, g_free);
        g_clear_pointer(&endpoint->ca, g_free);
}

int endpoint_apply(const Endpoint *endpoint, CURL *easy, const char *path)
{
        g_autofree char *url = g_strconcat(endpoint->url, path, NULL);

        if (curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK ||
                        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, endpoint->socket_path) !=
                                        CURLE_OK ||
                        curl_easy_setopt(easy, CURLOPT_SSLCERT, endpoint->certificate) != CURLE_OK ||
                        curl_easy_setopt(easy, CURLOPT_SSLKEY, endpoint->key) != CURLE_OK)
                return -ENOMEM;
        if (endpoint->ca && curl_easy_setopt(easy, CURLOPT_CAINFO, endpoint->ca) != CURLE_OK)
                return -ENOMEM;

        return 0;
}
