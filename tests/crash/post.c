/* post.c - messages that are sent and dropped, a runtime that takes them in, and what must be true of them after a crash. */
#include "post.h"

#include <errno.h>
#include <stdio.h>

#define STEPS 26
#define CLIENT 1
#define USER 2
#define FRESH "fresh"

/* Is a failure no failure of the test? */
static bool allowed(const struct post *post, struct node *n)
{
	return post->faulty || crash_is_off(n);
}

/* ---- what a message carries tells which one it is ---- */

/* JSON: a long text that is not synced may come torn, and only JSON and YAML show that. */
static void payload_of(unsigned serial, struct buf *out)
{
	buf_addf(out, "\"%u:", serial);
	for (unsigned i = 0; i < (serial % 5 ? 40 : 2500); i++)
		buf_addc(out, (char)('a' + (serial * 7 + i) % 26));
	buf_addc(out, '"');
}

static void instance_name(char *out, size_t size, unsigned instance)
{
	snprintf(out, size, "m%u", instance);
}

static void line_of(unsigned serial, struct buf *out)
{
	line_add(out, serial, 60);
}

/* How often the history of its instance tells of a message. */
static unsigned told(struct node *n, const struct sent *s, unsigned serial)
{
	char id[16], *text = NULL;
	size_t len = 0;
	uint64_t which;
	unsigned count = 0;
	struct buf line = BUF_INIT;

	instance_name(id, sizeof(id), s->instance);
	line_of(serial, &line);
	if (n->p->ops->read(n->p, id, 1, &text, &len, &which, NULL) == 0)
		for (const char *at = text; (at = strstr(at, line.data)); at += line.len)
			count++;
	buf_release(&line);
	free(text);
	return count;
}

/* ---- receiving ---- */

struct received {
	struct pawl_message *messages[MESSAGES];
	unsigned serials[MESSAGES];
	unsigned count;
	const struct post *post;
};

static const enum pawl_message_kind kinds[] = { [BY_START] = PAWL_MESSAGE_START, [BY_RAISE] = PAWL_MESSAGE_RAISE,
	[BY_CANCEL] = PAWL_MESSAGE_CANCEL, [BY_DROP] = PAWL_MESSAGE_RAISE, [BY_INBOX] = PAWL_MESSAGE_RAISE };

static int on_message(void *arg, struct pawl_message *m)
{
	struct received *r = arg;
	const char *text = m->kind == PAWL_MESSAGE_CANCEL ? m->reason : m->data;
	size_t len = m->kind == PAWL_MESSAGE_CANCEL && text ? strlen(text) : m->len;
	unsigned serial = text && text[0] ? (unsigned)strtoul(text + 1, NULL, 10) : MESSAGES;
	struct buf want = BUF_INIT;
	char id[16];

	if (text && strcmp(text, FRESH) == 0)
		return 0; /* a start of go_on */
	if (serial >= r->post->count || r->count == MESSAGES) {
		crash_fail("a message comes with %zu bytes that nobody sent", len);
		return 0;
	}
	const struct sent *s = &r->post->sent[serial];
	payload_of(serial, &want);
	instance_name(id, sizeof(id), s->instance);
	if (len != want.len || memcmp(text, want.data, len) != 0)
		crash_fail("message %u comes in part: %zu bytes of %zu", serial, len, want.len);
	if (m->kind != kinds[s->via] || !m->instance || strcmp(m->instance, id) != 0)
		crash_fail("message %u comes as another kind or for another instance", serial);
	if (s->id[0] && s->via < BY_DROP && strcmp(s->id, m->id) != 0)
		crash_fail("message %u comes again with another id: %s, not %s", serial, m->id, s->id);
	for (unsigned i = 0; i < r->count; i++)
		if (r->serials[i] == serial)
			crash_fail("message %u comes twice", serial);
	r->serials[r->count] = serial;
	r->messages[r->count++] = m;
	buf_release(&want);
	return 0;
}

static int receive(const struct post *post, struct node *n, bool rescan, struct received *r)
{
	struct pawl_error err = { 0 };
	int64_t again = -1;

	*r = (struct received){ .post = post };
	int rc = n->p->ops->receive(n->p, rescan, on_message, r, &again, &err);
	if (rc < 0 && !allowed(post, n))
		crash_fail("receive failed: %s", err.text);
	return rc;
}

/* Commit one line for each message that no history tells of, then ack. sizes: of the histories. */
static int take_in(struct node *n, const struct received *r, uint64_t *sizes, struct sent *sent)
{
	struct pawl_error err = { 0 };
	int rc = 0;

	for (unsigned i = 0; i < r->count && rc == 0; i++) {
		const struct sent *s = &r->post->sent[r->serials[i]];
		struct pawl_message *m = r->messages[i];
		struct buf line = BUF_INIT;
		bool start = s->via == BY_START, seen = told(n, s, r->serials[i]) > 0;

		if (!start && sizes[s->instance] == 0)
			continue; /* its start could not be taken in */
		line_of(r->serials[i], &line);
		char id[16];
		instance_name(id, sizeof(id), s->instance);
		bool ack_first = !start && crash_planted("unlinkfirst");
		const struct pawl_record record = { .instance = id, .execution = 1, .offset = sizes[s->instance], .data = line.data,
			.len = line.len, .create = start, .start_token = start ? m->token : NULL };
		const struct pawl_batch batch = { &record, 1, NULL, 0 };
		if (sent) {
			snprintf(sent[r->serials[i]].id, sizeof(sent->id), "%s", m->id);
			if (sent[r->serials[i]].progress == NEW)
				sent[r->serials[i]].progress = PENDING;
		}
		if (ack_first)
			n->p->ops->ack(n->p, m->token);
		rc = seen ? 0 : pawl_provider_commit(n->p, &batch, &err);
		if (rc == PAWL_EBUSY && node_settle(n))
			rc = pawl_provider_commit(n->p, &batch, &err);
		if (rc == 0 && !seen)
			sizes[s->instance] += line.len;
		if (rc == 0 && sent)
			sent[r->serials[i]].progress = COMMITTED;
		if (rc == 0 && !ack_first)
			n->p->ops->ack(n->p, m->token);
		buf_release(&line);
	}
	if (rc < 0 && !allowed(r->post, n))
		crash_fail("commit failed: %s", err.text);
	return rc;
}

/* ---- sending ---- */

static struct sent *new_message(struct post *post, enum via via, unsigned instance, struct buf *payload)
{
	struct sent *s = &post->sent[post->count];

	*s = (struct sent){ .via = via, .instance = instance };
	payload_of(post->count++, payload);
	return s;
}

static int send_message(struct pawl_provider *client, enum via via, unsigned instance, const struct buf *payload,
                        struct pawl_error *err)
{
	char id[16];
	struct pawl_message m = { .kind = kinds[via], .instance = id,
		.name = via == BY_START ? "type" : via == BY_RAISE ? "event" : NULL };

	instance_name(id, sizeof(id), instance);
	if (via == BY_CANCEL) {
		m.reason = payload->data;
	} else {
		m.data = payload->data;
		m.len = payload->len;
	}
	return client->ops->send(client, &m, err);
}

static bool started(const struct post *post, unsigned instance)
{
	for (unsigned i = 0; i < post->count; i++)
		if (post->sent[i].via == BY_START && post->sent[i].instance == instance)
			return true;
	return false;
}

void post_send(struct post *post, struct node *n, unsigned instance, enum via via)
{
	struct buf payload = BUF_INIT;
	struct pawl_error err = { 0 };

	if (!started(post, instance))
		via = BY_START;
	if (via == BY_CANCEL && post->count % 5 == 0)
		via = BY_RAISE; /* a reason is short */
	struct sent *s = new_message(post, via, instance, &payload);
	int rc = send_message(post->client, via, instance, &payload, &err);
	s->durable = rc == 0;
	if (rc < 0 && !allowed(post, n)) {
		crash_fail("send failed: %s", err.text);
		post->over = true;
	}
	if (rc < 0 && !err.text[0])
		crash_fail("send failed and does not say why");
	buf_release(&payload);
}

/* `echo text > events/NAME`, or the same with care: a hidden name, sync, rename, sync the directory. */
void post_drop(struct post *post, struct node *n, unsigned instance, bool inbox, bool careful)
{
	const struct os *os = os_sim_os_process(n->sim, USER);
	char dir[64], name[128], hidden[128], id[16];
	struct buf payload = BUF_INIT;

	if (post->size[instance] == 0)
		return;
	instance_name(id, sizeof(id), instance);
	struct sent *s = new_message(post, inbox ? BY_INBOX : BY_DROP, instance, &payload);
	s->careful = careful;
	if (inbox)
		snprintf(dir, sizeof(dir), HUB "/inbox");
	else
		snprintf(dir, sizeof(dir), HUB "/instances/%s/events", id);
	snprintf(name, sizeof(name), "%s/%s%se%u.%s", dir, inbox ? id : "", inbox ? "." : "", post->count,
	         payload.len > 512 ? "json" : "txt");
	snprintf(hidden, sizeof(hidden), "%s/.x.tmp", dir);
	int fd = os->open(os->self, OS_CWD, s->careful ? hidden : name, OS_WRITE | OS_CREATE | OS_TRUNC, 0644);
	if (fd >= 0) {
		int rc = (int)os->pwrite(os->self, fd, payload.data, payload.len, 0);
		if (rc >= 0 && s->careful)
			rc = os->sync(os->self, fd);
		os->close(os->self, fd);
		if (rc >= 0 && s->careful)
			rc = os->rename(os->self, OS_CWD, hidden, OS_CWD, name);
		if (rc < 0 && post->faulty) /* the user sees it, and cleans up */
			(void)os->unlink(os->self, OS_CWD, s->careful ? hidden : name);
		s->durable = rc >= 0 && s->careful && os_sync_dir(os, OS_CWD, dir) == 0;
	} else if (!crash_is_off(n)) {
		post->count--; /* no events/ yet */
	}
	buf_release(&payload);
}

void post_receive(struct post *post, struct node *n, bool rescan)
{
	struct received r;

	if (receive(post, n, rescan, &r) < 0 || take_in(n, &r, post->size, post->sent) < 0)
		post->over = !post->faulty;
}

/* A clean stop and start: what was given out and not acked comes again. */
static void restart(struct post *post, struct node *n)
{
	struct pawl_error err = { 0 };

	node_stop(n);
	int rc = node_start(n, &err);
	if (rc < 0 && post->faulty)
		rc = node_start(n, &err);
	if (rc < 0 && !crash_is_off(n))
		crash_fail("a new start fails: %s", err.text);
	post->over = post->over || !n->p;
}

/* ---- the scenario ---- */

void *post_make(unsigned workload)
{
	struct post *post = calloc(1, sizeof(*post));

	if (!post)
		abort();
	post->random = workload * 31 + 5;
	post->workload = workload;
	return post;
}

/* The runtime, and a client beside it. */
bool post_start(struct post *post, struct node *n)
{
	struct pawl_error err = { 0 };
	int rc = node_start(n, &err);

	if (rc < 0 && post->faulty)
		rc = node_start(n, &err);
	if (rc < 0)
		return false;
	node_table(n->sim, CLIENT, &post->client_os);
	const struct pawl_provider_options options = { .hub = HUB, .os = &post->client_os };
	rc = pawl_provider_fs.open(&options, &post->client, &err);
	if (rc < 0 && post->faulty)
		rc = pawl_provider_fs.open(&options, &post->client, &err);
	return rc == 0;
}

void post_close(struct post *post)
{
	if (post->client)
		post->client->ops->close(post->client);
	post->client = NULL;
}

static void random_step(struct post *post, struct node *n)
{
	unsigned what = below(&post->random, 10), instance = what < 6 ? below(&post->random, INSTANCES) : 0;

	os_sim_advance(n->sim, 10000000);
	if (what < 4)
		post_send(post, n, instance, below(&post->random, 2) ? BY_RAISE : BY_CANCEL);
	else if (what < 6)
		post_drop(post, n, instance, what & 1, below(&post->random, 2));
	else if (what < 9)
		post_receive(post, n, below(&post->random, 4) == 0);
	else if (below(&post->random, 2))
		(void)node_settle(n);
	else
		restart(post, n);
}

void post_run(void *state, struct node *n)
{
	struct post *post = state;

	if (!post_start(post, n))
		return;
	for (unsigned i = 0; i < STEPS && !post->over && !crash_is_off(n) && post->count + 1 < MESSAGES; i++)
		random_step(post, n);
	post_close(post);
}

static void check_message(struct node *n, const struct sent *s, unsigned serial, const struct received *r,
                          const struct outcome *o)
{
	unsigned times = told(n, s, serial);
	bool delivered = false;

	for (unsigned i = 0; i < r->count; i++)
		delivered = delivered || r->serials[i] == serial;
	if (times > 1)
		crash_fail("message %u was taken in %u times", serial, times);
	if (s->progress == COMMITTED && times == 0)
		crash_fail("message %u was committed and is in no history", serial);
	if (s->progress == NEW && times && !o->went_on)
		crash_fail("message %u is in a history before it was given out", serial);
	if (s->durable && !times && !delivered)
		crash_fail("message %u is lost", serial);
}

static int count_id(void *arg, const char *id)
{
	unsigned *seen = arg;

	seen[(unsigned)(id[1] - '0') % INSTANCES]++;
	return 0;
}

/* An id is there when its start is: in its history or on its way. */
static void check_ids(const struct post *post, struct node *n, const struct received *r)
{
	unsigned seen[INSTANCES] = { 0 }, live[INSTANCES] = { 0 };

	for (unsigned i = 0; i < post->count; i++)
		live[post->sent[i].instance] += post->sent[i].via == BY_START && told(n, &post->sent[i], i);
	for (unsigned i = 0; i < r->count; i++)
		if (post->sent[r->serials[i]].via == BY_START)
			live[post->sent[r->serials[i]].instance] = 1;
	(void)n->p->ops->scan(n->p, false, count_id, seen, NULL);
	for (unsigned i = 0; i < INSTANCES; i++)
		if (seen[i] != live[i])
			crash_fail("instance m%u is %s a start", i, seen[i] ? "there without" : "not there with");
}

void post_check(const void *state, struct node *n, struct outcome *o)
{
	const struct post *post = state;
	struct received r;
	struct pawl_provider_stats stats;
	unsigned uncertain = 0;

	if (crash_logged_errors())
		crash_fail("the log tells of an error: %s", crash_last_error());
	if (receive(post, n, true, &r) < 0)
		return;
	for (unsigned i = 0; i < post->count; i++) {
		check_message(n, &post->sent[i], i, &r, o);
		uncertain += !post->sent[i].durable;
	}
	if (!o->went_on)
		check_ids(post, n, &r);
	n->p->ops->stats(n->p, &stats);
	if (stats.rejected > uncertain)
		crash_fail("%llu files were rejected", (unsigned long long)stats.rejected);
	o->decided = true;
}

/* All that waits is taken in, and every id that is free can be started. */
void post_go_on(const void *state, struct node *n)
{
	const struct post *post = state;
	struct pawl_error err = { 0 };
	struct received r;
	uint64_t sizes[INSTANCES] = { 0 }, which;

	for (unsigned i = 0; i < INSTANCES; i++) {
		char id[16], *text = NULL;
		size_t len = 0;
		instance_name(id, sizeof(id), i);
		if (n->p->ops->read(n->p, id, 1, &text, &len, &which, NULL) == 0)
			sizes[i] = len;
		free(text);
	}
	node_kill(n); /* what was received by the check is given out again */
	if (node_start(n, &err) < 0 || receive(post, n, true, &r) < 0 || take_in(n, &r, sizes, NULL) < 0)
		return;
	for (unsigned i = 0; i < INSTANCES; i++) {
		struct buf payload = BUF_INIT;
		buf_adds(&payload, FRESH);
		int rc = send_message(n->p, BY_START, i, &payload, &err);
		if (rc < 0 ? sizes[i] == 0 : sizes[i] != 0)
			crash_fail("starting m%u: %s", i, rc < 0 ? err.text : "it was there, and the start was taken");
		buf_release(&payload);
	}
}

uint64_t post_promise(const void *state)
{
	const struct post *post = state;
	uint64_t h = post->count;

	for (unsigned i = 0; i < post->count; i++) {
		const struct sent *s = &post->sent[i];
		h = (h + s->via + s->instance * 8 + s->durable * 64 + s->careful * 128 + (unsigned)s->progress * 256u) * 0x9ddfea08eb382d69u;
		for (const char *p = s->id; *p; p++)
			h = (h ^ (unsigned char)*p) * 0x100000001b3u;
	}
	return draw(&h);
}
