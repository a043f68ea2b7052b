/* contract_work.h - what contract_work.c and contract_workers.c share. */
#ifndef PROVIDER_CONTRACT_WORK_H
#define PROVIDER_CONTRACT_WORK_H

#include "contract_test.h"

struct work_seen {
	bool there, canceled, has_output;
	enum pawl_work_state state;
	char worker[PAWL_WORKER_MAX + 1], instance[129], activity[129], key[129], message[256], output[64];
	int64_t since_ns, beat_ns, retry_after_ms;
	int code;
	uint64_t execution, seq;
	uint32_t attempt, priority;
	size_t output_len;
};

int work_setup(void **state);                                                     /* with an instance 'a' */
struct pawl_work_item work_item(uint64_t seq);                                    /* of 'a' */
void work_offer(struct contract *c, const struct pawl_work_item *item, char *id); /* id may be NULL */
struct pawl_work_item *work_claim(struct pawl_provider *p, const char *worker);   /* NULL: nothing there */
void work_claims(struct pawl_provider *p, const char *worker, const char *id);
void work_claims_nothing(struct pawl_provider *p, const char *worker);
struct work_seen work_look(struct pawl_provider *p, const char *id);
size_t work_count(struct pawl_provider *p);

#endif
