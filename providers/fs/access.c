/*
 * access.c - who may go where: the mode and the group of each directory of a hub. docs/SECURITY.md has the table and the
 * reasons.
 *
 * Without groups everything is the runtime's user's alone, but for the way through (execute for others) to places that
 * an administrator opens by hand. With a group its directories are set-group-ID, so that what is made in them later is the
 * group's too. What was made before a group was named is brought in line when the runtime starts.
 */
#include "fs.h"
#include <errno.h>
#include <stdlib.h>

#define SETGID 02000u
#define STICKY 01000u
#define BITS 07777u

/* What a place is to be; gid 0: the group stays what it is. */
struct access {
	unsigned mode;
	uint32_t gid;
};

/*
 * Droppers may make names and pass through, no more: they do not see what others have dropped, and sticky keeps them from
 * removing or replacing it. Who may send may look, as names in control/ are in the order of sending.
 */
static struct access access_of(const struct fs *fs, enum hub_place place)
{
	const struct pawl_provider_options *o = &fs->options;

	switch (place) {
	case PLACE_DROPS:
		return o->drop_group ? (struct access){ SETGID | STICKY | 0730, o->drop_group } : (struct access){ HUB_DIR_MODE_PRIVATE, 0 };
	case PLACE_CONTROL:
		return o->control_group ? (struct access){ SETGID | STICKY | 0770, o->control_group } : (struct access){ 0700, 0 };
	case PLACE_READ:
		return (struct access){ HUB_DIR_MODE_PRIVATE | (o->read_group ? SETGID : 0), o->read_group };
	case PLACE_PASS:
		break;
	}
	return (struct access){ HUB_DIR_MODE | (o->read_group ? SETGID : 0), o->read_group };
}

/* Group first: a chown takes the set-group-ID bit away. */
static int give(struct fs *fs, const char *path, const struct access *a)
{
	const struct os *os = fs->os;
	struct os_stat st;
	int fd = os->open(os->self, fs->hub, path, OS_READ | OS_DIRECTORY, 0);
	int rc = fd < 0 ? fd : os->stat_fd(os->self, fd, &st);

	if (rc == 0 && st.gid != a->gid)
		rc = os->chown_group(os->self, fd, a->gid);
	if (rc == 0 && (st.gid != a->gid || (st.mode & BITS) != a->mode))
		rc = os->chmod(os->self, fs->hub, path, a->mode);
	if (fd >= 0)
		os->close(os->self, fd);
	return rc;
}

int access_give(struct fs *fs, const char *path, enum hub_place place)
{
	struct access a = access_of(fs, place);

	return a.gid ? give(fs, path, &a) : 0;
}

int access_mkdir(struct fs *fs, const char *path, enum hub_place place)
{
	struct access a = access_of(fs, place);
	/* never wider than it is to be, not even for a moment: until it has its group others are kept out */
	int rc = fs->os->mkdir(fs->os->self, fs->hub, path, a.gid ? a.mode & 0701 : a.mode);

	return rc == 0 && a.gid ? give(fs, path, &a) : rc;
}

/* ---- at the start ---- */

static const struct {
	const char *path;
	enum hub_place place;
} places[] = {
	{ ".", PLACE_PASS }, { "instances", PLACE_PASS }, { "journal", PLACE_READ }, { "archive", PLACE_READ },
	{ "inbox", PLACE_DROPS }, { "control", PLACE_CONTROL },
};

enum hub_place access_place(const char *name)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (strcmp(places[i].path, name) == 0)
			return places[i].place;
	return PLACE_PASS;
}

static int give_each(void *arg, const char *name)
{
	struct fs *fs = arg;
	char path[PATH_SIZE];

	if (!text_is_instance_id(slice_of(name)))
		return 0;
	snprintf(path, sizeof(path), "instances/%s", name);
	int rc = access_give(fs, path, PLACE_PASS);
	snprintf(path, sizeof(path), "instances/%s/events", name);
	if (rc == 0)
		rc = access_give(fs, path, PLACE_DROPS);
	if (rc < 0 && rc != -ENOENT && rc != -ENOTDIR)
		log_warning("cannot set group and mode of '%s': %s", path, strerror(-rc));
	return 0;
}

/* ---- what was made before a group was named that may read ---- */

struct files {
	struct fs *fs;
	int dir;
};

static int give_file(void *arg, const char *name)
{
	const struct files *f = arg;
	const struct os *os = f->fs->os;
	struct os_stat st;
	int fd = os->open(os->self, f->dir, name, OS_READ | OS_NONBLOCK, 0);

	if (fd < 0)
		return 0;
	if (os->stat_fd(os->self, fd, &st) == 0 && st.type == OS_FILE && st.uid == os->uid(os->self))
		(void)os->chown_group(os->self, fd, f->fs->options.read_group);
	os->close(os->self, fd);
	return 0;
}

static void give_files(struct fs *fs, const char *path)
{
	struct files f = { fs, fs->os->open(fs->os->self, fs->hub, path, OS_READ | OS_DIRECTORY, 0) };

	if (f.dir < 0)
		return;
	(void)fs->os->chown_group(fs->os->self, f.dir, fs->options.read_group);
	(void)fs->os->list(fs->os->self, f.dir, ".", give_file, &f);
	fs->os->close(fs->os->self, f.dir);
}

struct inside {
	struct fs *fs;
	const char *dir;
};

static int give_inside(void *arg, const char *name)
{
	const struct inside *i = arg;
	char path[PATH_SIZE];

	if (!text_is_instance_id(slice_of(name)))
		return 0;
	snprintf(path, sizeof(path), "%s/%s", i->dir, name);
	give_files(i->fs, path);
	return 0;
}

/* Once: the journal is given last, and its group says that it was done. */
static void settle_readers(struct fs *fs)
{
	struct os_stat st;

	if (!fs->options.read_group || fs->os->stat(fs->os->self, fs->hub, "journal", &st) < 0 || st.gid == fs->options.read_group)
		return;
	log_notice("giving what is in '%s' to group %u (access.read_group)", fs->path, (unsigned)fs->options.read_group);
	(void)fs->os->list(fs->os->self, fs->hub, "instances", give_inside, &(struct inside){ fs, "instances" });
	(void)fs->os->list(fs->os->self, fs->hub, "archive", give_inside, &(struct inside){ fs, "archive" });
	give_files(fs, ".");
	give_files(fs, "journal");
}

int access_settle(struct fs *fs, struct pawl_error *err)
{
	const struct pawl_provider_options *o = &fs->options;

	if (!o->read_group && !o->drop_group && !o->control_group)
		return 0;
	settle_readers(fs);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int rc = access_give(fs, places[i].path, places[i].place);
		if (rc == -EPERM)
			return err_set(err, PAWL_EPERM, "cannot give '%s/%s' to its group (access.read_group, drop_group, control_group): run pawl as root, or as a member of that group",
			               fs->path, places[i].path);
		if (rc < 0 && rc != -ENOENT) /* what is not there is made next */
			return err_sys(err, -rc, "cannot set group and mode of '%s/%s'", fs->path, places[i].path);
	}
	(void)fs->os->list(fs->os->self, fs->hub, "instances", give_each, fs);
	return 0;
}
