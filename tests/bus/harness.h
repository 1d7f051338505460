/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cgroup-tree.h"
#include "client.h"
#include "fake-systemd.h"

/* A process of the test's own: the bus, a service. Its standard error is a file in the test's directory. */
class Process
{
      public:
        ~Process();
        /* False when it could not be started. DESCRIPTORS are handed over from 3 on, as LISTEN_FDS. */
        bool start(const std::vector<std::string> &argv, const std::vector<std::string> &environment,
                        const std::string &log_path,
                        const std::vector<std::pair<std::string, int>> &descriptors = {});
        void signal(int number) const;
        /* Waits for its end and gives the status as waitpid(2) does; -1 when the deadline is over. */
        int wait_for_end();
        bool is_running();
        /* SIGKILL and reaped, if it runs. */
        void terminate();

        pid_t pid = -1;

      private:
        int status = 0;
};

/* One service of ours, started from the build folder as systemd would start it. */
class Service
{
      public:
        Service(FakeSystemd &systemd, const std::string &directory, const std::string &bus_address,
                        const std::string &program);
        ~Service();

        /* Returns once it has said that it is ready; false, with its messages told, when it ends before. */
        bool start(const std::vector<std::string> &options = {});
        /* The same in two steps. */
        bool begin_start(const std::vector<std::string> &options = {});
        bool await_ready();
        /* SIGTERM, and the status that it ends with. */
        int stop();
        void kill_hard();
        bool restart_hard();
        bool is_running();
        int wait_for_end();

        pid_t pid() const
        {
                return process.pid;
        }
        /* Descriptor to what it is, from /proc. */
        std::multiset<std::string> open_files() const;
        /* Its child of that name, which is cut after 15 characters; 0 when there is none. */
        pid_t child(const std::string &name) const;
        std::string messages() const;
        std::string bus_name() const;

        const std::string program;
        const std::string runtime_directory;
        std::string state_directory() const; /* where its tasks are */

      private:
        FakeSystemd &systemd;
        std::string bus_address, log_path, notify_path;
        Process process;
};

/* Everything that a test needs, made anew for each: a directory, a bus with our policy, systemd, both
 * services. */
class BusTest : public testing::Test
{
      protected:
        void SetUp() override;
        void TearDown() override;

        /* In place of both services: a test that wants to start them itself overrides it. */
        virtual void start_services();

        /* No unit, process or state directory is left of any task. */
        void expect_nothing_left();
        /* The service holds the same descriptors as when SNAPSHOT was taken. */
        void expect_same_files(const Service &service, const std::multiset<std::string> &snapshot);
        /* What tasks have left in the hierarchy: every process outside its root. */
        static std::vector<pid_t> task_processes();
        std::set<std::string> state_directories() const;

        Spec logged_shell(const std::string &script);
        std::string read_file(const std::string &path) const;
        /* The kernel's letter for what a process does, or "gone". */
        static std::string state_of(pid_t pid);

        std::string directory, log_directory, bus_address;
        Process bus_daemon;
        std::unique_ptr<FakeSystemd> systemd;
        std::unique_ptr<Service> executor, logmon;
        std::unique_ptr<Client> client;
};

std::string build_directory();
std::string source_directory();
