/* main.c - from the arguments to a running activity, and from its end to the outcome in the claim. */
#include "shim/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define USAGE "usage: " SHIM_PROGRAM " work=DIR [NAME=VALUE]... -- PROGRAM [ARGUMENT]..."

/* On the log when there is one, else to whoever started us by hand. */
static void say(const char *text, const char *subject, int sys)
{
	char line[512];
	struct text t = { line, 0, sizeof(line) - 1 };

	text_add(&t, SHIM_PROGRAM ": ");
	text_add(&t, text);
	if (subject) {
		text_add(&t, " '");
		text_bytes(&t, subject, strnlen(subject, sizeof(line) / 2));
		text_add(&t, "'");
	}
	if (sys) {
		text_add(&t, ": ");
		text_errno(&t, sys);
	}
	line[t.len++] = '\n';
	(void)write_all(shim.pump.errors.to >= 0 ? shim.pump.errors.to : 2, line, t.len, -1);
}

/* the beginning */

static bool own_fds(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd < 3; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			return false;
	close_from(3);
	return true;
}

static int open_waiting(int (*open_it)(void))
{
	int r;

	while ((r = open_it()) < 0 && may_pass(-r) && wait_for_room())
		;
	return r;
}

static int open_claim(void)
{
	return claim_open(&shim.claim, shim.work);
}

static int open_result(void)
{
	return shim.pump.out.to = open_new(shim.work, SHIM_RESULT);
}

static int open_pipes(void)
{
	int out[2], errors[2];

	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(errors, O_CLOEXEC) < 0)
		return -errno;
	shim.pump.out.from = out[0];
	shim.start.out = out[1];
	shim.pump.errors.from = errors[0];
	shim.start.errors = errors[1];
	/* Only ours: the other ends are other files for the kernel. */
	if (fcntl(out[0], F_SETFL, O_NONBLOCK) < 0 || fcntl(errors[0], F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

static const char *prepare(int *sys)
{
	int r;

	*sys = 0;
	if (!own_fds())
		return "/dev/null";
	shim.work = open(shim.o.value[OPT_WORK], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*sys = errno;
	if (shim.work < 0)
		return shim.o.value[OPT_WORK];
	r = open_waiting(open_claim);
	*sys = -r;
	if (r != -EBUSY) /* or else it is the log of an earlier shim that is alive */
		shim.pump.errors.to = open_new(shim.work, SHIM_LOG);
	if (r < 0)
		return SHIM_CLAIM;
	r = open_waiting(open_result);
	*sys = -r;
	if (r < 0)
		return SHIM_RESULT;
	r = open_pipes();
	*sys = -r;
	return r < 0 ? "pipe" : NULL;
}

static void reap(int *status, struct rusage *usage)
{
	while (shim.pid > 0 && wait4(shim.pid, status, 0, usage) < 0 && errno == EINTR)
		;
	shim.pid = 0;
}

static enum start_result start(int *sys)
{
	enum start_result r;

	shim.start.o = &shim.o;
	shim.start.claim = &shim.claim;
	shim.start.work = shim.work;
	claim_facts(&shim.claim, shim.o.number[OPT_ATTEMPT]);
	while ((r = start_activity(&shim.start, &shim.pid, sys)) == NO_CLAIM && may_pass(*sys)) {
		int status;
		struct rusage usage;
		reap(&status, &usage);
		if (!wait_for_room())
			break;
	}
	close(shim.start.out);
	close(shim.start.errors);
	return r;
}

/* the end */

static uint64_t ms_of(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000 + (uint64_t)t->tv_usec / 1000;
}

static void tell_end(struct outcome *outcome, int status)
{
	if (outcome->word)
		return;
	if (shim.reason) {
		outcome->word = shim.reason;
	} else if (WIFSIGNALED(status)) {
		outcome->word = "signal";
		outcome->number = WTERMSIG(status);
	} else {
		outcome->word = "exit";
		outcome->number = WEXITSTATUS(status);
	}
}

/* The work directory and those above it that were made for it: HUB/instances/ID/work/SEQ. */
static int sync_directories(void)
{
	static const char *const above[] = { "..", "../.." };
	int r = fsync(shim.work);

	for (int i = 0; r == 0 && i < 2; i++) {
		int fd = openat(shim.work, above[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 ? -1 : fsync(fd);
		if (fd >= 0)
			close(fd);
	}
	return r;
}

/* I8: what could not be synced is not believed, so there is no claim of it; the attempt counts as lost. */
static bool sync_result(struct outcome *outcome)
{
	if (shim.o.number[OPT_SYNC] == 0 || shim.pump.no_result)
		return true;
	outcome->synced = fsync(shim.pump.out.to) == 0 && sync_directories() == 0;
	if (!outcome->synced)
		say("cannot sync", SHIM_RESULT, errno);
	return outcome->synced;
}

static int finish(struct outcome *outcome)
{
	char message[SHIM_MESSAGE_MAX + 1];
	struct rusage usage;
	int status = SIGKILL, r; /* should somebody else have reaped it: never a success that nobody saw */

	memset(&usage, 0, sizeof(usage));
	if (!outcome->word && !sync_result(outcome))
		return 1;
	remove_cgroup();
	reap(&status, &usage);
	tell_end(outcome, status);
	if (!outcome->message) {
		pump_message(&shim.pump, message);
		outcome->message = message;
	}
	outcome->output = shim.pump.out.kept;
	outcome->user_ms = ms_of(&usage.ru_utime);
	outcome->system_ms = ms_of(&usage.ru_stime);
	outcome->rss_kib = (uint64_t)usage.ru_maxrss;
	while ((r = claim_end(&shim.claim, outcome)) < 0 && wait_for_room())
		;
	if (r < 0) {
		say("cannot write the outcome to", SHIM_CLAIM, -r);
		return 1;
	}
	if (shim.o.number[OPT_SYNC] > 0 && (fsync(shim.claim.fd) < 0 || fsync(shim.work) < 0))
		say("cannot sync", SHIM_CLAIM, errno);
	return 0;
}

static void not_started(struct outcome *outcome, const char *word, int sys)
{
	outcome->word = word;
	outcome->number = sys;
	outcome->message = shim.start.message;
}

int main(int argc, char *argv[])
{
	struct outcome outcome = { .number = -1 };
	const char *bad;
	int sys;

	shim.work = shim.timer = shim.claim.fd = -1;
	shim.pump.out = (struct stream){ -1, -1, 0, 0, -1 };
	shim.pump.errors = shim.pump.out;
	if (!options_parse(&shim.o, argc, argv, &bad)) {
		say(bad ? "bad argument" : USAGE, bad, 0);
		return 1;
	}
	shim.pump.out.max = shim.o.number[OPT_OUTPUT_MAX];
	shim.pump.errors.max = shim.o.number[OPT_LOG_MAX] ? shim.o.number[OPT_LOG_MAX] : UINT64_MAX;
	take_signals();
	bad = prepare(&sys);
	if (bad) {
		say("cannot open", bad, sys);
		return 1;
	}
	switch (start(&sys)) {
	case STARTED:
		watch();
		loop();
		break;
	case NO_CLAIM:
		say("cannot write", SHIM_CLAIM, sys);
		return 1;
	case NO_SETUP:
		not_started(&outcome, "setup", sys);
		break;
	case NO_SPAWN:
		not_started(&outcome, "spawn", sys);
		break;
	}
	return finish(&outcome);
}
