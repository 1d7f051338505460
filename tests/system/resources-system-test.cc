/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support.h"

/* The resource keys as far as any machine can show them; what the kernel does by them is in
 * resources-vm-test.cc. */

class Resources : public SystemTest
{
      protected:
        struct Key {
                std::string name, controller;
                Spec good, bad;
        };

        static std::vector<Key> keys()
        {
                const uint64_t zero = 0, one = 1, large = 1 << 30, too_heavy = 10001;
                auto entry = [](const std::string &name, const std::string &controller, auto good,
                                             auto bad) {
                        return Key{ name, controller, Spec().set(name, good), Spec().set(name, bad) };
                };

                return {
                        entry("MemoryMax", "memory", large, zero),
                        entry("MemoryHigh", "memory", large, zero),
                        entry("MemoryLow", "memory", one, "1G"),
                        entry("MemorySwapMax", "memory", zero, "0"),
                        entry("CPUWeight", "cpu", one, too_heavy),
                        entry("CPUQuotaPerSecUSec", "cpu", large, zero),
                        entry("AllowedCPUs", "cpuset", "0", "0-"),
                        entry("IOWeight", "io", one, zero),
                        entry("TasksMax", "pids", large, zero),
                };
        }

        Reply set_resources(const Spec &resources)
        {
                return client.task(path_of("resources"), "SetResources",
                                [=](sd_bus_message *m) { resources.append_to(m); });
        }

        static void expect_error(const Reply &reply, const std::string &name, const std::string &text)
        {
                EXPECT_EQ(reply.error, "org.nomad.Executor.Error." + name) << reply;
                EXPECT_NE(reply.text.find(text), std::string::npos) << reply << " does not say " << text;
        }

        bool has(const std::string &controller)
        {
                std::string all = client.property(MANAGER_PATH, "Controllers", MANAGER_INTERFACE);

                return (" " + all.substr(1, all.size() - 2) + " ").find(" " + controller + " ") !=
                                std::string::npos;
        }
};

TEST_F(Resources, ControllersAreTheKernels)
{
        std::vector<std::string> lines = lines_of(read_file("/sys/fs/cgroup/cgroup.controllers"));
        std::string kernel = lines.empty() ? "" : lines[0];

        EXPECT_EQ(client.property(MANAGER_PATH, "Controllers", MANAGER_INTERFACE), "[" + kernel + "]");
}

TEST_F(Resources, KeyWhoseControllerIsMissingIsUnsupportedAndNamesIt)
{
        start("resources", script("exec sleep infinity"));
        for (const Key &key : keys()) {
                Spec spec = key.good;
                Reply started = client.start_task("limited", spec.set("Command", "/bin/true"));
                Reply set = set_resources(key.good);

                if (has(key.controller)) {
                        EXPECT_TRUE(started.ok()) << key.name << ": " << started;
                        EXPECT_TRUE(set.ok()) << key.name << ": " << set;
                        wait("limited");
                        release("limited");
                        continue;
                }
                for (const Reply &reply : { started, set }) {
                        expect_error(reply, "Unsupported", key.name);
                        expect_error(reply, "Unsupported", "'" + key.controller + "'");
                }
                expect_nothing_left("limited");
        }
}

TEST_F(Resources, WrongValuesNameTheirKey)
{
        start("resources", script("exec sleep infinity"));
        for (const Key &key : keys()) {
                Spec spec = key.bad;

                expect_error(client.start_task("limited", spec.set("Command", "/bin/true")), "InvalidSpec",
                                key.name);
                expect_error(set_resources(key.bad), "InvalidSpec", key.name);
        }
        expect_error(set_resources(Spec().set("Command", "/bin/true")), "InvalidSpec", "Command");
        expect_nothing_left("limited");
}

TEST_F(Resources, TaskThatHasEndedHasNone)
{
        start("resources", script("exit 0"));
        wait("resources");
        expect_error(set_resources(Spec()), "NotRunning", "resources");
}
