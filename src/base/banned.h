/* banned.h - functions that overflow, start a shell or hide errors; using one stops the build. Included by every file
 * of ours through the compiler's -include. Not part of the installed headers. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef sprintf
#undef vsprintf
#define strcpy(...) banned_strcpy_use_buf
#define strcat(...) banned_strcat_use_buf
#define strncpy(...) banned_strncpy_use_buf
#define strncat(...) banned_strncat_use_buf
#define sprintf(...) banned_sprintf_use_snprintf
#define vsprintf(...) banned_vsprintf_use_vsnprintf
#define system(...) banned_system_use_argv
#define popen(...) banned_popen_use_argv
#define gets(...) banned_gets

#endif
