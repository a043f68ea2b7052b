/* main.c - the program. All of it is pawl_main, so that a program with its own orchestrations has the same. */
#include <pawl/pawl.h>

int main(int argc, char **argv)
{
	return pawl_main(argc, argv);
}
