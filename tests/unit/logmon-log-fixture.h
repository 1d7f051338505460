/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <functional>
#include <memory>
#include <poll.h>

#include "bus-error.h"
#include "fake-journald.h"
#include "logmon-fixture.h"
#include "task-log.h"

/* Logs with an event loop, and without a bus. */
class Logmon : public testing::Test
{
      protected:
        void SetUp() override
        {
                ASSERT_GE(sd_event_new(&event), 0);
                journald = std::make_unique<FakeJournald>(dir / "journal");
                boot();
        }

        void TearDown() override
        {
                manager_free(manager);
                sd_event_unref(event);
        }

        void boot()
        {
                const int state_dir = open(run.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                ASSERT_GE(manager_new(event, nullptr, state_dir, (dir / "root").c_str(),
                                          (dir / "journal").c_str(), &manager),
                                0);
                ASSERT_GE(manager_load(manager), 0);
        }

        /* As if the process had ended, with nothing in the fd store. */
        void reboot()
        {
                manager = manager_free(manager);
                boot();
        }

        /* One turn of the loop, with a journald that keeps up. */
        int turn(uint64_t limit)
        {
                if (journald)
                        (void) journald->take();
                return sd_event_run(event, limit);
        }

        /* Runs the loop until CONDITION holds, or five seconds have passed. */
        bool wait_for(const std::function<bool()> &condition)
        {
                const gint64 end = g_get_monotonic_time() + 5 * G_TIME_SPAN_SECOND;

                while (!condition()) {
                        if (g_get_monotonic_time() > end)
                                return false;
                        EXPECT_GE(turn(10000), 0);
                }
                return true;
        }

        /* Until nothing has happened for longer than a stream puts off looking at its pipe. */
        void settle()
        {
                while (turn(50000) > 0)
                        ;
        }

        void set(LogConfig *config, const char *key)
        {
                const Option *option = options_find(log_config_table, log_config_table_size, key);

                config->set |= UINT64_C(1) << (option - log_config_table);
        }

        void fill(LogConfig *config)
        {
                log_config_init(config);
                config->directory = g_strdup(dir.path.c_str());
                config->name = g_strdup("web");
                config->targets = g_strsplit("files", ",", -1);
                for (const char *key : { "LogDirectory", "LogName", "LogTargets" })
                        set(config, key);
        }

        int start(LogConfig *config)
        {
                bool stored;
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                const int r = manager_start_log(manager, id.c_str(), config, &log, &stored, &error);

                error_name = error.name ? error.name : "";
                error_message = error.message ? error.message : "";
                log_config_clear(config);
                return r;
        }

        int start_fifos()
        {
                LogConfig config;

                fill(&config);
                config.fifos[STREAM_STDOUT] = g_strdup((dir / "out").c_str());
                config.fifos[STREAM_STDERR] = g_strdup((dir / "err").c_str());
                return start(&config);
        }

        /* RET_WRITE: the ends for the task. */
        int start_pipes(int ret_write[2], const std::function<void(LogConfig *)> &change = {})
        {
                LogConfig config;

                fill(&config);
                for (int i = 0; i < 2; i++) {
                        int fds[2];

                        EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
                        config.fds[i] = fds[0];
                        ret_write[i] = fds[1];
                }
                if (change)
                        change(&config);
                return start(&config);
        }

        void stop()
        {
                stopped = false;
                ASSERT_GE(task_log_stop(
                                          log, [](void *userdata) { *static_cast<bool *>(userdata) = true; },
                                          &stopped),
                                0);
                ASSERT_TRUE(wait_for([&] { return stopped; }));
                EXPECT_EQ(log->state, TASK_LOG_STOPPED);
        }

        int open_fifo(const char *name)
        {
                return open((dir / name).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        }

        /* Whether a pipe still has a reader. */
        static bool is_read(int fd)
        {
                struct pollfd pollfd = { fd, 0, 0 };

                EXPECT_GE(poll(&pollfd, 1, 0), 0);
                return !(pollfd.revents & POLLERR);
        }

        static void put(int fd, const std::string &data)
        {
                ASSERT_EQ(write(fd, data.data(), data.size()), static_cast<ssize_t>(data.size()));
        }

        TempDir dir, run;
        std::unique_ptr<FakeJournald> journald;
        sd_event *event = nullptr;
        Manager *manager = nullptr;
        TaskLog *log = nullptr;
        std::string id = "web";
        uint32_t last_slot = 0;
        std::string error_name, error_message;
        bool stopped = false;
};
