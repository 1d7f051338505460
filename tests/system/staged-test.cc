/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/stat.h>

#include "support.h"

/* Run in stages by tools/test, which between them does to the machine what cannot be done from within it:
 * see staged_tests there. What a stage starts is looked at by the next. */

class Stage : public testing::Test
{
      protected:
        /* Says good-bye when it is stopped as its spec says, and takes its time for it. */
        static Spec polite()
        {
                return script("trap 'sleep 0.3; echo bye; exit 7' USR1; echo ready; while :; do sleep 0.02; done")
                                .set("StopSignal", "SIGUSR1");
        }

        void start(const std::string &id, const Spec &spec)
        {
                Reply reply = client.start_task(id, spec);

                EXPECT_TRUE(reply.ok()) << reply;
                EXPECT_TRUE(eventually([&] { return exists(log_of(id, "stdout")); }));
        }

        void start_polite(const std::string &id)
        {
                start(id, polite());
                EXPECT_TRUE(eventually([&] { return read_file(log_of(id, "stdout")) == "ready\n"; }));
        }

        void release(const std::string &id)
        {
                Reply reply = client.release(path_of(id));

                EXPECT_TRUE(reply.ok()) << reply;
                EXPECT_FALSE(exists(cgroup_of(id)));
                EXPECT_EQ(run({ "find", "/run/nomad-executor", "/run/nomad-logmon", "-name",
                                              label_of(id) + "*" })
                                                .text,
                                "");
        }

        Client client{ "unix:path=/run/dbus/system_bus_socket" };
};

/* --- the bus is restarted --- */

class BeforeBusRestart : public Stage
{
};
class AfterBusRestart : public Stage
{
};

TEST_F(BeforeBusRestart, TasksAreStarted)
{
        start_polite("bus-running");
        start("bus-ended", script("echo over; exit 3"));
        EXPECT_EQ(client.wait_task(path_of("bus-ended")), (Exit{ "exit-code", 3, 0, false }));
        start("bus-ends",
                        script("echo waits; while ! [ -e /tmp/bus-is-back ]; do sleep 0.02; done; exit 4"));
}

TEST_F(AfterBusRestart, ServicesAreBackAndTasksUnharmed)
{
        EXPECT_EQ(client.property(path_of("bus-running"), "State"), "running");
        EXPECT_EQ(client.wait_task(path_of("bus-ended")), (Exit{ "exit-code", 3, 0, false }));
        EXPECT_EQ(run({ "touch", "/tmp/bus-is-back" }).status, 0);
        EXPECT_EQ(client.wait_task(path_of("bus-ends")), (Exit{ "exit-code", 4, 0, false }));
        EXPECT_TRUE(client.stop_task(path_of("bus-running"), "", UINT64_MAX).ok());
        EXPECT_EQ(client.wait_task(path_of("bus-running")), (Exit{ "exit-code", 7, 0, false }));
        EXPECT_EQ(read_file(log_of("bus-running", "stdout")), "ready\nbye\n");
        for (const char *id : { "bus-running", "bus-ended", "bus-ends" })
                release(id);
}

/* --- the machine is rebooted --- */

class BeforeReboot : public Stage
{
};
class AfterReboot : public Stage
{
};

TEST_F(BeforeReboot, TasksAreStarted)
{
        start_polite("reboot-running");
        start("reboot-ended", script("echo over; exit 3"));
        EXPECT_EQ(client.wait_task(path_of("reboot-ended")), (Exit{ "exit-code", 3, 0, false }));
        /* with what is not ended by its signal: it gets its grace, and no more */
        start("reboot-deaf",
                        script("trap '' INT TERM HUP; echo deaf; while :; do sleep 0.02; done")
                                        .set("StopTimeoutUSec", (uint64_t) 500000));
}

TEST_F(AfterReboot, TasksHaveSaidGoodBye)
{
        EXPECT_EQ(read_file(log_of("reboot-running", "stdout")), "ready\nbye\n");
        EXPECT_EQ(read_file(log_of("reboot-ended", "stdout")), "over\n");
        EXPECT_EQ(read_file(log_of("reboot-deaf", "stdout")), "deaf\n");
}

TEST_F(AfterReboot, NobodyKnowsThem)
{
        EXPECT_TRUE(client.list_tasks().empty());
        for (const char *id : { "reboot-running", "reboot-ended", "reboot-deaf" })
                EXPECT_EQ(client.get_task(id).error, "org.nomad.Executor.Error.NoSuchTask") << id;
}

TEST_F(AfterReboot, TheSameIdsCanBeUsedAgain)
{
        start("reboot-running", script("echo again; exit 5"));
        EXPECT_EQ(client.wait_task(path_of("reboot-running")), (Exit{ "exit-code", 5, 0, false }));
        EXPECT_EQ(read_file(log_of("reboot-running", "stdout")), "ready\nbye\nagain\n");
        release("reboot-running");
}
