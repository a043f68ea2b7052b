/* No bytes of a history crash, hang or leak: what parses can be folded into a view and replayed, what does not says why,
 * and what was read, written again, reads the same. */
#include "base/crc32c.h"
#include "engine/engine.h"
#include "history/view.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int code(pawl_ctx *ctx, const char *input)
{
	if (!pawl_call(ctx, "hello", input))
		return pawl_rethrow(ctx);
	pawl_task *ok = pawl_event(ctx, "approved"), *late = pawl_timer(ctx, PAWL_HOURS(24));
	if (pawl_any(ctx, ok, late) == late)
		return pawl_fail(ctx, "late");
	return pawl_return(ctx, pawl_result(ok));
}

/* The fuzzer cannot guess checksums: put the right one behind each line, so that it gets past them. */
static char *with_checksums(const uint8_t *data, size_t size, size_t *len)
{
	char *out = malloc(size * 11 + 16), *to = out;
	const char *at = (const char *)data, *end = at + size;

	while (out && at < end) {
		const char *lf = memchr(at, '\n', (size_t)(end - at));
		const char *tab = memchr(at, '\t', (size_t)((lf ? lf : end) - at));
		size_t n = (size_t)((tab ? tab : lf ? lf : end) - at);
		memcpy(to, at, n);
		to += n;
		to += sprintf(to, "\t%08x\n", crc32c(0, at, n));
		at = lf ? lf + 1 : end;
	}
	*len = out ? (size_t)(to - out) : 0;
	return out;
}

static void write_again(const struct history *h)
{
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < h->count; i++)
		if (h->events[i].type != EVENT_UNKNOWN && event_encode(&out, &h->events[i]) < 0)
			break; /* a field that this type may not have is kept in extra, not refused */
	buf_release(&out);
}

static void replay(const struct history *h)
{
	struct engine_options options = { .resident = false, .memory_max = 1 << 20 };
	struct pawl_error err = { 0 };
	struct execution *x;

	if (execution_new(&x, "fuzz", 1, code, &options, &err) < 0)
		abort();
	if ((execution_load(x, h, &err) < 0 || execution_verify(x, &err) < 0) && !err.text[0])
		abort();
	execution_free(x);
}

static void one(struct slice text)
{
	struct pawl_error err = { 0 };
	struct history h;
	struct view v;
	int rc = 0;

	history_init(&h);
	view_init(&v);
	if (history_parse(&h, text, &err) < 0 && !err.text[0])
		abort();
	for (size_t i = 0; i < h.count && rc == 0; i++)
		rc = view_apply(&v, &h.events[i]);
	write_again(&h);
	if (h.count > 0 && err.code == 0)
		replay(&h);
	view_release(&v);
	history_release(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len;
	char *text = with_checksums(data, size, &len);

	one(slice_make(data, size));
	if (text)
		one(slice_make(text, len));
	free(text);
	return 0;
}
