/* contract_test.h - what the tests of the contract share; for contract*.c only. */
#ifndef PROVIDER_CONTRACT_TEST_H
#define PROVIDER_CONTRACT_TEST_H

#include "contract.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CLIENTS_MAX 4
#define INBOX_MAX 512

/* The state of a test: an empty hub that p owns. Teardown closes what is open. */
struct contract {
	const struct contract_target *target;
	const struct pawl_provider_ops *ops;
	char hub[CONTRACT_HUB_SIZE];
	struct pawl_provider_options options; /* of p and of clients */
	struct pawl_provider *p;
	struct pawl_provider *clients[CLIENTS_MAX];
	size_t client_count;
};

struct contract_group {
	const struct CMUnitTest *tests;
	size_t count;
};

extern const struct contract_group contract_log, contract_payload, contract_durable, contract_mailbox, contract_delivery,
	contract_admin, contract_owner, contract_model, contract_work, contract_workers, contract_import, contract_revive, contract_retention;

#define SPEC(text, fn) { text, fn, contract_setup, contract_teardown, NULL }
#define SPEC_SETUP(text, fn, setup) { text, fn, setup, contract_teardown, NULL }
#define CONTRACT_GROUP(tests) { (tests), sizeof(tests) / sizeof((tests)[0]) }
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

int contract_setup(void **state);
int contract_setup_small_journal(void **state);  /* segments of 64 KiB */
int contract_setup_small_messages(void **state); /* payloads up to 1000 bytes */
int contract_teardown(void **state);

/* ---- open and close ---- */

/* Another provider on the same hub, closed by teardown. */
struct pawl_provider *contract_open(struct contract *c, bool read_only);
#define contract_client(c) contract_open((c), false)
void contract_close_clients(struct contract *c);
void contract_acquire(struct contract *c); /* open and acquire as c->p */
void contract_close(struct contract *c);   /* c->p */
void contract_reopen(struct contract *c);
void contract_crash(struct contract *c);
void contract_crash_only(struct contract *c); /* nobody opens it again */
/* One piece of maintenance; true when there may be more. */
bool contract_maintain(struct contract *c, bool idle);
/* Maintenance until there is none left. */
void contract_settle(struct contract *c);

/* ---- commits ---- */

struct pawl_record contract_line(const char *id, uint64_t execution, uint64_t offset, const char *text);
struct pawl_record contract_first(const char *id, const char *text); /* creates */
struct pawl_record contract_last(const char *id, uint64_t execution, uint64_t offset, const char *text); /* ends */
/* Committed again after maintenance as long as there is no room. */
int contract_try_batch(struct contract *c, const struct pawl_batch *batch, struct pawl_error *err);
int contract_try(struct contract *c, const struct pawl_record *records, size_t count, struct pawl_error *err);
void contract_commit(struct contract *c, const struct pawl_record *records, size_t count);
void contract_commit_spill(struct contract *c, const struct pawl_record *record, const struct pawl_spill *spill);
void contract_create(struct contract *c, const char *id, const char *text);
void contract_archived(struct contract *c, const char *id, const char *text); /* create, end and archive */

/* ---- what is there ---- */

void contract_has(struct pawl_provider *p, const char *id, uint64_t execution, const void *data, size_t len);
void contract_has_text(struct pawl_provider *p, const char *id, uint64_t execution, const char *text);
/* No bytes of it can be read: not found, or reserved and empty. */
void contract_has_none(struct pawl_provider *p, const char *id);
void contract_has_spill(struct pawl_provider *p, const char *id, const char *name, const void *data, size_t len);
/* The ids of a scan, each with a blank behind it, must be these. */
void contract_scans(struct pawl_provider *p, bool archived, const char *ids);

/* rc is the failure `want` (0: any), and err says so in words that name the subject (NULL: any). */
void contract_fails(int rc, int want, const struct pawl_error *err, const char *subject);

/* Names that must never become a part of a path, among them one of 129 characters. */
extern const char *const contract_bad_names[];
extern const size_t contract_bad_name_count;

/* ---- messages ---- */

struct contract_inbox {
	struct pawl_message *messages[INBOX_MAX];
	size_t count;
};

struct pawl_message contract_start(const char *id);
struct pawl_message contract_raise(const char *id, const char *event, const char *payload);
void contract_send(struct pawl_provider *p, const struct pawl_message *message);
/* Receive until `want` messages have come, or for some seconds; fails unless exactly that many came. */
void contract_receive(struct contract *c, struct contract_inbox *inbox, size_t want);
void contract_ack_all(struct contract *c, const struct contract_inbox *inbox);

/* ---- where a test stands, told when one of these helpers fails ---- */

void contract_at(const char *file, int line);
#ifndef CONTRACT_HELPERS
#define contract_commit(...) (contract_at(__FILE__, __LINE__), contract_commit(__VA_ARGS__))
#define contract_has(...) (contract_at(__FILE__, __LINE__), contract_has(__VA_ARGS__))
#define contract_has_text(...) (contract_at(__FILE__, __LINE__), contract_has_text(__VA_ARGS__))
#define contract_has_none(...) (contract_at(__FILE__, __LINE__), contract_has_none(__VA_ARGS__))
#define contract_has_spill(...) (contract_at(__FILE__, __LINE__), contract_has_spill(__VA_ARGS__))
#define contract_scans(...) (contract_at(__FILE__, __LINE__), contract_scans(__VA_ARGS__))
#define contract_fails(...) (contract_at(__FILE__, __LINE__), contract_fails(__VA_ARGS__))
#define contract_send(...) (contract_at(__FILE__, __LINE__), contract_send(__VA_ARGS__))
#define contract_receive(...) (contract_at(__FILE__, __LINE__), contract_receive(__VA_ARGS__))
#endif

/* ---- bytes ---- */

uint64_t contract_random(uint64_t *seed);
/* malloc'd, ends in a newline, different for each seed. */
char *contract_bytes(size_t len, uint64_t seed);

#endif
