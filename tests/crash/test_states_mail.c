/*
 * test_states_mail.c - all states of the disk that a power cut may leave while messages are sent, dropped, taken in and
 * removed.
 */
#include "post.h"
#include "states.h"

#include <stdio.h>

/*
 * A letter is a step:
 *	t start m0   u start m1   r raise m0   c cancel m0   by a client
 *	e a file in events/   i one in inbox/   by a user who syncs; E, I: by one who does not
 *	g all that waits is received, committed and removed   M maintenance
 *	S the kernel brings everything to the disk   K kill, and a start
 */
static const struct work works[] = {
	{ "start", "S", "t" },
	{ "start taken", "tS", "g" },
	{ "second start, first taken", "t", "gu" },
	{ "raise", "tgS", "r" },
	{ "raise taken", "tgrS", "g" },
	{ "cancel taken", "tgcS", "gM" },
	{ "event file", "tgS", "e" },
	{ "event file taken", "tgeS", "g" },
	{ "careless event file", "tgMS", "Eg" },
	{ "inbox file", "tgS", "i" },
	{ "inbox file taken", "tgiS", "gM" },
	{ "careless inbox file", "tgMS", "Ig" },
	{ "many", "tgS", "reig" },
	{ "one after the other", "tgS", "rgigrg" },
	{ "taken again after a kill", "tgrS", "gKg" },
};

static void step(struct post *post, struct node *n, char letter)
{
	struct pawl_error err = { 0 };

	os_sim_advance(n->sim, 10000000);
	switch (letter) {
	case 't': post_send(post, n, 0, BY_START); break;
	case 'u': post_send(post, n, 1, BY_START); break;
	case 'r': post_send(post, n, 0, BY_RAISE); break;
	case 'c': post_send(post, n, 0, BY_CANCEL); break;
	case 'e': post_drop(post, n, 0, false, true); break;
	case 'E': post_drop(post, n, 0, false, false); break;
	case 'i': post_drop(post, n, 0, true, true); break;
	case 'I': post_drop(post, n, 0, true, false); break;
	case 'g': post_receive(post, n, true); break;
	case 'M': (void)node_settle(n); break;
	case 'S': states_sync(n); break;
	default:
		node_kill(n);
		post->over = node_start(n, &err) < 0;
		break;
	}
}

static bool walk(struct post *post, struct node *n, const char *letters)
{
	for (; *letters && !post->over && !crash_is_off(n); letters++)
		step(post, n, *letters);
	return !post->over && !crash_is_off(n);
}

static bool prepare(void *state, struct node *n)
{
	struct post *post = state;

	return post_start(post, n) && walk(post, n, works[post->workload].before);
}

static void run(void *state, struct node *n)
{
	struct post *post = state;

	(void)walk(post, n, works[post->workload].steps);
	post_close(post);
}

static const struct scenario scripted = { .make = post_make, .free = free, .run = run, .check = post_check, .go_on = post_go_on,
	.prepare = prepare, .promise = post_promise };

static void all(void)
{
	states_works(&scripted, works, COUNT_OF(works));
}

static void expect_caught(const char *plant)
{
	if (!crash_is_caught(plant, all))
		crash_fail("nobody noticed the planted bug '%s'", plant);
}

static void plant_unlinkfirst(void) { expect_caught("unlinkfirst"); }
static void plant_nosync(void) { expect_caught("nosync"); }
static void plant_nodirsync(void) { expect_caught("nodirsync"); }
static void plant_renamefirst(void) { expect_caught("renamefirst"); }

int main(int argc, char **argv)
{
	static const struct crash_test tests[] = {
		{ "every state of the disk at every operation has all messages, whole and once", all },
		{ "planted bug is caught: a message is removed before its commit (unlinkfirst)", plant_unlinkfirst },
		{ "planted bug is caught: the journal is not synced (nosync)", plant_nosync },
		{ "planted bug is caught: directories are not synced (nodirsync)", plant_nodirsync },
		{ "planted bug is caught: a file has its name before its bytes are synced (renamefirst)", plant_renamefirst },
	};

	return crash_main(argc, argv, tests, COUNT_OF(tests));
}
