/* The checks of this machine. Nothing is created but a file that is removed at once. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "app/doctor.h"
#include "base/log.h"
#include "speech/stt.h"
#include "speech/tts.h"
#include "store/store.h"

enum {
    DISK_WARN_MB = 2048, /* a day of recorded calls of a busy line */
    DISK_FAIL_MB = 200,
    FDS_PER_CALL = 4, /* carrier, provider, and the tools of a busy moment */
    FDS_BESIDE = 64,
    CERT_WARN_DAYS = 14,
    PATH_BYTES = 4352,
};

static void check_disk(struct doctor *d)
{
    struct statvfs fs;
    if (statvfs(d->config->data, &fs) != 0)
        return;
    unsigned long long mb = (unsigned long long)fs.f_bavail * fs.f_frsize >> 20;
    if (mb < DISK_FAIL_MB)
        doctor_fail(d, "disk", "make room: journals need 1 MB a minute of a recorded call",
                    "%llu MB free", mb);
    else if (mb < DISK_WARN_MB)
        doctor_warn(d, "disk", "journals need 1 MB a minute of a recorded call", "%llu MB free",
                    mb);
    else
        doctor_ok(d, "disk", "%llu MB free", mb);
}

bool doctor_data(struct doctor *d)
{
    const char *dir = d->config->data;
    char path[PATH_BYTES];
    struct stat st;
    if (stat(dir, &st) != 0) {
        if (errno == ENOENT)
            doctor_warn(d, "data", "`callee serve` makes it", "%s does not exist yet", dir);
        else
            doctor_fail(d, "data", "check the path and its permissions", "%s: %s", dir,
                        strerror(errno));
        return false;
    }
    snprintf(path, sizeof(path), "%s/.doctor-%ld", dir, (long)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        doctor_fail(d, "data", "give the user that runs callee the right to write there",
                    "cannot write in %s: %s", dir, strerror(errno));
        return false;
    }
    close(fd);
    unlink(path);
    doctor_ok(d, "data", "%s can be written", dir);
    check_disk(d);
    return false;
}

bool doctor_database(struct doctor *d)
{
    char path[PATH_BYTES];
    struct err_detail why;
    snprintf(path, sizeof(path), "%s/callee.db", d->config->data);
    if (access(path, F_OK) != 0)
        return false;
    struct store *store;
    struct store_opts opts = {.path = path};
    log_set_level(LOG_LEVEL_ERROR);
    if (store_open(&store, &opts, &why) != OK) {
        doctor_fail(d, "database", "restore it from a backup, or move it away to begin afresh",
                    "%s", why.text);
        return false;
    }
    struct store_req *r = store_req_check();
    if (store_run(store, r) == OK)
        doctor_ok(d, "database", "%s is sound", path);
    else
        doctor_fail(d, "database", "restore it from a backup", "%s", r->detail.text);
    store_req_free(r);
    store_close(store);
    return false;
}

bool doctor_descriptors(struct doctor *d)
{
    struct rlimit limit;
    unsigned long long want = (unsigned long long)d->config->max_calls * FDS_PER_CALL + FDS_BESIDE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false;
    unsigned long long have = limit.rlim_cur;
    if (limit.rlim_cur != RLIM_INFINITY && have < want)
        doctor_warn(d, "descriptors",
                    "ulimit -n, LimitNOFILE= of the service, or a lower max_calls",
                    "%llu open files allowed, %lld calls may need %llu", have,
                    (long long)d->config->max_calls, want);
    else
        doctor_ok(d, "descriptors", "%llu open files allowed", have);
    return false;
}

bool doctor_speech(struct doctor *d)
{
    struct err_detail why;
    struct stt *stt;
    struct tts_audio audio;
    bool needed = strcmp(d->config->engine, "local") == 0;
    const char *advice = "apt install pocketsphinx-en-us: without it there is no offline engine";
    enum err err = stt_open(&stt, &(struct stt_opts){0}, &why);
    if (err == OK)
        stt_close(stt);
    if (err == OK)
        doctor_ok(d, "recogniser", "its English model is installed");
    else if (needed)
        doctor_fail(d, "recogniser", advice, "%s", why.text);
    else
        doctor_warn(d, "recogniser", advice, "%s", why.text);
    err = tts_say(TTS_SLT, STR("One, two, three."), 1000, &audio);
    if (err == OK) {
        doctor_ok(d, "voice", "speaks (%zu ms of telephone audio)", audio.count / 8);
        tts_audio_fini(&audio);
    } else {
        doctor_fail(d, "voice", "apt install libflite1: announcements are spoken with it",
                    "the offline voice is silent: %s", err_name(err));
    }
    return false;
}

static X509 *read_certificate(const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return NULL;
    X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    return cert;
}

bool doctor_certificate(struct doctor *d)
{
    const struct app_config *c = d->config;
    struct tls_server *tls;
    struct err_detail why;
    if (!c->tls_cert[0])
        return false;
    if (tls_server_open(&tls, c->tls_cert, c->tls_key, &why) != OK) {
        doctor_fail(d, "certificate", "check tls_cert and tls_key", "%s", why.text);
        return false;
    }
    tls_server_close(tls);
    X509 *cert = read_certificate(c->tls_cert);
    int days = 0, seconds = 0;
    if (!cert || ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)) != 1)
        doctor_fail(d, "certificate", "check tls_cert", "%s has no readable expiry", c->tls_cert);
    else if (days < 0 || seconds < 0)
        doctor_fail(d, "certificate", "renew it", "expired %d days ago", -days);
    else if (days < CERT_WARN_DAYS)
        doctor_warn(d, "certificate", "renew it", "expires in %d days", days);
    else
        doctor_ok(d, "certificate", "valid for %d more days", days);
    X509_free(cert);
    return false;
}
