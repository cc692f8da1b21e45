#include "base/limits.h"
#include "base/mem.h"
#include "net/http_private.h"

struct http_router {
    struct http_route *routes;
    size_t count, cap;
};

struct http_router *http_router_new(void)
{
    return mem_zalloc(sizeof(struct http_router));
}

void http_router_free(struct http_router *r)
{
    if (!r)
        return;
    mem_free(r->routes);
    mem_free(r);
}

void http_router_add(struct http_router *r, const char *method, const char *path,
                     const struct http_route_opts *opts, http_handler_fn *fn, void *ctx)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 16;
        r->routes = mem_realloc(r->routes, r->cap * sizeof(*r->routes));
    }
    struct http_route *route = &r->routes[r->count++];
    *route = (struct http_route){.method = method, .path = str_of(path), .fn = fn, .ctx = ctx};
    if (opts)
        route->opts = *opts;
    if (route->opts.body_max == 0)
        route->opts.body_max = HTTP_BODY_BYTES_MAX;
}

static bool path_matches(const struct http_route *route, struct str path)
{
    if (!route->opts.prefix)
        return str_eq(route->path, path);
    if (!str_starts(path, route->path))
        return false;
    return path.len == route->path.len || str_ends(route->path, STR("/")) ||
           path.p[route->path.len] == '/';
}

static void allow_method(struct buf *allow, const char *method)
{
    if (str_find(buf_str(allow), str_of(method), 0) != SIZE_MAX)
        return;
    buf_printf(allow, "%s%s", allow->len ? ", " : "", method);
    if (str_eq(str_of(method), STR("GET")))
        buf_printf(allow, ", HEAD");
}

const struct http_route *http_router_find(const struct http_router *r, struct str method,
                                          struct str path, struct buf *allow)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct http_route *route = &r->routes[i];
        if (!path_matches(route, path))
            continue;
        if (!route->method || str_eq(str_of(route->method), method))
            return route;
        allow_method(allow, route->method);
    }
    return NULL;
}
