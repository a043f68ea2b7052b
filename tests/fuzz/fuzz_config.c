/* No configuration crashes, hangs or leaks, and a refused one says why. */
#include "runtime/config.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pawl_error err = { 0 };
	struct config cfg;

	if (config_init(&cfg))
		abort();
	if ((config_apply(&cfg, "f", (const char *)data, size, &err) || config_finish(&cfg, &err)) &&
	    (!err.code || !err.text[0]))
		abort();
	for (size_t i = 0; !err.code && i < cfg.activity_count; i++) {
		if (config_find_activity(&cfg, cfg.activities[i].name) != &cfg.activities[i] ||
		    (cfg.activities[i].exec && !cfg.activities[i].exec[0]))
			abort();
	}
	config_release(&cfg);
	return 0;
}
