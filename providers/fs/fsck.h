/*
 * fsck.h - is everything in a hub what it should be (docs/FORMAT.md), and making it so again.
 *
 * Checking takes no lock and writes nothing; a runtime may work on the same hub meanwhile: what looks wrong there is looked
 * at again before it is told. Repairing needs the lock. What it cuts or removes is kept in HUB/lost+found/TIME/ under the
 * same path, with a line in lost+found/log.
 */
#ifndef FS_FSCK_H
#define FS_FSCK_H

#include "os/os.h"
#include <pawl/error.h>

enum fsck_severity {
	FSCK_NOTE,    /* to be known, and nothing is wrong */
	FSCK_WARNING, /* wrong, but nothing that counts is lost by it */
	FSCK_DAMAGE,
};
enum fsck_outcome { FSCK_LEFT, FSCK_REPAIRED, FSCK_FAILED };

/* Texts live as long as the callback runs. */
struct fsck_finding {
	enum fsck_severity severity;
	const char *code;      /* one word for programs, such as "history-torn"; never changes its meaning */
	const char *file;      /* below the hub; "." is the hub itself */
	const char *instance;  /* NULL: of none */
	uint64_t offset;       /* in the file; FSCK_NOWHERE: of all of it */
	uint64_t line, lsn;    /* of a history, of the journal; 0 = none */
	const char *what;
	const char *repair;    /* what a repair does about it; NULL: nothing */
	bool discards;         /* it takes readable data out of the hub (into lost+found): done only with `discard` */
	enum fsck_outcome outcome; /* of a repair */
};
#define FSCK_NOWHERE UINT64_MAX

struct fsck_options {
	const char *hub;
	const struct os *os;            /* NULL: the real one */
	const char *const *ids;         /* only what is of these instances; count 0: everything */
	size_t id_count;
	bool repair;
	bool discard;                   /* with repair: also what takes readable data out of the hub */
	void (*pause)(void *arg, unsigned ms); /* sleep, before a second look beside a runtime; NULL: no sleep */
	/* Each finding, in an order that a person can follow. Not 0 stops, and is returned. */
	int (*each)(void *arg, const struct fsck_finding *finding);
	void *arg;
};

struct fsck_summary {
	unsigned notes, warnings, damages; /* that are there now: after a repair those that are left */
	unsigned repaired;
	unsigned instances, archived, histories, segments; /* that were looked at */
	uint64_t frames, lines, payloads;
	bool runtime;          /* one works on the hub */
	char kept[64];         /* where a repair has put things, below the hub; "": nowhere */
};

/*
 * All checks, and with `repair` what can be done about it. 0: it was checked, whatever it found. PAWL_ENOTFOUND: there is
 * no hub. PAWL_EBUSY: a repair was asked for and a runtime has the hub. Others: it could not be checked, err says why.
 */
int fsck_run(const struct fsck_options *options, struct fsck_summary *summary, struct pawl_error *err);

#endif
