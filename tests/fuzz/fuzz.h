/*
 * fuzz.h - what the fuzz targets share: an input that is cut into pieces, checks that say what did not hold, and a hub on
 * the simulated kernel that is made once and cloned for each input.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "base/buf.h"
#include "base/slice.h"
#include "os/os_sim.h"
#include <pawl/provider.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_HUB "hub"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run; the input is kept by the driver. */
_Noreturn void fuzz_fail(const char *file, int line, const char *what);
#define must(what) ((what) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #what))

/* An input is cut at each line that is just "%%": readable seeds, and mutations that do not shift everything. */
#define FUZZ_CUT "\n%%\n"
struct pieces {
	const char *at;
	size_t left;
	bool ended;
};
struct pieces pieces_of(const uint8_t *data, size_t size);
bool pieces_next(struct pieces *p, struct slice *piece); /* false: there are no more; *piece is empty then */
/* The piece as a string: malloc'd, cut at its first NUL. */
char *piece_text(struct slice piece);

/* The right checksum behind each line of a history, whatever stands there: no fuzzer guesses it. */
void fuzz_seal(struct buf *out, struct slice text);

/* ---- a hub ---- */

struct fuzz_hub {
	struct os_sim *sim;
	const struct os *user;     /* another process: what people and programs do in the hub */
	struct pawl_provider *p;
	unsigned opened;           /* descriptors of process 0 before the provider */
};

/* A clone of a hub that fill() has filled through its owner, once; NULL: an empty one. The owner has stopped. Nothing of the
 * log is shown. */
void fuzz_hub_init(struct fuzz_hub *h, void (*fill)(struct pawl_provider *p));
void fuzz_hub_open(struct fuzz_hub *h);   /* as its owner: must succeed */
void fuzz_hub_close(struct fuzz_hub *h);  /* the provider, if it is open: no descriptor stays */
void fuzz_hub_release(struct fuzz_hub *h);
/* Lines of JSON (NULL-terminated) as execution 1 of a new instance. */
void fuzz_hub_put(struct pawl_provider *p, const char *id, bool end, const char *const *lines);

#define FUZZ_STARTED "{\"seq\":1,\"time\":\"2026-01-02T03:04:05.000000Z\",\"type\":\"ExecutionStarted\",\"name\":\"flow\"," \
	"\"version\":\"1.0.0\",\"seed\":\"0123456789abcdef0123456789abcdef\",\"input\":\"in\"}"

/* As the other process. Paths from the root of the disk; directories are made on the way. 0 or -errno. */
int fuzz_write(struct fuzz_hub *h, const char *path, struct slice data);
/* malloc'd; NULL when it is not there or no regular file. */
char *fuzz_read(struct fuzz_hub *h, const char *path, size_t *len);
bool fuzz_there(struct fuzz_hub *h, const char *path);

#endif
