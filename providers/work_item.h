/* work_item.h - what the work queues of the providers of this tree share. */
#ifndef PROVIDERS_WORK_ITEM_H
#define PROVIDERS_WORK_ITEM_H

#include <pawl/provider.h>

/* Is it fit to be offered: names, priority, numbers? PAWL_EINVALID. */
int work_item_check(const struct pawl_work_item *item, struct pawl_error *err) PAWL_MUST_USE;
int work_check_worker(const char *worker, struct pawl_error *err) PAWL_MUST_USE;
/* A worker that is a pid: its number; 0 for a name. */
int32_t work_worker_pid(const char *worker);
/* Does it want items of this activity with this tag (NULL = none)? */
bool work_is_wanted(const struct pawl_work_wanted *wanted, const char *activity, const char *tag);
/* All of it in one malloc'd block; NULL when out of memory. input and carrier get a NUL behind them. */
struct pawl_work_item *work_item_copy(const struct pawl_work_item *from);
#define WORK_QUEUE_MAX   200 /* activity, '@', tag, '~' */
#define WORK_NAME_MAX    84  /* "P-HHHHHHHHHHHHHH~SESSION" */
#define WORK_RESULT_MAX  (16u << 20)
#define WORK_LETTERS_MAX 1000
/* The two halves of an item's id: which queue, and what it is called there. The order of these names is priority, then
 * age: stamp grows with every offer. out: WORK_QUEUE_MAX + 1, WORK_NAME_MAX + 1 bytes. */
void work_queue_name(char *out, const char *activity, const char *tag, bool session);
void work_item_name(char *out, uint32_t priority, uint64_t stamp, const char *session);
/* What can be said at a finish: PAWL_EINVALID, PAWL_ETOOBIG. */
int work_check_outcome(int code, size_t output_len, struct pawl_error *err) PAWL_MUST_USE;
/* INSTANCE.SEQ */
int work_check_letter(const char *id, struct pawl_error *err) PAWL_MUST_USE;

#endif
