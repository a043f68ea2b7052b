/* hub.c - the hub's directory: making it, knowing it, owning it. */
#include "fs.h"
#include "base/scan.h"
#include "os/mount.h"
#include <errno.h>
#include <stdlib.h>

#define FORMAT_VERSION 1
#define PLACE_FRESH_NS 1000000000

static const char *const hub_dirs[] = { "journal", "instances", "inbox", "control", "archive" };
#define HUB_DIR_COUNT (sizeof(hub_dirs) / sizeof(hub_dirs[0]))

static int note_foreign(void *arg, const char *name)
{
	char *foreign = arg;

	for (size_t i = 0; i < HUB_DIR_COUNT; i++)
		if (strcmp(name, hub_dirs[i]) == 0)
			return 0;
	if (name[0] == '.' || strcmp(name, "LOCK") == 0 || strcmp(name, "lost+found") == 0)
		return 0;
	snprintf(foreign, 64, "%s", name);
	return 1;
}

/* The name of the hub's own directory has to last too. */
static int sync_above(struct fs *fs, struct pawl_error *err)
{
	const struct os *os = fs->os;
	char above[PATH_SIZE];
	size_t len = strlen(fs->path);

	while (len > 1 && fs->path[len - 1] == '/')
		len--;
	while (len > 0 && fs->path[len - 1] != '/')
		len--;
	if (len >= sizeof(above))
		return err_set(err, PAWL_EINVALID, "the hub's path '%s' is too long", fs->path);
	snprintf(above, sizeof(above), "%.*s", len ? (int)len : 1, len ? fs->path : ".");
	int fd = os->open_root(os->self, above);
	int rc = fd < 0 ? fd : os->sync(os->self, fd);
	if (fd >= 0)
		os->close(os->self, fd);
	return rc < 0 ? err_sys(err, -rc, "cannot sync the directory '%s' that the hub is in", above) : 0;
}

/* A sync that failed has lost what it covered (I8): the next try makes all of it anew. */
static void hub_unmake(struct fs *fs)
{
	(void)fs->os->unlink(fs->os->self, fs->hub, "FORMAT");
	for (size_t i = 0; i < HUB_DIR_COUNT; i++)
		(void)fs->os->rmdir(fs->os->self, fs->hub, hub_dirs[i]);
}

void hub_format_text(const struct fs *fs, char text[HUB_FORMAT_SIZE])
{
	char hex[33];

	for (unsigned i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", fs->journal.hub_id[i]);
	snprintf(text, HUB_FORMAT_SIZE, "pawl hub\nformat %d\nid %s\n", FORMAT_VERSION, hex);
}

int hub_write_format(struct fs *fs, struct pawl_error *err)
{
	char text[HUB_FORMAT_SIZE];

	hub_format_text(fs, text);
	int rc = os_replace_file(fs->os, fs->hub, "FORMAT", text, strlen(text), 0644, true);
	return rc < 0 ? err_sys(err, -rc, "cannot write '%s/FORMAT'", fs->path) : 0;
}

int hub_make_dirs(struct fs *fs, struct pawl_error *err)
{
	bool made = false;

	for (size_t i = 0; i < HUB_DIR_COUNT; i++) {
		int rc = access_mkdir(fs, hub_dirs[i], access_place(hub_dirs[i]));
		if (rc < 0 && rc != -EEXIST)
			return err_sys(err, -rc, "cannot make '%s/%s'", fs->path, hub_dirs[i]);
		made = made || rc == 0;
	}
	int rc = made ? os_sync_dir(fs->os, fs->hub, ".") : 0;
	return rc < 0 ? err_sys(err, -rc, "cannot sync '%s'", fs->path) : 0;
}

/* FORMAT comes last, when all other names are durable: a hub that was half made when the power went is made whole by
 * the next start. */
static int hub_fill(struct fs *fs, struct pawl_error *err)
{
	int rc = hub_make_dirs(fs, err);

	if (rc == 0)
		rc = sync_above(fs, err);
	if (rc < 0)
		return rc;
	rc = os_sync_dir(fs->os, fs->hub, "."); /* also what an earlier try has made */
	if (rc < 0)
		return err_sys(err, -rc, "cannot sync '%s'", fs->path);
	rc = fs->os->random(fs->os->self, fs->journal.hub_id, sizeof(fs->journal.hub_id));
	if (rc < 0)
		return err_sys(err, -rc, "cannot draw a hub id");
	return hub_write_format(fs, err);
}

static int any_name(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return 1;
}

/* Without FORMAT, and yet in use: a new id would make its journal another hub's. */
static bool was_hub(struct fs *fs)
{
	return fs->os->list(fs->os->self, fs->hub, "journal", any_name, NULL) > 0;
}

static int hub_make(struct fs *fs, struct pawl_error *err)
{
	char foreign[64] = "";

	if (was_hub(fs))
		return err_set(err, PAWL_ECORRUPT, "'%s' has a journal, but no FORMAT, which names the hub: restore it from a copy, or `pawl fsck --repair -H %s` "
			"makes it anew", fs->path, fs->path);
	int rc = fs->os->list(fs->os->self, fs->hub, ".", note_foreign, foreign);

	if (rc < 0)
		return err_sys(err, -rc, "cannot list '%s'", fs->path);
	if (foreign[0])
		return err_set(err, PAWL_EINVALID, "'%s' is not a hub and not empty (it has '%s'): name an empty or new directory", fs->path, foreign);
	rc = hub_fill(fs, err);
	if (rc < 0)
		hub_unmake(fs);
	return rc;
}

/* One process at a time makes it: two would each write a FORMAT, with ids of their own. */
static int hub_make_alone(struct fs *fs, struct pawl_error *err)
{
	int fd = fs->os->open(fs->os->self, fs->hub, ".", OS_READ | OS_DIRECTORY, 0);
	int rc = fd < 0 ? fd : fs->os->lock(fs->os->self, fd);

	if (rc == -EWOULDBLOCK || rc == -EAGAIN)
		rc = err_set(err, PAWL_EBUSY, "another process is making the hub '%s' at this moment: try again", fs->path);
	else if (rc < 0)
		rc = err_sys(err, -rc, "cannot lock the directory '%s', in which a hub is to be made", fs->path);
	else if ((rc = hub_read_format(fs, err)) == PAWL_ENOTFOUND)
		rc = hub_make(fs, err);
	if (fd >= 0)
		fs->os->close(fs->os->self, fd);
	return rc;
}

static bool parse_hub_id(const char *hex, uint8_t id[16])
{
	uint32_t word;

	for (size_t i = 0; i < 16; i += 4) {
		if (text_parse_hex32(slice_make(hex + 2 * i, 8), &word) < 0)
			return false;
		for (size_t n = 0; n < 4; n++)
			id[i + n] = (uint8_t)(word >> (24 - 8 * n));
	}
	return true;
}

int hub_read_format(struct fs *fs, struct pawl_error *err)
{
	char *text = NULL, hex[33] = "";
	uint64_t version = 0;
	size_t len;
	int rc = os_read_file(fs->os, fs->hub, "FORMAT", 4096, &text, &len);

	if (rc == -ENOENT)
		return PAWL_ENOTFOUND;
	if (rc < 0)
		return err_sys(err, -rc, "cannot read '%s/FORMAT'", fs->path);
	const char *at = text;
	bool known = scan_word(&at, "pawl") && scan_word(&at, "hub") && scan_word(&at, "format") && scan_number(&at, &version);
	if (known && scan_word(&at, "id"))
		(void)scan_run(&at, "0123456789abcdef", hex, sizeof(hex));
	free(text);
	if (!known)
		return err_set(err, PAWL_ECORRUPT, "'%s/FORMAT' is not readable: restore it from a copy, its first lines are 'pawl hub' and 'format %d'", fs->path, FORMAT_VERSION);
	if (version != FORMAT_VERSION)
		return err_set(err, PAWL_EUNSUPPORTED, "the hub '%s' has format %llu, this pawl knows %d: run the pawl that wrote it", fs->path, (unsigned long long)version, FORMAT_VERSION);
	if (strlen(hex) != 32 || !parse_hub_id(hex, fs->journal.hub_id))
		return err_set(err, PAWL_ECORRUPT, "'%s/FORMAT' has no readable hub id", fs->path);
	return 0;
}

int hub_open_dir(struct fs *fs, struct pawl_error *err)
{
	const struct os *os = fs->os;

	fs->hub = os->open_root(os->self, fs->path);
	if (fs->hub == -ENOENT && fs->options.create) {
		int rc = os->mkdir(os->self, OS_CWD, fs->path, HUB_DIR_MODE);
		if (rc < 0 && rc != -EEXIST)
			return err_sys(err, -rc, "cannot make the hub '%s'", fs->path);
		fs->hub = os->open_root(os->self, fs->path);
	}
	if (fs->hub == -ENOENT)
		return err_set(err, PAWL_ENOTFOUND, "there is no hub '%s' (`pawl run -H %s` makes it, -H or $PAWL_HUB names another)", fs->path, fs->path);
	fs->journal.hub = fs->hub;
	return fs->hub < 0 ? err_sys(err, -fs->hub, "cannot open the hub '%s'", fs->path) : 0;
}

int hub_open(struct fs *fs, struct pawl_error *err)
{
	IO_BECAUSE(IO_OWNER);
	int rc = hub_open_dir(fs, err);

	if (rc < 0)
		return rc;
	rc = hub_read_format(fs, err);
	if (rc == PAWL_ENOTFOUND && fs->options.create)
		return hub_make_alone(fs, err);
	if (rc == PAWL_ENOTFOUND)
		return err_set(err, rc, "'%s' is not a hub: it has no FORMAT%s", fs->path,
			was_hub(fs) ? ", but a journal: `pawl fsck` tells what is left of it" : "");
	return rc;
}

/* ---- owning ---- */

static int check_lasting(struct fs *fs, struct pawl_error *err)
{
	char why[256];
	struct os_mount *m = malloc(sizeof(*m));

	if (!m)
		return err_nomem(err);
	os_mount_find(fs->os, fs->hub, m);
	enum os_lasting lasts = os_mount_lasts(fs->os, fs->hub, m, why, sizeof(why));
	free(m);
	if (lasts == OS_VOLATILE && !fs->options.allow_volatile)
		return err_set(err, PAWL_EINVALID, "the hub '%s' is on %s, which forgets everything at power off: move it, or set allow_volatile: true", fs->path, why);
	if (lasts == OS_VOLATILE)
		log_warning("the hub '%s' is on %s: nothing survives a power cut", fs->path, why);
	else if (lasts == OS_LASTS_PERHAPS)
		log_notice("the hub '%s' is on %s: give it a mount of its own", fs->path, why);
	return 0;
}

/* Is this a place where promises can be kept? Refuse what cannot work, warn of what works less well. */
static int check_place(struct fs *fs, struct pawl_error *err)
{
	int rc = fs->os->fs_info(fs->os->self, fs->hub, &fs->info);

	if (rc < 0)
		return err_sys(err, -rc, "cannot ask about the file system of '%s'", fs->path);
	if (fs->info.read_only)
		return err_set(err, PAWL_EROFS, "the hub '%s' is on a read-only file system: remount it or move the hub", fs->path);
	rc = check_lasting(fs, err);
	if (rc < 0)
		return rc;
	if (fs->info.kind == OS_FS_NETWORK || fs->info.kind == OS_FS_FUSE)
		log_warning("the hub '%s' is on %s: locks and notification may not work there; only one machine may use it", fs->path, fs->info.name);
	return 0;
}

/* What LOCK says behind the owner's identity. */
#define WORD_CLEAN "clean"
#define WORD_DOUBT "doubt"
#define WORD_LOOK "look" /* the first recovery after a boot is not through */
#define WORD_SEEN "seen" /* it is */

/* false: some of it is not there. Pid 0: not even that. */
static bool parse_owner(const char **at, struct os_process_id *id)
{
	uint64_t pid, ticks;

	*id = (struct os_process_id){ .pid = 0 };
	if (!scan_word(at, "pid") || !scan_number(at, &pid) || pid > INT32_MAX)
		return false;
	id->pid = (int32_t)pid;
	if (!scan_word(at, "start") || !scan_number(at, &ticks) || !scan_word(at, "boot") ||
	    !scan_run(at, "0123456789abcdef-", id->boot_id, sizeof(id->boot_id)))
		return false;
	id->start_ticks = ticks;
	return true;
}

static int read_owner(struct fs *fs, struct os_process_id *id, char word[8])
{
	char *text = NULL;
	size_t len;

	*id = (struct os_process_id){ .pid = 0 };
	word[0] = '\0';
	int rc = os_read_file(fs->os, fs->hub, "LOCK", 4096, &text, &len);
	if (rc < 0)
		return rc;
	const char *at = text;
	if (parse_owner(&at, id))
		(void)scan_run(&at, NULL, word, 8);
	free(text);
	return 0;
}

/* As write_owner has it, white space and all? Its text is for people and clients: nothing is lost with it. */
bool hub_lock_is_good(const char *text, size_t len)
{
	static const char *const words[] = { "", WORD_CLEAN, WORD_DOUBT, WORD_LOOK, WORD_SEEN };
	struct os_process_id id;
	const char *at = text;
	char again[256];

	if (len == 0)
		return true;
	if (!parse_owner(&at, &id) || strlen(id.boot_id) != 36)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		snprintf(again, sizeof(again), "pid %d\nstart %llu\nboot %s\n%s\n", id.pid, (unsigned long long)id.start_ticks, id.boot_id, words[i]);
		size_t n = strlen(again);
		if (n <= len && memcmp(again, text, n) == 0 && strspn(text + n, "\n") == len - n) /* more of them: a kill in write_owner */
			return true;
	}
	return false;
}

/* Over what is there, and newlines over the rest of that, in one write: a kill must not leave an empty file, nor the end of
 * an older word behind the new one. Both would say that there is nothing to be careful about. */
static int write_owner(struct fs *fs, const char *word)
{
	struct os_process_id id;
	struct os_stat st;
	char text[256];
	int rc = fs->os->self_id(fs->os->self, &id);

	if (rc >= 0)
		rc = fs->os->stat_fd(fs->os->self, fs->lock_fd, &st);
	if (rc < 0)
		return rc;
	size_t len = (size_t)snprintf(text, sizeof(text), "pid %d\nstart %llu\nboot %s\n%s\n", id.pid, (unsigned long long)id.start_ticks, id.boot_id, word);
	size_t whole = st.size <= len ? len : st.size < sizeof(text) ? (size_t)st.size : sizeof(text);
	memset(text + len, '\n', whole - len);
	ssize_t n = fs->os->pwrite(fs->os->self, fs->lock_fd, text, whole, 0);
	if (n >= 0 && st.size > len)
		n = fs->os->truncate(fs->os->self, fs->lock_fd, len);
	return n < 0 ? (int)n : 0;
}

bool hub_has_owner(struct pawl_provider *p, char *who, size_t size)
{
	struct fs *fs = fs_of(p);
	struct os_process_id id;
	char word[8];

	int rc = read_owner(fs, &id, word);
	if (rc == -EACCES || rc == -EPERM) { /* members of a group that is let in: they must not be told that there is none */
		if (who && size)
			snprintf(who, size, "cannot tell: LOCK is not readable for this user");
		return true;
	}
	bool alive = id.pid != 0 && strcmp(word, WORD_CLEAN) != 0 && fs->os->is_alive(fs->os->self, &id);
	if (who && size && alive)
		snprintf(who, size, "pid %d", id.pid);
	else if (who && size)
		who[0] = '\0';
	return alive;
}

bool hub_was_stopped(struct fs *fs)
{
	struct os_process_id id;
	char word[8];

	(void)read_owner(fs, &id, word);
	return strcmp(word, WORD_CLEAN) == 0;
}

bool hub_was_used_in_this_boot(struct fs *fs, bool *doubt)
{
	struct os_process_id id;
	char word[8], boot[OS_BOOT_ID_SIZE];

	read_owner(fs, &id, word);
	bool used = strcmp(word, WORD_CLEAN) != 0 && fs->os->boot_id(fs->os->self, boot) >= 0 && strcmp(id.boot_id, boot) == 0;
	*doubt = used && strcmp(word, WORD_DOUBT) == 0;
	return used;
}

#define SERVED_BYTE 0 /* of LOCK */

void hub_serve(struct fs *fs)
{
	int rc = fs->os->mark(fs->os->self, fs->lock_fd, SERVED_BYTE, true);

	fs->served = true;
	if (rc < 0)
		hub_end_serving(fs, rc);
}

void hub_end_serving(struct fs *fs, int why)
{
	(void)fs->os->mark(fs->os->self, fs->lock_fd, SERVED_BYTE, false);
	fs->served = false;
	log_notice("cannot mark in the hub '%s' what is not on the disk yet: %s; should its storage fail, readers may be told of a "
		"commit that is not there", fs->path, strerror(-why));
}

bool hub_is_served(struct fs *fs)
{
	int fd = fs->os->open(fs->os->self, fs->hub, "LOCK", OS_READ | OS_NONBLOCK, 0);

	if (fd < 0)
		return false;
	int marked = fs->os->marked(fs->os->self, fd, SERVED_BYTE);
	fs->os->close(fs->os->self, fd);
	return marked == 1;
}

static int lock_take(struct fs *fs, struct pawl_error *err)
{
	int rc = fs->os->lock(fs->os->self, fs->lock_fd);

	if (rc == -EWOULDBLOCK || rc == -EAGAIN) {
		char who[64];
		bool known = hub_has_owner(&fs->provider, who, sizeof(who));
		return err_set(err, PAWL_EBUSY, "the hub '%s' is in use by another runtime (%s): stop it first", fs->path, known ? who : "process not visible from here");
	}
	if (rc < 0)
		return err_sys(err, -rc, "cannot lock '%s/LOCK' (locks do not work on this file system?)", fs->path);
	/* The file may have been replaced between open and lock: then the lock is on nothing. */
	struct os_stat now;
	rc = fs->os->stat_fd(fs->os->self, fs->lock_fd, &fs->lock_stat);
	if (rc == 0)
		rc = fs->os->stat(fs->os->self, fs->hub, "LOCK", &now);
	if (rc < 0 || now.ino != fs->lock_stat.ino)
		return err_set(err, PAWL_EBUSY, "'%s/LOCK' was replaced while it was taken: try again", fs->path);
	return 0;
}

int hub_lock(struct fs *fs, struct pawl_error *err)
{
	IO_BECAUSE(IO_OWNER);
	struct os_process_id before;
	char word[8];
	int rc = check_place(fs, err);

	if (rc < 0)
		return rc;
	rc = fs->os->boot_id(fs->os->self, fs->boot_id);
	if (rc < 0)
		return err_sys(err, -rc, "cannot read the boot id");
	fs->lock_fd = fs->os->open(fs->os->self, fs->hub, "LOCK", OS_READ | OS_WRITE | OS_CREATE, HUB_FILE_MODE);
	if (fs->lock_fd < 0)
		return err_sys(err, -fs->lock_fd, "cannot open '%s/LOCK'", fs->path);
	rc = lock_take(fs, err);
	if (rc == 0) {
		read_owner(fs, &before, word);
		fs->same_boot = strcmp(before.boot_id, fs->boot_id) == 0;
		fs->known_before = before.pid != 0;
		fs->clean_before = strcmp(word, WORD_CLEAN) == 0;
		fs->doubt = fs->same_boot && strcmp(word, WORD_DOUBT) == 0;
		fs->look = !fs->same_boot || strcmp(word, WORD_LOOK) == 0;
		int sys = write_owner(fs, fs->doubt ? WORD_DOUBT : fs->look ? WORD_LOOK : "");
		if (sys >= 0 && fs->clean_before) /* the mark must not be found again after a power cut in this run */
			sys = fs->os->sync_data(fs->os->self, fs->lock_fd);
		if (sys < 0)
			rc = err_sys(err, -sys, "cannot write '%s/LOCK'", fs->path);
	}
	if (rc < 0) {
		fs->os->close(fs->os->self, fs->lock_fd);
		fs->lock_fd = -1;
		return rc;
	}
	fs->owner = true;
	return 0;
}

/* A process that starts while the page cache is the same must not believe what it reads back. LOCK tells it, for this boot. */
void hub_tell_doubt(struct fs *fs)
{
	IO_BECAUSE(IO_OWNER);
	int rc = write_owner(fs, WORD_DOUBT);

	if (rc < 0)
		log_warning("cannot write '%s/LOCK': %s", fs->path, strerror(-rc));
}

void hub_tell_looked(struct fs *fs)
{
	IO_BECAUSE(IO_OWNER);
	int rc = fs->doubt ? 0 : write_owner(fs, WORD_SEEN);

	if (rc < 0)
		log_warning("cannot write '%s/LOCK': %s", fs->path, strerror(-rc));
	fs->look = rc < 0;
}

void hub_unlock(struct fs *fs, bool clean)
{
	IO_BECAUSE(IO_OWNER);
	if (fs->lock_fd < 0)
		return;
	/* The clean-stop mark: an event file that is empty and older was meant to be. So what was dropped is synced first. */
	if (clean && fs->owner && !fs->fenced && !fs->doubt && fs->os->sync_fs(fs->os->self, fs->hub) >= 0)
		(void)(write_owner(fs, WORD_CLEAN) == 0 && fs->os->sync_data(fs->os->self, fs->lock_fd));
	fs->os->close(fs->os->self, fs->lock_fd);
	fs->lock_fd = -1;
	fs->owner = false;
}

/* What the path stands for now is not what we hold: who looks for the hub there finds another one, or none. What cannot be
 * told is no reason to stop. Not asked at each commit: what is written goes to the hub that we hold, wherever that is. */
static bool is_elsewhere(struct fs *fs)
{
	const struct os *os = fs->os;
	struct os_stat ours, theirs;
	int64_t now = os->boot_ns(os->self);

	if (fs->place_ns && now - fs->place_ns < PLACE_FRESH_NS)
		return false;
	fs->place_ns = now;
	int fd = os->open_root(os->self, fs->path);

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR;
	bool known = os->stat_fd(os->self, fd, &theirs) == 0 && os->stat_fd(os->self, fs->hub, &ours) == 0;
	os->close(os->self, fd);
	return known && (ours.ino != theirs.ino || ours.dev != theirs.dev);
}

int hub_check_fence(struct fs *fs, struct pawl_error *err)
{
	struct os_stat now;

	if (!fs->owner)
		return err_set(err, PAWL_EFENCED, "the hub '%s' is open for reading only", fs->path);
	if (!fs->fenced) {
		int rc = fs->os->stat(fs->os->self, fs->hub, "LOCK", &now);
		if (rc < 0 && rc != -ENOENT)
			return err_sys(err, -rc, "cannot look at '%s/LOCK'", fs->path);
		fs->fenced = rc == -ENOENT || now.ino != fs->lock_stat.ino || now.dev != fs->lock_stat.dev;
	}
	if (!fs->fenced && is_elsewhere(fs)) {
		fs->fenced = true;
		return err_set(err, PAWL_EFENCED, "the hub '%s' was removed, moved or unmounted, or another is in its place: put it back, and restart the runtime", fs->path);
	}
	if (fs->fenced)
		return err_set(err, PAWL_EFENCED, "this runtime no longer owns '%s' (LOCK was removed or replaced): restart it", fs->path);
	return 0;
}
