/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <cstdlib>
#include <iostream>

#include "support.h"

/* What a service holds after many tasks is what it held after a few. */

/* What allocators may keep in bins that a longer run fills. */
#define MEMORY_GROWTH_MAX_KIB 1024

class Leak : public SystemTest
{
      protected:
        struct Usage {
                size_t fds, threads, memory_kib;
        };

        static Usage usage(const std::string &unit)
        {
                std::string process = "/proc/" + std::to_string(main_pid(unit));
                Usage usage = {};

                usage.fds = list_directory(process + "/fd").size();
                usage.threads = list_directory(process + "/task").size();
                for (const auto &line : lines_of(read_file(process + "/smaps_rollup")))
                        if (line.rfind("Private_Dirty:", 0) == 0)
                                usage.memory_kib = std::stoul(line.substr(14));
                return usage;
        }

        /* COUNT tasks that have an output, a check and an exit status, some at a time. */
        void run_tasks(size_t count)
        {
                const size_t at_once = 20;

                for (size_t done = 0; done < count; done += at_once) {
                        std::vector<std::shared_ptr<Pending>> starts;

                        for (size_t i = 0; i < at_once; i++)
                                starts.push_back(client.start_task_later(id_of(i),
                                                Spec().set("Command", "/bin/echo")
                                                                .set("Arguments",
                                                                                std::vector<std::string>{
                                                                                                "hello" })));
                        for (size_t i = 0; i < at_once; i++) {
                                ASSERT_TRUE(client.await(starts[i]));
                                ASSERT_TRUE(starts[i]->reply().ok()) << starts[i]->reply();
                                ASSERT_EQ(client.wait_task(path_of(id_of(i))),
                                                (Exit{ "success", 0, 0, false }));
                                ASSERT_TRUE(client.release(path_of(id_of(i))).ok());
                        }
                }
        }

        static std::string id_of(size_t i)
        {
                return "leak-" + std::to_string(i);
        }

        static size_t number(const char *name, size_t otherwise)
        {
                const char *value = getenv(name);

                return value ? std::stoul(value) : otherwise;
        }
};

/* NOMAD_TEST_TASKS=10000 for the whole of it. */
TEST_F(Leak, ManyTasksLeaveWhatAFewLeave)
{
        const size_t few = 100, many = number("NOMAD_TEST_TASKS", 1000);
        std::map<std::string, Usage> before;

        run_tasks(few);
        /* nomad-lookup is kept once there was somebody to look up */
        start("leak", Spec().set("Command", "/bin/true").set("User", "nobody"));
        ASSERT_EQ(wait("leak"), (Exit{ "success", 0, 0, false }));
        release("leak");
        for (const char *unit : { EXECUTOR_UNIT, LOGMON_UNIT })
                before[unit] = usage(unit);
        run_tasks(many - few);
        for (auto [unit, first] : before) {
                Usage last;

                EXPECT_TRUE(eventually([name = unit, was = first] { return usage(name).fds == was.fds; }));
                last = usage(unit);
                std::cout << unit << ": " << first.fds << " to " << last.fds << " descriptors, "
                          << first.threads << " to " << last.threads << " threads, " << first.memory_kib
                          << " to " << last.memory_kib << " KiB" << std::endl;
                EXPECT_EQ(last.fds, first.fds) << unit;
                EXPECT_EQ(last.threads, first.threads) << unit;
                /* A sanitizer's allocator keeps what was freed, to find who uses it still. */
                if (!services_have_sanitizers()) {
                        EXPECT_LE(last.memory_kib, first.memory_kib + MEMORY_GROWTH_MAX_KIB) << unit;
                }
        }
        EXPECT_TRUE(list_directory("/run/nomad-executor/tasks").empty());
}

/* More than dbus-daemon allows matches on a connection, systemd's too. NOMAD_TEST_LIVE=2000 for the whole of
 * it. */
TEST_F(Leak, AllLiveTasksAreThereAgain)
{
        const size_t live = number("NOMAD_TEST_LIVE", 600), at_once = 50;
        std::map<std::string, std::string> pids;

        for (size_t done = 0; done < live; done += at_once) {
                std::vector<std::shared_ptr<Pending>> starts;

                for (size_t i = done; i < done + at_once; i++)
                        starts.push_back(client.start_task_later(id_of(i),
                                        Spec().set("Command", "/bin/sleep")
                                                        .set("Arguments",
                                                                        std::vector<std::string>{
                                                                                        "infinity" })));
                for (const auto &pending : starts) {
                        ASSERT_TRUE(client.await(pending));
                        ASSERT_TRUE(pending->reply().ok()) << pending->reply();
                }
        }
        for (size_t i = 0; i < live; i += 7)
                pids[id_of(i)] = client.property(path_of(id_of(i)), "MainPID");

        const pid_t old = main_pid(EXECUTOR_UNIT);
        ASSERT_EQ(run({ "systemctl", "kill", "--kill-whom=main", "--signal=KILL", EXECUTOR_UNIT }).status,
                        0);
        ASSERT_TRUE(eventually([&] { return main_pid(EXECUTOR_UNIT) != old; }));
        const auto begin = std::chrono::steady_clock::now();
        auto tasks = client.list_tasks();
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;

        std::cout << tasks.size() << " tasks listed " << taken.count() << " s after activation" << std::endl;
        EXPECT_EQ(tasks.size(), live);
        for (const auto &[id, task] : tasks)
                EXPECT_EQ(task.first, "running") << id;
        for (const auto &[id, pid] : pids)
                EXPECT_EQ(client.property(path_of(id), "MainPID"), pid) << id;
        for (size_t i = 0; i < live; i++)
                EXPECT_TRUE(stop(id_of(i), "", 0).ok());
        for (size_t i = 0; i < live; i++) {
                EXPECT_EQ(wait(id_of(i)), (Exit{ "signal", 137, 9, false }));
                EXPECT_TRUE(client.release(path_of(id_of(i))).ok());
        }
}
