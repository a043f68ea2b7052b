/* kernel.c - limits of the kernel and of the process that is the runtime, and what /proc shows. */
#include "doctor/doctor.h"
#include "base/text.h"
#include <stdlib.h>

#define FIRST_PID_NAMESPACE 4026531836u /* PROC_PID_INIT_INO of the kernel */
#define WATCHES_OF_HUB 4
#define QUEUED_MIN 1024
#define INSTANCES_MIN 16
#define FILES_OF_RUNTIME 320 /* history files between write and sync, journal, watches, library */
#define ADDRESSES_MIN (128ull << 20)

/* ---- inotify ---- */

static void look_at_inotify(struct doctor *d)
{
	uint64_t watches, instances, queued, wanted = d->instances + WATCHES_OF_HUB,
		most = d->config->drops.watches_max;

	if (!doctor_read_number(d, "/proc/sys/fs/inotify/max_user_watches", &watches) || !doctor_read_number(d,
		"/proc/sys/fs/inotify/max_user_instances", &instances) ||
	    !doctor_read_number(d, "/proc/sys/fs/inotify/max_queued_events", &queued)) {
		struct doctor_finding *f = doctor_add(d, DOCTOR_KERNEL, "inotify", DOCTOR_NOTE,
			"cannot tell: /proc/sys/fs/inotify is not there");
		doctor_advise(f, DOCTOR_NOTE, "if the kernel has no inotify, events are found by the rescan only "
			"(drops.rescan)");
		return;
	}
	if (wanted > most)
		wanted = most;
	struct doctor_finding *f = doctor_add(d, DOCTOR_KERNEL, "inotify", DOCTOR_OK,
		"%llu watches, %llu instances for each user, %llu events queued at most; this hub wants %llu watches",
		(unsigned long long)watches, (unsigned long long)instances, (unsigned long long)queued,
			(unsigned long long)wanted);
	doctor_number(f, "max_user_watches", watches);
	doctor_number(f, "max_user_instances", instances);
	doctor_number(f, "max_queued_events", queued);
	doctor_number(f, "watches_wanted", wanted);
	if (watches < wanted)
		doctor_advise(f, DOCTOR_WARNING, "raise fs.inotify.max_user_watches: instances without a watch get "
			"their events at the rescan only (drops.rescan)");
	else if (instances < INSTANCES_MIN)
		doctor_advise(f, DOCTOR_WARNING, "raise fs.inotify.max_user_instances to 128: each `pawl wait`, "
			"`watch` and worker takes one beside the runtime's");
	else if (queued < QUEUED_MIN)
		doctor_advise(f, DOCTOR_NOTE, "raise fs.inotify.max_queued_events to 16384: a flood of events beyond "
			"it costs a scan of all directories");
}

/* ---- limits of the process ---- */

/* The soft limit of a line of /proc/PID/limits. */
static bool find_limit(const char *text, const char *name, uint64_t *value)
{
	const char *line = text ? strstr(text, name) : NULL;

	if (!line)
		return false;
	line += strlen(name);
	line += strspn(line, " ");
	if (strncmp(line, "unlimited", 9) == 0)
		*value = UINT64_MAX;
	else
		*value = strtoull(line, NULL, 10);
	return true;
}

static void add_limit(struct buf *text, const char *name, uint64_t value)
{
	buf_addf(text, "%s%s ", text->len ? ", " : "", name);
	if (value == UINT64_MAX)
		buf_adds(text, "unlimited");
	else
		buf_addu(text, value);
}

static void look_at_limits(struct doctor *d)
{
	uint64_t files = UINT64_MAX, size = UINT64_MAX, addresses = UINT64_MAX,
		wanted = FILES_OF_RUNTIME + 3u * d->config->workers.processes_max;
	struct buf value = BUF_INIT;
	char *text;
	const char *whose = doctor_read_process(d, "limits", &text);

	if (!find_limit(text, "Max open files", &files)) {
		(void)doctor_add(d, DOCTOR_KERNEL, "limits", DOCTOR_NOTE,
			"cannot tell: /proc/self/limits is not there");
		free(text);
		return;
	}
	(void)find_limit(text, "Max file size", &size);
	(void)find_limit(text, "Max address space", &addresses);
	free(text);
	add_limit(&value, "open files", files);
	add_limit(&value, "file size", size);
	add_limit(&value, "address space", addresses);
	struct doctor_finding *f = doctor_add(d, DOCTOR_KERNEL, "limits", DOCTOR_OK, "of %s: %s", whose,
		buf_str(&value));
	buf_release(&value);
	if (size < d->config->journal.segment_bytes)
		doctor_advise(f, DOCTOR_PROBLEM, "a journal segment is larger than a file may be: raise the file size "
			"(LimitFSIZE=, ulimit -f)");
	if (files < wanted)
		doctor_advise(f, DOCTOR_WARNING, "raise the open files (LimitNOFILE=, ulimit -n) to %llu: histories "
			"and programs take up to so many", (unsigned long long)wanted);
	if (addresses < ADDRESSES_MIN)
		doctor_advise(f, DOCTOR_WARNING, "raise the address space (LimitAS=, ulimit -v): stacks and threads "
			"reserve more than they use; bound the memory by a cgroup");
}

static void look_at_umask(struct doctor *d)
{
	char mask[16] = "";
	char *text;
	const char *whose = doctor_read_process(d, "status", &text);

	if (text && doctor_field(text, "Umask", mask, sizeof(mask))) {
		struct doctor_finding *f = doctor_add(d, DOCTOR_KERNEL, "umask", DOCTOR_OK, "of %s: %s", whose, mask);
		unsigned long bits = strtoul(mask, NULL, 8);
		if (!(bits & 2))
			doctor_advise(f, DOCTOR_WARNING, "use 022 or 027 (UMask=): what activities make could be "
				"written by everybody");
		else if (bits & 0300)
			doctor_advise(f, DOCTOR_WARNING, "use 022, 027 or 077 (UMask=): the runtime could not enter "
				"what it makes itself");
	}
	free(text);
}

/* ---- /proc ---- */

static bool hides_pids(const struct doctor *d)
{
	struct os_mount m = { .known = false };
	char *text = doctor_read_text(d, "/proc/self/mountinfo");
	bool hides = false;

	for (const char *line = text; line && *line && !hides; line = strchr(line, '\n')) {
		line += *line == '\n';
		size_t len = strcspn(line, "\n");
		const char *proc = strstr(line, " - proc ");
		if (!proc || proc > line + len)
			continue;
		snprintf(m.options, sizeof(m.options), "%.*s", (int)(line + len - proc - 8), proc + 8);
		const char *at = strstr(m.options, "hidepid=");
		hides = at && at[8] != '0' && strncmp(at + 8, "off", 3) != 0;
	}
	free(text);
	return hides;
}

static void look_at_proc(struct doctor *d)
{
	struct os_process_id self;
	uint64_t space = d->machine->pid_namespace;
	bool hides = hides_pids(d), own = space && space != FIRST_PID_NAMESPACE;
	int rc = d->os->self_id(d->os->self, &self);
	struct doctor_finding *f = doctor_add(d, DOCTOR_KERNEL, "processes", DOCTOR_OK, "/proc %s%s", rc < 0 ?
		"does not show ourselves" :
		hides ? "hides those of other users (hidepid)" : "shows all", own ? ", a pid namespace of its own" :
			"");

	if (rc < 0)
		doctor_advise(f, DOCTOR_PROBLEM, "mount /proc: the runtime knows processes by what stands there");
	if (hides && d->os->uid(d->os->self) != 0)
		doctor_advise(f, DOCTOR_NOTE, "workers of other users are known by their locks only; mount /proc with "
			"gid= of the runtime's group to see them");
	if (own)
		doctor_advise(f, DOCTOR_NOTE, "programs that were left running end with the container, and pids of "
			"workers outside of it mean nothing here: have them use names");
}

static void look_at_shim(struct doctor *d)
{
	const struct doctor_machine *m = d->machine;
	struct doctor_finding *f = doctor_add(d, DOCTOR_KERNEL, "pawl-shim", DOCTOR_OK, "%s", m->shim[0] ? m->shim :
		m->shim_error);

	if (!m->shim[0])
		doctor_advise(f, DOCTOR_PROBLEM, "install it (make install): no activity that is a program can run "
			"without it");
}

void doctor_kernel(struct doctor *d)
{
	look_at_inotify(d);
	look_at_limits(d);
	look_at_umask(d);
	look_at_proc(d);
	look_at_shim(d);
}
