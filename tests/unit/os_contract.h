/*
 * os_contract.h - what holds for every table behind src/os/os.h. Included by the test of each one, which defines
 * `struct place` values through its set-up: the table, an empty directory, and a way to make a symbolic link in it.
 */
#ifndef TESTS_OS_CONTRACT_H
#define TESTS_OS_CONTRACT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <os/os.h>

struct place {
	const struct os *os;
	int dir;
	int (*symlink)(struct place *p, const char *target, const char *name);
	void *more;
};

static inline void put(struct place *p, const char *name, const char *text)
{
	int fd = p->os->open(p->os->self, p->dir, name, OS_WRITE | OS_CREATE | OS_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(p->os->pwrite(p->os->self, fd, text, strlen(text), 0), strlen(text));
	assert_int_equal(p->os->close(p->os->self, fd), 0);
}

static inline void assert_text(struct place *p, const char *name, const char *text)
{
	char *got = NULL;
	size_t len = 0;

	assert_int_equal(os_read_file(p->os, p->dir, name, 1000, &got, &len), 0);
	assert_string_equal(got, text);
	assert_int_equal(len, strlen(text));
	free(got);
}

static inline int open_at(struct place *p, const char *name, int flags)
{
	return p->os->open(p->os->self, p->dir, name, flags, 0600);
}

static inline void close_fd(struct place *p, int fd)
{
	assert_int_equal(p->os->close(p->os->self, fd), 0);
}

static inline void make_dir(struct place *p, const char *name)
{
	assert_int_equal(p->os->mkdir(p->os->self, p->dir, name, 0700), 0);
}

static inline int move(struct place *p, const char *from, const char *to)
{
	return p->os->rename(p->os->self, p->dir, from, p->dir, to);
}

static inline bool exists(struct place *p, const char *name)
{
	struct os_stat st;

	return p->os->stat(p->os->self, p->dir, name, &st) == 0;
}

static void test_open_needs_create_for_a_new_name(void **state)
{
	struct place *p = *state;
	int fd;

	assert_int_equal(open_at(p, "a", OS_READ), -ENOENT);
	assert_int_equal(open_at(p, "a/b", OS_WRITE | OS_CREATE), -ENOENT);
	fd = open_at(p, "a", OS_WRITE | OS_CREATE | OS_EXCL);
	assert_true(fd >= 0);
	close_fd(p, fd);
	assert_int_equal(open_at(p, "a", OS_WRITE | OS_CREATE | OS_EXCL), -EEXIST);
	assert_int_equal(open_at(p, "a/b", OS_READ), -ENOTDIR);
	assert_int_equal(open_at(p, "a", OS_READ | OS_DIRECTORY), -ENOTDIR);
	assert_int_equal(open_at(p, "a/", OS_READ), -ENOTDIR);
	assert_int_equal(open_at(p, "", OS_READ), -ENOENT);
}

static void test_a_directory_opens_for_reading_only(void **state)
{
	struct place *p = *state;
	int fd;

	make_dir(p, "d");
	assert_int_equal(open_at(p, "d", OS_WRITE), -EISDIR);
	assert_int_equal(open_at(p, "d", OS_WRITE | OS_CREATE), -EISDIR);
	fd = open_at(p, "d/", OS_READ | OS_DIRECTORY);
	assert_true(fd >= 0);
	assert_int_equal(p->os->sync(p->os->self, fd), 0);
	close_fd(p, fd);
	assert_int_equal(p->os->mkdir(p->os->self, p->dir, "d", 0700), -EEXIST);
}

static void test_a_link_in_the_last_component_is_not_followed(void **state)
{
	struct place *p = *state;
	struct os_stat st;

	make_dir(p, "d");
	put(p, "d/f", "text");
	assert_int_equal(p->symlink(p, "d/f", "to-file"), 0);
	assert_int_equal(p->symlink(p, "d", "to-dir"), 0);
	assert_int_equal(p->symlink(p, "loop", "loop"), 0);
	assert_int_equal(open_at(p, "to-file", OS_READ), -ELOOP);
	assert_int_equal(open_at(p, "to-file", OS_WRITE | OS_CREATE), -ELOOP);
	assert_int_equal(open_at(p, "to-dir", OS_READ | OS_DIRECTORY), -ENOTDIR);
	assert_int_equal(open_at(p, "loop/x", OS_READ), -ELOOP);
	assert_int_equal(p->os->stat(p->os->self, p->dir, "to-file", &st), 0);
	assert_int_equal(st.type, OS_LINK);
	assert_int_equal(p->os->chmod(p->os->self, p->dir, "to-file", 0644), -ELOOP);
	assert_int_equal(p->os->unlink(p->os->self, p->dir, "to-file"), 0);
	assert_text(p, "d/f", "text");
}

static int no_name(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return 0;
}

/* What somebody has put where a directory is expected leads nowhere, for no operation. */
static void test_a_link_in_the_way_is_not_followed(void **state)
{
	struct place *p = *state;
	const struct os *os = p->os;
	struct os_stat st;
	char text[16];
	int watch;

	make_dir(p, "d");
	make_dir(p, "d/e");
	put(p, "d/f", "text");
	put(p, "own", "mine");
	assert_int_equal(p->symlink(p, "d", "to"), 0);
	assert_int_equal(p->symlink(p, "f", "d/link"), 0);
	assert_int_equal(open_at(p, "to/f", OS_READ), -ELOOP);
	assert_int_equal(open_at(p, "to/new", OS_WRITE | OS_CREATE | OS_EXCL), -ELOOP);
	assert_int_equal(open_at(p, "to/e", OS_READ | OS_DIRECTORY), -ENOTDIR);
	assert_int_equal(open_at(p, "to/", OS_READ | OS_DIRECTORY), -ENOTDIR);
	assert_int_equal(os->stat(os->self, p->dir, "to/f", &st), -ELOOP);
	assert_int_equal(os->rename(os->self, p->dir, "own", p->dir, "to/own"), -ELOOP);
	assert_int_equal(os->rename(os->self, p->dir, "to/f", p->dir, "stolen"), -ELOOP);
	assert_int_equal(os->unlink(os->self, p->dir, "to/f"), -ELOOP);
	assert_int_equal(os->mkdir(os->self, p->dir, "to/g", 0700), -ELOOP);
	assert_int_equal(os->rmdir(os->self, p->dir, "to/e"), -ELOOP);
	assert_int_equal(os->chmod(os->self, p->dir, "to/f", 0666), -ELOOP);
	assert_int_equal(os->symlink(os->self, "x", p->dir, "to/s"), -ELOOP);
	assert_int_equal(os->readlink(os->self, p->dir, "to/link", text, sizeof(text)), -ELOOP);
	assert_int_equal(os->list(os->self, p->dir, "to/e", no_name, NULL), -ENOTDIR);
	assert_int_equal(os->list(os->self, p->dir, "to", no_name, NULL), -ENOTDIR);
	assert_int_equal(os_replace_file(os, p->dir, "to/f", "x", 1, 0600, false), -ELOOP);
	watch = os->watch_open(os->self);
	assert_true(os->watch_add(os->self, watch, p->dir, "to", OS_WATCH_CREATE) < 0);
	assert_true(os->watch_add(os->self, watch, p->dir, "to/e", OS_WATCH_CREATE) < 0);
	close_fd(p, watch);
	assert_text(p, "d/f", "text");
	assert_text(p, "own", "mine");
	assert_false(exists(p, "d/own"));
}

static void test_no_path_leaves_its_directory(void **state)
{
	struct place *p = *state;
	const struct os *os = p->os;
	struct os_stat st;

	make_dir(p, "d");
	put(p, "f", "text");
	assert_int_equal(open_at(p, "..", OS_READ | OS_DIRECTORY), -EXDEV);
	assert_int_equal(open_at(p, "../x", OS_WRITE | OS_CREATE), -EXDEV);
	assert_int_equal(open_at(p, "d/../f", OS_READ), -EXDEV);
	assert_int_equal(open_at(p, "/etc/passwd", OS_READ), -EXDEV);
	assert_int_equal(os->stat(os->self, p->dir, "..", &st), -EXDEV);
	assert_int_equal(os->stat(os->self, p->dir, "/etc", &st), -EXDEV);
	assert_int_equal(os->rename(os->self, p->dir, "f", p->dir, "../f"), -EXDEV);
	assert_int_equal(os->unlink(os->self, p->dir, "d/../f"), -EXDEV);
	assert_int_equal(os->mkdir(os->self, p->dir, "d/..", 0700), -EXDEV);
	assert_text(p, "f", "text");
	assert_text(p, "./f", "text");
}

static void test_a_link_is_made_once_and_read_as_it_stands(void **state)
{
	struct place *p = *state;
	const struct os *os = p->os;
	char text[16];

	make_dir(p, "d");
	put(p, "d/f", "text");
	assert_int_equal(os->symlink(os->self, "../no/where", p->dir, "d/l"), 0);
	assert_int_equal(os->symlink(os->self, "x", p->dir, "d/l"), -EEXIST);
	assert_int_equal(os->symlink(os->self, "x", p->dir, "d/f"), -EEXIST);
	assert_int_equal(os->symlink(os->self, "", p->dir, "d/empty"), -ENOENT);
	assert_int_equal(os->symlink(os->self, "x", p->dir, "none/l"), -ENOENT);
	assert_int_equal(os->readlink(os->self, p->dir, "d/l", text, sizeof(text)), 11);
	assert_string_equal(text, "../no/where");
	assert_int_equal(os->readlink(os->self, p->dir, "d/l", text, 11), -ENAMETOOLONG);
	assert_int_equal(os->readlink(os->self, p->dir, "d/f", text, sizeof(text)), -EINVAL);
	assert_int_equal(os->readlink(os->self, p->dir, "d/none", text, sizeof(text)), -ENOENT);
	assert_int_equal(os->rename(os->self, p->dir, "d/l", p->dir, "d/m"), 0);
	assert_int_equal(os->readlink(os->self, p->dir, "d/m", text, sizeof(text)), 11);
	assert_int_equal(os->readlink(os->self, p->dir, "d/l", text, sizeof(text)), -ENOENT);
}

static void test_a_process_is_known_by_its_pid(void **state)
{
	struct place *p = *state;
	const struct os *os = p->os;
	struct os_process_id self, same;

	assert_int_equal(os->self_id(os->self, &self), 0);
	assert_int_equal(os->process_id(os->self, self.pid, &same), 0);
	assert_int_equal(same.pid, self.pid);
	assert_true(same.start_ticks == self.start_ticks);
	assert_true(os->is_alive(os->self, &same));
	assert_int_equal(os->process_id(os->self, 0, &same), -ESRCH);
	assert_int_equal(os->process_id(os->self, INT32_MAX, &same), -ESRCH);
}

static void test_reads_are_short_at_the_end_only(void **state)
{
	struct place *p = *state;
	char data[10];
	int fd = open_at(p, "f", OS_READ | OS_WRITE | OS_CREATE);

	assert_int_equal(p->os->pwrite(p->os->self, fd, "abc", 3, 5000), 3);
	assert_int_equal(p->os->pread(p->os->self, fd, data, 10, 4998), 5);
	assert_memory_equal(data, "\0\0abc", 5);
	assert_int_equal(p->os->pread(p->os->self, fd, data, 10, 5003), 0);
	assert_int_equal(p->os->pread(p->os->self, fd, data, 10, 9000), 0);
	assert_int_equal(p->os->pwrite(p->os->self, fd, "", 0, 9000), 0);
	close_fd(p, fd);
	assert_int_equal(p->os->close(p->os->self, fd), -EBADF);
	fd = open_at(p, "f", OS_READ);
	assert_int_equal(p->os->pwrite(p->os->self, fd, "x", 1, 0), -EBADF);
	close_fd(p, fd);
}

static void test_truncate_cuts_and_grows_with_zeros(void **state)
{
	struct place *p = *state;
	struct os_stat st;
	char data[8];
	int fd = open_at(p, "f", OS_READ | OS_WRITE | OS_CREATE);

	assert_int_equal(p->os->pwrite(p->os->self, fd, "abcdef", 6, 0), 6);
	assert_int_equal(p->os->truncate(p->os->self, fd, 2), 0);
	assert_int_equal(p->os->truncate(p->os->self, fd, 5), 0);
	assert_int_equal(p->os->stat_fd(p->os->self, fd, &st), 0);
	assert_int_equal(st.size, 5);
	assert_int_equal(st.type, OS_FILE);
	assert_int_equal(st.mode, 0600);
	assert_int_equal(p->os->pread(p->os->self, fd, data, 8, 0), 5);
	assert_memory_equal(data, "ab\0\0\0", 5);
	close_fd(p, fd);
	put(p, "f", "z");
	assert_text(p, "f", "z");
}

static void test_rename_replaces_files_but_no_full_directory(void **state)
{
	struct place *p = *state;
	int r;

	put(p, "a", "1");
	put(p, "b", "2");
	make_dir(p, "empty");
	make_dir(p, "full");
	put(p, "full/x", "x");
	assert_int_equal(move(p, "a", "b"), 0);
	assert_text(p, "b", "1");
	assert_false(exists(p, "a"));
	assert_int_equal(move(p, "a", "b"), -ENOENT);
	assert_int_equal(move(p, "b", "full"), -EISDIR);
	assert_int_equal(move(p, "full", "b"), -ENOTDIR);
	r = move(p, "empty", "full");
	assert_true(r == -ENOTEMPTY || r == -EEXIST);
	assert_int_equal(move(p, "full", "full/in"), -EINVAL);
	assert_int_equal(move(p, "full", "empty"), 0);
	assert_text(p, "empty/x", "x");
	assert_int_equal(move(p, "b", "b"), 0);
	assert_int_equal(move(p, "b", "empty/b"), 0);
	assert_text(p, "empty/b", "1");
}

static void test_unlink_is_for_files_and_rmdir_for_empty_directories(void **state)
{
	struct place *p = *state;

	make_dir(p, "d");
	put(p, "d/f", "x");
	assert_int_equal(p->os->unlink(p->os->self, p->dir, "d"), -EISDIR);
	assert_int_equal(p->os->rmdir(p->os->self, p->dir, "d/f"), -ENOTDIR);
	assert_int_equal(p->os->rmdir(p->os->self, p->dir, "d"), -ENOTEMPTY);
	assert_int_equal(p->os->unlink(p->os->self, p->dir, "d/f"), 0);
	assert_int_equal(p->os->unlink(p->os->self, p->dir, "d/f"), -ENOENT);
	assert_int_equal(p->os->rmdir(p->os->self, p->dir, "d"), 0);
	assert_int_equal(p->os->rmdir(p->os->self, p->dir, "d"), -ENOENT);
}

static void test_an_unlinked_file_lives_until_it_is_closed(void **state)
{
	struct place *p = *state;
	struct os_stat st;
	char c;
	int fd;

	put(p, "f", "x");
	fd = open_at(p, "f", OS_READ);
	assert_int_equal(p->os->unlink(p->os->self, p->dir, "f"), 0);
	assert_int_equal(p->os->pread(p->os->self, fd, &c, 1, 0), 1);
	assert_int_equal(p->os->stat_fd(p->os->self, fd, &st), 0);
	assert_int_equal(st.nlink, 0);
	close_fd(p, fd);
}

static int count_names(void *arg, const char *name)
{
	int *seen = arg;

	*seen += !strcmp(name, "a") ? 1 : !strcmp(name, "b") ? 10 : !strcmp(name, "d") ? 100 : 1000;
	return 0;
}

static int stop_at_once(void *arg, const char *name)
{
	(void)name;
	++*(int *)arg;
	return 7;
}

static void test_list_tells_each_name_once_and_stops_when_told(void **state)
{
	struct place *p = *state;
	int seen = 0, calls = 0;

	put(p, "a", "");
	put(p, "b", "");
	make_dir(p, "d");
	assert_int_equal(p->os->list(p->os->self, p->dir, ".", count_names, &seen), 0);
	assert_int_equal(seen, 111);
	assert_int_equal(p->os->list(p->os->self, p->dir, ".", stop_at_once, &calls), 7);
	assert_int_equal(calls, 1);
	assert_int_equal(p->os->list(p->os->self, p->dir, "a", count_names, &seen), -ENOTDIR);
	assert_int_equal(p->os->list(p->os->self, p->dir, "none", count_names, &seen), -ENOENT);
}

static void test_a_lock_has_one_holder_until_it_is_closed(void **state)
{
	struct place *p = *state;
	int a, b;

	put(p, "lock", "");
	a = open_at(p, "lock", OS_READ);
	b = open_at(p, "lock", OS_READ);
	assert_int_equal(p->os->lock(p->os->self, a), 0);
	assert_int_equal(p->os->lock(p->os->self, a), 0);
	assert_int_equal(p->os->lock(p->os->self, b), -EWOULDBLOCK);
	close_fd(p, a);
	assert_int_equal(p->os->lock(p->os->self, b), 0);
	close_fd(p, b);
}

static void test_a_mark_is_seen_by_others_until_it_is_taken_away_or_closed(void **state)
{
	const uint64_t far = UINT64_C(1) << 40;
	struct place *p = *state;

	put(p, "f", "x");
	int owner = open_at(p, "f", OS_READ | OS_WRITE), other = open_at(p, "f", OS_READ | OS_WRITE), reader = open_at(p, "f", OS_READ);
	assert_int_equal(p->os->marked(p->os->self, reader, far), 0);
	assert_int_equal(p->os->mark(p->os->self, owner, far, true), 0);
	assert_int_equal(p->os->mark(p->os->self, owner, far, true), 0);
	assert_int_equal(p->os->marked(p->os->self, owner, far), 0); /* that is its own */
	assert_int_equal(p->os->marked(p->os->self, reader, far), 1);
	assert_int_equal(p->os->marked(p->os->self, reader, far + 1), 0);
	assert_int_equal(p->os->mark(p->os->self, other, far, true), -EWOULDBLOCK);
	assert_int_equal(p->os->mark(p->os->self, other, far, false), 0);
	assert_int_equal(p->os->marked(p->os->self, reader, far), 1);
	assert_true(p->os->mark(p->os->self, reader, 5, true) < 0);
	assert_int_equal(p->os->mark(p->os->self, owner, far, false), 0);
	assert_int_equal(p->os->marked(p->os->self, reader, far), 0);
	assert_int_equal(p->os->mark(p->os->self, owner, 0, true), 0);
	close_fd(p, open_at(p, "f", OS_READ | OS_WRITE)); /* of the same process: takes nothing away */
	assert_int_equal(p->os->lock(p->os->self, other), 0);
	assert_int_equal(p->os->marked(p->os->self, reader, 0), 1);
	close_fd(p, owner);
	assert_int_equal(p->os->marked(p->os->self, reader, 0), 0);
	close_fd(p, other);
	close_fd(p, reader);
}

static void test_a_lease_is_refused_while_somebody_writes(void **state)
{
	struct place *p = *state;
	int writer, reader;

	put(p, "f", "x");
	reader = open_at(p, "f", OS_READ | OS_NONBLOCK);
	if (p->os->lease(p->os->self, reader) == OS_LEASE_UNKNOWN) {
		close_fd(p, reader);
		skip();
	}
	p->os->unlease(p->os->self, reader);
	writer = open_at(p, "f", OS_WRITE);
	assert_int_equal(p->os->lease(p->os->self, reader), OS_LEASE_WRITER);
	close_fd(p, writer);
	assert_int_equal(p->os->lease(p->os->self, reader), OS_LEASE_GRANTED);
	p->os->unlease(p->os->self, reader);
	close_fd(p, reader);
}

struct seen {
	int events, last_number;
	uint32_t mask;
	char name[32];
};

static int see(void *arg, int number, uint32_t mask, const char *name)
{
	struct seen *seen = arg;

	seen->events++;
	seen->last_number = number;
	seen->mask |= mask;
	snprintf(seen->name, sizeof(seen->name), "%s", name);
	return 0;
}

static struct seen look(struct place *p, int watch)
{
	struct seen seen = { .name = "" };

	assert_int_equal(p->os->watch_read(p->os->self, watch, see, &seen), 0);
	return seen;
}

#define WATCH_ALL                                                                                     \
	(OS_WATCH_CREATE | OS_WATCH_CLOSE_WRITE | OS_WATCH_MOVED_TO | OS_WATCH_GONE | OS_WATCH_MOVED_FROM | \
	 OS_WATCH_DELETE)

static void test_a_watch_tells_what_happens_in_a_directory(void **state)
{
	struct place *p = *state;
	int w = p->os->watch_open(p->os->self), number;
	struct seen s;

	make_dir(p, "d");
	put(p, "out", "");
	number = p->os->watch_add(p->os->self, w, p->dir, "d", WATCH_ALL);
	assert_true(number > 0);
	assert_int_equal(p->os->watch_add(p->os->self, w, p->dir, "d", WATCH_ALL), number);
	assert_int_equal(look(p, w).events, 0);
	put(p, "d/f", "x");
	s = look(p, w);
	assert_int_equal(s.mask, OS_WATCH_CREATE | OS_WATCH_CLOSE_WRITE);
	assert_int_equal(s.last_number, number);
	assert_string_equal(s.name, "f");
	assert_int_equal(move(p, "out", "d/in"), 0);
	s = look(p, w);
	assert_int_equal(s.mask, OS_WATCH_MOVED_TO);
	assert_string_equal(s.name, "in");
	assert_int_equal(move(p, "d/in", "out"), 0);
	assert_int_equal(look(p, w).mask, OS_WATCH_MOVED_FROM);
	assert_int_equal(p->os->unlink(p->os->self, p->dir, "d/f"), 0);
	assert_int_equal(look(p, w).mask, OS_WATCH_DELETE);
	close_fd(p, w);
}

static void test_a_watched_directory_that_goes_says_so(void **state)
{
	struct place *p = *state;
	int w = p->os->watch_open(p->os->self), number;
	struct seen s;

	make_dir(p, "d");
	put(p, "f", "");
	assert_int_equal(p->symlink(p, "d", "link"), 0);
	assert_int_equal(p->os->watch_add(p->os->self, w, p->dir, "f", WATCH_ALL), -ENOTDIR);
	assert_int_equal(p->os->watch_add(p->os->self, w, p->dir, "link", WATCH_ALL), -ENOTDIR);
	assert_int_equal(p->os->watch_add(p->os->self, w, p->dir, "none", WATCH_ALL), -ENOENT);
	number = p->os->watch_add(p->os->self, w, p->dir, "d", WATCH_ALL);
	assert_int_equal(move(p, "d", "e"), 0);
	s = look(p, w);
	assert_int_equal(s.mask, OS_WATCH_GONE);
	assert_int_equal(s.last_number, number);
	assert_int_equal(p->os->rmdir(p->os->self, p->dir, "e"), 0);
	assert_int_equal(look(p, w).mask, OS_WATCH_GONE);
	assert_true(p->os->watch_remove(p->os->self, w, number) < 0);
	close_fd(p, w);
}

static void test_a_removed_watch_is_silent(void **state)
{
	struct place *p = *state;
	int w = p->os->watch_open(p->os->self), number;

	number = p->os->watch_add(p->os->self, w, p->dir, ".", OS_WATCH_CREATE);
	put(p, "a", "");
	assert_int_equal(look(p, w).mask, OS_WATCH_CREATE);
	assert_int_equal(p->os->watch_remove(p->os->self, w, number), 0);
	assert_int_equal(look(p, w).mask, OS_WATCH_GONE);
	put(p, "b", "");
	assert_int_equal(look(p, w).events, 0);
	close_fd(p, w);
}

static void test_a_process_knows_itself_alive(void **state)
{
	struct place *p = *state;
	struct os_process_id me, other;

	assert_int_equal(p->os->self_id(p->os->self, &me), 0);
	assert_int_equal(strlen(me.boot_id), 36);
	assert_true(p->os->is_alive(p->os->self, &me));
	other = me;
	other.start_ticks++;
	assert_false(p->os->is_alive(p->os->self, &other));
	other = me;
	other.boot_id[0] = other.boot_id[0] == '0' ? '1' : '0';
	assert_false(p->os->is_alive(p->os->self, &other));
	other = me;
	other.pid = 0;
	assert_false(p->os->is_alive(p->os->self, &other));
}

static void test_random_bytes_differ(void **state)
{
	struct place *p = *state;
	char a[16], b[16];

	assert_int_equal(p->os->random(p->os->self, a, sizeof(a)), 0);
	assert_int_equal(p->os->random(p->os->self, b, sizeof(b)), 0);
	assert_memory_not_equal(a, b, sizeof(a));
}

static void test_chmod_changes_the_mode(void **state)
{
	struct place *p = *state;
	struct os_stat st;

	put(p, "f", "");
	assert_int_equal(p->os->chmod(p->os->self, p->dir, "f", 0440), 0);
	assert_int_equal(p->os->stat(p->os->self, p->dir, "f", &st), 0);
	assert_int_equal(st.mode, 0440);
	assert_int_equal(p->os->chmod(p->os->self, p->dir, "none", 0440), -ENOENT);
}

static void test_read_file_has_a_limit(void **state)
{
	struct place *p = *state;
	char *text = NULL;
	size_t len = 0;

	put(p, "f", "12345");
	make_dir(p, "d");
	assert_int_equal(os_read_file(p->os, p->dir, "f", 4, &text, &len), -EFBIG);
	assert_int_equal(os_read_file(p->os, p->dir, "d", 4, &text, &len), -EISDIR);
	assert_int_equal(os_read_file(p->os, p->dir, "none", 4, &text, &len), -ENOENT);
	assert_null(text);
	assert_int_equal(os_read_file(p->os, p->dir, "f", 5, &text, &len), 0);
	assert_string_equal(text, "12345");
	free(text);
	put(p, "f", "");
	assert_int_equal(os_read_file(p->os, p->dir, "f", 0, &text, &len), 0);
	assert_string_equal(text, "");
	free(text);
}

static void test_replace_file_leaves_one_file(void **state)
{
	struct place *p = *state;
	char name[256];
	int names = 0;

	make_dir(p, "d");
	assert_int_equal(os_replace_file(p->os, p->dir, "d/f", "one", 3, 0600, true), 0);
	assert_int_equal(os_replace_file(p->os, p->dir, "d/f", "two", 3, 0600, false), 0);
	assert_text(p, "d/f", "two");
	assert_int_equal(os_replace_file(p->os, p->dir, "d", "x", 1, 0600, true), -EISDIR);
	assert_int_equal(os_replace_file(p->os, p->dir, "d/", "x", 1, 0600, true), -EINVAL);
	assert_int_equal(p->os->list(p->os->self, p->dir, "d", count_names, &names), 0);
	assert_int_equal(names, 1000);
	assert_int_equal(p->os->list(p->os->self, p->dir, ".", count_names, &names), 0);
	assert_int_equal(names, 1100);
	memset(name, 'n', 255);
	name[255] = '\0';
	assert_int_equal(os_replace_file(p->os, p->dir, name, "x", 1, 0600, true), 0);
	assert_text(p, name, "x");
}

static void test_remove_tree_takes_all_but_follows_no_link(void **state)
{
	struct place *p = *state;
	char name[64];

	make_dir(p, "keep");
	put(p, "keep/f", "x");
	make_dir(p, "t");
	make_dir(p, "t/a");
	make_dir(p, "t/a/b");
	assert_int_equal(p->symlink(p, "../keep", "t/link"), 0);
	for (int i = 0; i < 1000; i++) { /* more names than one pass holds */
		snprintf(name, sizeof(name), "t/a/a-name-of-some-length-%d", i);
		put(p, name, "");
	}
	assert_int_equal(os_remove_tree(p->os, p->dir, "t", 2), -ELOOP);
	assert_true(exists(p, "t/a/b"));
	assert_int_equal(os_remove_tree(p->os, p->dir, "t", 3), 0);
	assert_false(exists(p, "t"));
	assert_text(p, "keep/f", "x");
	assert_int_equal(os_remove_tree(p->os, p->dir, "t", 3), -ENOENT);
	assert_int_equal(os_remove_tree(p->os, p->dir, "keep/f", 3), -ENOTDIR);
}

#define OS_CONTRACT(setup, teardown)                                                                              \
	cmocka_unit_test_setup_teardown(test_open_needs_create_for_a_new_name, setup, teardown),                  \
	cmocka_unit_test_setup_teardown(test_a_directory_opens_for_reading_only, setup, teardown),                \
	cmocka_unit_test_setup_teardown(test_a_link_in_the_last_component_is_not_followed, setup, teardown),      \
	cmocka_unit_test_setup_teardown(test_a_link_in_the_way_is_not_followed, setup, teardown),                 \
	cmocka_unit_test_setup_teardown(test_no_path_leaves_its_directory, setup, teardown),                      \
	cmocka_unit_test_setup_teardown(test_a_link_is_made_once_and_read_as_it_stands, setup, teardown),         \
	cmocka_unit_test_setup_teardown(test_a_process_is_known_by_its_pid, setup, teardown),                     \
	cmocka_unit_test_setup_teardown(test_reads_are_short_at_the_end_only, setup, teardown),                   \
	cmocka_unit_test_setup_teardown(test_truncate_cuts_and_grows_with_zeros, setup, teardown),                \
	cmocka_unit_test_setup_teardown(test_rename_replaces_files_but_no_full_directory, setup, teardown),       \
	cmocka_unit_test_setup_teardown(test_unlink_is_for_files_and_rmdir_for_empty_directories, setup, teardown), \
	cmocka_unit_test_setup_teardown(test_an_unlinked_file_lives_until_it_is_closed, setup, teardown),         \
	cmocka_unit_test_setup_teardown(test_list_tells_each_name_once_and_stops_when_told, setup, teardown),     \
	cmocka_unit_test_setup_teardown(test_a_lock_has_one_holder_until_it_is_closed, setup, teardown),          \
	cmocka_unit_test_setup_teardown(test_a_mark_is_seen_by_others_until_it_is_taken_away_or_closed, setup, teardown), \
	cmocka_unit_test_setup_teardown(test_a_lease_is_refused_while_somebody_writes, setup, teardown),          \
	cmocka_unit_test_setup_teardown(test_a_watch_tells_what_happens_in_a_directory, setup, teardown),         \
	cmocka_unit_test_setup_teardown(test_a_watched_directory_that_goes_says_so, setup, teardown),             \
	cmocka_unit_test_setup_teardown(test_a_removed_watch_is_silent, setup, teardown),                         \
	cmocka_unit_test_setup_teardown(test_a_process_knows_itself_alive, setup, teardown),                      \
	cmocka_unit_test_setup_teardown(test_random_bytes_differ, setup, teardown),                               \
	cmocka_unit_test_setup_teardown(test_chmod_changes_the_mode, setup, teardown),                            \
	cmocka_unit_test_setup_teardown(test_read_file_has_a_limit, setup, teardown),                             \
	cmocka_unit_test_setup_teardown(test_replace_file_leaves_one_file, setup, teardown),                      \
	cmocka_unit_test_setup_teardown(test_remove_tree_takes_all_but_follows_no_link, setup, teardown)

#endif
