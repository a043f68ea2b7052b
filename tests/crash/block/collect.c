/* collect.c - save every history of a hub as a reference: collect HUB DIR */
#include "reference.h"
#include "util.h"

int main(int argc, char **argv)
{
	struct pawl_error err = { 0 };
	struct pawl_provider *p;

	if (argc != 3)
		die("collect HUB DIR");
	const struct pawl_provider_options options = { .hub = argv[1], .read_only = true };
	if (pawl_provider_fs.open(&options, &p, &err) < 0)
		die("cannot open '%s': %s", argv[1], err.text);
	reference_save_all(p, argv[2]);
	p->ops->close(p);
	return 0;
}
