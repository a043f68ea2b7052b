/*
 * Envelopes: files in control/, and the `start` of an instance. What is given out has only names that are valid, and says the
 * same after it was sent again by pawl itself; what is not an envelope lies in .rejected/ with the reason; hidden names stay.
 * Pieces: PLACE NAME (c: a file of that name in control/; s: instances/NAME/start), then the bytes. `@LEN@` in them stands
 * for the length of what is behind the first line, `@CRC@` for its checksum: no fuzzer guesses it.
 */
#include "fuzz.h"
#include "base/crc32c.h"
#include "base/text.h"

#define FILES_MAX 8
#define MESSAGES_MAX 16

struct envelopes {
	struct fuzz_hub *hub;
	char *paths[FILES_MAX];
	size_t path_count;
	struct pawl_message *messages[MESSAGES_MAX];
	size_t count;
};

static void replace(struct buf *out, struct slice text, struct slice payload)
{
	for (size_t i = 0; i < text.len;) {
		if (text.len - i >= 5 && memcmp(text.data + i, "@LEN@", 5) == 0) {
			buf_addf(out, "%zu", payload.len);
			i += 5;
		} else if (text.len - i >= 5 && memcmp(text.data + i, "@CRC@", 5) == 0) {
			buf_addf(out, "%08x", (unsigned)crc32c(0, payload.data, payload.len));
			i += 5;
		} else {
			buf_addc(out, text.data[i++]);
		}
	}
}

static struct buf finished(struct slice piece)
{
	const char *lf = piece.len ? memchr(piece.data, '\n', piece.len) : NULL;
	size_t head = lf ? (size_t)(lf + 1 - piece.data) : piece.len;
	struct slice payload = slice_make(piece.data + head, piece.len - head);
	struct buf out = BUF_INIT;

	replace(&out, slice_make(piece.data, head), payload);
	buf_add_slice(&out, payload);
	return out;
}

static bool put(struct envelopes *e, struct pieces *p)
{
	struct slice head, bytes;
	char path[400];

	if (!pieces_next(p, &head) || !pieces_next(p, &bytes) || head.len < 2 || head.len > 200 || memchr(head.data, '/', head.len) ||
	    memchr(head.data, '\0', head.len) || head.data[1] == '.')
		return false;
	if (head.data[0] == 'c')
		snprintf(path, sizeof(path), FUZZ_HUB "/control/%.*s", (int)head.len - 1, head.data + 1);
	else
		snprintf(path, sizeof(path), FUZZ_HUB "/instances/%.*s/start", (int)head.len - 1, head.data + 1);
	if (fuzz_there(e->hub, path))
		return false;
	struct buf text = finished(bytes);
	int rc = fuzz_write(e->hub, path, buf_slice(&text));
	buf_release(&text);
	if (rc == 0)
		e->paths[e->path_count++] = strdup(path);
	return rc == 0;
}

/* ---- what is given out ---- */

static bool good(const char *text, bool (*check)(struct slice))
{
	return text && check(slice_of(text));
}

static void has_good_names(const struct pawl_message *m)
{
	bool start = m->kind == PAWL_MESSAGE_START, raise = m->kind == PAWL_MESSAGE_RAISE, publish = m->kind == PAWL_MESSAGE_PUBLISH;
	uint64_t n;

	must(m->kind >= PAWL_MESSAGE_START && m->kind <= PAWL_MESSAGE_PUBLISH);
	must((m->instance == NULL && (start || publish)) || publish || good(m->instance, text_is_instance_id));
	must(!start || good(m->name, text_is_type_name));
	must(!raise || good(m->name, text_is_event_name));
	must(!publish || good(m->name, text_is_topic));
	must(!m->key || good(m->key, text_is_key));
	must(m->kind != PAWL_MESSAGE_REQUEUE || (m->key && text_parse_u64(slice_of(m->key), &n) == 0 && n > 0));
	must(!m->version || good(m->version, text_is_version));
	must(!m->reason || (strlen(m->reason) <= 1024 && text_is_utf8(slice_of(m->reason))));
	must(m->at_ns >= 0 && m->delay_ms >= 0 && m->len <= 65536 && m->if_exists <= PAWL_IF_EXISTS_REPLACE);
	must(m->id && strncmp(m->id, "m:", 2) == 0 && m->from && strncmp(m->from, "uid:", 4) == 0);
}

static int on_message(void *arg, struct pawl_message *m)
{
	struct envelopes *e = arg;

	has_good_names(m);
	must(e->count < MESSAGES_MAX);
	e->messages[e->count++] = m;
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return !a == !b && (!a || strcmp(a, b) == 0);
}

static int same_message(void *arg, struct pawl_message *m)
{
	const struct pawl_message *was = *(struct pawl_message **)arg;

	must(m->kind == was->kind && same_text(m->instance, was->instance) && same_text(m->name, was->name));
	must(same_text(m->version, was->version) && same_text(m->key, was->key) && same_text(m->reason, was->reason));
	must(!m->data == !was->data && m->len == was->len && (!m->len || memcmp(m->data, was->data, m->len) == 0));
	must(m->if_exists == was->if_exists && m->delay_ms == was->delay_ms && m->at_ns / 1000 == was->at_ns / 1000);
	*(const struct pawl_message **)arg = NULL;
	return 0;
}

/* It goes into another hub as `pawl` sends it, and comes out as it was. */
static void goes_round(const struct pawl_message *m)
{
	struct pawl_error err = { 0 };
	struct fuzz_hub other;
	int64_t again = -1;

	fuzz_hub_init(&other, NULL);
	fuzz_hub_open(&other);
	int rc = other.p->ops->send(other.p, m, &err);
	must(rc == 0 || rc == PAWL_ENOTFOUND || rc == PAWL_EEXISTS || rc == PAWL_ESTATE);
	if (rc == 0 && !(m->kind == PAWL_MESSAGE_START && m->if_exists == PAWL_IF_EXISTS_USE)) {
		must(other.p->ops->receive(other.p, true, same_message, &m, &again, &err) == 0);
		must(m == NULL);
	}
	fuzz_hub_release(&other);
}

/* ---- where the files are then ---- */

static bool is_rejected(struct fuzz_hub *h, const char *path)
{
	const char *slash = strrchr(path, '/');
	char to[600];

	snprintf(to, sizeof(to), "%.*s/.rejected%s", (int)(slash - path), path, slash);
	bool there = fuzz_there(h, to);
	strcat(to, ".why");
	return there && fuzz_there(h, to);
}

static void settle(struct envelopes *e)
{
	size_t there = 0;

	for (size_t i = 0; i < e->path_count; i++) {
		bool left = fuzz_there(e->hub, e->paths[i]);
		must(left || is_rejected(e->hub, e->paths[i]));
		there += left;
	}
	/* what is not valid in instances/ is not looked at */
	must(e->count <= there);
	for (size_t i = 0; i < e->count; i++)
		if (i % 2)
			e->hub->p->ops->reject(e->hub->p, e->messages[i]->token, "for once");
		else
			e->hub->p->ops->ack(e->hub->p, e->messages[i]->token);
	for (size_t i = 0; i < e->path_count; i++) {
		there -= !fuzz_there(e->hub, e->paths[i]) && !is_rejected(e->hub, e->paths[i]);
		free(e->paths[i]);
	}
}

static void fill(struct pawl_provider *p)
{
	fuzz_hub_put(p, "a", false, (const char *const[]){ FUZZ_STARTED, NULL });
	fuzz_hub_put(p, "old", true, (const char *const[]){ FUZZ_STARTED, "{\"seq\":2,\"type\":\"ExecutionCompleted\"}", NULL });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pieces p = pieces_of(data, size);
	struct pawl_error err = { 0 };
	struct fuzz_hub h;
	struct envelopes e = { .hub = &h };
	int64_t again = -1;

	fuzz_hub_init(&h, fill);
	fuzz_hub_open(&h);
	while (e.path_count < FILES_MAX && put(&e, &p))
		;
	must(h.p->ops->receive(h.p, true, on_message, &e, &again, &err) == 0);
	size_t first = e.count;
	must(h.p->ops->receive(h.p, true, on_message, &e, &again, &err) == 0);
	must(e.count == first); /* given out once */
	for (size_t i = 0; i < e.count; i++)
		goes_round(e.messages[i]);
	settle(&e);
	fuzz_hub_release(&h);
	return 0;
}
