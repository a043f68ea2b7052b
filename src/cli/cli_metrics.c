/* cli_metrics.c - `pawl status --io` and `pawl metrics`: what the runtime has written, from its memory (os/io.h), and what the
 * kernel says of the medium under the hub. */
#include "cli/output.h"
#include "cli/verbs.h"
#include "base/json.h"
#include "base/text.h"
#include "doctor/doctor.h"
#include "runtime/metrics.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct facts {
	char who[64], why_not[DOCTOR_TEXT_SIZE]; /* the runtime; why its numbers are not known, "" when they are */
	struct io_page page;
	struct doctor place;       /* mount and medium only */
	struct doctor_wear wear;
	const char *advice;
	uint64_t seconds;          /* that it runs */
};

static void look_at_runtime(struct cli *c, struct facts *f)
{
	if (!cli_has_runtime(c, f->who, sizeof(f->who))) {
		snprintf(f->why_not, sizeof(f->why_not), "there is no runtime: start one with `%s run`", c->program);
		return;
	}
	long pid = strncmp(f->who, "pid ", 4) == 0 ? strtol(f->who + 4, NULL, 10) : 0;
	int rc = pid > 0 ? io_look(c->os, (int32_t)pid, &f->page) : -EACCES;
	f->seconds = f->page.awake_ns > 0 ? (uint64_t)(c->os->boot_ns(c->os->self) - f->page.awake_ns) / 1000000000 : 0;
	if (rc == -EACCES)
		snprintf(f->why_not, sizeof(f->why_not), "only the user of the runtime, and root, may look at its numbers");
	else if (rc < 0)
		snprintf(f->why_not, sizeof(f->why_not),
			"the runtime shows no numbers: it was built without them, is another version of pawl, or /proc is not there");
}

static int look(struct cli *c, struct facts *f)
{
	int rc = cli_open(c, CLI_READ);

	*f = (struct facts){ .place = { .dir = -1 } };
	if (rc < 0)
		return rc;
	look_at_runtime(c, f);
#if PAWL_WITH_DOCTOR
	enum doctor_verdict verdict = DOCTOR_OK;
	f->place.os = c->os;
	f->place.dir = c->os->open_root(c->os->self, c->hub);
	if (f->place.dir < 0)
		return 0;
	(void)c->os->fs_info(c->os->self, f->place.dir, &f->place.fs);
	os_mount_find(c->os, f->place.dir, &f->place.mount);
	medium_find(&f->place, &f->place.mount, &f->place.medium);
	wear_find(&f->place, &f->wear);
	f->advice = wear_advice(&f->wear, &verdict);
	c->os->close(c->os->self, f->place.dir);
#endif
	return 0;
}

static uint64_t total(const struct facts *f, enum io_kind kind)
{
	uint64_t sum = 0;

	for (int cause = 0; cause < IO_CAUSES; cause++)
		sum += f->page.written[cause][kind];
	return sum;
}

/* ---- for people ---- */

static void print_row(const char *name, uint64_t bytes, uint64_t syncs, uint64_t names)
{
	printf("  %-10s %14" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n", name, bytes, syncs, names);
}

static void print_runtime(const struct facts *f)
{
	char since[TEXT_TIME_SIZE];

	if (f->why_not[0]) {
		printf("runtime    %s\n", f->why_not);
		return;
	}
	text_time(since, f->page.since_ns);
	printf("runtime    %s, since %s\n  %-10s %14s %10s %10s\n", f->who, since, "cause", "bytes", "syncs", "names");
	for (int cause = 0; cause < IO_CAUSES; cause++) {
		const uint64_t *n = f->page.written[cause];
		if (n[IO_BYTES] || n[IO_SYNCS] || n[IO_NAMES])
			print_row(io_cause_name((enum io_cause)cause), n[IO_BYTES], n[IO_SYNCS], n[IO_NAMES]);
	}
	print_row("all", total(f, IO_BYTES), total(f, IO_SYNCS), total(f, IO_NAMES));
	printf("commits    %" PRIu64 ", with %" PRIu64 " records\n", f->page.numbers[METRIC_COMMITS], f->page.numbers[METRIC_RECORDS]);
}

#if PAWL_WITH_DOCTOR
static void print_device(const struct facts *f)
{
	const struct doctor_wear *w = &f->wear;

	printf("medium     %s", medium_kind_name(f->place.medium.kind));
	if (f->place.medium.name[0])
		printf(" (%s)", f->place.medium.name);
	printf(", %s\n", f->place.mount.known ? f->place.mount.type : f->place.fs.name);
	if (w->counted)
		printf("written    %" PRIu64 " bytes since boot, %" PRIu64 " flushes: by all programs\n", w->written_bytes, w->flushes);
	if (w->life_bytes)
		printf("           %" PRIu64 " bytes in the life of the file system\n", w->life_bytes);
	if (w->life_a || w->life_b)
		printf("eMMC       up to %u %% of its life used (type B: %u %%), spare blocks: %s\n", w->life_a * 10, w->life_b * 10,
			w->pre_eol == 1 ? "normal" : w->pre_eol == 2 ? "80 % used" : w->pre_eol == 3 ? "90 % used" : "not told");
	if (w->is_ubi)
		printf("UBI        the most worn block was erased %" PRIu64 " times, %" PRIu64 " blocks are bad\n", w->erases_max, w->bad_blocks);
	if (f->advice)
		printf("to do      %s\n", f->advice);
}
#else
static void print_device(const struct facts *f) { (void)f; }
#endif

/* ---- as a record ---- */

static void add_written(struct buf *json, const char *key, uint64_t bytes, uint64_t syncs, uint64_t names)
{
	json_add_key(json, key);
	buf_addf(json, "{\"bytes\":%" PRIu64 ",\"syncs\":%" PRIu64 ",\"names\":%" PRIu64 "}", bytes, syncs, names);
}

static void add_runtime(struct buf *json, const struct facts *f)
{
	out_add_time(json, "since", f->page.since_ns);
	json_add_member_u64(json, "seconds", f->seconds);
	json_add_member_u64(json, "commits", f->page.numbers[METRIC_COMMITS]);
	json_add_member_u64(json, "records", f->page.numbers[METRIC_RECORDS]);
	add_written(json, "written", total(f, IO_BYTES), total(f, IO_SYNCS), total(f, IO_NAMES));
	json_add_key(json, "causes");
	buf_addc(json, '{');
	for (int cause = 0; cause < IO_CAUSES; cause++) {
		const uint64_t *n = f->page.written[cause];
		add_written(json, io_cause_name((enum io_cause)cause), n[IO_BYTES], n[IO_SYNCS], n[IO_NAMES]);
	}
	buf_addc(json, '}');
}

#if PAWL_WITH_DOCTOR
static void add_device(struct buf *json, const struct facts *f)
{
	const struct doctor_wear *w = &f->wear;

	json_add_member(json, "medium", slice_of(medium_kind_name(f->place.medium.kind)));
	out_add_text(json, "device", f->place.medium.name[0] ? f->place.medium.name : NULL);
	out_add_text(json, "file_system", f->place.mount.known ? f->place.mount.type : NULL);
	if (w->counted) {
		json_add_member_u64(json, "device_bytes", w->written_bytes);
		json_add_member_u64(json, "device_flushes", w->flushes);
	}
	if (w->life_bytes)
		json_add_member_u64(json, "file_system_life_bytes", w->life_bytes);
	if (w->life_a || w->life_b) {
		json_add_member_u64(json, "emmc_life_a_percent", w->life_a * 10);
		json_add_member_u64(json, "emmc_life_b_percent", w->life_b * 10);
		json_add_member_u64(json, "emmc_pre_eol", w->pre_eol);
	}
	if (w->is_ubi)
		json_add_member_u64(json, "ubi_max_erases", w->erases_max);
	out_add_text(json, "advice", f->advice);
}
#else
static void add_device(struct buf *json, const struct facts *f) { (void)json, (void)f; }
#endif

static int show_record(struct cli *c, const struct facts *f)
{
	static const char *const columns[] = { NULL };
	struct buf json = BUF_INIT;
	struct out o;

	buf_adds(&json, "{\"v\":1");
	json_add_member(&json, "runtime", slice_of(f->who));
	out_add_text(&json, "unknown", f->why_not[0] ? f->why_not : NULL);
	if (!f->why_not[0])
		add_runtime(&json, f);
	add_device(&json, f);
	buf_addc(&json, '}');
	out_begin(&o, c, columns, false);
	o.failed |= !buf_ok(&json);
	out_record(&o, f->who, buf_slice(&json), NULL);
	buf_release(&json);
	return out_end(&o, &c->err);
}

int cli_show_io(struct cli *c)
{
	struct facts f;
	int rc = look(c, &f);

	if (rc < 0 || c->format != OUT_TABLE)
		return rc < 0 ? rc : show_record(c, &f);
	print_runtime(&f);
	print_device(&f);
	return 0;
}

/* ---- metrics: the text format that Prometheus and node_exporter's textfile collector read ---- */

static const struct {
	const char *name, *type, *text;
} metrics[] = {
#define METRIC_ROW(name, word, type, text) { word, #type, text },
	METRICS_LIST(METRIC_ROW)
#undef METRIC_ROW
};

static void metric_head(const char *name, const char *type, const char *text)
{
	int len = (int)strcspn(name, "{");

	if (*text)
		printf("# HELP pawl_%.*s %s\n# TYPE pawl_%.*s %s\n", len, name, text, len, name, type);
}

static void metric(const char *name, const char *type, const char *text, uint64_t n)
{
	metric_head(name, type, text);
	printf("pawl_%s %" PRIu64 "\n", name, n);
}

static void metrics_written(const struct facts *f, const char *name, const char *text, enum io_kind kind)
{
	metric_head(name, "counter", text);
	for (int cause = 0; cause < IO_CAUSES; cause++)
		printf("pawl_%s{cause=\"%s\"} %" PRIu64 "\n", name, io_cause_name((enum io_cause)cause), f->page.written[cause][kind]);
}

static int run_metrics(struct cli *c)
{
	struct facts f;
	int rc = look(c, &f);

	if (rc < 0)
		return rc;
	metric("up", "gauge", "1 when a runtime has the hub", cli_has_runtime(c, NULL, 0));
	if (f.wear.counted) {
		metric("device_written_bytes_total", "counter", "written to the hub's device since boot, by all programs", f.wear.written_bytes);
		metric("device_flushes_total", "counter", "flushes of it", f.wear.flushes);
	}
	if (f.wear.life_a || f.wear.life_b)
		metric("emmc_life_percent", "gauge", "how much of the life of the eMMC is used", (f.wear.life_a > f.wear.life_b ? f.wear.life_a : f.wear.life_b) * 10);
	if (f.wear.is_ubi)
		metric("ubi_max_erases", "gauge", "erases of the most worn block", f.wear.erases_max);
	if (f.why_not[0]) {
		cli_note(c, "%s", f.why_not);
		return 0;
	}
	metric("start_time_seconds", "gauge", "when the runtime began, in seconds since 1970", (uint64_t)f.page.since_ns / 1000000000);
	metrics_written(&f, "written_bytes_total", "bytes that the runtime has written to files", IO_BYTES);
	metrics_written(&f, "syncs_total", "syncs that it has asked for", IO_SYNCS);
	metrics_written(&f, "names_total", "files and directories that it has made, renamed and removed", IO_NAMES);
	for (int i = 0; i < METRICS; i++)
		metric(metrics[i].name, metrics[i].type, metrics[i].text, f.page.numbers[i]);
	return 0;
}

const struct cli_verb verb_metrics = {
	"metrics", "numbers of the runtime, for Prometheus", "",
	"Counters and gauges of the runtime that has the hub, in the text format that Prometheus reads: for node_exporter's textfile collector write them "
	"to a temporary file in its directory and rename that to NAME.prom. Nothing is written to the hub, and the runtime is not woken; only its own "
	"user and root may look. Without a runtime pawl_up is 0 and the others are left out.",
	NULL, 0, 0, run_metrics,
};
