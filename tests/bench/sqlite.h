/* sqlite.h - what the same steps cost in SQLite. A program that includes this is linked with it. */
#ifndef BENCH_SQLITE_H
#define BENCH_SQLITE_H

#include "bench.h"

#define SQLITE_ROW_BYTES 200

/* Steps of so many instances, in turn: one transaction each. */
struct bench_result sqlite_run(const char *name, const char *dir, unsigned instances, unsigned steps);

#endif
