/* wear.c - what was written to the medium, and how worn it says it is: as far as /sys tells. */
#include "doctor/doctor.h"
#include "base/text.h"
#include <stdlib.h>

#define SECTOR 512         /* of the statistics, whatever the device has */
#define STAT_SECTORS 6     /* the fields of /sys/block/.../stat from 0 (Documentation/block/stat.rst) */
#define STAT_FLUSHES 15
#define MOUNTS_LIFE "lifetime_write_kbytes"

static void read_stat(const struct doctor *d, const char *base, struct doctor_wear *w)
{
	char path[DOCTOR_PATH_SIZE], text[256];
	char *at = text;

	snprintf(path, sizeof(path), "%.256s/stat", base);
	if (d->os->read_kernel(d->os->self, path, text, sizeof(text)) <= 0)
		return;
	for (unsigned field = 0; field <= STAT_FLUSHES; field++) {
		char *end;
		uint64_t n = strtoull(at, &end, 10);
		if (end == at)
			break;
		if (field == STAT_SECTORS) {
			w->counted = true;
			w->written_bytes = n * SECTOR;
		} else if (field == STAT_FLUSHES) {
			w->flushes = n;
		}
		at = end;
	}
}

/* The file systems that count it name themselves by their device, as the kernel calls it. */
static void read_life(const struct doctor *d, const char *base, struct doctor_wear *w)
{
	char path[DOCTOR_PATH_SIZE], text[512];
	uint64_t kib;

	snprintf(path, sizeof(path), "%.256s/uevent", base);
	const char *at = d->os->read_kernel(d->os->self, path, text, sizeof(text)) > 0 ? strstr(text, "DEVNAME=") : NULL;
	if (!at)
		return;
	at += 8;
	snprintf(path, sizeof(path), "/sys/fs/%.31s/%.*s/" MOUNTS_LIFE, d->mount.type, (int)strcspn(at, "\n"), at);
	if (doctor_read_number(d, path, &kib))
		w->life_bytes = kib * 1024;
}

static unsigned life_of(const char *text, char **end)
{
	unsigned long n = strtoul(text, end, 16);

	return n <= 11 ? (unsigned)n : 0;
}

static void read_card(const struct doctor *d, const char *base, struct doctor_wear *w)
{
	char text[32], *end;

	medium_read(d, base, "device/life_time", text, sizeof(text));
	w->life_a = life_of(text, &end);
	w->life_b = life_of(end, &end);
	medium_read(d, base, "device/pre_eol_info", text, sizeof(text));
	w->pre_eol = life_of(text, &end);
}

/* "ubi0:data", "/dev/ubi0_0" */
static void read_ubi(const struct doctor *d, struct doctor_wear *w)
{
	const char *at = strstr(d->mount.source, "ubi");
	char path[DOCTOR_PATH_SIZE];

	if (!at || strcmp(d->mount.type, "ubifs") != 0)
		return;
	long device = strtol(at + 3, NULL, 10);
	snprintf(path, sizeof(path), "/sys/class/ubi/ubi%ld/max_ec", device);
	w->is_ubi = doctor_read_number(d, path, &w->erases_max);
	snprintf(path, sizeof(path), "/sys/class/ubi/ubi%ld/bad_peb_count", device);
	(void)doctor_read_number(d, path, &w->bad_blocks);
}

void wear_find(const struct doctor *d, struct doctor_wear *w)
{
	char base[256];

	*w = (struct doctor_wear){ .counted = false };
	read_ubi(d, w);
	if (!medium_directory(d, &d->mount, false, base, sizeof(base)))
		return;
	read_stat(d, base, w);
	read_life(d, base, w);
	if (medium_directory(d, &d->mount, true, base, sizeof(base)))
		read_card(d, base, w);
}

const char *wear_advice(const struct doctor_wear *w, enum doctor_verdict *verdict)
{
	unsigned life = w->life_a > w->life_b ? w->life_a : w->life_b;

	if (w->pre_eol == 3 || life >= 11) {
		*verdict = DOCTOR_PROBLEM;
		return "the medium is at the end of its life: replace it now, while it can still be read (docs/flash.md)";
	}
	if (w->pre_eol == 2 || life >= 9) {
		*verdict = DOCTOR_WARNING;
		return "the medium is nearly worn out: plan to replace it, and look for what writes so much (docs/flash.md)";
	}
	return NULL;
}

void doctor_wear(struct doctor *d)
{
	enum doctor_verdict verdict = DOCTOR_OK;
	struct doctor_wear w;
	struct buf text = BUF_INIT;

	wear_find(d, &w);
	if (w.life_a || w.life_b)
		buf_addf(&text, "eMMC: up to %u %% of its life used", (w.life_a > w.life_b ? w.life_a : w.life_b) * 10);
	if (w.is_ubi)
		buf_addf(&text, "UBI: the most worn block was erased %llu times, %llu are bad", (unsigned long long)w.erases_max,
			(unsigned long long)w.bad_blocks);
	if (w.counted)
		buf_addf(&text, "%s%llu MiB written since boot", text.len ? "; " : "", (unsigned long long)(w.written_bytes >> 20));
	if (w.life_bytes)
		buf_addf(&text, "%s%llu MiB in the life of the file system", text.len ? "; " : "", (unsigned long long)(w.life_bytes >> 20));
	if (text.len) {
		const char *advice = wear_advice(&w, &verdict);
		struct doctor_finding *f = doctor_add(d, DOCTOR_STORAGE, "wear", DOCTOR_OK, "%s", buf_str(&text));
		if (advice)
			doctor_advise(f, verdict, "%s", advice);
		doctor_number(f, "written_bytes", w.written_bytes);
	}
	buf_release(&text);
}
