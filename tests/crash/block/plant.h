/*
 * plant.h - bugs on request, between the program under test and the kernel. The programs of this folder that run a hub are
 * linked with -Wl,--wrap=os_linux: whoever asks for the kernel's table gets ours, and no file of the product knows of it.
 */
#ifndef BLOCK_PLANT_H
#define BLOCK_PLANT_H

#include "os/os.h"

/* The kernel's own table. */
const struct os *__real_os_linux(void);
const struct os *__wrap_os_linux(void);

/*
 * $BLOCK_PLANT, one of
 *
 *	nosync       fdatasync does nothing: frames are not synced
 *	nodirsync    fsync of a directory does nothing
 *	tmpnosync    fsync of a file does nothing: what is renamed then was not synced
 *	unlinkfirst  a message goes when it is read, before the commit that has it
 *	ackearly     fdatasync of the journal returns at once, and is done a moment later
 *	nosalt       segments are used again with the same salt
 *	nomark       the journal never says up to where it is checkpointed
 */
#define PLANT_NAMES "nosync nodirsync tmpnosync unlinkfirst ackearly nosalt nomark"

/* $BLOCK_FRAMES: a file that gets a line for each record of each frame, "LSN KIND ID EXECUTION OFFSET END". */

#endif
