/* view_values.c - the key-values of an instance, as its history tells them: few, so a list in the order of keys. */
#include "view.h"
#include <stdlib.h>
#include <string.h>

/* Where it is, or belongs. */
static struct view_value **place(struct view *v, struct slice key)
{
	struct view_value **at = &v->values;

	while (*at) {
		size_t len = (*at)->key_len < key.len ? (*at)->key_len : key.len;
		int order = memcmp((*at)->text, key.data, len);

		if (order > 0 || (order == 0 && (*at)->key_len >= key.len))
			break;
		at = &(*at)->next;
	}
	return at;
}

static bool is_at(struct view_value *const *at, struct slice key)
{
	return *at && slice_eq(slice_make((*at)->text, (*at)->key_len), key);
}

const struct view_value *view_value(const struct view *v, struct slice key)
{
	struct view_value *value = v->values;

	while (value && !is_at(&value, key))
		value = value->next;
	return value;
}

static void put_text(char *to, struct slice s)
{
	if (s.len)
		memcpy(to, s.data, s.len);
	to[s.len] = '\0';
}

static struct view_value *value_new(const struct event *e)
{
	struct slice text = e->data_file.data ? e->data_file : e->data;
	struct view_value *value = malloc(sizeof(*value) + e->key.len + 1 + text.len + 1);

	if (!value)
		return NULL;
	*value = (struct view_value){ .key_len = e->key.len, .in_file = e->data_file.data != NULL };
	value->len = value->in_file ? (size_t)e->data_len : text.len;
	value->crc = value->in_file ? e->data_crc : 0;
	put_text(value->text, e->key);
	put_text(value->text + e->key.len + 1, text);
	return value;
}

int view_set_value(struct view *v, const struct event *e)
{
	struct view_value **at = place(v, e->key), *value = value_new(e), *old = is_at(at, e->key) ? *at : NULL;

	if (!value)
		return PAWL_ENOMEM;
	value->next = old ? old->next : *at;
	*at = value;
	free(old);
	return 0;
}

void view_clear_values(struct view *v, struct slice key)
{
	struct view_value **at = key.data ? place(v, key) : &v->values;

	while (*at && (!key.data || is_at(at, key))) {
		struct view_value *gone = *at;

		*at = gone->next;
		free(gone);
	}
}

void view_value_event(const struct view_value *value, struct event *out)
{
	const char *text = value->text + value->key_len + 1;

	*out = (struct event){ .type = EVENT_KeyValueSet, .fields = FIELD_KEY | FIELD_DATA,
			       .key = slice_make(value->text, value->key_len) };
	if (!value->in_file) {
		out->data = slice_make(text, value->len);
		return;
	}
	out->data_file = slice_of(text);
	out->data_len = value->len;
	out->data_crc = value->crc;
}
