/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "../bus/client.h"

#define EXECUTOR_UNIT "nomad-executor.service"
#define LOGMON_UNIT   "nomad-logmon.service"

/* A program that was run: what it wrote to standard output and error, and how it ended, 128 + n for signal
 * n. */
struct Output {
        int status;
        std::string text;
};
std::ostream &operator<<(std::ostream &stream, const Output &output);

/* A program that has not ended by then is killed, and fails the test: one that hangs must not take the ones
 * that follow with it. */
const std::chrono::seconds RUN_LIMIT(120);
Output run(const std::vector<std::string> &argv, std::chrono::seconds limit = RUN_LIMIT);
/* As a user who may do nothing. */
Output run_as_nobody(std::vector<std::string> argv);

/* For long texts, which EXPECT_EQ compares line by line with each other when they differ: 50000 lines take
 * 30 GB. */
testing::AssertionResult same_text(const std::string &actual, const std::string &expected);

std::string read_file(const std::string &path);
std::vector<std::string> lines_of(const std::string &text);
bool exists(const std::string &path);
std::set<std::string> list_directory(const std::string &path);
/* Every file below it, "" for a directory that is not there. */
std::set<std::string> list_tree(const std::string &path);

/* sd_bus_path_encode(3), and what is named by it. */
std::string label_of(const std::string &id);
std::string path_of(const std::string &id);
std::string unit_of(const std::string &id);
std::string cgroup_of(const std::string &id);
std::string log_of(const std::string &id, const std::string &stream, unsigned index = 0);

/* A shell script as a task, logged in the default place. */
Spec script(const std::string &text);

/* The services are slower and larger with them. */
bool services_have_sanitizers();
pid_t main_pid(const std::string &unit);
/* SIGKILL to the main process of a unit; returns when it is gone. */
void kill_service(const std::string &unit);
/* Descriptors of a process that are pipes. */
size_t count_pipes(pid_t pid);
/* Those that lie in sockets which both nomad-logmon and systemd have. */
size_t count_shelved();

/* The messages of all journal entries since the test began that have these fields ("NAME=VALUE"), by
 * journalctl. */
std::vector<std::string> journal(const std::vector<std::string> &matches);

/* A connection to the system bus, and the promise that nothing is left behind: every test, whatever it is
 * about, checks at its end that its tasks are gone from systemd, /proc, /sys and /run, and that no service
 * has kept a pipe. */
class SystemTest : public testing::Test
{
      protected:
        void SetUp() override;
        void TearDown() override;

        /* StartTask, expected to succeed; the task is ended and released with the test. */
        std::string start(const std::string &id, const Spec &spec);
        Exit wait(const std::string &id);
        void release(const std::string &id);
        Reply stop(const std::string &id, const std::string &signal, uint64_t grace_usec);

        /* No trace of it in systemd, /proc, /sys/fs/cgroup and /run; of a task that was not started soon
         * after the answer, when its log is discarded. */
        void expect_nothing_left(const std::string &id);
        /* As many pipes in both services and in PID 1 as before the test. */
        void expect_no_pipe_left();

        Client client{ "unix:path=/run/dbus/system_bus_socket" };

      private:
        std::map<std::string, size_t> pipes();

        std::set<std::string> ids;
        std::map<std::string, size_t> pipes_before;
};
