/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <systemd/sd-bus.h>
#include <thread>
#include <vector>

/* A bus of its own with one service on it, org.nomad.Logmon, that keeps an account of what it is asked.
 * Clients find it by DBUS_SYSTEM_BUS_ADDRESS. */
class FakeLogmon
{
      public:
        FakeLogmon();
        ~FakeLogmon();
        FakeLogmon(const FakeLogmon &) = delete;
        FakeLogmon &operator=(const FakeLogmon &) = delete;

        /* "Start", "Get", "Stop" and "Release" since the last call of this. */
        std::vector<std::string> take_calls();
        /* The keys of the last Start, as text. */
        std::map<std::string, std::string> config();

        void set_state(const std::string &id, const std::string &state); /* "": it is gone */
        std::string state(const std::string &id);
        /* The next calls of Start and Get are not answered, as if it had been killed meanwhile. */
        void die_during(int times);
        /* From now on Start fails with this error. */
        void refuse(const std::string &error);

      private:
        static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error);
        int answer(sd_bus_message *m);
        int start(sd_bus_message *m);
        int get(sd_bus_message *m);
        int reply(sd_bus_message *m, const char *types, const char *value);
        void serve();

        std::string directory, path;
        int listener = -1;
        std::atomic<bool> stopping{ false };
        std::thread thread;
        std::mutex mutex;
        std::vector<std::string> calls;
        std::map<std::string, std::string> states, last_config;
        std::string refusal;
        int deaths = 0;
};
