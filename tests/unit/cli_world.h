/* cli_world.h - a hub in a temporary directory, histories written into it, and the command line run over it with its output
 * caught. */
#ifndef TESTS_UNIT_CLI_WORLD_H
#define TESTS_UNIT_CLI_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pawl/provider.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STARTED "{\"seq\":1,\"time\":\"2020-01-02T03:04:05.000000Z\",\"type\":\"ExecutionStarted\",\"name\":\"flow\"," \
	"\"version\":\"1.2.0\",\"seed\":\"0123456789abcdef0123456789abcdef\",\"input\":\"in\"}"

struct cli_world {
	char dir[64], hub[80];
	char *out, *err; /* of the last run */
	int code;
	const char *in;  /* standard input of the next run */
};

int world_setup(void **state);
int world_teardown(void **state);
/* Commit lines (JSON without checksums, NULL-terminated) as execution 1, 2 ... of an instance; end: and archive it. */
void world_put(struct cli_world *w, const char *id, uint64_t execution, bool end, const char *const *lines);
#define world_live(w, id, ...) world_put(w, id, 1, false, (const char *const[]){ __VA_ARGS__, NULL })
#define world_ended(w, id, ...) world_put(w, id, 1, true, (const char *const[]){ __VA_ARGS__, NULL })
/* `pawl -H HUB -c "" WORDS`; returns the exit code. */
int world_run(struct cli_world *w, const char *const *words);
#define run(w, ...) world_run(w, (const char *const[]){ __VA_ARGS__, NULL })
/* The provider as the owner of the world's hub; close it. */
struct pawl_provider *world_own(struct cli_world *w);

#define assert_has(text, part) assert_holds_((text), (part), true, __FILE__, __LINE__)
#define assert_lacks(text, part) assert_holds_((text), (part), false, __FILE__, __LINE__)
void assert_holds_(const char *text, const char *part, bool wanted, const char *file, int line);

#endif
