/* cli_doctor.c - `pawl doctor`: is this machine, is this directory one on which the promises can be kept? */
#include "cli/output.h"
#include "cli/verbs.h"
#include "base/json.h"
#include "doctor/doctor.h"
#include "os/clock_state.h"
#include "os/spawn.h"
#include "runtime/process.h"
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* ---- what is looked at ---- */

static void find_shim(struct cli *c, struct doctor_machine *m)
{
	const char *set = c->config.process.shim;
	struct pawl_error err = { .code = 0 };
	char path[DOCTOR_PATH_SIZE];

	if (!set && process_find_shim(path, sizeof(path), &err) == 0)
		snprintf(m->shim, sizeof(m->shim), "%s", path);
	else if (set && access(set, X_OK) == 0)
		snprintf(m->shim, sizeof(m->shim), "%s", set);
	else if (set)
		snprintf(m->shim_error, sizeof(m->shim_error), "'%.180s' (process.shim) cannot be executed", set);
	else
		snprintf(m->shim_error, sizeof(m->shim_error), "%.*s", DOCTOR_TEXT_SIZE - 1, err.text);
}

static void look_at_machine(struct cli *c, struct doctor_machine *m)
{
	struct timespec t = { 0, 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	m->awake_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
	m->synchronised = os_clock_is_synchronised();
	m->pid_namespace = spawn_pid_namespace();
	find_shim(c, m);
}

/* The hub of --dir, or that of all verbs. A configuration that cannot be read is a finding: the rest is looked at with
 * the defaults. */
static int find_place(struct cli *c, struct doctor *d)
{
	const char *dir = c->opt[OPT_DIR];
	int rc = cli_load_config(c);

	if (rc == PAWL_ENOMEM)
		return rc;
	if (rc < 0) {
		struct doctor_finding *f = doctor_add(d, DOCTOR_HUB, "configuration", DOCTOR_PROBLEM, "%s",
			c->err.text);
		doctor_advise(f, DOCTOR_PROBLEM, "correct it: no runtime starts with it");
		c->err = (struct pawl_error){ .code = 0 };
	}
	if (dir && !*dir)
		return cli_usage(c, "--dir: the directory's name is empty");
	if (dir)
		c->hub = dir;
	else
		rc = cli_find_hub(c);
	return c->hub ? 0 : rc;
}

static void open_hub(struct cli *c, struct doctor *d)
{
#if PAWL_WITH_FS
	struct pawl_provider_options options = { .hub = c->hub, .read_only = true, .allow_volatile = true,
		.os = c->os };

	(void)pawl_provider_fs.open(&options, &c->provider, &d->hub_error);
#else
	(void)err_set(&d->hub_error, PAWL_EUNSUPPORTED, "this build keeps no hub in files (WITH_FS=no)");
#endif
	d->provider = c->provider;
}

static void pause_ms(void *arg, unsigned ms)
{
	(void)arg;
	cli_sleep_ms(ms);
}

/* ---- what is shown ---- */

static void print_text(const char *text, bool clean_line)
{
	struct buf clean = BUF_INIT;

	out_clean(&clean, slice_of(text));
	fputs(buf_str(&clean), stdout);
	buf_release(&clean);
	if (clean_line)
		putchar('\n');
}

static void print_verdict(const struct cli *c, enum doctor_verdict verdict)
{
	static const char *const colors[] = { "32", "36", "33", "31" };
	const char *name = doctor_verdict_name(verdict);

	if (c->color)
		printf("\033[%sm%s\033[0m%*s", colors[verdict], name, (int)(9 - strlen(name)), "");
	else
		printf("%-9s", name);
}

static void print_finding(const struct cli *c, const struct doctor_finding *f)
{
	print_verdict(c, f->verdict);
	printf("%-17s ", f->check);
	print_text(f->value, true);
	if (f->advice[0]) {
		printf("%-9s%-17s -> ", "", "");
		print_text(f->advice, true);
	}
}

/* Of what is well only the names; all of it with -v. */
static void print_silent(const struct cli *c, const struct doctor *d, enum doctor_group group)
{
	const char *before = NULL;

	for (size_t i = 0; i < d->count; i++) {
		const struct doctor_finding *f = &d->findings[i];
		if (f->group != group || f->verdict != DOCTOR_OK)
			continue;
		if (c->opt[OPT_VERBOSE]) {
			print_finding(c, f);
			continue;
		}
		if (!before) {
			print_verdict(c, DOCTOR_OK);
			printf("%-17s ", doctor_group_name(group));
		}
		printf("%s%s", before ? ", " : "", f->check);
		before = f->check;
	}
	if (before)
		putchar('\n');
}

static void print_all(const struct cli *c, const struct doctor *d)
{
	for (int verdict = DOCTOR_PROBLEM; verdict > DOCTOR_OK; verdict--)
		for (size_t i = 0; i < d->count; i++)
			if ((int)d->findings[i].verdict == verdict)
				print_finding(c, &d->findings[i]);
	for (int group = 0; group < DOCTOR_GROUPS; group++)
		print_silent(c, d, (enum doctor_group)group);
}

static void show_record(struct out *o, const struct doctor_finding *f)
{
	struct buf json = BUF_INIT, value = BUF_INIT;

	out_clean(&value, slice_of(f->value)); /* paths may be any bytes */
	buf_adds(&json, "{\"v\":1");
	json_add_member(&json, "check", slice_of(f->check));
	json_add_member(&json, "group", slice_of(doctor_group_name(f->group)));
	json_add_member(&json, "verdict", slice_of(doctor_verdict_name(f->verdict)));
	json_add_member(&json, "value", buf_slice(&value));
	buf_add_slice(&json, buf_slice(&f->numbers));
	out_add_flag(&json, "damage", f->is_damage);
	out_add_text(&json, "advice", f->advice[0] ? f->advice : NULL);
	buf_addc(&json, '}');
	o->failed |= !buf_ok(&json) || !buf_ok(&value) || !buf_ok(&f->numbers);
	out_record(o, f->check, buf_slice(&json), NULL);
	buf_release(&value);
	buf_release(&json);
}

static int show(struct cli *c, const struct doctor *d)
{
	static const char *const columns[] = { NULL };
	struct out o;

	if (c->format == OUT_TABLE) {
		print_all(c, d);
		return 0;
	}
	out_begin(&o, c, columns, true);
	for (size_t i = 0; i < d->count; i++)
		show_record(&o, &d->findings[i]);
	return out_end(&o, &c->err);
}

static int doctor(struct cli *c)
{
	struct doctor_machine machine = { .synchronised = -1 };
	struct doctor *d = calloc(1, sizeof(*d));
	int rc = 0;

	if (!d)
		return err_nomem(&c->err);
	*d = (struct doctor){ .os = c->os, .config = &c->config, .machine = &machine, .pause = pause_ms,
		.dir = -1 };
	rc = find_place(c, d);
	if (rc == 0) {
		d->path = c->hub;
		open_hub(c, d);
		look_at_machine(c, &machine);
		doctor_run(d);
		rc = show(c, d);
	}
	if (rc == 0)
		rc = doctor_found_damage(d) ? CLI_DAMAGED : doctor_worst(d) == DOCTOR_PROBLEM ? CLI_ERROR : CLI_DONE;
	doctor_release(d);
	free(d);
	return rc;
}

static const struct cli_option options_doctor[] = {
	{ OPT_DIR, 0, "dir", "PATH", HELP("look at this directory instead: may a hub be there?") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_doctor = {
	"doctor", "check the machine, the file system and the hub", "[--dir PATH]",
	HELP("Looks at what the promises rest on: the file system, its mount options and the medium under it, how long a "
		"flush takes "
	"and if that can be true, locks, leases, renames and notification (tried in a scratch directory that is "
		"removed again), "
	"limits of the kernel and the process, clocks, space, and the hub's owner, rights and data (as `pawl fsck` checks them). With no hub "
		"yet the "
	"nearest directory that is there is looked at; beside a runtime it disturbs nothing.\n"
	"Problems come first, each with advice; what is well is only named (-v: with what was measured). Exit code 0 "
		"when there is "
	"nothing worse than a warning, 1 with a problem, 7 when the hub's data is damaged.\n"
	"-o json is an array of objects with `check`, `group`, `verdict` (ok, note, warning or problem), `value`, "
		"`advice` and what was "
	"measured as numbers, such as `p50_us` of `flush`."),
	options_doctor, 0, 0, doctor,
};
