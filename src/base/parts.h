/*
 * parts.h - what this program was built with. scripts/parts.mk names the files of each part and defines PAWL_WITH_X as 0
 * for one that was left out; a header of such a part has, in place of its functions, what is true without them.
 */
#ifndef BASE_PARTS_H
#define BASE_PARTS_H

/* In the order in which `pawl version` tells them. */
#define PARTS(P) \
	P(FS, fs) \
	P(MEMORY, memory) \
	P(YAML, yaml) \
	P(PLUGINS, plugins) \
	P(DOCTOR, doctor) \
	P(FSCK, fsck) \
	P(TOOLS, tools) \
	P(METRICS, metrics) \
	P(WORKERS, workers) \
	P(PRESSURE, pressure) \
	P(ISOLATION, isolation) \
	P(REVIVE, revive) \
	P(ENTITIES, entities) \
	P(TOPICS, topics) \
	P(HELP, help)

#ifndef PAWL_WITH_FS
#define PAWL_WITH_FS 1
#endif
#ifndef PAWL_WITH_MEMORY
#define PAWL_WITH_MEMORY 1
#endif
#ifndef PAWL_WITH_YAML
#define PAWL_WITH_YAML 1
#endif
#ifndef PAWL_WITH_PLUGINS
#define PAWL_WITH_PLUGINS 1
#endif
#ifndef PAWL_WITH_DOCTOR
#define PAWL_WITH_DOCTOR 1
#endif
#ifndef PAWL_WITH_FSCK
#define PAWL_WITH_FSCK 1
#endif
#ifndef PAWL_WITH_TOOLS
#define PAWL_WITH_TOOLS 1
#endif
#ifndef PAWL_WITH_METRICS
#define PAWL_WITH_METRICS 1
#endif
#ifndef PAWL_WITH_WORKERS
#define PAWL_WITH_WORKERS 1
#endif
#ifndef PAWL_WITH_PRESSURE
#define PAWL_WITH_PRESSURE 1
#endif
#ifndef PAWL_WITH_ISOLATION
#define PAWL_WITH_ISOLATION 1
#endif
#ifndef PAWL_WITH_REVIVE
#define PAWL_WITH_REVIVE 1
#endif
#ifndef PAWL_WITH_ENTITIES
#define PAWL_WITH_ENTITIES 1
#endif
#ifndef PAWL_WITH_TOPICS
#define PAWL_WITH_TOPICS 1
#endif
#ifndef PAWL_WITH_HELP
#define PAWL_WITH_HELP 1
#endif

#define PAWL_WITH_CORE 1 /* what every build has */

/* IF_PART(X, text) is the text, or nothing; UNLESS_PART the other way round. */
#define IF_PART(part, ...) PARTS_JOIN(PARTS_IF_, PAWL_WITH_##part)(__VA_ARGS__)
#define UNLESS_PART(part, ...) PARTS_JOIN(PARTS_UNLESS_, PAWL_WITH_##part)(__VA_ARGS__)
#define PARTS_JOIN(a, b) PARTS_JOIN_(a, b)
#define PARTS_JOIN_(a, b) a##b
#define PARTS_IF_1(...) __VA_ARGS__
#define PARTS_IF_0(...)
#define PARTS_UNLESS_1(...)
#define PARTS_UNLESS_0(...) __VA_ARGS__

/* Words for people that a small build goes without. */
#define HELP(...) PARTS_JOIN(PARTS_TEXT_, PAWL_WITH_HELP)(__VA_ARGS__)
#define PARTS_TEXT_1(...) __VA_ARGS__
#define PARTS_TEXT_0(...) NULL

/* "WITH_X=no" behind what cannot be had. */
#define WITHOUT_PART(part) "this pawl was built without it (WITH_" part "=no)"

#endif
