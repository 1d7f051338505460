/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <string>
#include <sys/types.h>

#include "support.h"

/* What the task's processes do, or what was done to them, when the task is to end. */
enum MainState {
        RUNNING,
        STOPPED,      /* by SIGSTOP */
        FROZEN,       /* by Freeze */
        SCOPE_FROZEN, /* by "systemctl freeze" */
        SLICE_FROZEN, /* likewise: the slice is the administrator's, and stays frozen */
        OUTSIDE,      /* the main process was moved to another cgroup */
        CHILD_OUTSIDE,
        LEADERLESS, /* its first thread has ended, another runs */
};

enum SupervisorState { SUPERVISED, SUPERVISOR_STOPPED, SUPERVISOR_KILLED };

enum ServiceState {
        THERE,
        AWAY, /* killed before the task is to end, or after the call to it, and started when that is over */
        RESTARTED,
};

enum Kind { PLAIN, CRUN, CRUN_HOST, RUNC, RUNC_HOST }; /* HOST: PIDMode */

enum Asked {
        STOP,
        KILL_TERM,    /* SIGTERM to the main process by Kill */
        KILL_SIGKILL, /* SIGKILL to all by Kill */
        RUNTIME_MAX,
        UNIT_STOP,       /* "systemctl stop" of the scope */
        UNIT_TERM,       /* "systemctl kill", which sends SIGTERM to everything in the scope */
        UNIT_SIGKILL,    /* likewise with SIGKILL */
        FREEZE_AND_STOP, /* "systemctl freeze", then "systemctl stop" */
        SLICE_STOP,      /* "systemctl stop" of the slice, as at shutdown */
};

/* A polite task has a minute of grace and ends with status 7 by its stop signal, well before that. A deaf
 * one has little grace and ignores the signal, so that SIGKILL has to come. */
enum Manner { POLITE, DEAF };

/* When the main process is gone: while the service is away, or once it has come back. */
enum Ends { ALONE, AT_RETURN };

struct Cell {
        MainState main;
        SupervisorState supervisor;
        ServiceState service;
        Kind kind;
        Asked asked;
        Manner manner;
        Exit exit;
        Ends ends = ALONE;

        std::string name() const;
};
void PrintTo(const Cell &cell, std::ostream *stream);

/* A process that is watched until the test is over. */
class Process
{
      public:
        Process() = default;
        explicit Process(pid_t number);
        ~Process();
        Process(const Process &) = delete;
        Process(Process &&other) noexcept;
        Process &operator=(Process &&other) noexcept;

        bool has_ended() const;
        void signal(int signal) const;
        /* Of its first thread: the letter of /proc/PID/stat. */
        char state() const;
        std::string cgroup() const;

        pid_t pid = -1;

      private:
        int fd = -1;
};

/* One task whose end is asked for in a state of its processes, its supervisor and the service. While these
 * tests run systemd does not start the service again by itself, so that it is away as long as they want. */
class StopTest : public SystemTest
{
      protected:
        static void SetUpTestSuite();
        static void TearDownTestSuite();
        void SetUp() override;
        void TearDown() override;

        /* Starts the task, and waits until it has a child and its handlers are set. This and the two below
         * return false when the task is not as it should be, such as one that has ended meanwhile. */
        bool start_ready(const Spec &spec);
        bool start_target(const Cell &cell, uint64_t runtime_max_usec);
        bool put_main(MainState state);
        bool put_supervisor(SupervisorState state);

        void ask(const Cell &cell);
        static void end_service();
        static void start_service();
        std::string frozen_unit(const Cell &cell) const;
        void stop_by_systemd(const Cell &cell, const std::string &unit);
        void thaw_all();
        /* Ends the task by force, whatever was done to it. */
        void drop_target();

        /* Wait, for longer than one call may take. */
        Exit wait_end();
        static bool is_frozen(const std::string &cgroup);
        /* There is no process in the task's cgroup, and those that were known have ended. */
        void expect_empty(const Cell &cell);

        const std::string id = "cell", path = path_of(id);
        Process main, child, supervisor;

      private:
        bool is_started = false;
};
