/* medium.c - what a file system lies on, as far as /sys tells. */
#include "doctor/doctor.h"
#include "base/text.h"

#define LAYERS_MAX 4 /* of dm-crypt over LVM over md and so on: the lowest that can be told */

const char *medium_kind_name(enum doctor_medium_kind kind)
{
	static const char *const names[] = { "a medium that cannot be told", "a rotating disk", "a solid-state disk",
		"an eMMC or SD card",
		"raw flash", "a virtual disk", "a file behind a loop device", "memory" };

	return names[kind];
}

void medium_read(const struct doctor *d, const char *base, const char *name, char *out, size_t size)
{
	char path[DOCTOR_PATH_SIZE], part[8];

	snprintf(path, sizeof(path), "%s/partition", base);
	doctor_read_line(d, path, part, sizeof(part));
	snprintf(path, sizeof(path), "%s/%s%s", base, part[0] ? "../" : "", name);
	doctor_read_line(d, path, out, size);
}

static int first_name(void *arg, const char *name)
{
	snprintf(arg, 64, "%s", name);
	return 1;
}

/* From a mapped device to what it maps. */
static void descend(const struct doctor *d, char *base, size_t size)
{
	char path[DOCTOR_PATH_SIZE], slave[64];

	for (int layer = 0; layer < LAYERS_MAX; layer++) {
		slave[0] = '\0';
		snprintf(path, sizeof(path), "%.200s/slaves", base);
		if (d->os->list_kernel(d->os->self, path, first_name, slave) < 0 || !slave[0])
			return;
		snprintf(base, size, "/sys/class/block/%s", slave);
	}
}

static void find_name(const struct doctor *d, const char *base, const struct os_mount *mount, char *out,
	size_t size)
{
	static const char key[] = "DEVNAME=";
	char path[DOCTOR_PATH_SIZE], text[512];
	const char *at = NULL;

	snprintf(path, sizeof(path), "%s/uevent", base);
	if (d->os->read_kernel(d->os->self, path, text, sizeof(text)) > 0)
		at = strstr(text, key);
	const char *slash = strrchr(mount->source, '/');
	const char *name = at ? at + sizeof(key) - 1 : slash ? slash + 1 : mount->source;
	snprintf(out, size, "%.*s", (int)strcspn(name, "\n"), name);
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool is_virtual(const char *name, const char *model)
{
	static const char *const models[] = { "QEMU", "VMware", "VBOX", "Virtual", "Msft", "Amazon", "Google",
		"Persistent" };

	if (begins(name, "vd") || begins(name, "xvd") || begins(name, "nbd") || begins(name, "rbd") || begins(name,
		"drbd"))
		return true;
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (strstr(model, models[i]))
			return true;
	return false;
}

static enum doctor_medium_kind find_kind(const struct doctor *d, const char *base, const struct doctor_medium *m)
{
	char rotates[8];

	if (begins(m->name, "mmcblk"))
		return MEDIUM_CARD;
	if (begins(m->name, "mtdblock"))
		return MEDIUM_RAW_FLASH;
	if (begins(m->name, "ram") || begins(m->name, "zram"))
		return MEDIUM_MEMORY;
	if (begins(m->name, "loop"))
		return MEDIUM_FILE;
	if (is_virtual(m->name, m->model))
		return MEDIUM_VIRTUAL;
	medium_read(d, base, "queue/rotational", rotates, sizeof(rotates));
	return rotates[0] == '1' ? MEDIUM_DISK : rotates[0] == '0' ? MEDIUM_SSD : MEDIUM_UNKNOWN;
}

static void find_model(const struct doctor *d, const char *base, struct doctor_medium *m)
{
	char vendor[24];

	medium_read(d, base, "device/model", m->model, sizeof(m->model));
	if (!m->model[0])
		medium_read(d, base, "device/name", m->model, sizeof(m->model)); /* of cards */
	medium_read(d, base, "device/vendor", vendor, sizeof(vendor));
	/* SATA disks have "ATA" for a vendor, and virtio a number */
	if (m->model[0] && vendor[0] && strcmp(vendor, "ATA") != 0 && !begins(vendor, "0x")) {
		char model[sizeof(m->model)];
		memcpy(model, m->model, sizeof(model));
		snprintf(m->model, sizeof(m->model), "%.20s %.40s", vendor, model);
	}
}

bool medium_directory(const struct doctor *d, const struct os_mount *mount, bool lowest, char *base, size_t size)
{
	const char *slash = strrchr(mount->source, '/');

	if (!mount->known)
		return false;
	/* btrfs and others have a number that no device has */
	if (!begins(mount->device, "0:"))
		snprintf(base, size, "/sys/dev/block/%s", mount->device);
	else if (begins(mount->source, "/dev/"))
		snprintf(base, size, "/sys/class/block/%s", slash + 1);
	else
		return false;
	if (lowest)
		descend(d, base, size);
	return true;
}

void medium_find(const struct doctor *d, const struct os_mount *mount, struct doctor_medium *m)
{
	char base[256], cache[32];

	*m = (struct doctor_medium){ .write_back = -1 };
	if (d->fs.kind == OS_FS_TMPFS)
		m->kind = MEDIUM_MEMORY;
	else if (strcmp(mount->type, "ubifs") == 0 || strcmp(mount->type, "jffs2") == 0)
		m->kind = MEDIUM_RAW_FLASH;
	if (m->kind != MEDIUM_UNKNOWN || !medium_directory(d, mount, true, base, sizeof(base)))
		return;
	find_name(d, base, mount, m->name, sizeof(m->name));
	find_model(d, base, m);
	m->kind = find_kind(d, base, m);
	medium_read(d, base, "queue/write_cache", cache, sizeof(cache));
	m->write_back = strcmp(cache, "write back") == 0 ? 1 : cache[0] ? 0 : -1;
}
