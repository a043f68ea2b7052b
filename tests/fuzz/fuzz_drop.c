/*
 * Files dropped into inbox/ and instances/ID/events/: what docs/FORMAT.md, "Dropping an event", says is an event or a start
 * is given out, once, with the content as it says; what is not looked at stays; everything else lies in .rejected/ with the
 * reason beside it. No file vanishes. Pieces: PLACE KIND NAME, then the content; any number of such pairs.
 *
 *	PLACE   i: inbox, e: the events of instance `a`
 *	KIND    f: a file; l: a symbolic link to one; d: a directory; h: a file with three names
 */
#include "fuzz.h"
#include "base/json.h"
#include "base/text.h"
#include "providers/fs/mailbox.h"

#define DROPS_MAX 12
#define INBOX FUZZ_HUB "/inbox"
#define EVENTS FUZZ_HUB "/instances/a/events"

enum fate { IGNORED, TAKEN, REJECTED };

struct drop {
	const char *dir;
	char kind, *name;
	struct slice content;
	enum fate fate;
	bool is_start, taken;
	char instance[300], event[300], key[300]; /* "": none */
	struct slice payload;
	void *token;
};

struct drops {
	struct drop items[DROPS_MAX];
	size_t count;
};

/* ---- what the document says ---- */

static bool made_of(const char *text, const char *more, size_t max)
{
	size_t n = strlen(text);

	for (const char *at = text; *at; at++)
		if (!(*at >= 'A' && *at <= 'Z') && !(*at >= 'a' && *at <= 'z') && !(*at >= '0' && *at <= '9') && !strchr(more, *at))
			return false;
	return n > 0 && n <= max;
}

static bool is_id(const char *text)
{
	return made_of(text, "_:-", 128) && !strchr("_:-", text[0]);
}

/* As far as one without a dot or slash can be. */
static bool is_type(const char *text)
{
	return made_of(text, "_:-", 128) && !strchr("_:-", text[0]);
}

static bool is_looked_at(const char *name)
{
	static const char *const ends[] = { "~", ".part", ".tmp", ".swp", ".swx", ".filepart", ".crdownload", ".new" };
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (n >= strlen(ends[i]) && strcmp(name + n - strlen(ends[i]), ends[i]) == 0)
			return false;
	return !strchr("._#", name[0]);
}

static char *split(char *text, char c)
{
	char *at = strchr(text, c);

	if (!at)
		return NULL;
	*at = '\0';
	return at + 1;
}

/* EVENT[@KEY] or TYPE[@ID] */
static bool split_name(char *text, char *first, char *second)
{
	char *at = split(text, '@');

	snprintf(first, 300, "%s", text);
	snprintf(second, 300, "%s", at ? at : "");
	return !at || *at;
}

/* false: no name of ours. *ext: what stands behind the last dot of the extension. */
static bool expect_name(struct drop *d, char *text, const char **ext)
{
	char *rest = strcmp(d->dir, INBOX) == 0 ? split(text, '.') : NULL, *event = rest ? rest : text;

	if (strcmp(d->dir, INBOX) == 0 && !rest)
		return false;
	*ext = split(event, '.');
	*ext = !*ext ? "" : strrchr(*ext, '.') ? strrchr(*ext, '.') + 1 : *ext;
	if (!split_name(event, d->event, d->key) || !made_of(d->event, "_:-", 64) || strchr("_:-", d->event[0]) ||
	    (d->key[0] && !made_of(d->key, "_:-", 64)))
		return false;
	if (!rest) {
		snprintf(d->instance, sizeof(d->instance), "a");
		return true;
	}
	d->is_start = strcmp(d->event, "start") == 0;
	if (!d->is_start) {
		snprintf(d->instance, sizeof(d->instance), "%s", text);
		return is_id(text);
	}
	bool has_key = d->key[0] != '\0';
	d->key[0] = '\0';
	return !has_key && split_name(text, d->event, d->instance) && is_type(d->event) && (!d->instance[0] || is_id(d->instance));
}

static struct slice without_newline(struct slice s)
{
	if (s.len && s.data[s.len - 1] == '\n') {
		s.len--;
		if (s.len && s.data[s.len - 1] == '\r')
			s.len--;
	}
	return s;
}

static bool expect_content(struct drop *d, const char *ext)
{
	enum json_type type;
	struct slice s = d->content;

	if (s.len > 65536)
		return false;
	d->payload = s;
	if (s.len == 0 || strcmp(ext, "bin") == 0)
		return true;
	d->payload = without_newline(s);
	if (strcmp(ext, "json") == 0)
		return json_check(s, &type, NULL) == 0;
	if (memchr(d->payload.data, '\0', d->payload.len) || !text_is_utf8(d->payload))
		return false;
	return (strcmp(ext, "yaml") != 0 && strcmp(ext, "yml") != 0) || !drop_yaml_check(d->payload.data, d->payload.len);
}

static void expect(struct drop *d)
{
	char text[256];
	const char *ext;

	snprintf(text, sizeof(text), "%s", d->name);
	if (!is_looked_at(d->name))
		d->fate = IGNORED;
	else if (!expect_name(d, text, &ext) || d->kind != 'f' || !expect_content(d, ext))
		d->fate = REJECTED;
	else
		d->fate = TAKEN;
}

/* ---- dropping ---- */

static void path_of(char *path, const struct drop *d, const char *before, const char *behind)
{
	snprintf(path, 600, "%s/%s%s%s", d->dir, before, d->name, behind);
}

static int drop_put(struct fuzz_hub *h, const struct drop *d, unsigned number)
{
	char path[600];
	int rc = 0;

	path_of(path, d, "", "");
	if (fuzz_there(h, path))
		return -1;
	if (d->kind == 'd')
		return h->user->mkdir(h->user->self, OS_CWD, path, 0755);
	if (d->kind == 'l')
		return h->user->symlink(h->user->self, "/secret", OS_CWD, path);
	rc = fuzz_write(h, path, d->content);
	for (unsigned n = 0; rc == 0 && d->kind == 'h' && n < 2; n++) {
		char more[32];
		snprintf(more, sizeof(more), "link-%u-%u", number, n);
		must(os_sim_link(h->sim, path, more) == 0);
	}
	os_sim_advance(h->sim, 1000000); /* the order of dropping shows in the times */
	return rc;
}

static bool drop_parse(struct drop *d, struct pieces *p)
{
	struct slice head;

	if (!pieces_next(p, &head) || !pieces_next(p, &d->content))
		return false;
	if (head.len < 3 || !memchr("ie", head.data[0], 2) || !memchr("fldh", head.data[1], 4))
		return false;
	head = slice_make(head.data + 2, head.len - 2);
	if (head.len > 255 || memchr(head.data, '/', head.len) || memchr(head.data, '\0', head.len))
		return false;
	d->name = piece_text(head);
	d->dir = head.data[-2] == 'i' ? INBOX : EVENTS;
	d->kind = head.data[-1];
	if (strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0 || strcmp(d->name, ".rejected") == 0) {
		free(d->name);
		return false;
	}
	return true;
}

/* ---- what came of it ---- */

static bool is_message(const struct drop *d, const struct pawl_message *m)
{
	return !d->taken && d->fate == TAKEN && (m->kind == PAWL_MESSAGE_START) == d->is_start &&
	       strcmp(m->instance ? m->instance : "", d->instance) == 0 && strcmp(m->name, d->event) == 0 &&
	       strcmp(m->key ? m->key : "", d->key) == 0 && m->len == d->payload.len && (m->len == 0 || memcmp(m->data, d->payload.data, m->len) == 0);
}

static int on_message(void *arg, struct pawl_message *m)
{
	struct drops *all = arg;
	struct drop *found = NULL;

	must(m->kind == PAWL_MESSAGE_START || m->kind == PAWL_MESSAGE_RAISE);
	must(m->id && strncmp(m->id, "f:", 2) == 0 && m->from);
	for (size_t i = 0; i < all->count && !found; i++)
		if (is_message(&all->items[i], m))
			found = &all->items[i];
	must(found != NULL);
	found->taken = true;
	found->token = m->token;
	return 0;
}

static void is_rejected(struct fuzz_hub *h, const struct drop *d)
{
	char path[600], why[608];
	size_t len;

	path_of(path, d, "", "");
	must(!fuzz_there(h, path));
	if (strlen(d->name) > 200) /* the name is cut so that the reason has room beside it */
		return;
	path_of(path, d, ".rejected/", "");
	if (d->kind != 'f') {
		must(fuzz_there(h, path));
		return;
	}
	/* under its name, or with a number behind it */
	for (unsigned n = 0; n < DROPS_MAX + 1; n++) {
		char *text = fuzz_read(h, path, &len);
		bool same = text && len == d->content.len && (len == 0 || memcmp(text, d->content.data, len) == 0);
		free(text);
		snprintf(why, sizeof(why), "%s.why", path);
		if (same && fuzz_there(h, why))
			return;
		path_of(path, d, ".rejected/", "");
		snprintf(path + strlen(path), 16, ".%u", n + 1);
	}
	must(!"a rejected file is there with its reason");
}

static void came_out(struct fuzz_hub *h, const struct drop *d)
{
	char path[600];

	path_of(path, d, "", "");
	switch (d->fate) {
	case IGNORED:
		must(!d->taken && fuzz_there(h, path));
		break;
	case TAKEN:
		must(d->taken && fuzz_there(h, path));
		break;
	case REJECTED:
		must(!d->taken);
		is_rejected(h, d);
		break;
	}
}

/* Two files may say the same, so all are acked before any is looked for. */
static void are_removed(struct fuzz_hub *h, struct drops *all)
{
	char path[600];

	for (size_t i = 0; i < all->count; i++)
		if (all->items[i].taken)
			h->p->ops->ack(h->p, all->items[i].token);
	for (size_t i = 0; i < all->count; i++) {
		path_of(path, &all->items[i], "", "");
		must(!all->items[i].taken || !fuzz_there(h, path));
		free(all->items[i].name);
	}
}

static int count_name(void *arg, const char *name)
{
	(void)name;
	++*(unsigned *)arg;
	return 0;
}

static unsigned names_in(struct fuzz_hub *h, const char *dir)
{
	unsigned n = 0;

	(void)h->user->list(h->user->self, OS_CWD, dir, count_name, &n);
	return n;
}

static void look(struct fuzz_hub *h, struct drops *all)
{
	struct pawl_error err = { 0 };

	for (int i = 0; i < 3; i++) {
		int64_t again = -1;
		must(h->p->ops->receive(h->p, i == 0, on_message, all, &again, &err) == 0);
		if (again < 0)
			return;
		os_sim_advance(h->sim, 61000000000);
	}
}

static void fill(struct pawl_provider *p)
{
	fuzz_hub_put(p, "a", false, (const char *const[]){ FUZZ_STARTED, NULL });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pieces p = pieces_of(data, size);
	struct drops all = { .count = 0 };
	unsigned rejected = 0;
	struct fuzz_hub h;

	fuzz_hub_init(&h, fill);
	must(fuzz_write(&h, "secret", SLICE("secret")) == 0);
	fuzz_hub_open(&h);
	while (all.count < DROPS_MAX && drop_parse(&all.items[all.count], &p)) {
		struct drop *d = &all.items[all.count];
		if (drop_put(&h, d, (unsigned)all.count) != 0) {
			free(d->name);
			break;
		}
		expect(d);
		rejected += d->fate == REJECTED;
		all.count++;
	}
	look(&h, &all);
	/* two names each, whatever they are called */
	must(names_in(&h, INBOX "/.rejected") + names_in(&h, EVENTS "/.rejected") == 2 * rejected);
	for (size_t i = 0; i < all.count; i++)
		came_out(&h, &all.items[i]);
	are_removed(&h, &all);
	fuzz_hub_release(&h);
	return 0;
}
