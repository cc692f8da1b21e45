/* Signatures against vectors made by Twilio's own library, and against what must not pass. */
#include "harness/test.h"

#include "base/mem.h"
#include "golden.h"
#include "proto/twilio_sig.h"

enum { PARAMS_MAX = 32 };

static struct twilio_param params[PARAMS_MAX];

static void add_param(size_t *count, const char *name, const json_t *value)
{
    params[(*count)++] = (struct twilio_param){
        str_of(name), str_n(json_string_value(value), json_string_length(value))};
}

/* A line of the vectors: {n, token, url, params | body, sig}. Borrows from the tree. */
static struct twilio_request request_of(json_t *v)
{
    size_t count = 0;
    const char *name;
    json_t *value, *obj = json_object_get(v, "params");
    json_object_foreach(obj, name, value)
    {
        if (!json_is_array(value))
            add_param(&count, name, value);
        for (size_t i = 0; i < json_array_size(value); i++)
            add_param(&count, name, json_array_get(value, i));
    }
    return (struct twilio_request){.url = js_get_str(v, "url"),
                                   .params = params,
                                   .param_count = count,
                                   .json = js_get(v, "body") != NULL,
                                   .body = js_get_str(v, "body")};
}

/* The vector computes to its signature and validates; each thing changed in it does not. */
static bool vector_holds(json_t *v)
{
    struct twilio_request r = request_of(v), bad = r;
    struct str token = js_get_str(v, "token"), sig = js_get_str(v, "sig");
    char got[TWILIO_SIG_CHARS + 1], wrong[TWILIO_SIG_CHARS + 1];
    bool ok = twilio_sig_compute(got, token, &r) == OK && str_eq(str_of(got), sig);
    ok &= twilio_sig_valid(token, &r, sig);
    memcpy(wrong, got, sizeof(got));
    wrong[3] ^= 1;
    ok &= !twilio_sig_valid(token, &r, str_of(wrong));
    ok &= !twilio_sig_valid(STR("another"), &r, sig) && !twilio_sig_valid(STR(""), &r, sig);
    ok &= !twilio_sig_valid(token, &r, STR_NONE) && !twilio_sig_valid(token, &r, str_n(got, 27));
    bad.url.len--;
    if (!str_starts(r.url, STR("wss"))) /* of a socket's URL a last slash may go */
        ok &= !twilio_sig_valid(token, &bad, sig);
    if (r.json) {
        bad = r;
        bad.body = STR("{\"property\": \"other\"}");
        ok &= !twilio_sig_valid(token, &bad, sig);
    }
    for (size_t i = 0; i < r.param_count; i++) {
        struct str keep = params[i].value;
        params[i].value = STR("changed");
        ok &= !twilio_sig_valid(token, &r, sig);
        params[i].value = keep;
    }
    return ok;
}

TEST(every_vector_holds)
{
    struct buf file;
    int vectors = 0, bad = 0;
    buf_init(&file, GOLDEN_BYTES_MAX);
    CHECK(golden_read(&file, "twilio/signatures.jsonl"));
    struct str rest = buf_str(&file);
    while (rest.len) {
        json_t *v;
        struct str line = str_take_until(&rest, '\n');
        if (js_parse(line, &v, NULL) != OK)
            break;
        vectors++;
        if (!vector_holds(v)) {
            fprintf(stderr, "%.*s\n", STR_FMT(js_get_str(v, "n")));
            bad++;
        }
        json_decref(v);
    }
    buf_fini(&file);
    CHECK_INT(28, vectors);
    CHECK_INT(0, bad);
}

static const struct str token = {"0123456789abcdef0123456789abcdef", 32};

static bool accepts(const char *url, const char *sig)
{
    struct twilio_request r = {.url = str_of(url)};
    return twilio_sig_valid(token, &r, str_of(sig));
}

TEST(a_socket_url_has_the_forms_twilio_uses_and_no_other)
{
    const char *plain = "G86prWdDZmq3Wv1bDweiNi2fKh4=", *slash = "98uB+vGNRg6TJpJ9bdAgDZ5hgrI=";
    const char *port = "5L2Kzn1rP9OocayJorb6s2XncbU=", *https = "FNxOjTSJQE2ITxaaiSssZFQnSoE=";
    const char *url = "wss://voice.example.com/media-stream";
    CHECK(accepts(url, plain) && accepts(url, slash) && accepts(url, port));
    CHECK(accepts("wss://voice.example.com/media-stream/", plain));
    CHECK(accepts("wss://voice.example.com:443/media-stream", plain));
    CHECK(!accepts(url, https));
    CHECK(!accepts("https://voice.example.com/media-stream", plain));
    CHECK(!accepts("wss://voice.example.com/other", plain));
    CHECK(!accepts("wss://voice.example.org/media-stream", plain));
    CHECK(accepts("wss://voice.example.com", "mdZ0WZCJ6GoYsAcIGYax9h4blE4="));
    CHECK(accepts("wss://voice.example.com/", "LTNc5OeQVPZL6E2Birj6O1bpaMc="));
    CHECK(!accepts("no url", plain));
}

TEST(a_webhook_url_may_lose_or_gain_its_port_but_not_a_slash)
{
    const struct twilio_param p[] = {{STR("CallSid"), STR("CA1")}};
    struct twilio_request r = {.params = p, .param_count = 1};
    struct str plain = STR("M0GfO70W51UV79yDyoqsV7GC7+w=");
    struct str with443 = STR("x/jBLaoWTfYTlGMnm+FM7Q64Oq8=");
    r.url = STR("https://voice.example.com/twilio/voice?x=1");
    CHECK(twilio_sig_valid(token, &r, plain) && twilio_sig_valid(token, &r, with443));
    r.url = STR("https://voice.example.com:443/twilio/voice?x=1");
    CHECK(twilio_sig_valid(token, &r, plain) && twilio_sig_valid(token, &r, with443));
    r.url = STR("https://voice.example.com:8443/twilio/voice?x=1");
    CHECK(twilio_sig_valid(token, &r, plain)); /* Twilio drops ports in some products */
    r.url = STR("https://voice.example.com/twilio/voice/?x=1");
    CHECK(!twilio_sig_valid(token, &r, plain));
    r.url = STR("http://voice.example.com/twilio/voice?x=1");
    CHECK(!twilio_sig_valid(token, &r, plain));
}

TEST(ports_are_found_beside_users_and_ipv6)
{
    char sig[TWILIO_SIG_CHARS + 1];
    struct twilio_request r = {.url = STR("https://a:b@[::1]/x")};
    CHECK_INT(OK, twilio_sig_compute(sig, token, &r));
    r.url = STR("https://a:b@[::1]:9000/x");
    CHECK(twilio_sig_valid(token, &r, str_of(sig)));
    r.url = STR("https://a:b@[::1]:443/x");
    CHECK_INT(OK, twilio_sig_compute(sig, token, &r));
    r.url = STR("https://a:b@[::1]/x"); /* no port: the colons are the address's and the user's */
    CHECK(twilio_sig_valid(token, &r, str_of(sig)));
    r.url = STR("https://a:b@[::2]/x");
    CHECK(!twilio_sig_valid(token, &r, str_of(sig)));
}

TEST(json_without_its_hash_fails_closed)
{
    char sig[TWILIO_SIG_CHARS + 1];
    struct twilio_request r = {
        .url = STR("https://voice.example.com/events"), .json = true, .body = STR("{}")};
    CHECK_INT(OK, twilio_sig_compute(sig, token, &r));
    CHECK(!twilio_sig_valid(token, &r, str_of(sig)));
    r.url = STR("https://voice.example.com/events?bodySHA256=");
    CHECK_INT(OK, twilio_sig_compute(sig, token, &r));
    CHECK(!twilio_sig_valid(token, &r, str_of(sig)));
}

TEST(what_is_too_large_is_not_valid)
{
    char sig[TWILIO_SIG_CHARS + 1];
    size_t n = TWILIO_FORM_PARAMS_MAX + 1;
    struct twilio_param *many = mem_zalloc(n * sizeof(*many));
    struct twilio_request r = {.url = STR("https://x/"), .params = many, .param_count = n};
    enum err too_many = twilio_sig_compute(sig, token, &r);
    char *big = mem_zalloc(TWILIO_SIGNED_BYTES_MAX + 1);
    r.param_count = 1;
    many[0].value = str_n(big, TWILIO_SIGNED_BYTES_MAX + 1);
    enum err too_big = twilio_sig_compute(sig, token, &r);
    mem_free(many);
    mem_free(big);
    CHECK_INT(ERR_LIMIT, too_many);
    CHECK_INT(ERR_LIMIT, too_big);
}
