/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Part of builds with the address sanitizer only. Its search for leaks, at exit, waits for a process that it
 * starts in our cgroup, where that may be killed with all the rest: then it waits for ever. */
const char *__asan_default_options(void);

__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
        return "detect_leaks=0";
}
