/*
 * process_claim.c - the file `claim`: who works in a work directory, and how it ended (src/shim/shim.h has the format).
 *
 * It may be read while it is being written, after a power cut, or after an activity has scribbled over it: what is not
 * exactly as it should be is not there. A first part that is not whole: no claim. A second part that is not whole, or
 * does not end with "end": no outcome. Lines that are not known are skipped, a line without its newline is none.
 */
#include "runtime/process_impl.h"
#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

enum { HAS_ATTEMPT = 1, HAS_BOOT = 2, HAS_PIDNS = 4, HAS_SHIM = 8, HAS_BEGAN = 16, HAS_ALL = 31 };

struct parsing {
	struct claim *c;
	unsigned has;
	bool broken;            /* a line of the first part */
	bool outcome_is_broken; /* one of the second part that matters */
};

static struct slice take_word(struct slice *rest)
{
	const char *blank = rest->len ? memchr(rest->data, ' ', rest->len) : NULL;
	size_t len = blank ? (size_t)(blank - rest->data) : rest->len;
	struct slice word = { rest->data, len };

	rest->data += blank ? len + 1 : len;
	rest->len -= blank ? len + 1 : len;
	return word;
}

static bool take_number(struct slice *rest, uint64_t most, uint64_t *n)
{
	return text_parse_u64(take_word(rest), n) == 0 && *n <= most;
}

static bool take_i64(struct slice *rest, int64_t *n)
{
	uint64_t value;

	if (!take_number(rest, INT64_MAX, &value))
		return false;
	*n = (int64_t)value;
	return true;
}

static bool take_process(struct slice *rest, struct claim_process *process)
{
	uint64_t pid, start;

	if (!take_number(rest, INT32_MAX, &pid) || !take_number(rest, UINT64_MAX, &start) || rest->len)
		return false;
	*process = (struct claim_process){ (pid_t)pid, start };
	return true;
}

static bool take_attempt(struct slice *rest, struct claim *c)
{
	uint64_t n;

	if (!take_number(rest, UINT32_MAX, &n) || rest->len)
		return false;
	c->attempt = (uint32_t)n;
	return true;
}

static bool take_boot(struct slice rest, struct claim *c)
{
	if (rest.len != OS_BOOT_ID_SIZE - 1 || memchr(rest.data, '\0', rest.len))
		return false;
	memcpy(c->boot_id, rest.data, rest.len);
	c->boot_id[rest.len] = '\0';
	return true;
}

static bool take_outcome(struct slice rest, struct claim *c)
{
	static const struct {
		const char *name;
		enum claim_end end;
		uint64_t most; /* of its number; 0: it has none */
	} kinds[] = {
		{ "exit", CLAIM_EXIT, 255 }, { "signal", CLAIM_SIGNAL, 128 }, { "timeout", CLAIM_TIMEOUT, 0 },
		{ "heartbeat", CLAIM_HEARTBEAT, 0 }, { "output", CLAIM_OUTPUT, 0 }, { "canceled", CLAIM_CANCELED, 0 },
		{ "spawn", CLAIM_SPAWN, 4095 }, { "setup", CLAIM_SETUP, 4095 },
	};
	struct slice name = take_word(&rest);
	uint64_t number = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!slice_is(name, kinds[i].name))
			continue;
		if ((kinds[i].most && !take_number(&rest, kinds[i].most, &number)) || rest.len)
			return false;
		c->end = kinds[i].end;
		c->number = (int)number;
		return true;
	}
	return false;
}

/* It is shown to people. The shim has seen to that, but others may write here. */
static void take_message(struct slice rest, struct claim *c)
{
	size_t len = rest.len < SHIM_MESSAGE_MAX ? rest.len : SHIM_MESSAGE_MAX;

	memcpy(c->message, rest.data, len);
	c->message[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)c->message[i] < ' ' || c->message[i] == 0x7f)
			c->message[i] = '?';
	if (rest.len > len)
		text_mark_cut(c->message, sizeof(c->message));
	if (!text_is_utf8(slice_of(c->message)))
		for (char *at = c->message; *at; at++)
			if ((unsigned char)*at >= 0x80)
				*at = '?';
}

static void take_usage(struct slice rest, struct claim *c)
{
	if (!take_i64(&rest, &c->user_ms) || !take_i64(&rest, &c->system_ms) || !take_i64(&rest, &c->rss_kib))
		c->user_ms = c->system_ms = c->rss_kib = -1;
}

static void need(struct parsing *p, unsigned what, bool ok)
{
	if (ok)
		p->has |= what;
	else
		p->broken = true;
}

static bool parse_first_part(struct parsing *p, struct slice name, struct slice rest)
{
	if (slice_is(name, "attempt"))
		need(p, HAS_ATTEMPT, take_attempt(&rest, p->c));
	else if (slice_is(name, "boot"))
		need(p, HAS_BOOT, take_boot(rest, p->c));
	else if (slice_is(name, "pidns"))
		need(p, HAS_PIDNS, take_number(&rest, UINT64_MAX, &p->c->pidns));
	else if (slice_is(name, "shim"))
		need(p, HAS_SHIM, take_process(&rest, &p->c->shim));
	else if (slice_is(name, "activity"))
		need(p, 0, take_process(&rest, &p->c->activity));
	else if (slice_is(name, "began"))
		need(p, HAS_BEGAN, take_i64(&rest, &p->c->began_ms));
	else
		return false;
	return true;
}

static void parse_second_part(struct parsing *p, struct slice name, struct slice rest)
{
	if (slice_is(name, "outcome"))
		p->outcome_is_broken |= !take_outcome(rest, p->c);
	else if (slice_is(name, "output"))
		p->outcome_is_broken |= !take_i64(&rest, &p->c->output_len);
	else if (slice_is(name, "message"))
		take_message(rest, p->c);
	else if (slice_is(name, "usage"))
		take_usage(rest, p->c);
	else if (slice_is(name, "synced"))
		p->c->synced = true;
	else if (slice_is(name, "ended") && !take_i64(&rest, &p->c->ended_ms))
		p->c->ended_ms = -1;
}

/* All lines; is the last one with text "end"? */
static bool parse_lines(struct parsing *p, struct slice text)
{
	const char *newline;
	bool ends = false;

	while (text.len && (newline = memchr(text.data, '\n', text.len))) {
		struct slice line = { text.data, (size_t)(newline - text.data) };
		text.data = newline + 1;
		text.len -= line.len + 1;
		if (!line.len)
			continue;
		ends = slice_is(line, "end");
		struct slice name = take_word(&line);
		if (!parse_first_part(p, name, line))
			parse_second_part(p, name, line);
	}
	return ends && text.len == 0;
}

void claim_clear(struct claim *c)
{
	*c = (struct claim){ .output_len = -1, .user_ms = -1, .system_ms = -1, .rss_kib = -1, .ended_ms = -1 };
}

int claim_parse(struct claim *c, struct slice text)
{
	struct parsing p = { .c = c };

	claim_clear(c);
	if (text.len > SHIM_CLAIM_BYTES)
		return PAWL_EPARSE;
	bool ends = parse_lines(&p, text);
	if (!ends || p.outcome_is_broken)
		c->end = CLAIM_OPEN;
	return p.broken || p.has != HAS_ALL || c->shim.pid == 0 ? PAWL_EPARSE : 0;
}

int claim_read(struct claim *c, const char *work)
{
	char path[PATH_MAX], *text;
	size_t len;

	process_file(path, sizeof(path), work, SHIM_CLAIM);
	int r = os_read_file(os_linux(), OS_CWD, path, SHIM_CLAIM_BYTES, &text, &len);
	if (r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -EIO)
		return PAWL_EIO;
	if (r < 0)
		return r == -ENOENT ? PAWL_ENOTFOUND : PAWL_EPARSE;
	r = claim_parse(c, slice_make(text, len));
	free(text);
	return r;
}

bool claim_is_held(const char *work)
{
	char path[PATH_MAX];

	process_file(path, sizeof(path), work, SHIM_CLAIM);
	int r = spawn_is_locked(path);
	return r == 1 || r == -EMFILE || r == -ENFILE || r == -ENOMEM; /* not to be seen for now: do not take it for dead */
}

bool claim_is_near(const struct claim *c)
{
	const struct os *os = os_linux();
	char boot[OS_BOOT_ID_SIZE];
	uint64_t ours = spawn_pid_namespace();

	return ours && c->pidns == ours && os->boot_id(os->self, boot) == 0 && strcmp(c->boot_id, boot) == 0;
}

enum spawn_life claim_shim_life(const struct claim *c, const char *work)
{
	enum spawn_life life = claim_is_near(c) ? spawn_life(c->shim.pid, c->shim.start_ticks) : SPAWN_HIDDEN;

	if (life == SPAWN_HIDDEN)
		return claim_is_held(work) ? SPAWN_HIDDEN : SPAWN_GONE;
	return life;
}

/* Life is asked before the outcome is believed to be missing: it may come in between. */
enum process_seen process_see(const char *work, uint32_t attempt, int *pid)
{
	struct claim c;

	*pid = 0;
	if (claim_read(&c, work) < 0 || c.attempt != attempt)
		return PROCESS_UNSEEN;
	enum spawn_life life = claim_shim_life(&c, work);
	if (c.end == CLAIM_OPEN && (life == SPAWN_LIVES || life == SPAWN_HIDDEN)) {
		*pid = (int)c.activity.pid;
		return PROCESS_AT_WORK;
	}
	if (claim_read(&c, work) < 0 || c.attempt != attempt)
		return PROCESS_UNSEEN;
	return c.end == CLAIM_OPEN ? PROCESS_VANISHED : PROCESS_IS_OVER;
}
