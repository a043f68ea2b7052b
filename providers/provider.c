/* provider.c - what is the same for every provider. */
#include <pawl/provider.h>

/* What run says is only a hint: end repeats it, with a text, and knows whether the fence held. */
int pawl_provider_commit(struct pawl_provider *p, const struct pawl_batch *batch, struct pawl_error *err)
{
	struct pawl_job *job = NULL;
	int rc = p->ops->commit_begin(p, batch, &job, err);

	if (rc < 0 || !job)
		return rc;
	(void)job->run(job);
	return job->end(job, err);
}
