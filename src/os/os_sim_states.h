/*
 * os_sim_states.h - every state of the disk that a power cut may leave at one point, one after the other.
 *
 * What is un-synced at that point is a row of decisions, each with two or more choices; one choice for each is a state
 * of the disk. The first choice is always "it reached the disk", the last "nothing of it did". A walk is an odometer
 * over the row. The choices as a text (the tape) name a state, so that it can be had again: the same calls give the same
 * row.
 *
 *   weak      POSIX's minimum. Each entry operation (create, mkdir, rename, unlink, rmdir, link) is kept or lost by itself,
 *             unless its directory was synced. It is kept only with the earlier un-synced ones on the same names, as a name
 *             is one place on the disk. A rename is kept or lost as a whole; of a file also: the new name is there and
 *             the old one not gone yet. Not taken: a rename that has lost both names, and a directory in two places, as
 *             no file system that anybody would keep a hub on leaves that behind.
 *   ordered   A journalling file system: entry operations reach the disk in their order, so there is one decision, how
 *             many of them; any sync that commits the journal keeps all before it.
 *
 * The data of un-synced writes is the same in both: kept; lost; lost, but the size is there (zeros: ext4's case); torn at
 * sectors of 512 bytes: every subset of up to three pieces, else a first part, a last part, or all but one piece in the
 * middle. A piece is a sector in writes of up to 8 of them; in longer ones it is a page of 4 KiB, with the sectors apart at
 * both ends. What extends the file comes with the size up to the last byte kept, or all of it. Each write is by itself,
 * so a later one may be there and an earlier one not, also over the same bytes. A change of size is kept or lost.
 * The tree stays consistent: no entry without its inode; one that was never synced is a file of length zero.
 */
#ifndef OS_OS_SIM_STATES_H
#define OS_OS_SIM_STATES_H

#include <os/os_sim.h>

struct os_sim_states;

enum os_sim_model { OS_SIM_WEAK, OS_SIM_JOURNAL };
enum os_sim_base { OS_SIM_BASE_KEPT, OS_SIM_BASE_LOST };

/* The row of a machine as it is now; its current state is "all kept". The machine stays as it is. */
struct os_sim_states *os_sim_states_new(struct os_sim *sim, enum os_sim_model model);
void os_sim_states_free(struct os_sim_states *s); /* NULL is allowed */
size_t os_sim_states_decisions(const struct os_sim_states *s);

/* To the base and from there through all states that differ from it in at most so many decisions (SIZE_MAX: all states). */
void os_sim_states_first(struct os_sim_states *s, enum os_sim_base base, size_t deviations);
bool os_sim_states_next(struct os_sim_states *s); /* false: that was the last */
/* How many that walk has, counted up to max. */
uint64_t os_sim_states_count(struct os_sim_states *s, enum os_sim_base base, size_t deviations, uint64_t max);
void os_sim_states_draw(struct os_sim_states *s, uint64_t seed); /* any one */

/* The tape: "0*12.3.1" is twelve times the first choice, then the fourth, then the second. Length, or -ENAMETOOLONG. */
int os_sim_states_text(const struct os_sim_states *s, char *out, size_t size);
int os_sim_states_set(struct os_sim_states *s, const char *text); /* 0, or -EINVAL: it is not for this row */

/* The power cut with that state, of the machine or a clone of it: see os_sim_power_cut. */
void os_sim_states_cut(const struct os_sim_states *s, struct os_sim *sim);

/* Of all that can be reached from the root: equal disks have equal numbers, others (nearly) never. */
uint64_t os_sim_disk_hash(struct os_sim *sim);

#endif
