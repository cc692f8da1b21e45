/* PDF through pdftotext, a child that may take so long, so much memory, and write so much. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "knowledge/read.h"
#include "knowledge/unicode.h"

enum { INPUT_FD = 3, STATUS_NO_PROGRAM = 127, EDGES_MAX = 4, EDGE_BYTES_MAX = 120 };

/* -- the child -- */

/* Between fork and exec only what is async-signal-safe may be called. */
static void become_pdftotext(int in, int out)
{
    setrlimit(RLIMIT_AS, &(struct rlimit){KNOWLEDGE_CHILD_BYTES_MAX, KNOWLEDGE_CHILD_BYTES_MAX});
    setrlimit(RLIMIT_CPU,
              &(struct rlimit){KNOWLEDGE_CHILD_MS_MAX / 1000, KNOWLEDGE_CHILD_MS_MAX / 1000});
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, 0});
    /* dup2 onto itself would keep the close-on-exec flag. */
    if (in == INPUT_FD)
        in = dup(in);
    if (dup2(in, INPUT_FD) == INPUT_FD && dup2(out, STDOUT_FILENO) == STDOUT_FILENO)
        execlp("pdftotext", "pdftotext", "-q", "-enc", "UTF-8", "/dev/fd/3", "-", (char *)NULL);
    _exit(STATUS_NO_PROGRAM);
}

/* Everything the child writes, until it ends, is too late or writes too much. */
static void collect(struct gather *g, int fd, struct buf *text)
{
    int64_t until = clock_mono_us() + (int64_t)KNOWLEDGE_CHILD_MS_MAX * 1000;
    char piece[KNOWLEDGE_READ_BYTES];
    for (;;) {
        int64_t left_ms = (until - clock_mono_us()) / 1000;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int rc = left_ms > 0 ? poll(&p, 1, (int)left_ms) : 0;
        if (rc < 0 && errno == EINTR)
            continue;
        if (rc <= 0) {
            gather_fail(g, ERR_TIMEOUT, "the PDF took longer than %d s",
                        KNOWLEDGE_CHILD_MS_MAX / 1000);
            return;
        }
        ssize_t n = read(fd, piece, sizeof(piece));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        buf_put(text, piece, (size_t)n);
        if (!buf_ok(text)) {
            gather_fail(g, ERR_LIMIT, "the PDF has more than %d bytes of text",
                        KNOWLEDGE_FILE_BYTES_MAX);
            return;
        }
    }
}

static void judge(struct gather *g, int status, bool text)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_NO_PROGRAM)
        gather_fail(g, ERR_IO, "pdftotext is missing: install poppler-utils");
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
        gather_fail(g, ERR_TIMEOUT, "the PDF took longer than %d s", KNOWLEDGE_CHILD_MS_MAX / 1000);
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
        gather_fail(g, ERR_DENIED, "the PDF does not allow its text to be copied");
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        gather_fail(g, ERR_INVALID, "the PDF cannot be read: it is damaged or needs a password");
    else if (!text)
        gather_fail(g, ERR_INVALID, "the PDF has no text; scanned pages need recognition first");
}

static void run_child(struct gather *g, int in, struct buf *text)
{
    int out[2];
    if (pipe2(out, O_CLOEXEC) != 0) {
        gather_fail(g, ERR_IO, "cannot start pdftotext: %s", strerrordesc_np(errno));
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        become_pdftotext(in, out[1]);
    close(out[1]);
    if (pid < 0)
        gather_fail(g, ERR_IO, "cannot start pdftotext: %s", strerrordesc_np(errno));
    else
        collect(g, out[0], text);
    close(out[0]);
    int status = 0;
    if (pid < 0)
        return;
    if (g->err != OK)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (g->err == OK)
        judge(g, status, str_trim(buf_str(text)).len > 0);
}

/* -- pages -- */

/* A running head or foot: the same on most pages but for its number. */
struct edge {
    char text[EDGE_BYTES_MAX];
    unsigned pages;
};

/* The line with digits made alike; false when it is no candidate. */
static bool edge_text(char out[EDGE_BYTES_MAX], struct str line)
{
    if (line.len == 0 || !str_copy(out, EDGE_BYTES_MAX, line))
        return false;
    for (char *p = out; *p; p++)
        if (*p >= '0' && *p <= '9')
            *p = '#';
    return true;
}

static struct str edge_line(struct str page, bool last)
{
    struct str line = STR("");
    while (page.p) {
        struct str next = str_trim(str_take_until(&page, '\n'));
        if (next.len)
            line = next;
        if (next.len && !last)
            break;
    }
    return line;
}

/* Counts heads (or feet) over all pages; the commonest is the running one if most have it. */
static bool find_running(struct str text, bool last, char out[EDGE_BYTES_MAX])
{
    struct edge seen[EDGES_MAX] = {0};
    unsigned pages = 0;
    while (text.p) {
        struct str page = str_take_until(&text, '\f');
        char edge[EDGE_BYTES_MAX];
        pages++;
        if (!edge_text(edge, edge_line(page, last)))
            continue;
        size_t i = 0;
        while (i < EDGES_MAX && seen[i].pages && strcmp(seen[i].text, edge) != 0)
            i++;
        if (i == EDGES_MAX)
            i = EDGES_MAX - 1;
        if (strcmp(seen[i].text, edge) != 0)
            seen[i].pages = 0;
        memcpy(seen[i].text, edge, sizeof(edge));
        seen[i].pages++;
    }
    size_t best = 0;
    for (size_t i = 1; i < EDGES_MAX; i++)
        best = seen[i].pages > seen[best].pages ? i : best;
    memcpy(out, seen[best].text, EDGE_BYTES_MAX);
    return pages > 2 && seen[best].pages * 2 > pages;
}

static struct str without_edge(struct str page, bool last, const char *running)
{
    char edge[EDGE_BYTES_MAX];
    struct str line = edge_line(page, last);
    if (!edge_text(edge, line) || strcmp(edge, running) != 0)
        return page;
    size_t at = (size_t)(line.p - page.p);
    struct str rest = last ? str_slice(page, 0, at) : str_slice(page, at + line.len, page.len);
    return str_trim(rest).len ? rest : page; /* the only line of a page is its text */
}

static void cut_pages(struct gather *g, struct str text)
{
    char head[EDGE_BYTES_MAX], foot[EDGE_BYTES_MAX], metadata[32];
    bool has_head = find_running(text, false, head), has_foot = find_running(text, true, foot);
    struct prose p;
    prose_init(&p, g);
    for (unsigned number = 1; text.p && g->err == OK; number++) {
        struct str page = str_take_until(&text, '\f');
        if (has_head)
            page = without_edge(page, false, head);
        if (has_foot)
            page = without_edge(page, true, foot);
        int len = snprintf(metadata, sizeof(metadata), "{\"page\":%u}", number);
        prose_metadata(&p, str_n(metadata, (size_t)len));
        read_paragraphs(&p, page);
    }
    prose_end(&p);
}

/* -- the reader -- */

static int file_of(struct gather *g, struct str bytes)
{
    int fd = memfd_create("pdf", MFD_CLOEXEC);
    size_t done = 0;
    while (fd >= 0 && done < bytes.len) {
        ssize_t n = write(fd, bytes.p + done, bytes.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (fd >= 0 && done == bytes.len && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    gather_fail(g, ERR_IO, "cannot hand the PDF to pdftotext: %s", strerrordesc_np(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

void read_pdf(struct gather *g, struct str bytes)
{
    if (str_find(str_slice(bytes, 0, 1024), STR("%PDF-"), 0) == SIZE_MAX) {
        gather_fail(g, ERR_INVALID, "this is no PDF");
        return;
    }
    struct buf text;
    struct str clean = STR("");
    buf_init(&text, KNOWLEDGE_FILE_BYTES_MAX);
    int fd = file_of(g, bytes);
    if (fd >= 0) {
        run_child(g, fd, &text);
        close(fd);
    }
    if (g->err == OK)
        g->err = unicode_text(g->mem, buf_str(&text), "UTF-8", &clean, g->detail);
    if (g->err == OK)
        cut_pages(g, clean);
    buf_fini(&text);
}
