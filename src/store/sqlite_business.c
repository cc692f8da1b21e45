/* Businesses, their numbers and settings. */
#include "base/js.h"
#include "base/limits.h"
#include "store/sqlite.h"

enum err sqlite_business_version(struct store_conn *c, struct str id, int64_t *n, int64_t *version,
                                 struct err_detail *detail)
{
    struct sql q;
    sql_begin(&q, c, "SELECT n, knowledge_version FROM business WHERE id = ?");
    sql_text(&q, id);
    bool found = sql_row(&q);
    if (found) {
        *n = sql_get_int(&q, 0);
        *version = sql_get_int(&q, 1);
    }
    enum err e = sql_end(&q, detail);
    if (e == OK && !found)
        e = err_explain(detail, ERR_NOTFOUND, "no such business");
    return e;
}

enum err sqlite_business_n(struct store_conn *c, struct str id, int64_t *n,
                           struct err_detail *detail)
{
    int64_t version;
    return sqlite_business_version(c, id, n, &version, detail);
}

#define BUSINESS_COLUMNS                                                       \
    "b.id, b.slug, b.name, b.domain, b.time_zone, b.is_active, b.created_at, " \
    "b.knowledge_version"

static void read_business(struct sql *q, struct arena *mem, struct business *b)
{
    *b = (struct business){
        .id = sql_get_text(q, 0, mem),
        .slug = sql_get_text(q, 1, mem),
        .name = sql_get_text(q, 2, mem),
        .domain = sql_get_text(q, 3, mem),
        .time_zone = sql_get_text(q, 4, mem),
        .is_active = sql_get_int(q, 5) != 0,
        .created_at_ms = sql_get_int(q, 6),
        .knowledge_version = sql_get_int(q, 7),
    };
}

static enum err read_config(struct store_conn *c, struct store_req *r)
{
    struct sql q;
    struct config_row *rows = NULL;
    size_t count = 0;
    sql_begin(&q, c, "SELECT key, value FROM configuration WHERE business_id = ? ORDER BY key");
    sql_text(&q, r->business.id);
    while (sql_row(&q)) {
        rows = sql_grow(&r->mem, rows, count, sizeof(*rows));
        rows[count++] =
            (struct config_row){sql_get_text(&q, 0, &r->mem), sql_get_text(&q, 1, &r->mem)};
    }
    r->config.rows = rows;
    r->config.rows_count = count;
    return sql_end(&q, &r->detail);
}

enum err sqlite_business_get(struct store_conn *c, struct store_req *r)
{
    struct sql q;
    if (r->op == STORE_BUSINESS_BY_NUMBER) {
        sql_begin(&q, c,
                  "SELECT " BUSINESS_COLUMNS " FROM phone_number p JOIN business b ON b.id = "
                  "p.business_id WHERE p.number = ? AND p.is_active AND b.is_active");
        sql_text(&q, r->key);
    } else {
        sql_begin(&q, c,
                  "SELECT " BUSINESS_COLUMNS " FROM business b WHERE b.id = ?1 OR b.slug = ?1 "
                  "ORDER BY b.id <> ?1 LIMIT 1");
        sql_text(&q, r->key);
    }
    bool found = sql_row(&q);
    if (found)
        read_business(&q, &r->mem, &r->business);
    enum err e = sql_end(&q, &r->detail);
    if (e == OK && !found)
        e = err_explain(&r->detail, ERR_NOTFOUND, "no such business");
    return e == OK ? read_config(c, r) : e;
}

enum err sqlite_businesses(struct store_conn *c, struct store_req *r)
{
    struct sql q;
    sql_begin(&q, c, "SELECT " BUSINESS_COLUMNS " FROM business b ORDER BY b.name, b.id LIMIT ?");
    sql_int(&q, STORE_LIST_MAX);
    while (sql_row(&q)) {
        r->businesses =
            sql_grow(&r->mem, r->businesses, r->businesses_count, sizeof(*r->businesses));
        read_business(&q, &r->mem, &r->businesses[r->businesses_count++]);
    }
    return sql_end(&q, &r->detail);
}

enum err sqlite_business_put(struct store_conn *c, struct store_req *r)
{
    const struct business *b = &r->business;
    struct sql q;
    sql_begin(&q, c,
              "INSERT INTO business(id, slug, name, domain, time_zone, is_active, created_at) "
              "VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET slug = excluded.slug, "
              "name = excluded.name, domain = excluded.domain, time_zone = excluded.time_zone, "
              "is_active = excluded.is_active");
    sql_text(&q, b->id);
    sql_text(&q, b->slug);
    sql_text(&q, b->name);
    sql_text(&q, b->domain);
    sql_text(&q, b->time_zone);
    sql_int(&q, b->is_active);
    sql_int(&q, b->created_at_ms);
    enum err e = sql_run(&q, &r->detail);
    int64_t n = 0;
    if (e == OK)
        e = sqlite_business_n(c, b->id, &n, &r->detail);
    return e == OK ? sqlite_search_create(c, n, &r->detail) : e;
}

enum err sqlite_number_put(struct store_conn *c, struct store_req *r)
{
    struct sql q;
    sql_begin(&q, c,
              "INSERT INTO phone_number(number, business_id, is_active) VALUES(?, ?, ?) "
              "ON CONFLICT(number) DO UPDATE SET business_id = excluded.business_id, "
              "is_active = excluded.is_active");
    sql_text(&q, r->number.number);
    sql_text(&q, r->number.business_id);
    sql_int(&q, r->number.is_active);
    return sql_run(&q, &r->detail);
}

enum err sqlite_config_put(struct store_conn *c, struct store_req *r)
{
    json_t *value = NULL;
    enum err e = js_parse(r->json, &value, &r->detail);
    if (e != OK)
        return e;
    json_decref(value);
    struct sql q;
    if (r->only_missing)
        sql_begin(&q, c,
                  "INSERT INTO configuration(business_id, key, value) VALUES(?, ?, ?) "
                  "ON CONFLICT DO NOTHING");
    else
        sql_begin(&q, c,
                  "INSERT INTO configuration(business_id, key, value) VALUES(?, ?, ?) "
                  "ON CONFLICT DO UPDATE SET value = excluded.value");
    sql_text(&q, r->business_id);
    sql_text(&q, r->key);
    sql_text(&q, r->json);
    return sql_run(&q, &r->detail);
}
