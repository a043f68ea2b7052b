/* drop_yaml.c - does a dropped .yaml file parse? Through libyaml's events, which keep nothing in memory; libyaml itself has
 * no limit on nesting (100 KB of "[" take it 25 s), so we stop it. */
#include "mailbox.h"
#if PAWL_WITH_YAML
#include <yaml.h>
#endif

const char drop_no_memory[] = "out of memory";

#define DEPTH_MAX 64
#define EVENTS_MAX 100000

#if PAWL_WITH_YAML
static int depth_change(yaml_event_type_t type)
{
	switch (type) {
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT: return 1;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT: return -1;
	default: return 0;
	}
}

const char *drop_yaml_check(const char *text, size_t len)
{
	yaml_parser_t parser;
	const char *why = NULL;
	bool end = false;
	int depth = 0;

	if (!yaml_parser_initialize(&parser))
		return drop_no_memory;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	for (int n = 0; !why && !end; n++) {
		yaml_event_t event;
		if (!yaml_parser_parse(&parser, &event)) {
			why = parser.error == YAML_MEMORY_ERROR ? drop_no_memory : "it is not valid YAML";
			break;
		}
		depth += depth_change(event.type);
		end = event.type == YAML_STREAM_END_EVENT;
		if (depth > DEPTH_MAX || n > EVENTS_MAX)
			why = "it is nested too deeply or has too many parts";
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return why;
}
#else
const char *drop_yaml_check(const char *text, size_t len)
{
	(void)text;
	(void)len;
	return NULL; /* built without libyaml: the orchestration sees what is wrong with it */
}
#endif
