/* select.c - which instances a verb is for, by status, type and age. */
#include "cli/instance.h"
#include "base/map.h"
#include "base/text.h"
#include <strings.h>

static int add_status(struct cli *c, struct select *s, struct slice word)
{
	char name[32];
	enum instance_status status;

	snprintf(name, sizeof(name), "%.*s", (int)(word.len < 31 ? word.len : 31), word.data);
	s->any_status = false;
	if (strcasecmp(name, "damaged") == 0)
		s->damaged = true;
	else if (strcasecmp(name, "parked") == 0)
		s->parked = true;
	else if (status_parse(name, &status) == 0) {
		s->statuses |= 1u << status;
		s->wants_ended = s->wants_ended || status_is_ended(status);
	} else
		return cli_usage(c,
			"'%s' is no status: Pending, Running, Suspended, Completed, Failed, Canceled, Terminated, ContinuedAsNew, Parked or Damaged", name);
	return 0;
}

static int parse_statuses(struct cli *c, struct select *s, const char *text)
{
	int rc = 0;

	for (const char *at = text; rc == 0; at++) {
		size_t len = strcspn(at, ",");
		rc = add_status(c, s, slice_make(at, len));
		at += len;
		if (!*at)
			break;
	}
	return rc;
}

int select_parse(struct cli *c, struct select *s)
{
	int64_t since = -1, older = -1;
	int rc = 0;

	*s = (struct select){ .any_status = true, .type = c->opt[OPT_TYPE] };
	if (c->opt[OPT_STATUS])
		rc = parse_statuses(c, s, c->opt[OPT_STATUS]);
	if (rc == 0)
		rc = cli_duration(c, OPT_SINCE, &since);
	if (rc == 0)
		rc = cli_duration(c, OPT_OLDER_THAN, &older);
	if (rc == 0 && c->opt[OPT_WHERE])
		rc = where_parse(c, c->opt[OPT_WHERE], &s->where);
	/* longer than the clock reaches back is for ever */
	s->since_ns = since >= 0 && since < c->now_ns / 1000000 ? c->now_ns - since * 1000000 : 0;
	s->before_ns = older < 0 ? 0 : older < c->now_ns / 1000000 ? c->now_ns - older * 1000000 : 1;
	return rc;
}

bool select_is_given(const struct cli *c)
{
	return c->opt[OPT_STATUS] || c->opt[OPT_TYPE] || c->opt[OPT_OLDER_THAN] || c->opt[OPT_SINCE] || c->opt[OPT_WHERE];
}

static bool status_matches(const struct select *s, const struct cli_instance *i)
{
	if (s->any_status)
		return true;
	if (i->damaged)
		return s->damaged;
	return (s->parked && i->note) || (s->statuses & (1u << i->view.status));
}

static bool matches(const struct select *s, const struct cli_instance *i)
{
	if (!status_matches(s, i) || (s->type && !(i->view.type && strcmp(i->view.type, s->type) == 0)))
		return false;
	return i->view.updated_ns >= s->since_ns && !(s->before_ns && i->view.updated_ns > s->before_ns);
}

struct visit {
	struct cli *c;
	const struct select *select;
	struct map *seen; /* NULL: only one place is looked at */
	int (*each)(void *arg, struct cli_instance *i);
	void *arg;
	int failed; /* one could not be read: the others are shown all the same, and this is what comes of it */
	struct pawl_error why;
};

static int pass_over(struct visit *v, int rc)
{
	if (v->failed)
		cli_complain(v->c, v->why.text);
	v->failed = rc;
	v->why = v->c->err;
	return 0;
}

static int visit_id(void *arg, const char *id)
{
	struct visit *v = arg;
	struct cli_instance i;

	if (v->seen && map_get(v->seen, slice_of(id)))
		return 0;
	if (v->seen && map_put(v->seen, slice_of(id), v, NULL) < 0)
		return err_nomem(&v->c->err);
	int rc = instance_read(v->c, id, 0, &i);
	if (rc == PAWL_ENOTFOUND)
		rc = 0; /* purged since */
	else if (rc < 0 && rc != PAWL_ENOMEM)
		rc = pass_over(v, rc);
	else if (rc == 0 && matches(v->select, &i)) {
		rc = where_matches(v->c, &v->select->where, &i);
		if (rc > 0)
			rc = v->each(v->arg, &i);
	}
	instance_release(&i);
	return rc;
}

int select_each(struct cli *c, const struct select *s, bool live, bool archived,
                int (*each)(void *arg, struct cli_instance *i), void *arg)
{
	const struct pawl_provider_ops *ops = c->provider->ops;
	struct map seen;
	struct visit v = { .c = c, .select = s, .seen = live && archived ? &seen : NULL, .each = each, .arg = arg };
	int rc = 0;

	map_init(&seen);
	if (live)
		rc = ops->scan(c->provider, false, visit_id, &v, &c->err);
	if (rc == 0 && archived)
		rc = ops->scan(c->provider, true, visit_id, &v, &c->err);
	map_release(&seen);
	if (rc >= 0 && v.failed)
		c->err = v.why;
	return rc >= 0 && v.failed ? v.failed : rc;
}
