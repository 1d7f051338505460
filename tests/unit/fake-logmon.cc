/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-logmon.h"

#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LOG_PREFIX "/org/nomad/Logmon/log"

FakeLogmon::FakeLogmon()
{
        char pattern[] = "/tmp/fake-logmon-XXXXXX";
        struct sockaddr_un address = {};

        directory = mkdtemp(pattern);
        path = directory + "/bus";
        address.sun_family = AF_UNIX;
        (void) std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        EXPECT_EQ(bind(listener, (struct sockaddr *) &address, sizeof address), 0);
        EXPECT_EQ(listen(listener, 10), 0);
        (void) setenv("DBUS_SYSTEM_BUS_ADDRESS", ("unix:path=" + path).c_str(), 1);
        thread = std::thread([this] { serve(); });
}

FakeLogmon::~FakeLogmon()
{
        stopping = true;
        thread.join();
        (void) close(listener);
        (void) unlink(path.c_str());
        (void) rmdir(directory.c_str());
}

/* One connection after the other would do, but an earlier client may still hold its own. */
void FakeLogmon::serve()
{
        std::vector<sd_bus *> buses;

        while (!stopping) {
                struct pollfd p = { listener, POLLIN, 0 };
                int fd;

                (void) poll(&p, 1, 1);
                while ((fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
                        sd_bus *bus = nullptr;

                        EXPECT_GE(sd_bus_new(&bus), 0);
                        EXPECT_GE(sd_bus_set_fd(bus, fd, fd), 0);
                        EXPECT_GE(sd_bus_set_server(bus, 1,
                                                  SD_ID128_MAKE(1, 2, 3, 4, 5, 6, 7, 8, 9, a, b, c, d, e, f,
                                                                  1)),
                                        0);
                        EXPECT_GE(sd_bus_set_anonymous(bus, 1), 0);
                        EXPECT_GE(sd_bus_add_filter(bus, nullptr, on_message, this), 0);
                        EXPECT_GE(sd_bus_start(bus), 0);
                        buses.push_back(bus);
                }
                for (auto &bus : buses)
                        while (bus && sd_bus_process(bus, nullptr) > 0)
                                ;
        }
        for (auto &bus : buses)
                sd_bus_close_unref(bus);
}

int FakeLogmon::on_message(sd_bus_message *m, void *userdata, sd_bus_error *)
{
        uint8_t type;

        if (sd_bus_message_get_type(m, &type) < 0 || type != SD_BUS_MESSAGE_METHOD_CALL)
                return 0;
        return static_cast<FakeLogmon *>(userdata)->answer(m) < 0 ? 0 : 1;
}

int FakeLogmon::reply(sd_bus_message *m, const char *types, const char *value)
{
        sd_bus_message *message = nullptr;

        if (sd_bus_message_new_method_return(m, &message) < 0)
                return -1;
        std::unique_ptr<sd_bus_message, decltype(&sd_bus_message_unref)> owner(
                        message, sd_bus_message_unref);
        if (value &&
                        (std::strcmp(types, "v") == 0 ? sd_bus_message_append(message, "v", "s", value)
                                                      : sd_bus_message_append(message, types, value)) < 0)
                return -1;
        return sd_bus_send(nullptr, message, nullptr);
}

static int fail(sd_bus_message *m, const std::string &name)
{
        return sd_bus_reply_method_errorf(m, name.c_str(), "The fake says so");
}

int FakeLogmon::answer(sd_bus_message *m)
{
        std::lock_guard<std::mutex> lock(mutex);
        std::string member = sd_bus_message_get_member(m);
        const char *id;

        if (member == "Hello")
                return reply(m, "s", ":1.1");
        calls.push_back(member);
        if (deaths > 0) {
                deaths--;
                return fail(m, SD_BUS_ERROR_NO_REPLY);
        }
        if (member == "Start")
                return start(m);
        if (member == "Get")
                return get(m);
        if (sd_bus_message_read(m, "s", &id) < 0)
                return -1;
        if (member == "Stop" && states.count(id) > 0)
                states[id] = "stopped";
        if (member == "Release")
                states.erase(id);
        return reply(m, "", nullptr);
}

int FakeLogmon::start(sd_bus_message *m)
{
        const char *id, *key, *contents, *text;
        char type, *object = nullptr;
        uint32_t number;

        if (!refusal.empty())
                return fail(m, refusal);
        last_config.clear();
        if (sd_bus_message_read(m, "s", &id) < 0 || sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
                return -1;
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                if (sd_bus_message_read(m, "s", &key) < 0 ||
                                sd_bus_message_peek_type(m, &type, &contents) < 0)
                        return -1;
                if (std::strcmp(contents, "s") == 0 && sd_bus_message_read(m, "v", "s", &text) >= 0)
                        last_config[key] = text;
                else if (std::strcmp(contents, "u") == 0 && sd_bus_message_read(m, "v", "u", &number) >= 0)
                        last_config[key] = std::to_string(number);
                else if (sd_bus_message_skip(m, "v") >= 0)
                        last_config[key] = contents;
                if (sd_bus_message_exit_container(m) < 0)
                        return -1;
        }
        states[id] = "running";
        if (sd_bus_path_encode(LOG_PREFIX, id, &object) < 0)
                return -1;
        std::unique_ptr<char, decltype(&free)> owner(object, free);
        return reply(m, "o", object);
}

int FakeLogmon::get(sd_bus_message *m)
{
        char *id = nullptr;

        if (sd_bus_path_decode(sd_bus_message_get_path(m), LOG_PREFIX, &id) <= 0)
                return fail(m, SD_BUS_ERROR_UNKNOWN_OBJECT);
        std::unique_ptr<char, decltype(&free)> owner(id, free);
        if (states.count(id) == 0)
                return fail(m, SD_BUS_ERROR_UNKNOWN_OBJECT);
        return reply(m, "v", states[id].c_str());
}

std::vector<std::string> FakeLogmon::take_calls()
{
        std::lock_guard<std::mutex> lock(mutex);

        return std::exchange(calls, {});
}

std::map<std::string, std::string> FakeLogmon::config()
{
        std::lock_guard<std::mutex> lock(mutex);

        return last_config;
}

void FakeLogmon::set_state(const std::string &id, const std::string &state)
{
        std::lock_guard<std::mutex> lock(mutex);

        if (state.empty())
                states.erase(id);
        else
                states[id] = state;
}

std::string FakeLogmon::state(const std::string &id)
{
        std::lock_guard<std::mutex> lock(mutex);
        auto entry = states.find(id);

        return entry == states.end() ? "" : entry->second;
}

void FakeLogmon::die_during(int times)
{
        std::lock_guard<std::mutex> lock(mutex);

        deaths = times;
}

void FakeLogmon::refuse(const std::string &error)
{
        std::lock_guard<std::mutex> lock(mutex);

        refusal = error;
}
