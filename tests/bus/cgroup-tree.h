/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

/* Cgroups as a test sees them: paths below /sys/fs/cgroup. */

std::string cgroup_full_path(const std::string &path);
bool cgroup_exists(const std::string &path);
/* With all missing parents. False with errno. */
bool cgroup_make(const std::string &path);
bool cgroup_attach(const std::string &path, pid_t pid);
/* The processes in it and below. */
std::vector<pid_t> cgroup_processes(const std::string &path);
/* The cgroups below it, deepest first, itself not included. */
std::vector<std::string> cgroup_children(const std::string &path);
bool cgroup_populated(const std::string &path);
void cgroup_signal_all(const std::string &path, int signal);
/* With what is below; processes in it make this fail. */
bool cgroup_remove(const std::string &path);
/* "a-b.slice" to "/a.slice/a-b.slice". */
std::string cgroup_of_slice(const std::string &slice);
