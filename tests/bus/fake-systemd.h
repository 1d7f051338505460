/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <sys/types.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <thread>
#include <vector>

/* What of org.freedesktop.systemd1 a service of ours may call, on a private bus: transient scopes that are
 * real cgroups, with systemd's checks, signals and error names, and with failures on demand. It runs in a
 * thread with its own event loop and connection, so that it answers while a test waits in a blocking
 * call. */

/* How the next call of StartTransientUnit goes, and all later ones until it is set again. */
struct ScopeBehaviour {
        std::string job_result = "done"; /* anything else: no scope, JobRemoved tells this */
        std::string call_error;       /* not empty: StartTransientUnit itself fails with this error name */
        bool no_reply = false;        /* the call is swallowed, until answer_calls() */
        bool no_answer = false;       /* the scope is made, and neither the reply nor JobRemoved is sent */
        bool hold_job = false;        /* the scope is made, JobRemoved waits for release_jobs() */
        bool hold_version = false;    /* the question for Version is swallowed, until answer_calls() */
        bool hold_invocation = false; /* that for the InvocationID of a unit too */
        bool hold_removal = false;    /* a scope without processes stays, until remove_units() */
};

/* What a scope was started with, and what became of it. */
struct FakeUnit {
        std::string name;
        std::string path; /* object path */
        std::string slice;
        std::string cgroup; /* below the root */
        std::string invocation_id;
        std::string controller; /* the name given, until its owner is gone */
        std::string description;
        std::string collect_mode;
        std::string active_state = "activating";
        bool delegate = false;
        int kill_signal = 15;
        uint64_t timeout_stop_usec = UINT64_C(90000000);
        std::vector<std::string> after;
        std::vector<pid_t> pids;
        std::map<std::string, std::string> properties; /* every key given, to its signature */
        unsigned n_thawed = 0;                         /* calls of ThawUnit */
        uint32_t stop_job = 0;
        sd_event_source *watch = nullptr;
        sd_event_source *stop_timer = nullptr;
};

class FakeSystemd
{
      public:
        FakeSystemd(const std::string &bus_address, const std::string &version);
        ~FakeSystemd();
        FakeSystemd(const FakeSystemd &) = delete;
        FakeSystemd &operator=(const FakeSystemd &) = delete;

        /* All of these may be called from the test's thread. */
        void set_behaviour(const ScopeBehaviour &behaviour);
        void release_jobs();
        /* What was swallowed, now. */
        void answer_calls();
        size_t n_swallowed();
        void remove_units();
        /* Leaves the bus, as PID 1 does when it crashes; scopes stay. */
        void disconnect();
        /* Comes back, as a systemd that has executed itself again. */
        void reconnect();
        /* "systemctl stop", without a bus call. */
        void stop_unit(const std::string &name);
        std::vector<FakeUnit> units();
        unsigned n_started();

        /* The notify socket and the descriptor store of one service. */
        std::string add_service(const std::string &name, const std::string &socket_path);
        bool service_is_ready(const std::string &name);
        void forget_ready(const std::string &name);
        /* Copies of what the service has stored, by name; to be closed by the caller. */
        std::vector<std::pair<std::string, int>> stored_fds(const std::string &name);
        /* The pipes that lie in stored sockets, and those stored themselves. */
        size_t count_shelved(const std::string &name);
        void drop_stored_fds(const std::string &name);

      private:
        friend struct FakeSystemdBus;
        struct NotifySocket {
                int fd = -1;
                bool ready = false;
                sd_event_source *source = nullptr;
                std::vector<std::pair<std::string, int>> stored;
        };
        struct Job {
                uint32_t id;
                std::string unit;
                std::string result;
        };

        void run();
        void connect();
        void teardown();
        /* Runs CALL in the loop's thread and waits for it. */
        void post(const std::function<void()> &call);

        /* In the loop's thread. */
        int realize(FakeUnit &unit);
        void watch_cgroup(FakeUnit &unit);
        void check_empty(const std::string &name);
        void begin_stop(FakeUnit &unit);
        void finish_job(const Job &job);
        void emit(const char *member, const char *types, ...);
        FakeUnit *find(const std::string &name);
        void handle_notify(NotifySocket &socket);

        std::thread thread;
        const std::string bus_address;
        sd_event *event = nullptr;
        sd_bus *bus = nullptr;
        sd_bus_track *subscribers = nullptr;
        int wake_fd = -1;
        std::string version;
        ScopeBehaviour behaviour;
        std::map<std::string, std::unique_ptr<FakeUnit>> scopes;
        std::map<std::string, NotifySocket> notify_sockets;
        std::vector<Job> held_jobs;
        std::vector<sd_bus_message *> swallowed;
        uint32_t next_job = 1;
        unsigned started = 0;

        struct Queue;
        std::unique_ptr<Queue> queue;
};
