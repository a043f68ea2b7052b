/* work_process.c - activities that are programs: what the shim is told, and finding again what a runtime before us began. */
#include "runtime/work.h"
#include "base/error.h"
#include "runtime/isolation.h"
#include "shim/shim.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENV_OWN 9

/* ---- the end ---- */

static void take_result(struct pawl_work *w, struct process_result *r)
{
	w->outcome = r->outcome;
	w->defer_ms = r->retry_after_ms;
	snprintf(w->code, sizeof(w->code), "%s", r->code);
	snprintf(w->message, sizeof(w->message), "%s", r->message);
	if (r->output)
		buf_add(&w->output, r->output, r->output_len);
	free(r->output);
	work_check_output(w);
}

static void process_done(void *arg, struct process_result *r)
{
	struct pawl_work *w = arg;
	struct pawl_runtime *rt = w->rt;

	rt->processes_running--;
	w->running = false;
	take_result(w, r);
	work_result(rt, w);
}

/* ---- the beginning ---- */

struct process_env {
	char text[ENV_OWN][704];
	const char *list[ENV_OWN + CONFIG_LIST_MAX + 1];
};

static void fill_env(struct process_env *env, const struct pawl_work *w)
{
	const char *const *more = w->activity.config ? w->activity.config->env : NULL;
	size_t n = 0, most = ENV_OWN + CONFIG_LIST_MAX;

	snprintf(env->text[n++], sizeof(env->text[0]), "PAWL_INSTANCE=%s", w->id);
	snprintf(env->text[n++], sizeof(env->text[0]), "PAWL_EXECUTION=%llu", (unsigned long long)w->execution);
	snprintf(env->text[n++], sizeof(env->text[0]), "PAWL_ACTIVITY=%s", w->name);
	snprintf(env->text[n++], sizeof(env->text[0]), "PAWL_ATTEMPT=%u", w->attempt);
	snprintf(env->text[n++], sizeof(env->text[0]), "PAWL_SEQ=%llu", (unsigned long long)w->seq);
	snprintf(env->text[n++], sizeof(env->text[0]), "PAWL_KEY=%s", w->key);
	snprintf(env->text[n++], sizeof(env->text[0]), "PAWL_WORK=%s", w->dir);
	snprintf(env->text[n++], sizeof(env->text[0]), "PAWL_HUB=%s", w->rt->hub);
	for (size_t k = 0; k < n; k++)
		env->list[k] = env->text[k];
	for (; more && *more && n < most; more++)
		env->list[n++] = *more;
	env->list[n] = NULL;
}

/* What an earlier attempt has said of itself does not hold for this one. */
static void forget_progress(struct pawl_work *w)
{
	static const char *const names[] = { SHIM_HEARTBEAT, SHIM_PROGRESS };
	const struct os *os = w->rt->os;
	char path[sizeof(w->dir) + 16];

	for (size_t i = 0; i < 2 && w->attempt > 1; i++) {
		snprintf(path, sizeof(path), "%s/%s", w->dir, names[i]);
		(void)os_remove_any(os, OS_CWD, path);
	}
}

static int write_input(struct pawl_work *w, struct pawl_error *err)
{
	IO_BECAUSE(IO_WORK);
	const struct os *os = w->rt->os;
	char path[sizeof(w->dir) + 16];
	int r;

	forget_progress(w);

	snprintf(path, sizeof(path), "%s/" SHIM_INPUT, w->dir);
	if (w->input_len) {
		r = os_put_file(os, OS_CWD, path, w->input, w->input_len, 0644);
		if (r == -EISDIR && os_remove_any(os, OS_CWD, path) == 0)
			r = os_put_file(os, OS_CWD, path, w->input, w->input_len, 0644);
	} else {
		r = os_remove_any(os, OS_CWD, path);
	}
	return r < 0 ? err_sys(err, -r, "cannot write '%s'", path) : 0;
}

/* A user of its own must be able to write what an activity may write, and nothing of ours: so the directory is the group's,
 * and sticky. */
static int hand_over(struct pawl_work *w, const char *const *options, struct pawl_error *err)
{
	uint64_t gid;

	for (; *options && strncmp(*options, "gid=", 4) != 0; options++)
		;
	if (!*options || text_parse_u64(slice_of(*options + 4), &gid) < 0)
		return 0;
	if (chown(w->dir, (uid_t)-1, (gid_t)gid) < 0 || chmod(w->dir, 01770) < 0)
		return err_sys(err, errno, "cannot give '%s' to group %llu", w->dir, (unsigned long long)gid);
	return 0;
}

/* A process of our user may read our environment anyway (/proc); one of another user shall not be handed our secrets. */
static const char *const *kept_env(const struct config_activity *c)
{
	static const char *const harmless[] = { "PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "TZ", NULL };

	if (!c || c->env_keep)
		return c ? c->env_keep : NULL;
	return c->user || c->group ? harmless : NULL;
}

static int start(struct pawl_runtime *rt, struct pawl_work *w, const char *const *options, struct pawl_error *err)
{
	const struct config_activity *c = w->activity.config;
	const char *argv[] = { w->activity.path, NULL };
	struct process_env env;

	fill_env(&env, w);
	struct process_spec spec = { .shim = rt->shim, .options = options, .argv = c && c->exec ? c->exec : argv, .work = w->dir,
		.dir = c ? c->dir : NULL, .env = env.list, .env_keep = kept_env(c), .attempt = w->attempt,
		.timeout_ms = w->timeout_ms, .heartbeat_ms = w->heartbeat_ms, .grace_ms = w->grace_ms,
		.output_max = rt->config.process.output_bytes_max, .log_max = rt->config.process.log_bytes_max, .sync = c && c->sync };
	return process_start(&w->process, rt->loop, &spec, process_done, w, err);
}

static void began(struct pawl_runtime *rt, struct pawl_work *w)
{
	w->running = true;
	rt->processes_running++;
	if (w->effect)
		w->effect->dir = true;
}

/* PAWL_SHIM comes before the configuration, as PAWL_HUB does. It is looked at each time: an upgrade may have moved it. */
static int find_shim(struct pawl_runtime *rt, struct pawl_error *err)
{
	const char *set = getenv("PAWL_SHIM"), *configured = rt->config.process.shim;

	if (rt->shim[0] && access(rt->shim, X_OK) == 0)
		return 0;
	rt->shim[0] = '\0';
	if (!configured || (set && *set))
		return process_find_shim(rt->shim, sizeof(rt->shim), err);
	if (access(configured, X_OK) < 0)
		return err_sys(err, errno, "cannot run '%s' (correct process.shim, or install " SHIM_PROGRAM " there)", configured);
	return snprintf(rt->shim, sizeof(rt->shim), "%s", configured) < (int)sizeof(rt->shim) ? 0 : err_set(err, PAWL_ETOOBIG, "the path in process.shim is too long");
}

/* Who is not there, or may not be taken on, is not there in a second either: the attempt has failed. */
static int isolate(struct pawl_work *w, const char *leaf, struct arena *arena, const char *const **options, struct pawl_error *err)
{
	int rc = isolation_options(w->activity.config, leaf, arena, options, err);

	if (rc == PAWL_ENOTFOUND || rc == PAWL_EPERM)
		work_set_failure(w, WORK_FAILED, "setup", "%s", err->text);
	return rc;
}

static int prepare(struct pawl_runtime *rt, struct pawl_work *w, struct arena *arena, const char *const **options, struct pawl_error *err)
{
	char leaf[TEXT_INSTANCE_ID_MAX + 48];
	int rc = find_shim(rt, err);

	snprintf(leaf, sizeof(leaf), "%s.%llu.%u", w->id, (unsigned long long)w->seq, w->attempt);
	if (rc == 0)
		rc = isolate(w, leaf, arena, options, err);
	if (rc == 0)
		rc = work_dir_make(w, err);
	if (rc == 0)
		rc = write_input(w, err);
	return rc < 0 ? rc : hand_over(w, *options, err);
}

int process_begin(struct pawl_runtime *rt, struct pawl_work *w, struct pawl_error *err)
{
	const char *const *options = NULL;
	struct arena arena;

	arena_init(&arena, 0);
	int rc = prepare(rt, w, &arena, &options, err);
	if (rc == 0) {
		work_event(w, ACTIVITY_BEGIN);
		rc = record_state(w, NULL, 0, 0); /* before it can look for it; and a start that finds none cannot take it for ours */
		rc = rc < 0 && rc != -EFBIG ? err_sys(err, -rc, "cannot write the carrier in '%s'", w->dir) : start(rt, w, options, err);
	}
	arena_release(&arena);
	if (rc < 0)
		return rc;
	began(rt, w);
	record_state(w, NULL, 0, process_shim_pid(w->process));
	rt->activities_started++;
	return 0;
}

/* ---- adoption ---- */

static void deliver_found(struct pawl_runtime *rt, struct pawl_work *w, struct process_result *r)
{
	work_event(w, ACTIVITY_ADOPT);
	take_result(w, r);
	work_result(rt, w);
}

/* By then it has ended, or what is there can be seen. */
static void find_again(struct pawl_runtime *rt, struct pawl_work *w)
{
	w->effect->adopt = true;
	effect_forget_work(w->effect);
	effect_wait(rt, w->effect, LOOK_AGAIN_MS);
	work_free(w);
}

bool process_find(struct pawl_runtime *rt, struct pawl_work *w)
{
	struct process_result result = { 0 };
	struct pawl_error err = { 0 };
	struct os_stat st;
	char dir[sizeof(w->dir)];

	if (rt->scratch || rt->provider->ops->work_dir(rt->provider, w->id, w->seq, dir, sizeof(dir)) < 0)
		return false;
	int r = rt->os->stat(rt->os->self, OS_CWD, dir, &st);
	if (r == -ENOENT || r == -ENOTDIR)
		return false;
	w->effect->dir = true;
	if (r < 0)
		err_sys(&err, -r, "cannot look at '%s'", dir);
	if (r < 0 || work_dir_make(w, &err) < 0) {
		log_warning("instance '%s': it cannot be seen yet whether activity '%s' still runs: %s", w->id, w->name, err.text);
		find_again(rt, w);
		return true;
	}
	switch (process_adopt(&w->process, rt->loop, dir, w->attempt, w->timeout_ms, w->grace_ms, process_done, w, &result)) {
	case PROCESS_NONE:
		return false;
	case PROCESS_RUNNING:
		log_notice("instance '%s': activity '%s' (attempt %u) has gone on running, pid %d: adopted", w->id, w->name, w->attempt, process_pid(w->process));
		began(rt, w);
		limit_adopt(rt, w);
		expiry_begun(rt, w->effect);
		work_event(w, ACTIVITY_ADOPT);
		if (messages_deliver_all(rt, w, &err) < 0)
			log_warning("instance '%s': messages did not reach activity '%s': %s", w->id, w->name, err.text);
		return true;
	case PROCESS_ENDED:
		if (result.outcome == WORK_DEFERRED || result.outcome == WORK_CANCELED) {
			free(result.output); /* a start looks at once; what a stop has ended does not count */
			return false;
		}
		log_notice("instance '%s': activity '%s' (attempt %u) ended while no runtime was there: its result is taken", w->id, w->name, w->attempt);
		deliver_found(rt, w, &result);
		return true;
	case PROCESS_GONE:
		log_notice("instance '%s': activity '%s' (attempt %u) is gone without a result", w->id, w->name, w->attempt);
		deliver_found(rt, w, &result);
		return true;
	case PROCESS_OTHER:
		break;
	}
	log_notice("instance '%s': an earlier attempt of activity '%s' still runs, or cannot be seen now: it is looked at again", w->id, w->name);
	find_again(rt, w);
	return true;
}
