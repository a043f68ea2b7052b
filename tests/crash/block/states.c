/*
 * states.c - every state that a power cut may leave a recorded disk in: rebuilt, repaired, mounted, recovered and checked.
 *
 *	states FS DIR HUB [-n STATES] [-s SEED] [-j WORKERS] [-r N] [-e ENTRY -c CHOICE] [-k IMAGE] [-a ATOM] [-m] [-1] [-q]
 *
 * DIR has what record and the load have left: base.img (the disk before), log, reference/, frames. HUB is the hub's path in the
 * file system. -n: about so many (0: four for each entry); -r: in each so-manieth a runtime
 * goes on with the load to its end (with -e: 1); -e, -c: only this state; -k: keep its image, as the power cut left it; -m: only
 * mount, never e2fsck; -1: stop at the first bad one; -q: do not
 * show bad ones. Exit status 0, 1 when a state was bad, 3 when it could not work.
 *
 * A cut is behind an entry of the log. Of the writes since the last completed flush, the choice says what is on the medium:
 *
 *	0        all of them: a disk without a cache
 *	1        none
 *	2, 3 ... each is kept, lost or torn to a run of whole atoms, as the seed, the entry and the choice draw it
 *
 * A lost write in front of one that is kept is what a disk that reorders leaves behind.
 */
#define _GNU_SOURCE
#include "blklog.h"
#include "check.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHOICES_FIRST 2 /* the first that is drawn */
#define SHOW_MAX 5
#define WORKERS_MAX 16

extern char **environ;

struct image {
	int fd;
	uint8_t *map;
};

static struct {
	const char *fs, *dir, *keep;
	char hub[4300], mnt[4200], work_path[4200], dev[64];
	uint64_t seed;
	size_t atom, states, serve_every, only_entry, only_choice;
	bool one, first_only, quiet, only_mount;
	struct blklog log;
	struct check check;
	struct image durable, work; /* all flushed writes; the disk that is mounted */
	size_t size;
	int loop;
	size_t *pending, pending_count, pending_cap; /* entries that no flush covers yet */
	size_t *stale, stale_count, stale_cap;       /* entries that are in durable and not yet in work */
	size_t worker, workers, number;              /* number: of the next state, the same in all workers */
	struct tally { _Atomic size_t tried, served, bad, failed, ctimes, refused; } *tally; /* of all workers */
} s = { .atom = 4096, .seed = 1, .workers = 1 };

/* ---- images ---- */

static void image_open(struct image *i, const char *path)
{
	i->fd = open(path, O_RDWR | O_CLOEXEC);
	if (i->fd < 0)
		die_sys("cannot open '%s'", path);
	i->map = mmap(NULL, s.size, PROT_READ | PROT_WRITE, MAP_SHARED, i->fd, 0);
	if (i->map == MAP_FAILED)
		die_sys("cannot map '%s'", path);
}

static void image_put(const struct image *i, uint64_t offset, const uint8_t *data, size_t len)
{
	if (offset > s.size || len > s.size - offset)
		die("a write at %llu is outside of the disk", (unsigned long long)offset);
	if (data)
		memcpy(i->map + offset, data, len);
	else if (fallocate(i->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len) < 0)
		die_sys("cannot discard");
}

static void image_apply(const struct image *i, size_t entry)
{
	const struct blklog_entry *e = &s.log.entries[entry];

	image_put(i, e->offset, e->data, e->len);
}

static void same_bytes(size_t from, size_t to)
{
	for (size_t at = from; at < to; at += 4096) {
		size_t len = to - at < 4096 ? to - at : 4096;
		if (memcmp(s.work.map + at, s.durable.map + at, len) != 0)
			memcpy(s.work.map + at, s.durable.map + at, len);
	}
}

/* What is to be the same again: a hole of the one may not be read, or it becomes memory. */
static void same_extent(size_t from, size_t to)
{
	while (from < to) {
		off_t data = lseek(s.durable.fd, (off_t)from, SEEK_DATA);
		off_t hole = data < 0 ? -1 : lseek(s.durable.fd, data, SEEK_HOLE);
		size_t begin = data < 0 || (size_t)data > to ? to : (size_t)data;
		size_t end = hole < 0 || (size_t)hole > to ? to : (size_t)hole;
		if (begin > from)
			image_put(&s.work, from, NULL, begin - from);
		same_bytes(begin, end);
		from = end;
	}
}

/* A discard, ours or one of the file system that was mounted, has made holes where the other has data. */
static void fill_holes(off_t from, off_t to)
{
	while ((from = lseek(s.work.fd, from, SEEK_HOLE)) >= 0 && from < to) {
		off_t data = lseek(s.work.fd, from, SEEK_DATA), end = data < 0 || data > to ? to : data;
		memcpy(s.work.map + from, s.durable.map + from, (size_t)(end - from));
		from = end;
	}
}

static void image_reset(void)
{
	off_t from = 0, to;

	while ((from = lseek(s.work.fd, from, SEEK_DATA)) >= 0) {
		to = lseek(s.work.fd, from, SEEK_HOLE);
		same_extent((size_t)from, (size_t)to);
		from = to;
	}
	for (from = 0; (from = lseek(s.durable.fd, from, SEEK_DATA)) >= 0; from = to) {
		to = lseek(s.durable.fd, from, SEEK_HOLE);
		fill_holes(from, to);
	}
	for (size_t i = 0; i < s.stale_count; i++)
		image_apply(&s.work, s.stale[i]);
	s.stale_count = 0;
}

static void push(size_t **list, size_t *count, size_t *cap, size_t value)
{
	if (*count == *cap) {
		*cap = *cap ? *cap * 2 : 256;
		*list = realloc(*list, *cap * sizeof(**list));
		if (!*list)
			die("no memory");
	}
	(*list)[(*count)++] = value;
}

static void flushed(void)
{
	for (size_t i = 0; i < s.pending_count; i++) {
		image_apply(&s.durable, s.pending[i]);
		push(&s.stale, &s.stale_count, &s.stale_cap, s.pending[i]);
	}
	s.pending_count = 0;
}

/* ---- a state ---- */

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static void keep_part(const struct blklog_entry *e, uint64_t drawn)
{
	/* atoms lie on the disk's own boundaries */
	size_t first = e->offset / s.atom, atoms = (e->offset + e->len + s.atom - 1) / s.atom - first;
	size_t from = first + drawn % atoms, to = from + 1 + (drawn >> 20) % (first + atoms - from);
	uint64_t begin = from * s.atom > e->offset ? from * s.atom : e->offset;
	uint64_t end = to * s.atom < e->offset + e->len ? to * s.atom : e->offset + e->len;

	image_put(&s.work, begin, e->data ? e->data + (begin - e->offset) : NULL, end - begin);
}

static void build(size_t entry, size_t choice)
{
	image_reset();
	/* from mostly kept to mostly lost */
	unsigned lost = (unsigned)(mix(s.seed ^ mix(entry * 64 + choice)) % 10);

	for (size_t i = 0; choice != 1 && i < s.pending_count; i++) {
		const struct blklog_entry *e = &s.log.entries[s.pending[i]];
		uint64_t drawn = mix(mix(s.seed ^ mix(entry * 64 + choice)) + s.pending[i]);
		if (choice == 0 || drawn % 10 >= lost)
			image_apply(&s.work, s.pending[i]);
		else if (drawn / 10 % 3 == 0)
			keep_part(e, drawn >> 8);
	}
}

/* What was built stands in the image: the next reset must see it as a difference. */
static void keep_image(void)
{
	int to = open(s.keep, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (to < 0 || ftruncate(to, (off_t)s.size) < 0)
		die_sys("cannot write '%s'", s.keep);
	for (off_t from = 0, end; (from = lseek(s.work.fd, from, SEEK_DATA)) >= 0; from = end) {
		end = lseek(s.work.fd, from, SEEK_HOLE);
		if (pwrite(to, s.work.map + from, (size_t)(end - from), from) != end - from)
			die_sys("cannot write '%s'", s.keep);
	}
	close(to);
}

/*
 * As at boot. 0 and 1 are good, all else needs a person. xfs and btrfs repair themselves when they are mounted; ext4 can, too,
 * on devices that boot without its checker: so every second state goes without.
 */
static int repair(size_t entry, size_t choice)
{
	char name[] = "e2fsck", preen[] = "-p";
	char *argv[] = { name, preen, s.dev, NULL };
	posix_spawn_file_actions_t quiet;
	int status = 0;
	pid_t pid;

	if (strcmp(s.fs, "ext4") != 0 || s.only_mount || mix(entry + choice) % 2)
		return 0;
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ) != 0 || waitpid(pid, &status, 0) < 0)
		die("cannot run e2fsck");
	posix_spawn_file_actions_destroy(&quiet);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/*
 * Faults of the kernel (README.md): btrfs may fail to replay its log when a directory was moved, ext4 its fast commits. There is
 * nothing to recover then. Few are told of; many are a failure.
 */
static bool is_known_refusal(int rc)
{
	return (rc == -EIO && strcmp(s.fs, "btrfs") == 0) || (rc == -EBADMSG && strcmp(s.fs, "ext4") == 0 && s.only_mount);
}

static void check_mounted(size_t entry, size_t choice)
{
	const char *options = strcmp(s.fs, "xfs") == 0 ? "nouuid" : "";

	if (ioctl(s.loop, BLKFLSBUF) < 0)
		die_sys("cannot empty the cache of '%s'", s.dev);
	int rc = repair(entry, choice);
	check_clear(&s.check);
	if (rc > 1) {
		buf_addf(&s.check.why, "    e2fsck -p ends with %d\n", rc);
		s.check.wrong = 1;
	} else if ((rc = mount_fs(s.dev, s.mnt, s.fs, options)) < 0 && is_known_refusal(rc)) {
		s.tally->refused++;
		return;
	} else if (rc < 0) {
		buf_addf(&s.check.why, "    mount: %s\n", strerror(-rc));
		s.check.wrong = 1;
	}
	if (s.check.wrong)
		return;
	bool serve = s.serve_every && (s.one || mix(s.seed + entry * 64 + choice) % s.serve_every == 0);
	if (check_hub(&s.check, s.hub) == 0 && serve) {
		s.tally->served++;
		(void)check_serve(&s.check, s.hub);
	}
	umount_fs(s.mnt);
}

static void try_state(size_t entry, size_t choice)
{
	if (s.number++ % s.workers != s.worker)
		return;
	build(entry, choice);
	if (s.one && s.keep)
		keep_image();
	check_mounted(entry, choice);
	s.tally->tried++;
	s.tally->ctimes += s.check.ctimes > 0;
	if (!s.check.wrong)
		return;
	if (s.tally->bad++ < SHOW_MAX && !s.quiet)
		printf("BAD %s seed %llu entry %zu choice %zu (%zu writes pending)\n%s", s.fs, (unsigned long long)s.seed, entry, choice,
			s.pending_count, buf_str(&s.check.why));
	fflush(stdout);
}

/* ---- all of them ---- */

static bool over(void)
{
	return s.tally->bad && s.first_only;
}

/* How many states at this cut: in all about as many as were asked for, at the places where most can be lost. */
static void cut(size_t entry, size_t cuts)
{
	uint64_t drawn = mix(s.seed * 31 + entry);
	size_t share = s.states * 1024 / cuts, states = share / 1024 + (drawn % 1024 < share % 1024);

	for (size_t n = 0; n < states && !over(); n++) {
		/* a third of them keep everything, or nothing */
		size_t choice = s.states > cuts ? n : drawn / 1024 % 6;
		if (choice > 0 && s.pending_count == 0)
			choice = 0;
		if (n > 0 && choice == 0)
			break;
		try_state(entry, choice);
	}
}

/* No cut is needed to see it. One worker tells. */
static void broken_run(size_t entry)
{
	if (s.worker == 0 && s.tally->bad++ < SHOW_MAX && !s.quiet)
		printf("BAD %s seed %llu entry %zu: the run itself\n%s", s.fs, (unsigned long long)s.seed, entry, buf_str(&s.check.why));
}

static void take_entry(size_t i)
{
	const struct blklog_entry *e = &s.log.entries[i];

	switch (e->kind) {
	case BLKLOG_FLUSH:
		flushed();
		break;
	case BLKLOG_ACK:
		if (check_promise(&s.check, e->data, e->len))
			broken_run(i);
		break;
	default:
		push(&s.pending, &s.pending_count, &s.pending_cap, i);
	}
}

static void all_states(void)
{
	size_t cuts = s.log.count;

	for (size_t i = 0; i < s.log.count && !over(); i++) {
		take_entry(i);
		if (!s.one)
			cut(i, cuts);
		else if (i == s.only_entry)
			try_state(i, s.only_choice);
	}
}

/* Only what is not zeros: a copy is as sparse as it can be, whatever it is of. */
static void copy_image(const char *from, const char *to)
{
	static const uint8_t zeros[4096];
	uint8_t block[sizeof(zeros)];
	ssize_t n;
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (in < 0 || out < 0 || ftruncate(out, (off_t)s.size) < 0)
		die_sys("cannot copy '%s' to '%s'", from, to);
	for (off_t at = 0; (n = pread(in, block, sizeof(block), at)) > 0; at += n)
		if (memcmp(block, zeros, (size_t)n) != 0 && pwrite(out, block, (size_t)n, at) != n)
			die_sys("cannot write '%s'", to);
	if (n < 0)
		die_sys("cannot read '%s'", from);
	close(in);
	close(out);
}

static void open_images(void)
{
	char base[4200], durable[4200];
	struct stat st;

	snprintf(base, sizeof(base), "%.4000s/base.img", s.dir);
	snprintf(durable, sizeof(durable), "%.4000s/durable.%zu", s.dir, s.worker);
	snprintf(s.work_path, sizeof(s.work_path), "%.4000s/work.%zu", s.dir, s.worker);
	if (stat(base, &st) < 0)
		die_sys("cannot open '%s'", base);
	s.size = (size_t)st.st_size;
	copy_image(base, durable);
	copy_image(base, s.work_path);
	image_open(&s.durable, durable);
	image_open(&s.work, s.work_path);
	s.loop = loop_attach(s.work_path, s.dev, sizeof(s.dev));
	/* so that they go with us */
	unlink(durable);
	unlink(s.work_path);
}

/* Each has images, a loop device and mounts of its own, goes through the whole log, and tries every so-manieth state. */
static void work(void)
{
	own_mounts();
	open_images();
	all_states();
	close(s.loop);
	if (strcmp(s.fs, "btrfs") == 0)
		forget_btrfs(s.dev);
}

static void work_together(void)
{
	int status;

	fflush(stdout);
	for (s.worker = 0; s.worker < s.workers; s.worker++) {
		pid_t pid = fork();
		if (pid < 0)
			die_sys("cannot fork");
		if (pid == 0) {
			die_with_parent(SIGKILL);
			work();
			exit(0);
		}
	}
	while (wait(&status) > 0)
		s.tally->failed += status != 0;
}

static void options(int argc, char **argv)
{
	int option;

	if (argc < 4)
		die("states FS DIR HUB [-n STATES] [-s SEED] [-j WORKERS] [-r N] [-e ENTRY -c CHOICE] [-k IMAGE] [-a ATOM] [-m] [-1] [-q]");
	s.fs = argv[1];
	s.dir = argv[2];
	snprintf(s.mnt, sizeof(s.mnt), "%.4000s/mnt", s.dir);
	snprintf(s.hub, sizeof(s.hub), "%s/%.64s", s.mnt, argv[3]);
	optind = 4;
	while ((option = getopt(argc, argv, "n:s:j:r:e:c:k:a:m1q")) != -1) {
		switch (option) {
		case 'n': s.states = strtoull(optarg, NULL, 10); break;
		case 's': s.seed = strtoull(optarg, NULL, 10); break;
		case 'j': s.workers = strtoull(optarg, NULL, 10); break;
		case 'r': s.serve_every = strtoull(optarg, NULL, 10); break;
		case 'e': s.only_entry = strtoull(optarg, NULL, 10); s.one = true; break;
		case 'c': s.only_choice = strtoull(optarg, NULL, 10); break;
		case 'k': s.keep = optarg; break;
		case 'a': s.atom = strtoull(optarg, NULL, 10); break;
		case 'm': s.only_mount = true; break;
		case '1': s.first_only = true; break;
		case 'q': s.quiet = true; break;
		default: die("unknown option");
		}
	}
}

static void prepare(void)
{
	char path[4200], reference[4200], frames[4200];

	snprintf(path, sizeof(path), "%.4000s/log", s.dir);
	snprintf(reference, sizeof(reference), "%.4000s/reference", s.dir);
	snprintf(frames, sizeof(frames), "%.4000s/frames", s.dir);
	blklog_open(&s.log, path);
	check_init(&s.check, reference, access(frames, F_OK) == 0 ? frames : NULL);
	s.check.ctime_changes = strcmp(s.fs, "btrfs") == 0;
	if (s.states == 0)
		s.states = s.log.count * 4;
	/* two of the same btrfs cannot be mounted at a time */
	if (s.one || strcmp(s.fs, "btrfs") == 0 || s.workers == 0 || s.workers > WORKERS_MAX)
		s.workers = 1;
	s.tally = mmap(NULL, sizeof(*s.tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s.tally == MAP_FAILED)
		die_sys("cannot map memory");
}

static void report(double seconds)
{
	const struct tally *t = s.tally;

	printf("%s: %zu entries, %zu flushes, %zu acknowledgements, %llu KiB written; ", s.fs, s.log.count, s.log.flushes, s.log.acks,
		(unsigned long long)s.log.write_bytes >> 10);
	printf("%zu states (%zu served on), %.0f a minute, %zu bad\n", t->tried, t->served,
		seconds > 0 ? (double)t->tried * 60 / seconds : 0, t->bad);
	if (t->refused)
		printf("%s: known (README.md): in %zu states the kernel could not mount the file system\n", s.fs, t->refused);
	if (t->ctimes)
		printf("%s: known (README.md): in %zu states a dropped file that was taken came back with another ctime\n", s.fs,
			t->ctimes);
}

int main(int argc, char **argv)
{
	struct timespec begin, end;

	die_with_parent(SIGKILL);
	options(argc, argv);
	prepare();
	clock_gettime(CLOCK_MONOTONIC, &begin);
	work_together();
	clock_gettime(CLOCK_MONOTONIC, &end);
	report((double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	/* one in twenty, and one more as a small number of states may have met it */
	bool refused = !s.first_only && s.tally->refused > 1 + s.tally->tried / 20;
	return s.tally->failed ? 3 : s.tally->bad > 0 || refused;
}
