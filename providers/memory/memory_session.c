/* memory_session.c - who has a session, and dead letters: what the work queue keeps beside its items. */
#include "memory_hub.h"
#include "base/error.h"
#include "providers/work_item.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEEP_S 600

struct session {
	char worker[PAWL_WORKER_MAX + 1];
	time_t used;
};

static time_t seconds_now(void)
{
	struct timespec t = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static bool is_dead(const struct session *s)
{
	int32_t pid = work_worker_pid(s->worker);

	return pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

bool session_may(const struct hub *h, const char *session, const char *worker)
{
	const struct session *s = map_get(&h->sessions, slice_of(session));

	return !s || strcmp(s->worker, worker) == 0 || is_dead(s);
}

/* False when out of memory. */
bool session_take(struct hub *h, const char *session, const char *worker)
{
	struct session *s = map_get(&h->sessions, slice_of(session));

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s || map_put(&h->sessions, slice_of(session), s, NULL) < 0) {
			free(s);
			return false;
		}
	}
	snprintf(s->worker, sizeof(s->worker), "%s", worker);
	s->used = seconds_now();
	return true;
}

struct sweep {
	struct hub *hub;
	bool (*in_use)(const struct hub *h, const char *session);
	time_t now;
};

static int sweep_one(void *arg, struct slice key, void *value)
{
	const struct sweep *sweep = arg;
	struct session *s = value;

	if (!is_dead(s)) {
		if (sweep->in_use(sweep->hub, key.data))
			s->used = sweep->now;
		if (sweep->now - s->used <= KEEP_S)
			return 0;
	}
	(void)map_remove(&sweep->hub->sessions, key);
	free(s);
	pthread_cond_broadcast(&sweep->hub->work_there);
	return 0;
}

void sessions_sweep(struct hub *h, bool (*in_use)(const struct hub *h, const char *session))
{
	struct sweep sweep = { h, in_use, seconds_now() };

	map_each(&h->sessions, sweep_one, &sweep);
}

static int free_session(void *arg, struct slice key, void *value)
{
	(void)arg;
	(void)key;
	free(value);
	return 0;
}

void sessions_release(struct hub *h)
{
	map_each(&h->sessions, free_session, NULL);
	map_release(&h->sessions);
}

/* ---- dead letters, in the order of ids ---- */

struct letter {
	struct letter *next;
	int64_t time_ns;
	char *text;
	char id[];
};

static void letter_free(struct letter *l)
{
	free(l->text);
	free(l);
}

static struct letter *letter_new(const char *id, const char *text)
{
	size_t size = strlen(id) + 1;
	struct letter *l = calloc(1, sizeof(*l) + size);
	struct timespec t = { 0 };

	if (!l || !(l->text = strdup(text))) {
		free(l);
		return NULL;
	}
	memcpy(l->id, id, size);
	clock_gettime(CLOCK_REALTIME, &t);
	l->time_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
	return l;
}

/* Where it is, or belongs. */
static struct letter **letter_link(struct hub *h, const char *id)
{
	struct letter **link = &h->letters;

	while (*link && strcmp((*link)->id, id) < 0)
		link = &(*link)->next;
	return link;
}

static bool letter_remove(struct hub *h, const char *id)
{
	struct letter **link = letter_link(h, id), *l = *link;

	if (!l || strcmp(l->id, id) != 0)
		return false;
	*link = l->next;
	letter_free(l);
	h->letter_count--;
	return true;
}

static void remove_oldest(struct hub *h)
{
	struct letter *oldest = h->letters;

	for (struct letter *l = h->letters; l; l = l->next)
		if (l->time_ns < oldest->time_ns)
			oldest = l;
	if (oldest)
		(void)letter_remove(h, oldest->id);
}

void letters_release(struct hub *h)
{
	while (h->letters)
		(void)letter_remove(h, h->letters->id);
}

static int check(const struct memory_provider *p, const char *id, struct pawl_error *err)
{
	int rc = work_check_letter(id, err);

	if (rc == 0 && p->read_only)
		rc = err_set(err, PAWL_EROFS, "hub '%s' was opened for reading only", p->hub->name);
	return rc;
}

int memory_bury(struct pawl_provider *base, const struct pawl_dead_letter *letter, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);
	int rc = check(p, letter->id, err);
	struct letter *l = rc == 0 ? letter_new(letter->id, letter->text) : NULL;

	if (!l)
		return rc < 0 ? rc : err_nomem(err);
	pthread_mutex_lock(&p->hub->lock);
	(void)letter_remove(p->hub, l->id);
	struct letter **link = letter_link(p->hub, l->id);
	l->next = *link;
	*link = l;
	if (++p->hub->letter_count > WORK_LETTERS_MAX)
		remove_oldest(p->hub);
	pthread_mutex_unlock(&p->hub->lock);
	return 0;
}

/* On copies, without the lock. */
int memory_each_dead(struct pawl_provider *base, int (*each)(void *arg, const struct pawl_dead_letter *letter),
                     void *arg, struct pawl_error *err)
{
	struct hub *h = memory_of(base)->hub;
	struct letter *copies = NULL, **end = &copies, *next;
	int rc = 0;

	pthread_mutex_lock(&h->lock);
	for (const struct letter *l = h->letters; l && rc == 0; l = l->next) {
		*end = letter_new(l->id, l->text);
		if (!*end) {
			rc = err_nomem(err);
			break;
		}
		(*end)->time_ns = l->time_ns;
		end = &(*end)->next;
	}
	pthread_mutex_unlock(&h->lock);
	for (struct letter *l = copies; l; l = next) {
		const struct pawl_dead_letter letter = { .id = l->id, .text = l->text, .time_ns = l->time_ns };
		if (rc == 0)
			rc = each(arg, &letter);
		next = l->next;
		letter_free(l);
	}
	return rc;
}

int memory_unbury(struct pawl_provider *base, const char *id, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);
	int rc = check(p, id, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&p->hub->lock);
	if (!letter_remove(p->hub, id))
		rc = err_set(err, PAWL_ENOTFOUND, "there is no dead letter '%s' in '%s'", id, p->hub->name);
	pthread_mutex_unlock(&p->hub->lock);
	return rc;
}
