/*
 * worker.c - an orchestration whose activity is done by somebody else: workers beside the runtime, in any language.
 *
 *	resize ─┬─► work queue ─► whoever takes it: worker.sh, worker.py, worker-c, `pawl work serve`
 *	        └─► as many at a time as there are workers
 *
 * Nothing of this program knows the activity 'resize': so the runtime puts it into the work queue. (run_by: worker in the
 * configuration says so for one that it does know.)
 *
 * Input: how many. Output: what the workers made of them.
 */
#include <pawl/pawl.h>
#include <stdlib.h>
#include <string.h>

#define MOST 100

static int gallery(pawl_ctx *ctx, const char *input)
{
	int count = atoi(input);
	pawl_task *tasks[MOST];
	char *all = pawl_alloc(ctx, 64 * 1024);

	if (count < 1 || count > MOST)
		return pawl_fail(ctx, "the input '%s' is not a number from 1 to %d", input, MOST);
	for (int i = 0; i < count; i++)
		tasks[i] = pawl_activity(ctx, "resize", pawl_printf(ctx, "picture-%d", i + 1));
	if (pawl_all_of(ctx, tasks, (size_t)count))
		return pawl_rethrow(ctx);
	all[0] = '\0';
	for (int i = 0; i < count; i++) {
		strncat(all, pawl_result(tasks[i]), 600);
		if (i + 1 < count)
			strncat(all, " ", 2);
	}
	return pawl_return(ctx, all);
}
PAWL_ORCHESTRATION(gallery, "1.0.0");

int main(int argc, char **argv)
{
	return pawl_main(argc, argv);
}
