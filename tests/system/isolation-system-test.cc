/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <fcntl.h>
#include <sstream>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "session.h"

/* Tasks in containers, by each of the runtimes. Names that begin with "Test" are those of Nomad's tests, see
 * docs/conformance.md. */

namespace
{

const std::string TASK_DIRECTORY = "/srv/isolation-task";
const std::string ROOT = "/srv/isolation-root";
const std::string SHARED = "/srv/isolation-shared";

std::string trim(std::string text)
{
        while (!text.empty() && text.back() == '\n')
                text.pop_back();
        return text;
}

std::string inode(const std::string &path)
{
        struct stat st = {};

        EXPECT_EQ(stat(path.c_str(), &st), 0) << path;
        return std::to_string(st.st_ino);
}

void write_file(const std::string &path, const std::string &text)
{
        FILE *file = fopen(path.c_str(), "we");

        ASSERT_NE(file, nullptr) << path;
        EXPECT_GE(fputs(text.c_str(), file), 0);
        EXPECT_EQ(fclose(file), 0);
}

class Isolation : public SessionTest, public testing::WithParamInterface<std::string>
{
      protected:
        static void SetUpTestSuite()
        {
                /* "ip" makes a mount for all of them with the first */
                ASSERT_EQ(run({ "ip", "netns", "add", "first" }).status, 0);
                ASSERT_EQ(run({ "ip", "netns", "del", "first" }).status, 0);
                ASSERT_EQ(run({ "/bin/sh", "-ec",
                                              "rm -rf /srv/isolation-*\n"
                                              "mkdir -p " + TASK_DIRECTORY +
                                                              "/local " + ROOT + "/bin " + ROOT + "/etc " +
                                                              ROOT + "/tmp " + SHARED +
                                                              "\n"
                                                              "chmod 1777 " +
                                                              TASK_DIRECTORY + "/local " + ROOT + "/tmp " +
                                                              SHARED +
                                                              "\n"
                                                              "cp /bin/busybox " +
                                                              ROOT +
                                                              "/bin/busybox\n"
                                                              "for name in sh cat id sleep; do ln -s busybox " +
                                                              ROOT +
                                                              "/bin/$name; done\n"
                                                              "echo alien:x:4711:4712::/home/alien:/bin/sh >" +
                                                              ROOT +
                                                              "/etc/passwd\n"
                                                              "printf 'main:x:4712:\\nmore:x:4713:other,alien\\nnot:x:4714:other\\n' >" +
                                                              ROOT + "/etc/group\n" })
                                                .status,
                                0);
        }

        void SetUp() override
        {
                SessionTest::SetUp();
                mounts_before = read_file("/proc/self/mountinfo");
        }

        /* Whatever a test does: nothing is mounted on the host that was not, and no bundle is left of what has ended. */
        void TearDown() override
        {
                SessionTest::TearDown();
                EXPECT_EQ(read_file("/proc/self/mountinfo"), mounts_before);
                EXPECT_EQ(run({ "find", "/run/nomad-executor", "-name", "container" }).text, "");
        }

        static Spec contained(const std::string &command, const std::vector<std::string> &arguments = {})
        {
                return Spec().set("Command", command)
                                .set("Arguments", arguments)
                                .set("Isolation", "container")
                                .set("Runtime", GetParam());
        }

        static std::string runtime_name()
        {
                return GetParam().substr(GetParam().rfind('/') + 1);
        }

        /* With the host's programs. */
        static Spec task(const std::string &script)
        {
                return contained("sh", { "-c", script }).set("TaskDirectory", TASK_DIRECTORY);
        }

        /* With a root of its own. */
        static Spec rooted(const std::string &script)
        {
                return contained("sh", { "-c", script }).set("RootDirectory", ROOT);
        }

        /* What it prints. */
        std::string output_of(const Spec &spec)
        {
                start(id, spec);
                EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false })) << read_file(log_of(id, "stderr"));
                std::string text = read_file(log_of(id, "stdout"));
                release(id);
                EXPECT_EQ(run({ "rm", "-rf", "/var/log/nomad/" + label_of(id) }).status, 0);
                return text;
        }

        /* The error's name and message; nothing is left. */
        std::string start_error(const Spec &spec)
        {
                Reply reply = client.start_task(id, spec);

                EXPECT_FALSE(reply.ok());
                expect_nothing_left(id);
                EXPECT_EQ(run({ "pgrep", "-c", "nomad-superviso" }).text, "0\n");
                return short_name(reply.error) + ": " + reply.text;
        }

        void start_sleeping(Spec spec = Spec())
        {
                start(id,
                                spec.set("Command", "sleep")
                                                .set("Arguments", std::vector<std::string>{ "infinity" })
                                                .set("Isolation", "container")
                                                .set("Runtime", GetParam())
                                                .set("TaskDirectory", TASK_DIRECTORY));
        }

        std::string proc()
        {
                return "/proc/" + client.property(path, "MainPID");
        }

        static std::string status_field(const std::string &text, const std::string &key)
        {
                for (const auto &line : lines_of(text))
                        if (line.rfind(key + ":\t", 0) == 0)
                                return line.substr(key.size() + 2);
                return "no " + key + " in " + text;
        }

        /* A mask as the kernel prints it, of what is left of it on this system. */
        static std::string mask(uint64_t wanted)
        {
                std::string own = status_field(read_file("/proc/1/status"), "CapBnd");
                char text[32];

                (void) snprintf(text, sizeof text, "%016llx",
                                (unsigned long long) (wanted & std::stoull(own, nullptr, 16)));
                return text;
        }

        static std::vector<std::string> masks(const std::string &status)
        {
                std::vector<std::string> found;

                for (std::string set : { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" })
                        found.push_back(status_field(status, set));
                return found;
        }

      private:
        std::string mounts_before;
};

TEST_P(Isolation, StatusAndOutputAreThoseOfAnyTask)
{
        start(id, task("echo out; echo err >&2; exit 3"));
        EXPECT_EQ(wait(id), (Exit{ "exit-code", 3, 0, false }));
        EXPECT_EQ(read_file(log_of(id, "stdout")), "out\n");
        EXPECT_EQ(read_file(log_of(id, "stderr")), "err\n");
        EXPECT_EQ(journal({ "_TRANSPORT=journal", "NOMAD_TASK_ID=" + id }),
                        (std::vector<std::string>{ "out", "err" }));
}

TEST_P(Isolation, EndBySignalIsASignal)
{
        start_sleeping();
        EXPECT_EQ(kill((pid_t) std::stoi(client.property(path, "MainPID")), SIGKILL), 0);
        EXPECT_EQ(wait(id), (Exit{ "signal", 137, 9, false }));
}

TEST_P(Isolation, SupervisorIsTheParentAndTheCgroupTheTasks)
{
        start_sleeping();
        std::string parent = trim(status_field(read_file(proc() + "/status"), "PPid"));

        EXPECT_EQ(read_file("/proc/" + parent + "/comm"), "nomad-superviso\n");
        EXPECT_NE(read_file(proc() + "/cgroup").find("/nomad.slice/" + unit_of(id) + "/task"),
                        std::string::npos);
        EXPECT_EQ(run({ "sh", "-c",
                                      "find /sys/fs/cgroup -name container -o -name crun\\* | grep -v " +
                                                      unit_of(id) })
                                        .text,
                        "");
}

TEST_P(Isolation, LivesThroughTheServicesDeathAndCanBeJoinedAfterIt)
{
        start_sleeping();
        ASSERT_EQ(run({ "mkdir", "-p",
                                      "/run/nomad-executor/tasks/" + label_of(id) +
                                                      "/container/sessions/left" })
                                        .status,
                        0);
        kill_service(EXECUTOR_UNIT);
        EXPECT_EQ(client.property(path, "State"), "running");
        EXPECT_EQ(run({ "find", "/run/nomad-executor", "-name", "left" }).text, "");

        auto session = exec_script("echo from $0; exit 5");
        EXPECT_EQ(session->read_output(), "from /bin/sh\n");
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 5, 0 }));
        EXPECT_TRUE(stop(id, "SIGTERM", 0).ok());
        EXPECT_EQ(wait(id), (Exit{ "signal", 137, 9, false }));
}

/* Process 1 of a PID namespace gets no signal that it has no handler for. */
TEST_P(Isolation, TestExecDriver_StartWaitStopKill)
{
        start_sleeping();
        EXPECT_TRUE(stop(id, "SIGINT", 200000).ok());
        EXPECT_EQ(wait(id), (Exit{ "signal", 137, 9, false }));
}

TEST_P(Isolation, StopReachesAHandler)
{
        start(id, task("trap 'echo stopping; exit 7' INT; echo ready; while :; do sleep 0.01; done"));
        ASSERT_TRUE(eventually([&] { return exists(log_of(id, "stdout")); }));
        EXPECT_TRUE(stop(id, "", UINT64_MAX).ok());
        EXPECT_EQ(wait(id), (Exit{ "exit-code", 7, 0, false }));
        EXPECT_EQ(read_file(log_of(id, "stdout")), "ready\nstopping\n");
}

/* Stop ends what writes for ever, and nothing is written after it. */
TEST_P(Isolation, TestExecutor_ClientCleanup)
{
        start(id, task("while :; do echo X; done"));
        ASSERT_TRUE(eventually([&] { return exists(log_of(id, "stdout")); }));
        EXPECT_TRUE(stop(id, "", 0).ok());
        EXPECT_EQ(wait(id), (Exit{ "signal", 137, 9, false }));
        std::string size = run({ "du", "-sb", "/var/log/nomad/" + label_of(id) }).text;
        EXPECT_EQ(run({ "pgrep", "-c", "--ns", std::to_string(getpid()), "-x", "yes" }).text, "0\n");
        EXPECT_EQ(run({ "du", "-sb", "/var/log/nomad/" + label_of(id) }).text, size);
}

TEST_P(Isolation, TestExecDriver_NoOrphanedTasks)
{
        start(id, task("for i in 1 2 3; do setsid sleep 1000 & done; exit 0"));
        EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false }));
        EXPECT_FALSE(exists(cgroup_of(id)));
        EXPECT_EQ(run({ "pgrep", "-xc", "sleep" }).text, "0\n");
}

/* --- capabilities --- */

TEST_P(Isolation, TestExecutor_Capabilities)
{
        std::string user = mask(0xa80405fb), root = mask(0x3fffffffff), none = mask(0);
        const std::string print = "cat /proc/self/status";

        EXPECT_EQ(masks(output_of(task(print).set("User", "nobody"))),
                        (std::vector<std::string>{ user, user, user, user, user }));
        EXPECT_EQ(masks(output_of(task(print))), (std::vector<std::string>{ none, root, root, root, none }));

        std::string bind = mask(0x400);
        Spec only = task(print).set("User", "nobody");
        only.set("Capabilities", std::vector<std::string>{ "net_bind_service" });
        EXPECT_EQ(masks(output_of(only)), (std::vector<std::string>{ bind, bind, bind, bind, bind }));
}

/* Nomad computes the set from what it allows, adds and drops; what comes of it is what counts. */
TEST_P(Isolation, TestExecDriver_Capabilities)
{
        const std::string print = "cat /proc/self/status";
        const struct {
                std::vector<std::string> names;
                uint64_t set;
        } cases[] = {
                { {}, 0 },
                { { "CAP_SYS_ADMIN", "kill" }, 1 << 21 | 1 << 5 },
                { { "all" }, UINT64_C(0x1ffffffffff) },
                { { "CHOWN", "Cap_Net_Raw" }, 1 << 0 | 1 << 13 },
        };

        for (const auto &c : cases) {
                std::string expected = mask(c.set);

                EXPECT_EQ(masks(output_of(task(print).set("User", "nobody").set("Capabilities", c.names))),
                                (std::vector<std::string>{
                                                expected, expected, expected, expected, expected }));
                EXPECT_EQ(masks(output_of(task(print).set("Capabilities", c.names))),
                                (std::vector<std::string>{
                                                mask(0), expected, expected, expected, mask(0) }));
        }
        EXPECT_EQ(start_error(task("exit 0").set(
                                  "Capabilities", std::vector<std::string>{ "CAP_NONSENSE" })),
                        "InvalidSpec: Capabilities names a capability that capabilities(7) does not have");
}

TEST_P(Isolation, NoNewPrivilegesAndSeccomp)
{
        std::string status = output_of(task("cat /proc/self/status"));
        EXPECT_EQ(status_field(status, "NoNewPrivs"), "0");
        EXPECT_EQ(status_field(status, "Seccomp"), "2");

        status = output_of(task("cat /proc/self/status")
                                           .set("NoNewPrivileges", true)
                                           .set("SeccompProfile", "unconfined"));
        EXPECT_EQ(status_field(status, "NoNewPrivs"), "1");
        EXPECT_EQ(status_field(status, "Seccomp"), status_field(read_file("/proc/1/status"), "Seccomp"));
}

TEST_P(Isolation, SeccompFollowsTheCapabilities)
{
        const std::string attempt = "unshare --uts true 2>&1; echo $?; unshare --user true 2>&1; echo $?";
        Spec user = task(attempt).set("User", "nobody");
        Spec admin = task("unshare --uts true; echo $?");
        admin.set("Capabilities", std::vector<std::string>{ "sys_admin" });

        EXPECT_EQ(output_of(user),
                        "unshare: unshare failed: Operation not permitted\n1\n"
                        "unshare: unshare failed: Operation not permitted\n1\n");
        EXPECT_EQ(output_of(admin), "0\n");
}

/* --- namespaces --- */

TEST_P(Isolation, NamespacesOfItsOwn)
{
        start_sleeping();
        for (std::string kind : { "mnt", "pid", "ipc", "cgroup" })
                EXPECT_NE(inode(proc() + "/ns/" + kind), inode("/proc/1/ns/" + kind)) << kind;
        for (std::string kind : { "net", "uts", "user" })
                EXPECT_EQ(inode(proc() + "/ns/" + kind), inode("/proc/1/ns/" + kind)) << kind;
}

TEST_P(Isolation, TestExecutor_Isolation_PID_and_IPC_hostMode)
{
        start_sleeping(Spec().set("PIDMode", "host").set("IPCMode", "host"));
        for (std::string kind : { "pid", "ipc" })
                EXPECT_EQ(inode(proc() + "/ns/" + kind), inode("/proc/1/ns/" + kind)) << kind;
        EXPECT_NE(inode(proc() + "/ns/mnt"), inode("/proc/1/ns/mnt"));

        /* what is left has to be killed one by one */
        auto session = exec_script("setsid sleep 1000 & echo done");
        EXPECT_EQ(session->read_until("\n"), "done\n");
        EXPECT_TRUE(stop(id, "SIGTERM", UINT64_MAX).ok());
        EXPECT_EQ(wait(id), (Exit{ "signal", 143, 15, false }));
        EXPECT_EQ(run({ "pgrep", "-xc", "sleep" }).text, "0\n");
}

TEST_P(Isolation, NetworkNamespaceIsEnteredAndLetGo)
{
        ASSERT_EQ(run({ "ip", "netns", "add", "isolation" }).status, 0);
        start_sleeping(Spec().set("NetworkNamespacePath", "/run/netns/isolation"));
        EXPECT_EQ(inode(proc() + "/ns/net"), inode("/run/netns/isolation"));
        EXPECT_EQ(check_script("ls /proc/self/ns/net -L -i | cut -d' ' -f1").output,
                        inode("/run/netns/isolation") + "\n");

        EXPECT_TRUE(stop(id, "", 0).ok());
        (void) wait(id);
        EXPECT_EQ(run({ "ip", "netns", "pids", "isolation" }).text, "");
        EXPECT_EQ(run({ "ip", "netns", "del", "isolation" }).status, 0);
        EXPECT_EQ(run({ "ip", "netns", "list" }).text, "");
        release(id);
        std::string error = start_error(task("exit 0").set("NetworkNamespacePath", "/run/netns/isolation"));
        EXPECT_EQ(error.rfind("ExecFailed: Cannot execute 'sh': " + runtime_name() + ": ", 0), 0U) << error;
        EXPECT_NE(error.find("/run/netns/isolation"), std::string::npos) << error;
}

/* --- what it sees, and what it does not --- */

TEST_P(Isolation, NoProcessOfTheHostIsVisible)
{
        EXPECT_EQ(output_of(task("for p in /proc/[0-9]*; do read -r name <$p/comm && echo ${p#/proc/} $name; done")),
                        "1 sh\n");
}

TEST_P(Isolation, KillingEverybodyHurtsNobodyOutside)
{
        std::string sleeper = "isolation-bystander";

        start(sleeper, script("exec sleep infinity"));
        start(id, task("kill -9 -1; echo $?; sleep 0.1; exit 4"));
        EXPECT_EQ(wait(id), (Exit{ "exit-code", 4, 0, false }));
        EXPECT_EQ(client.property(path_of(sleeper), "State"), "running");
        EXPECT_EQ(client.property(path_of(id), "State"), "exited");
}

/* Root inside, with all the capabilities that there are, and without seccomp. */
TEST_P(Isolation, RootInsideCannotReachTheSupervisor)
{
        Spec spec = task("mkdir -p /mnt && mount -t cgroup2 cgroup2 /mnt || exit 9\n"
                         "find /mnt -name cgroup.procs | xargs cat >/local/pids\n"
                         "find /mnt -name supervisor; find / -xdev -name exit.new\n"
                         "echo 1 >/mnt/../mnt/cgroup.kill; sleep 0.2; exit 8");

        spec.set("SeccompProfile", "unconfined").set("Capabilities", std::vector<std::string>{ "all" });
        start(id, spec);
        /* its own end is all that it can bring about, and the supervisor is there to tell */
        Exit exit = wait(id);
        EXPECT_TRUE(exit == (Exit{ "signal", 137, 9, false }) || exit == (Exit{ "exit-code", 8, 0, false }))
                        << exit;
        EXPECT_EQ(read_file(log_of(id, "stdout")), "");
        EXPECT_NE(read_file(TASK_DIRECTORY + "/local/pids"), "");
}

TEST_P(Isolation, NothingIsWrittenOutsideTheRootAndItsMounts)
{
        Spec spec = task(
                        "for d in /etc /usr /bin /sys /proc/sys/kernel; do echo x >$d/isolation 2>/dev/null && echo $d; done\n"
                        "echo in >/local/file && echo out >/shared/file && cat /proc/kcore /proc/keys /sys/firmware/x 2>/dev/null\n"
                        "echo x 2>/dev/null >/readonly/file || echo refused");

        spec.set_mounts({ { SHARED, "/shared", "rw" }, { SHARED, "/readonly", "ro" } });
        EXPECT_EQ(output_of(spec), "refused\n");
        EXPECT_EQ(read_file(TASK_DIRECTORY + "/local/file"), "in\n");
        EXPECT_EQ(read_file(SHARED + "/file"), "out\n");
        EXPECT_FALSE(exists("/etc/isolation"));
        EXPECT_FALSE(exists("/usr/isolation"));
}

TEST_P(Isolation, RootDirectoryIsAllThatThereIs)
{
        EXPECT_EQ(output_of(rooted("echo /*; exec busybox ls /bin")),
                        "/bin /dev /etc /proc /sys /tmp\nbusybox\ncat\nid\nsh\nsleep\n");
}

/* Nomad's list of what is in a task's root. */
TEST_P(Isolation, TestExecutor_IsolationAndConstraints)
{
        EXPECT_EQ(output_of(task("ls /etc/passwd /usr/bin/env /bin/sh /lib/systemd >/dev/null && ls / | grep -v lib32")),
                        "bin\ndev\netc\nlib\nlib64\nlocal\nmnt\nproc\nreadonly\nsbin\nshared\nsys\nusr\n");
}

TEST_P(Isolation, DevProcAndSysAreSane)
{
        EXPECT_EQ(output_of(task("cd /dev; ls | grep -v core; stat -c %F null; cd pts; ls; awk '$2 ~ \"^/(dev|proc|sys)\" { print $2, $3 }' /proc/self/mounts | "
                                 "grep -E '^(/dev|/proc|/sys|/dev/pts|/dev/shm|/dev/mqueue) ' | sort -u")),
                        "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n"
                        "character special file\nptmx\n"
                        "/dev tmpfs\n/dev/mqueue mqueue\n/dev/pts devpts\n/dev/shm tmpfs\n/proc proc\n/sys sysfs\n");
}

/* --- mounts and devices --- */

TEST_P(Isolation, MountsAreAsMountinfoHasThem)
{
        Spec spec = task(
                        "grep -E ' /(a|b|c) ' /proc/self/mountinfo | sed -E 's/^.* (\\/[abc]) ([a-z]+),[^ ]* ([^-]*)-.*$/\\1 \\2 \\3/'");

        spec.set_mounts({ { SHARED, "/a", "" }, { SHARED, "/b", "ro,rprivate" },
                        { "/run/lock", "/c", "rslave" } });
        std::stringstream lines(output_of(spec));
        std::string where, mode, tag;
        EXPECT_TRUE(lines >> where >> mode && where == "/a" && mode == "rw") << lines.str();
        EXPECT_TRUE(lines >> where >> mode && where == "/b" && mode == "ro") << lines.str();
        EXPECT_TRUE(lines >> where >> mode >> tag && where == "/c" && mode == "rw") << lines.str();
}

/* Both ways: what the host mounts later, and what the container mounts. */
TEST_P(Isolation, PropagationIsWhatWasAskedFor)
{
        ASSERT_EQ(run({ "mount", "-t", "tmpfs", "tmpfs", SHARED }).status, 0);
        ASSERT_EQ(run({ "mount", "--make-shared", SHARED }).status, 0);
        ASSERT_EQ(run({ "mkdir", SHARED + "/host", SHARED + "/task" }).status, 0);
        Spec spec;
        spec.set("SeccompProfile", "unconfined").set("Capabilities", std::vector<std::string>{ "all" });
        spec.set_mounts({ { SHARED, "/slave", "rslave" }, { SHARED, "/shared", "rshared" },
                        { SHARED, "/private", "" } });
        start_sleeping(spec);

        ASSERT_EQ(run({ "mount", "-t", "tmpfs", "tmpfs", SHARED + "/host" }).status, 0);
        write_file(SHARED + "/host/file", "from the host");
        EXPECT_EQ(check_script("cat /slave/host/file; ls /private/host").output, "from the host");
        EXPECT_EQ(check_script("mount -t tmpfs tmpfs /shared/task && echo done >/shared/task/file").output,
                        "");
        EXPECT_EQ(read_file(SHARED + "/task/file"), "done\n");

        EXPECT_TRUE(stop(id, "", 0).ok());
        (void) wait(id);
        for (std::string name : { "/task", "/host", "" })
                EXPECT_EQ(run({ "umount", SHARED + name }).status, 0) << name;
}

TEST_P(Isolation, TestExecDriver_DevicesAndMounts)
{
        write_file(SHARED + "/input", "text");
        for (std::string name : { "/out", "/err" })
                EXPECT_EQ(run({ "rm", "-f", SHARED + name }).status, 0);
        Spec spec = task(
                        "cat /task-mount/input; stat -c '%F %t:%T' /dev/random-too; head -c 1 /dev/random-too | wc -c\n"
                        "touch /task-mount/new; touch /task-mount-ro/new");
        spec.set_mounts({ { SHARED, "/task-mount", "rw" }, { SHARED, "/task-mount-ro", "ro" } });
        spec.set_devices({ { "/dev/random", "/dev/random-too", "rw" } });
        spec.set("StdoutPath", SHARED + "/out").set("StderrPath", SHARED + "/err").set("User", "nobody");

        start(id, spec);
        EXPECT_EQ(wait(id), (Exit{ "exit-code", 1, 0, false }));
        EXPECT_EQ(read_file(SHARED + "/out"), "textcharacter special file 1:8\n1\n");
        EXPECT_EQ(read_file(SHARED + "/err"),
                        "touch: cannot touch '/task-mount-ro/new': Read-only file system\n");
        EXPECT_TRUE(exists(SHARED + "/new"));
}

/* A node can be made; only what is allowed can be opened. */
TEST_P(Isolation, TestCgroupDeviceRules)
{
        const std::string node = SHARED + "/kmsg";
        const std::string attempt = "cd /local; rm -f kmsg null; mknod kmsg c 1 11; mknod null c 1 3\n"
                                    "(: >null) && echo null; (: >kmsg) && echo kmsg; rm -f kmsg null";
        Spec spec = task("exec 2>&1\n" + attempt);

        ASSERT_EQ(run({ "mknod", node, "c", "1", "11" }).status, 0);
        ASSERT_EQ(run({ "sh", "-c", ": >" + node }).status, 0) << "it can be opened outside";
        std::string refused = output_of(spec);
        EXPECT_EQ(refused.rfind("null\n", 0), 0U) << refused;
        EXPECT_NE(refused.find("cannot create kmsg: Operation not permitted"), std::string::npos) << refused;

        spec.set_devices({ { node, "/dev/kmsg", "w" } });
        EXPECT_EQ(output_of(spec), "null\nkmsg\n");
        EXPECT_EQ(output_of(task("(: >/dev/kmsg) && stat -c '%F %t:%T' /dev/kmsg")
                                                  .set_devices({ { node, "/dev/kmsg", "rwm" } })),
                        "character special file 1:b\n");
        EXPECT_EQ(run({ "rm", node }).status, 0);
}

/* --- user, directory, limits --- */

TEST_P(Isolation, UserIsOneOfTheRoot)
{
        EXPECT_EQ(output_of(rooted("id; echo $USER $HOME").set("User", "alien")),
                        "uid=4711(alien) gid=4712(main) groups=4712(main),4713(more)\nalien /home/alien\n");
        EXPECT_EQ(output_of(rooted("id").set("User", "4711").set("Group", "not")),
                        "uid=4711(alien) gid=4714(not) groups=4713(more),4714(not)\n");
        EXPECT_EQ(start_error(rooted("id").set("User", "nobody")), "InvalidSpec: User 'nobody' is unknown");
        EXPECT_EQ(output_of(rooted("id -u; id -g")), "0\n0\n");
}

TEST_P(Isolation, TestExecDriver_User)
{
        EXPECT_EQ(start_error(task("exit 0").set("User", "alice")), "InvalidSpec: User 'alice' is unknown");
}

TEST_P(Isolation, TestExecutor_UserEnv)
{
        EXPECT_EQ(output_of(task("echo $USER $LOGNAME $HOME").set("User", "tester")),
                        "tester tester /home/tester\n");
}

TEST_P(Isolation, TestExecutor_WorkDir)
{
        EXPECT_EQ(output_of(task("pwd").set("WorkingDirectory", "/local")), "/local\n");
        EXPECT_EQ(output_of(task("pwd")), "/\n");
        EXPECT_EQ(start_error(task("pwd").set("WorkingDirectory", "/nowhere")),
                        "ExecFailed: Cannot enter WorkingDirectory '/nowhere' in " + TASK_DIRECTORY +
                                        ": No such file or directory");
}

TEST_P(Isolation, TestExecutor_DoesNotInheritOomScoreAdj)
{
        EXPECT_EQ(output_of(task("cat /proc/self/oom_score_adj")), "0\n");
        EXPECT_EQ(output_of(task("cat /proc/self/oom_score_adj").set("OOMScoreAdjust", 500)), "500\n");
}

TEST_P(Isolation, LimitsAndUMask)
{
        Spec spec = task("umask; ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc");

        spec.set("UMask", 0027U).set_limit("ResourceLimits", "NOFILE", 100, 200);
        EXPECT_EQ(output_of(spec),
                        "0027\n100\n200\n" + trim(run({ "sh", "-c", "ulimit -Sc" }).text) + "\nunlimited\n");
}

/* --- commands --- */

TEST_P(Isolation, CommandIsLookedUpInTheRoot)
{
        write_file(TASK_DIRECTORY + "/local/tool", "#!/bin/sh\necho local\n");
        EXPECT_EQ(chmod((TASK_DIRECTORY + "/local/tool").c_str(), 0755), 0);

        EXPECT_EQ(output_of(contained("tool").set("TaskDirectory", TASK_DIRECTORY)), "local\n");
        EXPECT_EQ(output_of(contained("local/tool").set("TaskDirectory", TASK_DIRECTORY)), "local\n");
        EXPECT_EQ(output_of(contained("/bin/echo", { "absolute" }).set("TaskDirectory", TASK_DIRECTORY)),
                        "absolute\n");
        EXPECT_EQ(start_error(contained("env").set("RootDirectory", ROOT)),
                        "CommandNotFound: file env not found under path");
        EXPECT_EQ(start_error(contained("/usr/bin/env").set("RootDirectory", ROOT)),
                        "CommandNotFound: file /usr/bin/env not found under path " + ROOT);
}

TEST_P(Isolation, TestExecutor_EscapeContainer)
{
        EXPECT_EQ(run({ "ln", "-sf", "../../../../../../usr/bin/env", ROOT + "/bin/escape" }).status, 0);
        EXPECT_EQ(start_error(contained("/bin/escape").set("RootDirectory", ROOT)),
                        "InvalidSpec: Command '/bin/escape' leads out of the root");
        EXPECT_EQ(start_error(contained("/../usr/bin/env").set("RootDirectory", ROOT)),
                        "InvalidSpec: Command must not have '..'");
        EXPECT_EQ(run({ "rm", ROOT + "/bin/escape" }).status, 0);
}

TEST_P(Isolation, WhatCannotBeExecutedIsSaid)
{
        write_file(TASK_DIRECTORY + "/local/junk",
                        "\x7f"
                        "junk");
        EXPECT_EQ(chmod((TASK_DIRECTORY + "/local/junk").c_str(), 0755), 0);
        EXPECT_EQ(start_error(contained("junk").set("TaskDirectory", TASK_DIRECTORY)),
                        "ExecFailed: Cannot execute 'junk': Exec format error");
        EXPECT_EQ(chmod((TASK_DIRECTORY + "/local/junk").c_str(), 0644), 0);
        EXPECT_NE(start_error(contained("junk").set("TaskDirectory", TASK_DIRECTORY))
                                        .find("ermission denied"),
                        std::string::npos);
}

TEST_P(Isolation, MistakesAreNamed)
{
        std::string missing = start_error(task("exit 0").set_mounts({ { "/no/such/source", "/a", "" } }));
        EXPECT_EQ(missing.rfind("ExecFailed: Cannot execute 'sh': " + runtime_name() + ": ", 0), 0U)
                        << missing;
        EXPECT_NE(missing.find("/no/such/source"), std::string::npos) << missing;

        EXPECT_EQ(start_error(contained("sh").set("RootDirectory", "/no/such/root")),
                        "InvalidSpec: RootDirectory '/no/such/root' cannot be opened: No such file or directory");
        EXPECT_EQ(start_error(contained("sh").set("RootDirectory", "/etc/passwd")),
                        "InvalidSpec: RootDirectory '/etc/passwd' cannot be opened: Not a directory");
        EXPECT_EQ(start_error(contained("sh")),
                        "InvalidSpec: Isolation 'container' needs either RootDirectory or TaskDirectory");
        EXPECT_EQ(start_error(task("exit 0").set_devices({ { "/dev/no-such", "/dev/a", "r" } })),
                        "InvalidSpec: Devices: '/dev/no-such': No such file or directory");
        EXPECT_EQ(start_error(task("exit 0").set_mounts({ { "/etc", "/a/../b", "" } }))
                                        .rfind("InvalidSpec: Mounts has a destination", 0),
                        0U);
        EXPECT_EQ(start_error(script("exit 0").set("PIDMode", "host")),
                        "InvalidSpec: PIDMode needs Isolation 'container'");
        EXPECT_EQ(start_error(script("exit 0").set("Isolation", "vm")),
                        "InvalidSpec: Isolation is neither 'none' nor 'container'");
}

/* An empty RootDirectory asks for the host's programs, as the lack of the key does. */
TEST_P(Isolation, EmptyRootDirectoryIsTheHosts)
{
        EXPECT_EQ(output_of(task("echo yes").set("RootDirectory", "")), "yes\n");
}

/* --- sessions --- */

TEST_P(Isolation, SessionsAreInItsNamespacesWithItsUser)
{
        start_sleeping(Spec().set("User", "nobody")
                                        .set("WorkingDirectory", "/local")
                                        .set("Environment", std::vector<std::string>{ "WORD=given" }));
        std::string pid_namespace = inode(proc() + "/ns/pid"), mounts = inode(proc() + "/ns/mnt");
        Check result = check_script(
                        "readlink /proc/self/ns/pid /proc/self/ns/mnt; id -u; id -g; id -G; pwd; echo $WORD $USER; "
                        "grep -E 'CapEff|CapBnd|Seccomp:' /proc/self/status; cat /proc/self/cgroup | tail -n 1");

        EXPECT_EQ(result.output.substr(0, result.output.find("Cap")),
                        "pid:[" + pid_namespace + "]\nmnt:[" + mounts +
                                        "]\n65534\n65534\n65534\n/local\ngiven nobody\n");
        EXPECT_EQ(status_field(result.output, "CapEff"), mask(0xa80405fb));
        EXPECT_EQ(status_field(result.output, "CapBnd"), mask(0xa80405fb));
        EXPECT_EQ(status_field(result.output, "Seccomp"), "2");
        EXPECT_EQ(result.code, 0);

        auto other = exec({ "id" }, Spec().set("User", "tester"));
        EXPECT_EQ(other->read_output(), run({ "id", "tester" }).text);
        EXPECT_EQ(exec_error({ "no-such-program" }), "CommandNotFound");
        EXPECT_EQ(run({ "find", "/run/nomad-executor", "-path", "*/container/sessions/*" }).text, "");
}

TEST_P(Isolation, TestExecDriver_HandlerExec)
{
        start_sleeping();
        auto session = exec({ "sleep", "infinity" });
        std::string sleeping = trim(run({ "pgrep", "-nx", "sleep" }).text);

        EXPECT_NE(read_file("/proc/" + sleeping + "/cgroup").find(unit_of(id) + "/task"), std::string::npos);
        EXPECT_TRUE(kill_exec(session->id, "SIGTERM").ok());
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 143, 15 }));

        Check failing = check({ "stat", "/no/such/file" });
        EXPECT_EQ(failing.code, 1);
        EXPECT_EQ(failing.output,
                        "/usr/bin/stat: cannot statx '/no/such/file': No such file or directory\n");
        expect_no_zombie();
}

TEST_P(Isolation, SessionOnATerminal)
{
        start_sleeping();
        auto session = exec_script("tty; stty -echo; echo ready; read go; stty size; exit 6",
                        Spec().set("Tty", true).set("Rows", uint16_t(30)).set("Columns", uint16_t(90)));

        EXPECT_EQ(session->read_until("ready\r\n"), "/dev/pts/0\r\nready\r\n");
        EXPECT_TRUE(resize(session->id, 50, 40).ok());
        session->write("go\n");
        EXPECT_EQ(session->read_output(), "50 40\r\n");
        EXPECT_EQ(wait_exec(*session), (ExecStatus{ 6, 0 }));

        /* while it makes a child the shell would miss the signal */
        auto interrupted = exec_script("stty -echo; echo ready; exec cat", Spec().set("Tty", true));
        interrupted->read_until("ready\r\n");
        interrupted->write("there\n");
        interrupted->read_until("there\r\n");
        interrupted->write("\x03");
        EXPECT_EQ(wait_exec(*interrupted), (ExecStatus{ 130, 2 }));
}

TEST_P(Isolation, DeadlineOfACheckEndsAllOfIt)
{
        start_sleeping();
        Check result = check_script("setsid sleep 1001 & echo started; sleep 1002", 300000);

        EXPECT_TRUE(result.timed_out) << result;
        EXPECT_EQ(result.output, "started\n");
        EXPECT_EQ(run({ "pgrep", "-fc", "sleep 100[12]" }).text, "0\n");
        EXPECT_EQ(check_script("echo again").output, "again\n");
}

TEST_P(Isolation, FreezeAndStats)
{
        start(id, task("while :; do :; done"));
        EXPECT_TRUE(client.task(path, "Freeze").ok());
        EXPECT_NE(read_file(cgroup_of(id) + "/task/cgroup.events").find("frozen 1"), std::string::npos);
        EXPECT_TRUE(client.task(path, "Thaw").ok());
        EXPECT_TRUE(client.task(path, "GetStats").ok());
        EXPECT_TRUE(stop(id, "", 0).ok());
        EXPECT_EQ(wait(id), (Exit{ "signal", 137, 9, false }));
}

/* --- the end --- */

TEST_P(Isolation, KillingAllOfItLeavesNothing)
{
        start_sleeping(Spec().set_mounts({ { SHARED, "/shared", "rw" } }));
        EXPECT_EQ(run({ "systemctl", "kill", "--signal=SIGKILL", unit_of(id) }).status, 0);
        EXPECT_EQ(wait(id).result, "lost");
        EXPECT_FALSE(exists("/run/nomad-executor/tasks/" + label_of(id) + "/container"));
        release(id);
}

TEST_P(Isolation, TestExec_dnsConfig)
{
        write_file(SHARED + "/resolv.conf", "nameserver 192.0.2.1\nsearch example.org\noptions ndots:2\n");
        Spec spec = task("cat /etc/resolv.conf");

        spec.set_mounts({ { SHARED + "/resolv.conf", "/etc/resolv.conf", "ro" } });
        EXPECT_EQ(run({ "touch", "/etc/resolv.conf" }).status, 0);
        EXPECT_EQ(output_of(spec), read_file(SHARED + "/resolv.conf"));
        EXPECT_EQ(output_of(task("cat /etc/resolv.conf")), read_file("/etc/resolv.conf"));
}

std::string runtime_name(const testing::TestParamInfo<std::string> &info)
{
        return info.param.substr(info.param.rfind('/') + 1);
}

INSTANTIATE_TEST_SUITE_P(
                Runtimes, Isolation, testing::Values("/usr/bin/crun", "/usr/sbin/runc"), runtime_name);

class IsolationRuntime : public SessionTest
{
};

TEST_F(IsolationRuntime, OneThatIsMissingIsNamed)
{
        Spec spec = script("exit 0").set("Isolation", "container")
                                    .set("RootDirectory", "/")
                                    .set("Runtime", "/no/such/runtime");
        Reply reply = client.start_task(id, spec);

        EXPECT_EQ(short_name(reply.error), "Unsupported");
        EXPECT_EQ(reply.text,
                        "Isolation 'container' needs the runtime /no/such/runtime: No such file or directory");
        expect_nothing_left(id);
}

/* The service's own words for the default. */
TEST_F(IsolationRuntime, ServiceCanBeToldAnother)
{
        ASSERT_EQ(run({ "sh", "-ec",
                                      "mkdir -p /run/systemd/system/" EXECUTOR_UNIT
                                      ".d /srv/isolation-other\n"
                                      "exec=$(systemctl cat " EXECUTOR_UNIT " | sed -n 's/^ExecStart=//p')\n"
                                      "printf '[Service]\\nExecStart=\\nExecStart=%s --runtime=/no/such/default\\n' \"$exec\" "
                                      ">/run/systemd/system/" EXECUTOR_UNIT ".d/runtime.conf\n"
                                      "systemctl daemon-reload; systemctl restart " EXECUTOR_UNIT })
                                        .status,
                        0);
        Reply reply = client.start_task(id,
                        script("exit 0").set("Isolation", "container")
                                        .set("TaskDirectory", "/srv/isolation-other"));
        EXPECT_NE(reply.text.find("/no/such/default"), std::string::npos) << reply;
        EXPECT_EQ(run({ "sh", "-ec",
                                      "rm -r /run/systemd/system/" EXECUTOR_UNIT
                                      ".d; systemctl daemon-reload; systemctl restart " EXECUTOR_UNIT })
                                        .status,
                        0);
}

} // namespace
