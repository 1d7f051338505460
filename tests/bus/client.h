/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <systemd/sd-bus.h>
#include <vector>

/* How long anything may take that is awaited; a test that passes never waits for it to be over. */
const std::chrono::seconds DEADLINE(15);

/* Looks again and again until CONDITION holds, for what sends no event. */
bool eventually(const std::function<bool()> &condition, std::chrono::milliseconds limit = DEADLINE);

#define MANAGER_PATH      "/org/nomad/Executor"
#define MANAGER_INTERFACE "org.nomad.Executor.Manager"
#define TASK_INTERFACE    "org.nomad.Executor.Task"
#define EXECUTOR_NAME     "org.nomad.Executor"
#define TASK_PATH(label)  "/org/nomad/Executor/task/" label

using Message = std::shared_ptr<sd_bus_message>;

/* What a call came back with. */
struct Reply {
        std::string error; /* the error's name, "" for none */
        std::string text;  /* the error's message */
        Message message;   /* the reply, when there is no error */

        bool ok() const
        {
                return error.empty();
        }
        std::string path() const; /* its only value, of type o */
};

/* Prints itself where an assertion on it fails: EXPECT_TRUE(reply.ok()) << reply. */
std::ostream &operator<<(std::ostream &stream, const Reply &reply);

/* An a{sv}, entry by entry. */
class Spec
{
      public:
        Spec &set(const std::string &key, const std::string &value);
        Spec &set(const std::string &key, const char *value);
        Spec &set(const std::string &key, const std::vector<std::string> &value);
        Spec &set(const std::string &key, const std::map<std::string, std::string> &value);
        Spec &set(const std::string &key, bool value);
        Spec &set(const std::string &key, uint16_t value);
        Spec &set(const std::string &key, uint64_t value);
        Spec &set(const std::string &key, uint32_t value);
        Spec &set(const std::string &key, int32_t value);
        Spec &set_fd(const std::string &key, int fd);
        Spec &set_limit(const std::string &key, const std::string &name, uint64_t soft, uint64_t hard);
        Spec &set_limits(const std::string &key, const std::vector<std::string> &names, uint64_t value);

        /* Mounts, whose last strings are lists with commas, or Devices. */
        Spec &set_mounts(const std::vector<std::array<std::string, 3>> &mounts);
        Spec &set_devices(const std::vector<std::array<std::string, 3>> &devices);

        void append_to(sd_bus_message *m) const;

      private:
        using Entry = std::function<int(sd_bus_message *)>;
        Spec &add(const std::string &key, const std::string &signature, const Entry &append_value);
        std::vector<Entry> entries;
};

/* A task that runs a shell script, without log unless one is asked for. */
Spec shell(const std::string &script);

/* How a task ended, in Wait's order. */
struct Exit {
        std::string result;
        int code = -2;
        int signal = -2;
        bool oom = false;

        bool operator==(const Exit &other) const
        {
                return result == other.result && code == other.code && signal == other.signal &&
                                oom == other.oom;
        }
};
std::ostream &operator<<(std::ostream &stream, const Exit &exit);

/* A call under way. */
class Pending
{
      public:
        bool done() const
        {
                return finished;
        }
        const Reply &reply() const
        {
                return result;
        }

      private:
        friend class Client;
        bool finished = false;
        Reply result;
};

/* One connection to the private bus, and the calls of the contract on it. */
class Client
{
      public:
        explicit Client(const std::string &bus_address);
        ~Client();
        Client(const Client &) = delete;
        Client &operator=(const Client &) = delete;

        using Fill = std::function<void(sd_bus_message *)>;
        Reply call(const std::string &destination, const std::string &path, const std::string &interface,
                        const std::string &member, const Fill &fill = {});
        std::shared_ptr<Pending> call_later(const std::string &destination, const std::string &path,
                        const std::string &interface, const std::string &member, const Fill &fill = {});
        bool await(const std::shared_ptr<Pending> &pending);
        /* True once CONDITION holds, looked at after each message. */
        bool await(const std::function<bool()> &condition);

        Reply manager(const std::string &member, const Fill &fill = {});
        Reply task(const std::string &path, const std::string &member, const Fill &fill = {});
        Reply start_task(const std::string &id, const Spec &spec, uint64_t flags = 0);
        std::shared_ptr<Pending> start_task_later(const std::string &id, const Spec &spec);
        Reply get_task(const std::string &id);
        Exit wait_task(const std::string &path);
        std::shared_ptr<Pending> wait_later(const std::string &path);
        static Exit read_exit(const Reply &reply);
        Reply stop_task(const std::string &path, const std::string &signal, uint64_t grace_usec);
        Reply kill_task(const std::string &path, const std::string &whom, const std::string &signal);
        Reply release(const std::string &path);
        /* id to (state, path) */
        std::map<std::string, std::pair<std::string, std::string>> list_tasks();

        /* A property's value as text; "" with a test failure when it cannot be had. */
        std::string property(const std::string &path, const std::string &name,
                        const std::string &interface = TASK_INTERFACE);
        std::map<std::string, std::string> properties(
                        const std::string &path, const std::string &interface = TASK_INTERFACE);

        bool has_owner(const std::string &name);
        std::string introspect(const std::string &destination, const std::string &path);

        /* Every signal of org.nomad.Executor from now on. */
        void record_signals();
        struct Signal {
                std::string path, interface, member;
                Message message;
        };
        std::vector<Signal> signals;
        size_t count_signals(const std::string &member, const std::string &path) const;
        /* All values that PropertiesChanged has told for the object, in order, of one property. */
        std::vector<std::string> changes(const std::string &path, const std::string &property);

        sd_bus *bus = nullptr;

      private:
        Message new_call(const std::string &destination, const std::string &path,
                        const std::string &interface, const std::string &member, const Fill &fill);
};

/* The value at the message's position as text: basic types, and "[a b]", "{k=v}" for arrays and
 * dictionaries. */
std::string value_to_text(sd_bus_message *m);
