/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fstream>

#include "../../service/common/fault.h"
#include "support.h"

/* Each place of fault.h in turn: a service dies there, D-Bus starts it again for the next call, and then
 * either the task never existed or everything about it is right. Needs a build with
 * -Dfault-injection=true. */

enum Outcome {
        NEVER,  /* the task never existed: no unit, process, directory, descriptor */
        EXISTS, /* it exists, and ends with its program's status */
        LOST,   /* its parent was killed: it is gone, and no status is made up */
};

struct Place {
        FaultPoint point;
        const char *name;
        unsigned time; /* the first or second time that it is passed */
        Outcome outcome;
};

static const std::string TASK_DIRECTORY = "/srv/crash";

#define FAULT_NAME(symbol, name) name,
static const char *const names[] = { FAULT_POINTS(FAULT_NAME) };

static Place at(FaultPoint point, Outcome outcome, unsigned time = 1)
{
        return { point, names[point], time, outcome };
}

static const Place places[] = {
        at(FAULT_LAUNCH_BEGIN, NEVER),
        at(FAULT_LAUNCH_SPAWNED, NEVER),
        at(FAULT_LAUNCH_SAVED, NEVER),
        at(FAULT_LAUNCH_REQUESTED, NEVER),
        at(FAULT_LAUNCH_LOG_READY, NEVER),
        at(FAULT_LAUNCH_SCOPE_READY, NEVER),
        at(FAULT_LAUNCH_GATE_OPEN, EXISTS),
        at(FAULT_LAUNCH_STARTED, EXISTS),
        at(FAULT_LAUNCH_BEFORE_REPLY, EXISTS),
        at(FAULT_LAUNCH_REPLIED, EXISTS),
        at(FAULT_STATE_BEFORE_WRITE, NEVER),     /* before the launch */
        at(FAULT_STATE_BEFORE_WRITE, EXISTS, 2), /* before the reply of StartTask */
        at(FAULT_STATE_BEFORE_WRITE, EXISTS, 3), /* in Stop */
        at(FAULT_STATE_BEFORE_WRITE, EXISTS, 4), /* when the signal is sent */
        at(FAULT_STATE_BEFORE_WRITE, EXISTS, 5), /* at the end */
        at(FAULT_STATE_AFTER_WRITE, NEVER),
        at(FAULT_STATE_AFTER_WRITE, EXISTS, 2),
        at(FAULT_STATE_AFTER_WRITE, EXISTS, 3),
        at(FAULT_STATE_AFTER_WRITE, EXISTS, 4),
        at(FAULT_STATE_AFTER_WRITE, EXISTS, 5),
        at(FAULT_STOP_SAVED, EXISTS),
        at(FAULT_STOP_SENT, EXISTS),
        at(FAULT_END_BEGIN, EXISTS),
        at(FAULT_END_LOG_COMPLETE, EXISTS),
        at(FAULT_END_SAVED, EXISTS),
        at(FAULT_RELEASE_BEGIN, EXISTS),
        at(FAULT_RELEASE_LOG_RELEASED, EXISTS),
        at(FAULT_RELEASE_STATE_REMOVED, EXISTS),
        at(FAULT_SPAWNER_FORKED, NEVER),
        at(FAULT_SUPERVISOR_GATE_PASSED, NEVER),
        at(FAULT_SUPERVISOR_IN_CGROUP, NEVER),
        at(FAULT_SUPERVISOR_TASK_STARTED, NEVER),
        at(FAULT_SUPERVISOR_START_RECORDED, LOST),
        at(FAULT_SUPERVISOR_TASK_ENDED, LOST),
        at(FAULT_SUPERVISOR_EXIT_RECORDED, EXISTS),
        at(FAULT_LOG_START_BEGIN, EXISTS),
        at(FAULT_LOG_START_SAVED, EXISTS),
        at(FAULT_LOG_START_STORED, EXISTS),
        at(FAULT_LOG_MOVED, EXISTS),
        at(FAULT_LOG_STOP_BEGIN, EXISTS),
        at(FAULT_LOG_STOP_SAVED, EXISTS),
        at(FAULT_LOG_STOP_UNSTORED, EXISTS),
        at(FAULT_LOG_RELEASED, EXISTS),
};

static void PrintTo(const Place &place, std::ostream *stream)
{
        *stream << place.name << " " << place.time;
}

class Crash : public SystemTest, public testing::WithParamInterface<std::tuple<Place, std::string>>
{
      protected:
        void SetUp() override
        {
                /* a service that is started anew passes each place for the first time */
                ASSERT_EQ(run({ "systemctl", "restart", EXECUTOR_UNIT, LOGMON_UNIT }).status, 0);
                SystemTest::SetUp();
                ASSERT_EQ(run({ "mkdir", "-p", TASK_DIRECTORY }).status, 0);
                id = "crash-" + isolation + "-" + place.name + "-" + std::to_string(place.time);
                mounts = read_file("/proc/self/mountinfo");
        }

        void TearDown() override
        {
                run({ "rm", "-f", FAULT_FILE });
                SystemTest::TearDown();
                EXPECT_EQ(read_file("/proc/self/mountinfo"), mounts);
        }

        void arm()
        {
                std::ofstream(FAULT_FILE) << place.name << " " << place.time << "\n";
        }

        /* Calls until the service answers: what dies on the way is D-Bus's error, not an answer. */
        Reply persist(const std::function<Reply()> &call)
        {
                Reply reply;

                eventually([&] {
                        reply = call();
                        return reply.error != "org.freedesktop.DBus.Error.NoReply" &&
                                        reply.error != "org.freedesktop.DBus.Error.ServiceUnknown" &&
                                        reply.error != "org.freedesktop.DBus.Error.NameHasNoOwner";
                });
                return reply;
        }

        void expect_never_existed()
        {
                const std::string none = "org.nomad.Executor.Error.NoSuchTask";

                /* it may still be on its way out, which Wait waits for */
                persist([&] { return client.task(path_of(id), "Wait"); });
                EXPECT_EQ(persist([&] { return client.get_task(id); }).error, none);
                expect_nothing_left(id);
        }

        void expect_all_right()
        {
                Reply reply = persist([&] { return client.get_task(id); });
                Exit expected = place.outcome == LOST ? Exit{ "lost", -1, 0, false }
                                                      : Exit{ "exit-code", 7, 0, false };

                ASSERT_TRUE(reply.ok()) << reply;
                if (place.outcome == EXISTS) {
                        EXPECT_TRUE(eventually([&] { return read_file(log_of(id, "stdout")) == "hello\n"; }))
                                        << read_file(log_of(id, "stdout"));
                }

                auto stop = [&] { return client.stop_task(path_of(id), "", 10000000); };
                if (is_after_a_stop_was_saved())
                        EXPECT_FALSE(stop().ok());
                else {
                        reply = persist(stop);
                        EXPECT_TRUE(reply.ok()) << reply;
                }
                reply = persist([&] { return client.task(path_of(id), "Wait"); });
                EXPECT_EQ(client.read_exit(reply), expected) << reply;
                if (place.outcome == EXISTS) {
                        EXPECT_EQ(read_file(log_of(id, "stdout")), "hello\nbye\n")
                                        << "complete when Wait replies";
                }
                reply = persist([&] { return client.release(path_of(id)); });
                EXPECT_TRUE(reply.ok() || reply.error == "org.nomad.Executor.Error.NoSuchTask") << reply;
                expect_nothing_left(id);
        }

        /* Then it is delivered, though nobody asks again. */
        bool is_after_a_stop_was_saved() const
        {
                return place.point == FAULT_STOP_SAVED || place.point == FAULT_STOP_SENT ||
                                (place.point == FAULT_STATE_AFTER_WRITE && place.time == 3) ||
                                (place.point == FAULT_STATE_AFTER_WRITE && place.time == 4) ||
                                (place.point == FAULT_STATE_BEFORE_WRITE && place.time == 4);
        }

        const Place place = std::get<0>(GetParam());
        const std::string isolation = std::get<1>(GetParam());
        std::string id, mounts;
};

TEST_P(Crash, NeverExistedOrAllRight)
{
        /* with one that has escaped, as far as it can, and ends by SIGKILL only */
        Spec spec = script("setsid sh -c 'trap \"\" HUP INT TERM; while :; do sleep 1000; done' & "
                           "trap 'echo bye; exit 7' INT; echo hello; while :; do sleep 0.02; done");
        Reply reply;

        if (isolation == "container")
                spec.set("Isolation", isolation).set("TaskDirectory", TASK_DIRECTORY);
        arm();
        reply = client.start_task(id, spec);
        if (place.outcome == NEVER) {
                EXPECT_FALSE(reply.ok());
                expect_never_existed();
        } else
                expect_all_right();

        EXPECT_FALSE(exists(FAULT_FILE)) << "nobody came to " << place.name;
        /* the id is free, and the service is well */
        run({ "rm", "-f", FAULT_FILE });
        reply = persist([&] { return client.start_task(id, script("exit 3")); });
        EXPECT_TRUE(reply.ok()) << reply;
        EXPECT_EQ(client.wait_task(path_of(id)), (Exit{ "exit-code", 3, 0, false }));
        EXPECT_TRUE(client.release(path_of(id)).ok());
        expect_nothing_left(id);
}

static std::string name_of(const testing::TestParamInfo<Crash::ParamType> &info)
{
        const Place &place = std::get<0>(info.param);
        std::string name = place.name;

        for (char &c : name)
                c = c == '-' ? '_' : c;
        return name + "_" + std::to_string(place.time) + "_" + std::get<1>(info.param);
}

INSTANTIATE_TEST_SUITE_P(Places, Crash,
                testing::Combine(testing::ValuesIn(places), testing::Values("none", "container")), name_of);

/* A place that is added is walked, or said here why not. */
TEST(Faults, EveryPlaceIsWalked)
{
        std::set<FaultPoint> walked;

        for (const Place &place : places)
                walked.insert(place.point);
        /* rotation has a test of its own, with an output that rotates */
        walked.insert(FAULT_LOG_ROTATED);
        /* and a shelf is turned when another log is on it */
        walked.insert(FAULT_LOG_SHELF_TURNED);
        /* nomad-dockerlog's have one too */
        for (int point = FAULT_CONTAINER_START_SAVED; point <= FAULT_CONTAINER_ENDED; point++)
                walked.insert((FaultPoint) point);
        EXPECT_EQ(walked.size(), (size_t) FAULT_MAX);
}

/* Nobody knows whether there is a process by then: if so, it does not become the program. */
TEST_F(SystemTest, CrashOfTheSpawnerInExec)
{
        const std::string file = "/run/crash-exec";
        auto run_check = [&] {
                return client.task(path_of("web"), "Run", [&](sd_bus_message *m) {
                        EXPECT_GE(sd_bus_message_append(m, "ast", 2, "/bin/touch", file.c_str(),
                                                  UINT64_C(10000000)),
                                        0);
                });
        };

        ASSERT_EQ(run({ "rm", "-f", file }).status, 0);
        ASSERT_EQ(run({ "systemctl", "restart", EXECUTOR_UNIT }).status, 0);
        start("web", script("exec sleep 1000"));
        std::ofstream(FAULT_FILE) << "spawner-forked 2\n";
        Reply reply = run_check();
        EXPECT_FALSE(reply.ok());
        EXPECT_FALSE(exists(FAULT_FILE)) << "nobody forked";
        EXPECT_TRUE(eventually([&] {
                return lines_of(read_file(cgroup_of("web") + "/task/cgroup.procs")).size() == 1;
        })) << "the task alone";
        EXPECT_FALSE(exists(file));

        reply = run_check();
        EXPECT_TRUE(reply.ok()) << reply;
        EXPECT_TRUE(exists(file));
        EXPECT_EQ(run({ "rm", file }).status, 0);
}

TEST_F(SystemTest, CrashWhileRotating)
{
        std::string expected, content;

        ASSERT_EQ(run({ "systemctl", "restart", EXECUTOR_UNIT, LOGMON_UNIT }).status, 0);
        for (int i = 0; i < 2000; i++)
                expected += std::to_string(i) + "\n";
        std::ofstream(FAULT_FILE) << "log-rotated 2\n";
        start("rotating",
                        script("seq 0 1999")
                                        .set("LogMaxFileSize", (uint64_t) 1000)
                                        .set("LogMaxFiles", 100U));
        EXPECT_EQ(wait("rotating"), (Exit{ "success", 0, 0, false }));
        EXPECT_FALSE(exists(FAULT_FILE)) << "nobody rotated";

        for (unsigned i = 0; exists(log_of("rotating", "stdout", i)); i++)
                content += read_file(log_of("rotating", "stdout", i));
        EXPECT_EQ(content, expected);
}

/* Waits for the file of that name, and says so. */
static Spec until(const std::string &flag)
{
        return script("echo hello; while ! [ -e " + flag + " ]; do sleep 0.02; done; echo bye; exit 7");
}

/* A pipe is on the shelf twice then, and everything that goes through it is there once. */
TEST_F(SystemTest, CrashWhileAShelfTurns)
{
        const std::string first = "/run/crash-first", last = "/run/crash-last";
        const size_t before = count_shelved();

        ASSERT_EQ(run({ "rm", "-f", first, last }).status, 0);
        ASSERT_EQ(run({ "systemctl", "restart", EXECUTOR_UNIT, LOGMON_UNIT }).status, 0);
        /* half of what is on the shelf is gone when the second ends, and is behind the other half */
        start("stays", until(last));
        start("ends", until(first));
        ASSERT_EQ(count_shelved(), before + 4);
        const pid_t pid = main_pid(LOGMON_UNIT);

        std::ofstream(FAULT_FILE) << "log-shelf-turned 1\n";
        std::ofstream(first) << "";
        EXPECT_EQ(wait("ends"), (Exit{ "exit-code", 7, 0, false }));
        EXPECT_TRUE(eventually([&] { return !exists(FAULT_FILE); })) << "no shelf was turned";
        EXPECT_NE(main_pid(LOGMON_UNIT), pid);
        EXPECT_EQ(read_file(log_of("ends", "stdout")), "hello\nbye\n");
        release("ends");
        EXPECT_TRUE(eventually([&] { return count_shelved() == before + 2; }))
                        << count_shelved() << " on shelves";

        std::ofstream(last) << "";
        EXPECT_EQ(wait("stays"), (Exit{ "exit-code", 7, 0, false }));
        EXPECT_EQ(read_file(log_of("stays", "stdout")), "hello\nbye\n");
        EXPECT_EQ(run({ "rm", "-f", first, last }).status, 0);
}
