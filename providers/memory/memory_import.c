/* memory_import.c - an instance from somewhere else: one commit of all that it has. */
#include "memory_hub.h"
#include "base/error.h"
#include "base/text.h"
#include <stdlib.h>

static int check(struct memory_provider *p, const struct pawl_import *in, struct pawl_error *err)
{
	int rc = hub_check_id(in->instance, err);

	if (rc == 0)
		rc = hub_check_owner(p, err);
	if (rc == 0 && p->hub->staged)
		rc = err_set(err, PAWL_EBUSY, "cannot import '%s' while a commit is under way", in->instance);
	if (rc == 0 && hub_find(p->hub, in->instance))
		rc = err_set(err, PAWL_EEXISTS, "instance '%s' exists already", in->instance);
	if (rc == 0 && in->history_count == 0)
		rc = err_set(err, PAWL_EINVALID, "instance '%s' cannot be imported without a history", in->instance);
	for (size_t i = 0; rc == 0 && i < in->history_count; i++)
		if (in->histories[i].len == 0)
			rc = err_set(err, PAWL_EINVALID, "instance '%s' cannot be imported: history %zu is empty", in->instance, i + 1);
	return rc;
}

static int commit(struct pawl_provider *base, const struct pawl_import *in, struct pawl_record *records,
                  struct pawl_spill *spills, struct pawl_error *err)
{
	struct pawl_batch batch = { records, in->history_count, spills, in->spill_count };

	for (size_t i = 0; i < in->history_count; i++)
		records[i] = (struct pawl_record){ .instance = in->instance, .execution = i + 1, .data = in->histories[i].data,
			.len = in->histories[i].len, .create = i == 0, .end = in->ended && i + 1 == in->history_count };
	for (size_t i = 0; i < in->spill_count; i++) {
		spills[i] = in->spills[i];
		spills[i].instance = in->instance;
	}
	int rc = pawl_provider_commit(base, &batch, err);
	return rc == 0 && in->ended ? memory_archive(base, in->instance, err) : rc;
}

int memory_import(struct pawl_provider *base, const struct pawl_import *in, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);

	pthread_mutex_lock(&p->hub->lock);
	int rc = check(p, in, err);
	pthread_mutex_unlock(&p->hub->lock);
	if (rc < 0)
		return rc;
	struct pawl_record *records = calloc(in->history_count, sizeof(*records));
	struct pawl_spill *spills = calloc(in->spill_count + 1, sizeof(*spills));
	rc = records && spills ? commit(base, in, records, spills, err) : err_nomem(err);
	free(records);
	free(spills);
	return rc;
}
