/* loop.c - event loop and crew as in test_programs: one for each runtime. */
#include "crash/test_programs/loop.c"
