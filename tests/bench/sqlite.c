/* sqlite.c - the same history in SQLite: WAL, synchronous=FULL, one transaction a step, rows of 200 bytes. */
#include "sqlite.h"
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 1024

struct store {
	char path[PATH_BYTES];
	sqlite3 *db;
	sqlite3_stmt *insert;
};

static void store_remove(const struct store *s)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char path[PATH_BYTES + 8];

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", s->path, suffixes[i]);
		unlink(path);
	}
}

static void store_close(struct store *s)
{
	sqlite3_finalize(s->insert);
	sqlite3_close(s->db);
	store_remove(s);
}

static int store_open(struct store *s, const char *dir)
{
	static const char schema[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA locking_mode=EXCLUSIVE;"
		"CREATE TABLE history (instance INTEGER, seq INTEGER, event TEXT, PRIMARY KEY (instance, seq)) WITHOUT ROWID;";

	*s = (struct store){ .db = NULL };
	snprintf(s->path, sizeof(s->path), "%s/bench.sqlite", dir);
	store_remove(s);
	if (sqlite3_open(s->path, &s->db) != SQLITE_OK || sqlite3_exec(s->db, schema, NULL, NULL, NULL) != SQLITE_OK)
		return -1;
	return sqlite3_prepare_v2(s->db, "INSERT INTO history VALUES (?1, ?2, ?3)", -1, &s->insert,
	                          NULL) == SQLITE_OK ? 0 : -1;
}

/* A statement outside of BEGIN is a transaction: durable when it returns. */
static int store_step(struct store *s, unsigned instance, unsigned seq, const char *row)
{
	sqlite3_bind_int64(s->insert, 1, instance);
	sqlite3_bind_int64(s->insert, 2, seq);
	sqlite3_bind_text(s->insert, 3, row, SQLITE_ROW_BYTES, SQLITE_STATIC);
	int rc = sqlite3_step(s->insert);
	sqlite3_reset(s->insert);
	return rc == SQLITE_DONE ? 0 : -1;
}

static int measure(struct store *s, const char *dir, unsigned instances, unsigned steps, struct bench_result *r)
{
	char row[SQLITE_ROW_BYTES];
	struct bench b;

	memset(row, 'x', sizeof(row));
	if (bench_start(&b, dir, (size_t)instances * steps) < 0)
		return -1;
	for (unsigned i = 0; i < instances * steps && !r->error[0]; i++) {
		bench_op_begin(&b);
		if (store_step(s, i % instances, i / instances, row) < 0)
			bench_fail(r, 0, sqlite3_errmsg(s->db), s->path);
		bench_op_end(&b);
	}
	bench_stop(&b, r);
	return 0;
}

struct bench_result sqlite_run(const char *name, const char *dir, unsigned instances, unsigned steps)
{
	struct bench_result r = { .name = name };
	struct store s;

	if (store_open(&s, dir) < 0)
		bench_fail(&r, 0, s.db ? sqlite3_errmsg(s.db) : "cannot open", s.path);
	else if (measure(&s, dir, instances, steps, &r) < 0)
		bench_fail(&r, 0, "no memory to measure in", dir);
	store_close(&s);
	return r;
}
