/* test_os_linux.c - the real table: the contract in a temporary directory, and what only a kernel has. */
#include "os_contract.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int make_link(struct place *p, const char *target, const char *name)
{
	return symlinkat(target, p->dir, name) < 0 ? -errno : 0;
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	const char *tmp = getenv("TMPDIR");
	char path[256];

	assert_non_null(p);
	snprintf(path, sizeof(path), "%s/pawl-os-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(path));
	p->os = os_linux();
	p->dir = p->os->open_root(p->os->self, path);
	assert_true(p->dir >= 0);
	p->symlink = make_link;
	p->more = strdup(path);
	*state = p;
	return 0;
}

static int setup_stepwise(void **state)
{
	int r = setup(state);

	((struct place *)*state)->os = os_linux_stepwise();
	return r;
}

static int teardown(void **state)
{
	struct place *p = *state;

	close_fd(p, p->dir);
	assert_int_equal(os_remove_tree(p->os, OS_CWD, p->more, 8), 0);
	free(p->more);
	free(p);
	return 0;
}

static void test_open_root_follows_links(void **state)
{
	struct place *p = *state;
	char path[300];
	int fd;

	make_dir(p, "d");
	put(p, "f", "");
	assert_int_equal(make_link(p, "d", "link"), 0);
	snprintf(path, sizeof(path), "%s/link", (char *)p->more);
	fd = p->os->open_root(p->os->self, path);
	assert_true(fd >= 0);
	close_fd(p, fd);
	snprintf(path, sizeof(path), "%s/f", (char *)p->more);
	assert_int_equal(p->os->open_root(p->os->self, path), -ENOTDIR);
}

static void test_descriptors_are_closed_on_exec(void **state)
{
	struct place *p = *state;
	int fds[3] = { open_at(p, "f", OS_WRITE | OS_CREATE), p->os->open_root(p->os->self, "/"),
		       p->os->watch_open(p->os->self) };

	for (int i = 0; i < 3; i++) {
		assert_true(fds[i] >= 0);
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
		close_fd(p, fds[i]);
	}
}

static void test_a_fifo_does_not_block_and_is_no_file(void **state)
{
	struct place *p = *state;
	struct os_stat st;
	char *text = NULL;
	size_t len;
	int fd;

	assert_int_equal(mkfifoat(p->dir, "fifo", 0600), 0);
	fd = open_at(p, "fifo", OS_READ | OS_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(p->os->stat_fd(p->os->self, fd, &st), 0);
	assert_int_equal(st.type, OS_OTHER);
	close_fd(p, fd);
	assert_int_equal(os_read_file(p->os, p->dir, "fifo", 10, &text, &len), -EINVAL);
}

static void test_syncs_and_allocate_work_or_say_unsupported(void **state)
{
	struct place *p = *state;
	struct os_stat st;
	int fd = open_at(p, "f", OS_WRITE | OS_CREATE), r;

	assert_int_equal(p->os->pwrite(p->os->self, fd, "x", 1, 0), 1);
	assert_int_equal(p->os->sync_data(p->os->self, fd), 0);
	assert_int_equal(p->os->sync(p->os->self, fd), 0);
	assert_int_equal(p->os->sync_fs(p->os->self, fd), 0);
	r = p->os->allocate(p->os->self, fd, 65536);
	assert_true(!r || r == -EOPNOTSUPP);
	assert_int_equal(p->os->stat_fd(p->os->self, fd, &st), 0);
	assert_int_equal(st.size, 1);
	close_fd(p, fd);
	assert_int_equal(os_sync_dir(p->os, p->dir, "."), 0);
	assert_int_equal(os_sync_dir(p->os, p->dir, "f"), -ENOTDIR);
}

static void test_the_file_system_has_a_name(void **state)
{
	struct place *p = *state;
	struct os_fs_info info;
	int fd;

	assert_int_equal(p->os->fs_info(p->os->self, p->dir, &info), 0);
	assert_true(info.name[0]);
	assert_true(info.free_bytes > 0);
	assert_false(info.read_only);
	fd = p->os->open_root(p->os->self, "/dev/shm");
	if (fd < 0)
		return;
	assert_int_equal(p->os->fs_info(p->os->self, fd, &info), 0);
	assert_int_equal(info.kind, OS_FS_TMPFS);
	close_fd(p, fd);
}

/* The other side opens for writing while we hold the lease: that signals us, and must not kill us. */
static void test_a_broken_lease_does_not_kill(void **state)
{
	struct place *p = *state;
	struct sigaction now;
	int reader, fd;
	pid_t child;

	put(p, "f", "x");
	reader = open_at(p, "f", OS_READ);
	if (p->os->lease(p->os->self, reader) != OS_LEASE_GRANTED) {
		close_fd(p, reader);
		skip();
	}
	assert_int_equal(sigaction(SIGIO, NULL, &now), 0);
	assert_true(now.sa_handler == SIG_DFL); /* else this test shows nothing */
	fd = openat(p->dir, "f", O_WRONLY | O_NONBLOCK);
	assert_true(fd < 0 && errno == EWOULDBLOCK);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		_exit(openat(p->dir, "f", O_WRONLY) < 0);
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	p->os->unlease(p->os->self, reader);
	assert_int_equal(waitpid(child, &fd, 0), child);
	assert_true(WIFEXITED(fd) && !WEXITSTATUS(fd));
	close_fd(p, reader);
}

static void test_a_zombie_is_not_alive(void **state)
{
	struct place *p = *state;
	struct os_process_id id;
	int pipes[2];

	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		bool ok = !p->os->self_id(p->os->self, &id) && write(pipes[1], &id, sizeof(id)) == (ssize_t)sizeof(id);

		(void)pause();
		_exit(!ok);
	}
	assert_int_equal(read(pipes[0], &id, sizeof(id)), sizeof(id));
	assert_int_equal(id.pid, child);
	assert_true(p->os->is_alive(p->os->self, &id));
	kill(child, SIGKILL);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_false(p->os->is_alive(p->os->self, &id));
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_false(p->os->is_alive(p->os->self, &id));
	close(pipes[0]);
	close(pipes[1]);
}

static void test_a_directory_can_be_watched_after_it_moved(void **state)
{
	struct place *p = *state;
	int w = p->os->watch_open(p->os->self), dir;

	make_dir(p, "d");
	dir = open_at(p, "d", OS_READ | OS_DIRECTORY);
	assert_int_equal(move(p, "d", "e"), 0);
	assert_true(p->os->watch_add(p->os->self, w, dir, ".", OS_WATCH_CREATE) > 0);
	put(p, "e/f", "");
	assert_string_equal(look(p, w).name, "f");
	close_fd(p, dir);
	close_fd(p, w);
}

static void test_clocks_move_forward(void **state)
{
	struct place *p = *state;
	int64_t boot = p->os->boot_ns(p->os->self), real = p->os->real_ns(p->os->self);

	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	assert_true(p->os->boot_ns(p->os->self) >= boot + 1000000);
	assert_true(p->os->real_ns(p->os->self) != real);
}

static void test_proc_files_are_read_to_their_end(void **state)
{
	struct place *p = *state;
	char *text = NULL;
	size_t len = 0;

	assert_int_equal(os_read_file(p->os, OS_CWD, "/proc/self/stat", 4096, &text, &len), 0);
	assert_true(len > 20);
	free(text);
	assert_int_equal(os_read_file(p->os, OS_CWD, "/proc/self/stat", 10, &text, &len), -EFBIG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OS_CONTRACT(setup, teardown),
		OS_CONTRACT(setup_stepwise, teardown),
		TEST(test_open_root_follows_links),
		TEST(test_descriptors_are_closed_on_exec),
		TEST(test_a_fifo_does_not_block_and_is_no_file),
		TEST(test_syncs_and_allocate_work_or_say_unsupported),
		TEST(test_the_file_system_has_a_name),
		TEST(test_a_broken_lease_does_not_kill),
		TEST(test_a_zombie_is_not_alive),
		TEST(test_a_directory_can_be_watched_after_it_moved),
		TEST(test_clocks_move_forward),
		TEST(test_proc_files_are_read_to_their_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
