#include "fuzz.h"
#include "base/crc32c.h"
#include "base/log.h"
#include <errno.h>

#define USER 7
#define FILE_MAX (1u << 20)

_Noreturn void fuzz_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

struct pieces pieces_of(const uint8_t *data, size_t size)
{
	return (struct pieces){ (const char *)data, size, false };
}

static const char *find_cut(const char *at, size_t left)
{
	const size_t n = sizeof(FUZZ_CUT) - 1;

	for (const char *lf; left >= n && (lf = memchr(at, '\n', left - n + 1)); left -= (size_t)(lf + 1 - at), at = lf + 1)
		if (memcmp(lf, FUZZ_CUT, n) == 0)
			return lf;
	return NULL;
}

bool pieces_next(struct pieces *p, struct slice *piece)
{
	*piece = slice_make("", 0);
	if (p->ended)
		return false;
	const char *cut = p->left ? find_cut(p->at, p->left) : NULL;
	size_t len = cut ? (size_t)(cut - p->at) : p->left;
	if (len)
		*piece = slice_make(p->at, len);
	p->ended = !cut;
	if (cut) {
		p->left -= len + sizeof(FUZZ_CUT) - 1;
		p->at = cut + sizeof(FUZZ_CUT) - 1;
	}
	return true;
}

char *piece_text(struct slice piece)
{
	char *text = strndup(piece.data, piece.len);

	must(text);
	return text;
}

void fuzz_seal(struct buf *out, struct slice text)
{
	const char *at = text.data, *end = at + text.len;

	while (at < end) {
		const char *lf = memchr(at, '\n', (size_t)(end - at)), *stop = lf ? lf : end;
		const char *tab = memchr(at, '\t', (size_t)(stop - at));
		size_t n = (size_t)((tab ? tab : stop) - at);
		buf_add(out, at, n);
		buf_addf(out, "\t%08x\n", (unsigned)crc32c(0, at, n));
		at = lf ? lf + 1 : end;
	}
}

/* ---- a hub ---- */

static struct pawl_provider *open_owned(struct os_sim *sim)
{
	struct pawl_provider_options options = { .hub = FUZZ_HUB, .create = true, .journal_bytes = 32768, .journal_segments = 2,
		.message_bytes_max = 65536, .os = os_sim_os(sim) };
	struct pawl_error err = { 0 };
	struct pawl_provider *p = NULL;

	if (pawl_provider_fs.open(&options, &p, &err) < 0 || p->ops->acquire(p, &err) < 0)
		fuzz_fail(__FILE__, __LINE__, err.text);
	return p;
}

static void no_log(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	(void)line;
}

void fuzz_hub_init(struct fuzz_hub *h, void (*fill)(struct pawl_provider *p))
{
	static struct os_sim *base; /* a program has one target, so one fill */

	if (!base) {
		log_set_sink(no_log, NULL); /* the lines are made all the same */
		base = os_sim_new(1);
		struct pawl_provider *p = open_owned(base);
		if (fill)
			fill(p);
		p->ops->close(p);
	}
	*h = (struct fuzz_hub){ .sim = os_sim_clone(base) };
	h->user = os_sim_os_process(h->sim, USER);
	h->opened = os_sim_open_count(h->sim, 0);
}

void fuzz_hub_open(struct fuzz_hub *h)
{
	h->p = open_owned(h->sim);
}

void fuzz_hub_close(struct fuzz_hub *h)
{
	if (h->p)
		h->p->ops->close(h->p);
	h->p = NULL;
	must(os_sim_open_count(h->sim, 0) == h->opened);
	must(os_sim_bad_fd_count(h->sim) == 0);
}

void fuzz_hub_release(struct fuzz_hub *h)
{
	fuzz_hub_close(h);
	os_sim_free(h->sim);
}

void fuzz_hub_put(struct pawl_provider *p, const char *id, bool end, const char *const *lines)
{
	struct pawl_error err = { 0 };
	struct buf text = BUF_INIT;

	for (; *lines; lines++)
		fuzz_seal(&text, slice_of(*lines));
	struct pawl_record record = { .instance = id, .execution = 1, .data = text.data, .len = text.len, .create = true, .end = end };
	struct pawl_batch batch = { .records = &record, .record_count = 1 };
	if (pawl_provider_commit(p, &batch, &err) < 0 || (end && p->ops->archive(p, id, &err) < 0))
		fuzz_fail(__FILE__, __LINE__, err.text);
	buf_release(&text);
}

static void make_parents(const struct os *os, const char *path)
{
	char part[512];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		if (slash == path || (size_t)snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path) >= sizeof(part))
			continue;
		(void)os->mkdir(os->self, OS_CWD, part, 0755);
	}
}

int fuzz_write(struct fuzz_hub *h, const char *path, struct slice data)
{
	const struct os *os = h->user;

	make_parents(os, path);
	int fd = os->open(os->self, OS_CWD, path, OS_WRITE | OS_CREATE | OS_TRUNC, 0644);
	if (fd < 0)
		return fd;
	ssize_t n = data.len ? os->pwrite(os->self, fd, data.data, data.len, 0) : 0;
	os->close(os->self, fd);
	return n < 0 ? (int)n : 0;
}

char *fuzz_read(struct fuzz_hub *h, const char *path, size_t *len)
{
	char *text = NULL;

	return os_read_file(h->user, OS_CWD, path, FILE_MAX, &text, len) < 0 ? NULL : text;
}

bool fuzz_there(struct fuzz_hub *h, const char *path)
{
	struct os_stat st;

	return h->user->stat(h->user->self, OS_CWD, path, &st) == 0;
}
