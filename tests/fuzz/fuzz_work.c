/*
 * The work queue and the work directories, written by whoever may write there: names in work/, link texts, claims, carriers,
 * progress, results. What the provider tells has only names that are valid and outcomes as docs/FORMAT.md has them; only
 * what lies in work/ and in work directories is ever changed; what is taken back is gone. Pieces: KIND PATH, then the content.
 *
 *	KIND   f: a file; l: a symbolic link, the content is its text; d: a directory
 *	PATH   from the hub, in work/ or instances/a/work/
 */
#include "fuzz.h"
#include <errno.h>
#include "base/text.h"
#include "providers/fs/queue.h"
#include "runtime/carrier.h"
#include "runtime/process_impl.h"

#define FILES_MAX 24
#define IDS_MAX 32

struct seen {
	char ids[IDS_MAX][PAWL_WORK_ID_MAX + 1];
	size_t count;
};

/* ---- what stands alone: each content is looked at by all who read such files ---- */

static void as_claim(struct slice s)
{
	struct claim c;

	if (claim_parse(&c, s) == 0)
		must(c.shim.pid > 0 && strlen(c.boot_id) == OS_BOOT_ID_SIZE - 1);
	must(strlen(c.message) <= SHIM_MESSAGE_MAX && text_is_utf8(slice_of(c.message)));
	for (const char *at = c.message; *at; at++)
		must((unsigned char)*at >= ' ');
	must(c.output_len >= -1 && c.user_ms >= -1 && c.ended_ms >= -1);
}

static void as_progress(struct slice s)
{
	struct progress p;

	if (!progress_parse(&p, s))
		return;
	must(p.percent >= -1 && p.percent <= 100 && strlen(p.text) <= 200);
	for (const char *at = p.text; *at; at++)
		must((unsigned char)*at >= ' ');
	must(text_is_utf8(slice_of(p.text)));
}

/* What it says, written again, says the same. */
static void as_carrier(struct slice s)
{
	struct pawl_error err = { 0 };
	struct carrier c, again;
	struct buf one = BUF_INIT, two = BUF_INIT;
	struct arena a;

	arena_init(&a, 1 << 20);
	if (carrier_decode(&c, s, &a, &err) == 0) {
		must(carrier_encode(&one, &c) == 0);
		must(carrier_decode(&again, buf_slice(&one), &a, &err) == 0);
		must(carrier_encode(&two, &again) == 0 && slice_eq(buf_slice(&one), buf_slice(&two)));
	} else {
		must(err.text[0]);
	}
	arena_release(&a);
	buf_release(&one);
	buf_release(&two);
}

static void as_names(struct slice s)
{
	char *text = piece_text(s), printed[CLAIM_NAME_MAX + 1], item[ITEM_NAME_MAX + 1], id[PAWL_WORK_ID_MAX + 1];
	struct queue_key key;
	struct holder holder;
	struct work_target target;

	for (int place = 0; place < PLACES; place++)
		for (int session = 0; session < 2; session++)
			if (entry_parse(text, (enum pawl_work_state)place, session, item, &holder)) {
				entry_print(printed, (enum pawl_work_state)place, item, &holder);
				must(strcmp(printed, text) == 0);
				must(!item_session(item) == !session);
			}
	if (queue_name_parse(text, &key))
		must(text_is_type_name(slice_of(key.activity)) && (!key.tag[0] || text_is_key(slice_of(key.tag))));
	if (target_parse(text, &target)) {
		snprintf(id, sizeof(id), "../../../instances/%s/work/%llu", target.instance, (unsigned long long)target.seq);
		must(strcmp(id, text) == 0);
	}
	free(text);
}

/* ---- in a hub ---- */

static bool may_write(const char *path)
{
	return (strncmp(path, "work/", 5) == 0 || strncmp(path, "instances/a/work/", 17) == 0) && !strstr(path, "/../") &&
	       !strstr(path, "//") && strlen(path) < 400 && strcmp(path + strlen(path) - 1, "/") != 0;
}

static bool put(struct fuzz_hub *h, struct pieces *p)
{
	struct slice head, content;
	char path[500];
	int rc = 0;

	if (!pieces_next(p, &head) || !pieces_next(p, &content) || head.len < 2 || head.len > 450)
		return false;
	as_names(content);
	as_claim(content);
	as_progress(content);
	as_carrier(content);
	char *name = piece_text(slice_make(head.data + 1, head.len - 1)), *text = piece_text(content);
	if (may_write(name)) {
		snprintf(path, sizeof(path), FUZZ_HUB "/%s", name);
		if (head.data[0] == 'f')
			rc = fuzz_write(h, path, content);
		else if (head.data[0] == 'd')
			rc = h->user->mkdir(h->user->self, OS_CWD, path, 0755);
		else if (*text)
			rc = h->user->symlink(h->user->self, text, OS_CWD, path);
	}
	free(name);
	free(text);
	return rc == 0 || rc != -EINVAL;
}

static int on_status(void *arg, const struct pawl_work_status *s)
{
	const struct pawl_work_item *i = &s->item;
	struct seen *seen = arg;
	struct item_id id;

	must(item_id_parse(i->id, &id, NULL) == 0);
	must(text_is_instance_id(slice_of(i->instance)) && i->seq > 0 && text_is_type_name(slice_of(i->activity)));
	must(!i->tag || text_is_key(slice_of(i->tag)));
	must(!i->session || text_is_key(slice_of(i->session)));
	must(i->priority >= 1 && i->priority <= 9 && i->key);
	must((s->state == PAWL_WORK_READY) == !s->worker[0] && (!s->worker[0] || text_is_key(slice_of(s->worker))));
	must(s->code >= 0 && s->code <= 255 && s->retry_after_ms >= 0 && s->message);
	must(!s->output || s->code == 0 || s->code == 76);
	if (seen->count < IDS_MAX)
		snprintf(seen->ids[seen->count++], PAWL_WORK_ID_MAX + 1, "%s", i->id);
	return 0;
}

static int on_letter(void *arg, const struct pawl_dead_letter *l)
{
	(void)arg;
	must(l->id && l->id[0] && !strchr(l->id, '/') && l->text);
	return 0;
}

static void take_some(struct fuzz_hub *h, const char *worker)
{
	const struct pawl_work_wanted wanted = { .worker = worker };
	struct pawl_work_item *item = NULL;
	struct pawl_error err = { 0 };

	for (int code = 0; code < 3; code++) {
		int rc = h->p->ops->claim(h->p, &wanted, &item, &err);
		if (rc < 0)
			return;
		must(item->id && item->work_dir && text_is_instance_id(slice_of(item->instance)));
		(void)h->p->ops->renew(h->p, item->id, worker, "42 %", &err);
		if (code == 0)
			(void)h->p->ops->give_back(h->p, item->id, worker, &err);
		else
			(void)h->p->ops->finish(h->p, item->id, worker, code == 1 ? 0 : 75, "out", 3, "why", 5000, &err);
		free(item);
	}
}

static int no_message(void *arg, struct pawl_message *m)
{
	(void)arg;
	(void)m;
	must(!"a message came from the work queue");
	return 0;
}

/* One item may lie in several places, if somebody has copied it; each time one of them goes. */
static void release_all(struct fuzz_hub *h, struct seen *seen)
{
	struct pawl_error err = { 0 };

	for (int round = 0; round < FILES_MAX + 2 && seen->count > 0; round++) {
		for (size_t i = 0; i < seen->count; i++) {
			(void)h->p->ops->cancel_work(h->p, seen->ids[i], &err);
			must(h->p->ops->release(h->p, seen->ids[i], &err) == 0);
		}
		seen->count = 0;
		if (h->p->ops->each_work(h->p, false, NULL, on_status, seen, &err) < 0)
			return;
	}
	must(seen->count == 0);
}

static void run(struct fuzz_hub *h)
{
	struct seen seen = { .count = 0 };
	struct pawl_error err = { 0 };
	int64_t again = -1;

	(void)h->p->ops->receive(h->p, true, no_message, NULL, &again, &err);
	must(h->p->ops->each_work(h->p, true, NULL, on_status, &seen, &err) == 0 || err.text[0]);
	take_some(h, "w1");
	take_some(h, "4711");
	release_all(h, &seen);
	(void)h->p->ops->each_dead(h->p, on_letter, NULL, &err);
}

/* What work/ leads to must not matter: all of this is as it was. */
static const char *const others[] = { "secret", FUZZ_HUB "/FORMAT", FUZZ_HUB "/instances/a/1.history", FUZZ_HUB "/archive/old/1.history" };
#define OTHERS (sizeof(others) / sizeof(others[0]))

static void fill(struct pawl_provider *p)
{
	struct pawl_error err = { 0 };
	struct pawl_work_item item = { .instance = "a", .activity = "flash", .key = "a/1/2", .execution = 1, .seq = 2, .attempt = 1, .priority = 5,
		.input = "in", .input_len = 2, .carrier = "{\"key\":\"a/1/2\",\"execution\":1,\"iteration\":1}\n" };
	char id[PAWL_WORK_ID_MAX + 1];

	fuzz_hub_put(p, "a", false, (const char *const[]){ FUZZ_STARTED, "{\"seq\":2,\"type\":\"ActivityScheduled\",\"name\":\"flash\"}", NULL });
	fuzz_hub_put(p, "old", true, (const char *const[]){ FUZZ_STARTED, "{\"seq\":2,\"type\":\"ExecutionCompleted\"}", NULL });
	must(p->ops->offer(p, &item, id, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pieces p = pieces_of(data, size);
	struct fuzz_hub h;
	char *was[OTHERS];
	size_t lens[OTHERS] = { 0 };

	fuzz_hub_init(&h, fill);
	must(fuzz_write(&h, "secret", SLICE("secret")) == 0);
	fuzz_hub_open(&h);
	for (size_t i = 0; i < OTHERS; i++)
		was[i] = fuzz_read(&h, others[i], &lens[i]);
	for (int n = 0; n < FILES_MAX && put(&h, &p); n++)
		;
	run(&h);
	for (size_t i = 0; i < OTHERS; i++) {
		size_t len = 0;
		char *now = fuzz_read(&h, others[i], &len);
		must(!now == !was[i] && len == lens[i] && (!now || memcmp(now, was[i], len) == 0));
		free(now);
		free(was[i]);
	}
	fuzz_hub_release(&h);
	return 0;
}
