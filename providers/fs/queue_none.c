/* queue_none.c - in place of queue*.c where there are no workers (WITH_WORKERS=no): nothing is offered, and what another build
 * has left in work/ stays there. Dead letters (queue_dead.c) are written in any case. */
#include "queue.h"
#include "base/parts.h"

static int refused(struct pawl_error *err)
{
	return err_set(err, PAWL_EUNSUPPORTED, "there is no work queue: " WITHOUT_PART("WORKERS"));
}

void queue_open(struct fs *fs)
{
	(void)fs;
}

void queue_unwatch(struct fs *fs)
{
	(void)fs;
}

void queue_close(struct fs *fs)
{
	(void)fs;
}

bool queue_notice(struct fs *fs, int number, uint32_t mask)
{
	(void)fs, (void)number, (void)mask;
	return false;
}

void queue_rescan(struct fs *fs)
{
	(void)fs;
}

int fs_offer(struct pawl_provider *p, const struct pawl_work_item *item, char *id_out, struct pawl_error *err)
{
	(void)p, (void)item, (void)id_out;
	return refused(err);
}

int fs_release(struct pawl_provider *p, const char *id, struct pawl_error *err)
{
	(void)p, (void)id, (void)err;
	return 0;
}

int fs_cancel_work(struct pawl_provider *p, const char *id, struct pawl_error *err)
{
	(void)p, (void)id;
	return refused(err);
}

int fs_each_work(struct pawl_provider *p, bool done, bool (*wanted)(void *arg, const char *id),
                 int (*each)(void *arg, const struct pawl_work_status *status), void *arg, struct pawl_error *err)
{
	(void)p, (void)done, (void)wanted, (void)each, (void)arg, (void)err;
	return 0;
}

bool fs_work_changed(struct pawl_provider *p)
{
	(void)p;
	return false;
}

int fs_claim(struct pawl_provider *p, const struct pawl_work_wanted *wanted, struct pawl_work_item **out, struct pawl_error *err)
{
	(void)p, (void)wanted, (void)out;
	return refused(err);
}

int fs_renew(struct pawl_provider *p, const char *id, const char *worker, const char *progress, struct pawl_error *err)
{
	(void)p, (void)id, (void)worker, (void)progress;
	return refused(err);
}

int fs_finish(struct pawl_provider *p, const char *id, const char *worker, int code, const void *output, size_t len, const char *message,
              int64_t delay_ms, struct pawl_error *err)
{
	(void)p, (void)id, (void)worker, (void)code, (void)output, (void)len, (void)message, (void)delay_ms;
	return refused(err);
}

int fs_give_back(struct pawl_provider *p, const char *id, const char *worker, struct pawl_error *err)
{
	(void)p, (void)id, (void)worker;
	return refused(err);
}

int fs_await_work(struct pawl_provider *p, const struct pawl_work_wanted *wanted, int64_t timeout_ms, struct pawl_error *err)
{
	(void)p, (void)wanted, (void)timeout_ms;
	return refused(err);
}
