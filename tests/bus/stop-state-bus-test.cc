/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <fstream>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "stop-fixture.h"

/* That a stop ends a task whatever state it is in: docs/stopping.md. */

namespace
{

class StopState : public StopBus
{
      protected:
        pid_t main_pid()
        {
                return (pid_t) std::stol(client->property(path, "MainPID"));
        }

        pid_t supervisor_pid()
        {
                auto pids = cgroup_processes(SCOPE "/supervisor");

                EXPECT_EQ(pids.size(), 1U);
                return pids.empty() ? 0 : pids[0];
        }

        /* A program whose first thread has ended while another runs on. */
        std::string first_thread_ended()
        {
                const std::string file = directory + "/threads.py";
                FILE *f = fopen(file.c_str(), "we");

                EXPECT_NE(f, nullptr);
                fputs("import ctypes, sys, threading, time\n"
                      "def go_on():\n"
                      "        time.sleep(0.1)\n"
                      "        sys.stdout.write('ready\\n')\n"
                      "        sys.stdout.flush()\n"
                      "        time.sleep(1000)\n"
                      "threading.Thread(target=go_on).start()\n"
                      "ctypes.CDLL(None).syscall(60, 0)\n",
                                f);
                EXPECT_EQ(fclose(f), 0);
                return "python3 " + file;
        }

        /* A main process that has left the task's cgroup, and is not interested in signals. */
        void start_outside()
        {
                ASSERT_TRUE(cgroup_make("/elsewhere"));
                start("trap '' INT; echo $$ >" + cgroup_full_path("/elsewhere") +
                                "/cgroup.procs; echo ready; exec sleep 1000");
                ASSERT_EQ(cgroup_processes(SCOPE "/task").size(), 0U);
                main = main_pid();
                ASSERT_EQ(kill(main, 0), 0);
        }

        void expect_main_gone() const
        {
                EXPECT_TRUE(eventually([this] { return kill(main, 0) < 0 && errno == ESRCH; }));
        }

        static void set_frozen(const std::string &cgroup, bool frozen)
        {
                FILE *file = fopen((cgroup_full_path(cgroup) + "/cgroup.freeze").c_str(), "we");

                ASSERT_NE(file, nullptr) << cgroup;
                EXPECT_GE(fputs(frozen ? "1" : "0", file), 0);
                EXPECT_EQ(fclose(file), 0);
                ASSERT_TRUE(eventually([&] { return is_frozen(cgroup) == frozen; })) << cgroup;
        }

        void freeze(const std::string &cgroup)
        {
                set_frozen(cgroup, true);
                frozen = cgroup;
        }

        static void thaw(const std::string &cgroup)
        {
                set_frozen(cgroup, false);
        }

        static bool is_frozen(const std::string &cgroup)
        {
                std::ifstream file(cgroup_full_path(cgroup) + "/cgroup.events");
                std::string key;
                int value;

                while (file >> key >> value)
                        if (key == "frozen")
                                return value != 0;
                return false;
        }

        /* The hierarchy is that of the next test too. */
        void TearDown() override
        {
                if (!frozen.empty() && cgroup_exists(frozen))
                        thaw(frozen);
                StopBus::TearDown();
        }

        pid_t main = -1;
        std::string frozen;
};

/* --- a process whose first thread has ended, which cgroup.kill does not reach --- */

TEST_F(StopState, FirstThreadEnded)
{
        start("exec " + first_thread_ended());
        ASSERT_TRUE(eventually([&] { return state_of(main_pid()) == "Z"; })) << "it is not what it is to be";
        ASSERT_TRUE(client->stop_task(path, "", 0).ok());
        expect_end({ "signal", 137, 9, false });
}

TEST_F(StopState, FirstThreadEndedAndTheGraceIsOver)
{
        start("exec " + first_thread_ended());
        ASSERT_TRUE(eventually([&] { return state_of(main_pid()) == "Z"; }));
        ASSERT_TRUE(client->stop_task(path, "SIGURG", 100000).ok());
        expect_end({ "signal", 137, 9, false });
}

TEST_F(StopState, FirstThreadOfAChildEnded)
{
        start(first_thread_ended() +
                        " >/dev/null & until grep -q 'State:.Z' /proc/$!/status; do sleep 0.02; done; "
                        "echo ready; exit 3");
        expect_end({ "exit-code", 3, 0, false });
}

TEST_F(StopState, FirstThreadEndedAndAllAreKilled)
{
        start("exec " + first_thread_ended());
        ASSERT_TRUE(eventually([&] { return state_of(main_pid()) == "Z"; }));
        ASSERT_TRUE(client->kill_task(path, "all", "KILL").ok());
        expect_end({ "signal", 137, 9, false });
}

TEST_F(StopState, FirstThreadEndedInACheckThatIsOverTime)
{
        start(PLAIN);
        const std::string program = first_thread_ended();
        Reply reply = client->task(path, "Run", [&](sd_bus_message *m) {
                EXPECT_GE(sd_bus_message_append(m, "ast", 3, "/bin/sh", "-c", ("exec " + program).c_str(),
                                          UINT64_C(500000)),
                                0);
        });
        int32_t code, signal;
        int timed_out;

        ASSERT_TRUE(reply.ok()) << reply;
        ASSERT_GE(sd_bus_message_read(reply.message.get(), "iib", &code, &signal, &timed_out), 0);
        EXPECT_TRUE(timed_out);
        EXPECT_EQ(signal, SIGKILL);
        ASSERT_TRUE(client->stop_task(path, "TERM", DEFAULT).ok());
        expect_end({ "signal", 143, 15, false });
}

/* --- a main process outside its cgroup --- */

TEST_F(StopState, MainOutsideItsCgroup)
{
        start_outside();
        ASSERT_TRUE(client->stop_task(path, "", 200000).ok());
        expect_end({ "signal", 137, 9, false });
        expect_main_gone();
}

TEST_F(StopState, MainOutsideItsCgroupWithoutGrace)
{
        start_outside();
        ASSERT_TRUE(client->stop_task(path, "", 0).ok());
        expect_end({ "signal", 137, 9, false });
        expect_main_gone();
}

TEST_F(StopState, MainOutsideItsCgroupIsFoundByTheNextService)
{
        start_outside();
        ASSERT_TRUE(executor->restart_hard());
        ASSERT_TRUE(client->stop_task(path, "TERM", DEFAULT).ok());
        expect_end({ "signal", 143, 15, false });
        expect_main_gone();
}

TEST_F(StopState, MainOutsideItsCgroupIsAmongAll)
{
        start_outside();
        ASSERT_TRUE(client->kill_task(path, "all", "TERM").ok());
        expect_end({ "signal", 143, 15, false });
        expect_main_gone();
}

TEST_F(StopState, MainOutsideItsCgroupGoesWithItsSupervisor)
{
        start_outside();
        ASSERT_EQ(kill(supervisor_pid(), SIGKILL), 0);
        EXPECT_EQ(client->wait_task(path), (Exit{ "lost", -1, 0, false }));
        expect_main_gone();
}

/* Nobody can tell any more whether it is the process meant. */
TEST_F(StopState, MainOutsideItsCgroupIsNamedWhenItsSupervisorIsGone)
{
        start_outside();
        pid_t supervisor = supervisor_pid();
        executor->kill_hard();
        ASSERT_EQ(kill(supervisor, SIGKILL), 0);
        ASSERT_TRUE(eventually([] { return cgroup_processes(SCOPE).empty(); }));
        ASSERT_TRUE(executor->start());
        EXPECT_EQ(client->wait_task(path), (Exit{ "lost", -1, 0, false }));
        EXPECT_NE(executor->messages().find("Process " + std::to_string(main) +
                                  " in /elsewhere is the main " + "process of task 'web'"),
                        std::string::npos)
                        << executor->messages();
        EXPECT_EQ(cgroup_processes("/elsewhere"), std::vector<pid_t>{ main }) << "it was left alone";
        EXPECT_EQ(kill(main, SIGKILL), 0);
        expect_main_gone();
        expect_end({ "lost", -1, 0, false });
}

TEST_F(StopState, MainOutsideItsCgroupAtItsDeadline)
{
        ASSERT_TRUE(cgroup_make("/elsewhere"));
        start("trap '' INT; echo $$ >" + cgroup_full_path("/elsewhere") +
                                        "/cgroup.procs; echo ready; exec sleep 1000",
                        {}, 200000, UINT64_C(1000000));
        expect_end({ "timeout", 137, 9, false });
}

/* --- what is stopped --- */

/* Nothing of it is between vfork(2) and execve(2) once it is ready: a process that waits for such a child
 * cannot be stopped. */
const char *const POLITE =
                "trap 'exit 7' INT; trap 'exit 8' TERM; sleep 1000 & echo ready; while :; do wait; done";

TEST_F(StopState, MainStopped)
{
        start(POLITE);
        ASSERT_TRUE(client->kill_task(path, "main", "STOP").ok());
        ASSERT_TRUE(eventually([this] { return state_of(main_pid()) == "T"; }));
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(60000000)).ok());
        expect_end({ "exit-code", 7, 0, false });
}

TEST_F(StopState, AllOfTheTaskStopped)
{
        start(POLITE);
        ASSERT_TRUE(client->kill_task(path, "all", "STOP").ok());
        ASSERT_TRUE(eventually([this] { return state_of(main_pid()) == "T"; }));
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(60000000)).ok());
        expect_end({ "exit-code", 7, 0, false });
}

TEST_F(StopState, MainStoppedIsKilledWithATerminatingSignal)
{
        start(POLITE);
        ASSERT_TRUE(client->kill_task(path, "main", "STOP").ok());
        ASSERT_TRUE(eventually([this] { return state_of(main_pid()) == "T"; }));
        ASSERT_TRUE(client->kill_task(path, "main", "WINCH").ok());
        ASSERT_EQ(state_of(main_pid()), "T") << "only a signal that asks for the end continues it";
        ASSERT_TRUE(client->kill_task(path, "main", "TERM").ok());
        expect_end({ "exit-code", 8, 0, false });
}

TEST_F(StopState, AllStoppedAreKilledWithATerminatingSignal)
{
        start("trap 'exit 8' TERM; echo ready; while :; do sleep 1000 & wait; done");
        ASSERT_TRUE(client->kill_task(path, "all", "STOP").ok());
        ASSERT_TRUE(eventually([this] { return state_of(main_pid()) == "T"; }));
        ASSERT_TRUE(client->kill_task(path, "all", "TERM").ok());
        expect_end({ "exit-code", 8, 0, false });
}

TEST_F(StopState, MainStoppedAtItsDeadline)
{
        start(POLITE, {}, UINT64_C(60000000), UINT64_C(5000000));
        ASSERT_TRUE(client->kill_task(path, "all", "STOP").ok());
        expect_end({ "timeout", 7, 0, false });
}

/* --- "systemctl stop" of a scope --- */

/* The supervisor lives to record it. */
TEST_F(StopState, SystemdStopsATaskWhoseStopSignalIsKill)
{
        start(PLAIN, { { "StopSignal", "KILL" } });
        executor->kill_hard();
        systemd->stop_unit("nomad-task-web.scope");
        ASSERT_TRUE(eventually([] { return task_processes().empty(); }));
        ASSERT_TRUE(executor->start());
        expect_end({ "signal", 137, 9, false });
}

/* As Stop: the signal is for the main process, which ends its children as it likes. */
TEST_F(StopState, SystemdStopsTheMainProcessOnly)
{
        start("sh -c 'trap \"exit 3\" USR1; echo ready; while :; do sleep 0.02; done' & "
              "trap 'sleep 0.3; kill -TERM $!; wait $!; exit $?' USR1; while :; do sleep 0.02; done",
                        { { "StopSignal", "USR1" } });
        executor->kill_hard();
        systemd->stop_unit("nomad-task-web.scope");
        ASSERT_TRUE(eventually([] { return task_processes().empty(); }));
        ASSERT_TRUE(executor->start());
        expect_end({ "exit-code", 143, 0, false });
}

TEST_F(StopState, SystemdStopsATaskThatIsStopped)
{
        start(POLITE);
        ASSERT_TRUE(client->kill_task(path, "all", "STOP").ok());
        ASSERT_TRUE(eventually([this] { return state_of(main_pid()) == "T"; }));
        executor->kill_hard();
        systemd->stop_unit("nomad-task-web.scope");
        ASSERT_TRUE(eventually([] { return task_processes().empty(); }));
        ASSERT_TRUE(executor->start());
        expect_end({ "exit-code", 7, 0, false });
}

/* --- what cannot be ended --- */

/* A debugger that holds a process at its exit stands for a kernel that does not let go of it: no signal ends
 * it. */
TEST_F(StopState, TheExitRecordDecides)
{
        start("sleep 1000 & echo $! >" + directory + "/pid; echo ready; read x; exit 3", {},
                        UINT64_C(5000000), UINT64_MAX, true);
        pid_t pid = (pid_t) std::stol(read_file(directory + "/pid"));
        ASSERT_EQ(ptrace(PTRACE_SEIZE, pid, nullptr, PTRACE_O_TRACEEXIT), 0);
        ASSERT_EQ(write(input[1], "\n", 1), 1);
        EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 3, 0, false }));
        EXPECT_EQ(state_of(pid), "t") << "it was to be there still";
        EXPECT_NE(executor->messages().find("cannot be rid of its processes " + std::to_string(pid)),
                        std::string::npos);
        ASSERT_EQ(waitpid(pid, nullptr, __WALL), pid);
        EXPECT_EQ(ptrace(PTRACE_DETACH, pid, nullptr, nullptr), 0);
        EXPECT_TRUE(eventually([] { return task_processes().empty(); }));
        expect_end({ "exit-code", 3, 0, false });
}

TEST_F(StopState, AChildElsewhereIsToldOf)
{
        ASSERT_TRUE(cgroup_make("/elsewhere"));
        start("sh -c 'echo 0 >" + cgroup_full_path("/elsewhere") +
                                        "/cgroup.procs; echo ready; exec sleep 1000' & read x; exit 3",
                        {}, UINT64_C(5000000), UINT64_MAX, true);
        auto pids = cgroup_processes("/elsewhere");
        ASSERT_EQ(pids.size(), 1U);
        ASSERT_EQ(write(input[1], "\n", 1), 1);
        EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 3, 0, false }));
        EXPECT_NE(executor->messages().find(
                                  "its processes " + std::to_string(pids[0]) + ", which are in other"),
                        std::string::npos);
        ASSERT_EQ(kill(pids[0], SIGKILL), 0) << "it was left alone";
        ASSERT_TRUE(eventually([] { return cgroup_processes("/elsewhere").empty(); }));
        expect_end({ "exit-code", 3, 0, false });
}

/* --- what is frozen by others, and supervisors that do not run --- */

TEST_F(StopState, ScopeFrozen)
{
        start(POLITE);
        freeze(SCOPE);
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(60000000)).ok());
        EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 7, 0, false }));
        expect_end({ "exit-code", 7, 0, false });
}

TEST_F(StopState, SystemdIsToldThatTheScopeIsThawed)
{
        start(IGNORES_INT);
        freeze(SCOPE);
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(60000000)).ok());
        EXPECT_TRUE(eventually([this] {
                auto units = systemd->units();

                return units.size() == 1 && units[0].n_thawed == 1;
        }));
        ASSERT_TRUE(client->stop_task(path, "", 0).ok());
        expect_end({ "signal", 137, 9, false });
}

TEST_F(StopState, ScopeFrozenWithoutGrace)
{
        start(POLITE);
        freeze(SCOPE);
        ASSERT_TRUE(client->stop_task(path, "", 0).ok());
        expect_end({ "signal", 137, 9, false });
}

TEST_F(StopState, ScopeFrozenAtItsDeadline)
{
        start(POLITE, {}, UINT64_C(60000000), UINT64_C(5000000));
        freeze(SCOPE);
        expect_end({ "timeout", 7, 0, false });
}

TEST_F(StopState, ScopeFrozenWhileNobodyIsThere)
{
        start(IGNORES_INT);
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(5000000)).ok());
        executor->kill_hard();
        freeze(SCOPE);
        ASSERT_TRUE(executor->start());
        expect_end({ "signal", 137, 9, false });
}

TEST_F(StopState, SliceFrozen)
{
        start(POLITE);
        freeze("/nomad.slice");
        ASSERT_TRUE(client->stop_task(path, "", 200000).ok());
        EXPECT_EQ(client->wait_task(path), (Exit{ "signal", 137, 9, false }));
        EXPECT_TRUE(is_frozen("/nomad.slice")) << "it is not ours to thaw";
        expect_end({ "signal", 137, 9, false });
}

/* "systemctl freeze" of a slice freezes each scope in it, too. */
TEST_F(StopState, SliceFrozenWithItsScopes)
{
        start(POLITE);
        set_frozen(SCOPE, true);
        freeze("/nomad.slice");
        ASSERT_TRUE(client->stop_task(path, "", 200000).ok());
        EXPECT_EQ(client->wait_task(path), (Exit{ "signal", 137, 9, false }));
        EXPECT_TRUE(is_frozen("/nomad.slice")) << "it is not ours to thaw";
        expect_end({ "signal", 137, 9, false });
}

TEST_F(StopState, SliceFrozenAndThawedInTime)
{
        start(POLITE);
        freeze("/nomad.slice");
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(60000000)).ok());
        thaw("/nomad.slice");
        expect_end({ "exit-code", 7, 0, false });
}

TEST_F(StopState, SliceFrozenAtItsDeadline)
{
        start(POLITE, {}, 200000, UINT64_C(5000000));
        freeze("/nomad.slice");
        expect_end({ "timeout", 137, 9, false });
}

TEST_F(StopState, SliceFrozenFirstThreadEnded)
{
        start("exec " + first_thread_ended());
        ASSERT_TRUE(eventually([&] { return state_of(main_pid()) == "Z"; }));
        freeze("/nomad.slice");
        ASSERT_TRUE(client->stop_task(path, "", 200000).ok());
        expect_end({ "signal", 137, 9, false });
}

TEST_F(StopState, SliceFrozenMainOutside)
{
        start_outside();
        freeze("/nomad.slice");
        ASSERT_TRUE(client->stop_task(path, "", 200000).ok());
        expect_end({ "signal", 137, 9, false });
        expect_main_gone();
}

/* Main had ended by itself, and the kernel has kept how. */
TEST_F(StopState, SliceFrozenMainHasEnded)
{
        start("echo ready; read x; exit 9", {}, UINT64_C(5000000), UINT64_MAX, true);
        main = main_pid();
        ASSERT_EQ(kill(supervisor_pid(), SIGSTOP), 0);
        ASSERT_EQ(write(input[1], "\n", 1), 1);
        ASSERT_TRUE(eventually([this] { return state_of(main) == "Z"; }));
        freeze("/nomad.slice");
        ASSERT_TRUE(client->stop_task(path, "", 200000).ok());
        expect_end({ "exit-code", 9, 0, false });
}

TEST_F(StopState, SliceFrozenWhileNobodyIsThere)
{
        start(POLITE);
        ASSERT_TRUE(client->kill_task(path, "all", "STOP").ok());
        freeze("/nomad.slice");
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(1000000)).ok());
        executor->kill_hard();
        ASSERT_TRUE(executor->start());
        expect_end({ "signal", 137, 9, false });
}

TEST_F(StopState, SupervisorStopped)
{
        start(POLITE);
        ASSERT_EQ(kill(supervisor_pid(), SIGSTOP), 0);
        ASSERT_TRUE(eventually([this] { return state_of(supervisor_pid()) == "T"; }));
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(60000000)).ok());
        expect_end({ "exit-code", 7, 0, false });
}

TEST_F(StopState, SupervisorFrozen)
{
        start(POLITE);
        freeze(SCOPE "/supervisor");
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(60000000)).ok());
        expect_end({ "exit-code", 7, 0, false });
}

TEST_F(StopState, SupervisorStoppedAtItsDeadline)
{
        start(POLITE, {}, UINT64_C(60000000), UINT64_C(5000000));
        ASSERT_EQ(kill(supervisor_pid(), SIGSTOP), 0);
        expect_end({ "timeout", 7, 0, false });
}

TEST_F(StopState, SupervisorStoppedDuringTheGrace)
{
        start(IGNORES_INT);
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(3000000)).ok());
        ASSERT_EQ(kill(supervisor_pid(), SIGSTOP), 0);
        expect_end({ "signal", 137, 9, false });
}

/* The kernel refuses to queue a signal for it. */
TEST_F(StopState, SupervisorCannotBeTold)
{
        const struct rlimit none = {};

        start(POLITE);
        ASSERT_EQ(prlimit(supervisor_pid(), RLIMIT_SIGPENDING, &none, nullptr), 0);
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(60000000)).ok());
        expect_end({ "exit-code", 7, 0, false });
}

TEST_F(StopState, SupervisorCannotBeToldWhenTheGraceEnds)
{
        const struct rlimit none = {};

        start(IGNORES_INT);
        ASSERT_EQ(prlimit(supervisor_pid(), RLIMIT_SIGPENDING, &none, nullptr), 0);
        ASSERT_TRUE(client->stop_task(path, "", 200000).ok());
        expect_end({ "signal", 137, 9, false });
}

/* --- nobody asks for a stop, and the supervisor does not see the end of the main process --- */

TEST_F(StopState, SupervisorStoppedAndMainEnds)
{
        start("echo ready; read x; exit 9", {}, UINT64_C(5000000), UINT64_MAX, true);
        ASSERT_EQ(kill(supervisor_pid(), SIGSTOP), 0);
        ASSERT_TRUE(eventually([this] { return state_of(supervisor_pid()) == "T"; }));
        ASSERT_EQ(write(input[1], "\n", 1), 1);
        expect_end({ "exit-code", 9, 0, false });
}

TEST_F(StopState, SupervisorStoppedAndMainEndsWhileNobodyIsThere)
{
        start("echo ready; read x; exit 9", {}, UINT64_C(5000000), UINT64_MAX, true);
        main = main_pid();
        ASSERT_EQ(kill(supervisor_pid(), SIGSTOP), 0);
        executor->kill_hard();
        ASSERT_EQ(write(input[1], "\n", 1), 1);
        ASSERT_TRUE(eventually([this] { return state_of(main) == "Z"; }));
        ASSERT_TRUE(executor->start());
        expect_end({ "exit-code", 9, 0, false });
}

TEST_F(StopState, SupervisorStoppedAndAllAreKilled)
{
        start(POLITE);
        ASSERT_EQ(kill(supervisor_pid(), SIGSTOP), 0);
        ASSERT_TRUE(eventually([this] { return state_of(supervisor_pid()) == "T"; }));
        ASSERT_TRUE(client->kill_task(path, "all", "KILL").ok());
        expect_end({ "signal", 137, 9, false });
}

TEST_F(StopState, ScopeFrozenAndMainIsKilled)
{
        start(POLITE);
        freeze(SCOPE);
        ASSERT_TRUE(client->kill_task(path, "main", "KILL").ok());
        expect_end({ "signal", 137, 9, false });
}

TEST_F(StopState, SliceFrozenAndMainIsKilled)
{
        start(POLITE);
        freeze("/nomad.slice");
        ASSERT_TRUE(client->kill_task(path, "main", "KILL").ok());
        EXPECT_EQ(client->wait_task(path), (Exit{ "signal", 137, 9, false }));
        EXPECT_TRUE(is_frozen("/nomad.slice")) << "it is not ours to thaw";
        expect_end({ "signal", 137, 9, false });
}

/* A debugger holds it, so that SIGCONT does not help. */
TEST_F(StopState, SupervisorHeldAndMainEnds)
{
        start("echo ready; read x; exit 9", {}, UINT64_C(5000000), UINT64_MAX, true);
        pid_t supervisor = supervisor_pid();
        ASSERT_EQ(ptrace(PTRACE_SEIZE, supervisor, nullptr, nullptr), 0);
        ASSERT_EQ(ptrace(PTRACE_INTERRUPT, supervisor, nullptr, nullptr), 0);
        ASSERT_TRUE(eventually([&] { return state_of(supervisor) == "t"; }));
        ASSERT_EQ(write(input[1], "\n", 1), 1);
        EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 9, 0, false }));
        EXPECT_NE(executor->messages().find("is recorded without it"), std::string::npos);
        ASSERT_EQ(waitpid(supervisor, nullptr, __WALL), supervisor);
        expect_end({ "exit-code", 9, 0, false });
}

TEST_F(StopState, ThawOfAScopeThatOthersFroze)
{
        start(POLITE);
        freeze(SCOPE);
        ASSERT_TRUE(client->task(path, "Thaw").ok());
        EXPECT_FALSE(is_frozen(SCOPE));
        ASSERT_TRUE(client->stop_task(path, "", UINT64_C(60000000)).ok());
        expect_end({ "exit-code", 7, 0, false });
}

} // namespace
