/*
 * flip_hub.h - a small hub with one of everything, what must be in it, and where: for test_flip.c, which damages it.
 */
#ifndef CRASH_FLIP_HUB_H
#define CRASH_FLIP_HUB_H

#include "harness.h"
#include "providers/fs/fsck.h"

#define HACKER 3 /* the process that does the damage, and looks */
#define FILES_MAX 64
#define FRAMES_MAX 64
#define MEMBERS 6
#define FINDINGS_MAX 64

/* What was acknowledged of an instance. */
struct member {
	const char *id;
	bool archived, parked;
	unsigned executions;
	struct buf text[2];
	size_t synced[2]; /* so much of it the journal does not have any more */
};

struct flip_file {
	char path[160]; /* below HUB */
	char *text;
	size_t len;
};

/* A frame that counts, and whose lines are in it. */
struct flip_frame {
	unsigned segment;
	size_t from, to;
	uint64_t lsn;
	unsigned hit; /* a bit for each member */
};

struct flip_hub {
	struct os_sim *sim;
	struct member members[MEMBERS];
	struct flip_file files[FILES_MAX];
	unsigned file_count;
	struct flip_frame frames[FRAMES_MAX];
	unsigned frame_count;
	uint64_t newest; /* lsn */
};

enum { LIVE_ONE, YOUNG, SPILLED, GENERATIONS, ENDED_ONE, PARKED_ONE };
#define MESSAGES 4 /* that wait: a raise, a start, and two files that were dropped */

bool flip_make(struct flip_hub *h);
void flip_free(struct flip_hub *h);

/* All regular files below HUB. */
unsigned flip_list(struct os_sim *sim, struct flip_file *files, unsigned max);
void flip_files_free(struct flip_file *files, unsigned count);

/* What fsck finds. */
struct flip_findings {
	int rc;
	struct pawl_error err;
	struct fsck_summary sum;
	struct {
		enum fsck_severity severity;
		char file[160], code[32], what[200];
		uint64_t offset;
	} items[FINDINGS_MAX];
	unsigned count;
};
void flip_fsck(struct os_sim *sim, bool repair, bool yes, struct flip_findings *out);

/* As a runtime that starts: each live instance that can be read goes on, to its end; the others are set aside. A bit for each member
 * whose text is what it was. */
unsigned flip_same(const struct flip_hub *h, struct node *n);
bool flip_complete(const struct flip_hub *h, struct node *n, unsigned same);
/* How many of the messages come, a bit for each. */
unsigned flip_receive(struct node *n);
/* Is each line of each member, but those that [from, to) of this file has hit, in some file? */
bool flip_lines_kept(const struct flip_hub *h, struct os_sim *sim, const char *file, size_t from, size_t to, char *lost, size_t size);

#endif
