/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <unistd.h>

#include "isolation-fixture.h"

INSTANTIATE_TEST_SUITE_P(
                Runtimes, Isolation, testing::Values("/usr/bin/crun", "/usr/sbin/runc"), runtime_name);

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
        /* once the runtime, which has made the process, has ended */
        EXPECT_TRUE(eventually([&] {
                std::string parent = trim(status_field(read_file(proc() + "/status"), "PPid"));

                return read_file("/proc/" + parent + "/comm") == "nomad-superviso\n";
        }));
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
        ASSERT_TRUE(eventually([&] { return read_file(log_of(id, "stdout")) == "ready\n"; }));
        EXPECT_TRUE(stop(id, "", UINT64_MAX).ok());
        EXPECT_EQ(wait(id), (Exit{ "exit-code", 7, 0, false }));
        EXPECT_EQ(read_file(log_of(id, "stdout")), "ready\nstopping\n");
}

/* Stop ends what writes for ever, and nothing is written after it. */
TEST_P(Isolation, TestExecutor_ClientCleanup)
{
        start(id, task("while :; do echo X; done"));
        ASSERT_TRUE(eventually([&] { return !read_file(log_of(id, "stdout")).empty(); }));
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

        const std::vector<std::string> nomad = { "nomad" };

        EXPECT_EQ(masks(output_of(task(print).set("User", "nobody").set("Capabilities", nomad))),
                        (std::vector<std::string>{ user, user, user, user, user }));
        EXPECT_EQ(masks(output_of(task(print).set("Capabilities", nomad))),
                        (std::vector<std::string>{ none, root, root, root, none }));

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
                        "InvalidSpec: Capabilities names a capability that capabilities(7) does not have: "
                        "'CAP_NONSENSE'");
}

TEST_P(Isolation, CapabilitiesByDefault)
{
        std::string usual = mask(0xa80405fb), none = mask(0);
        const std::string print = "cat /proc/self/status";

        EXPECT_EQ(masks(output_of(task(print).set("User", "nobody"))),
                        (std::vector<std::string>{ none, none, none, none, none }));
        EXPECT_EQ(masks(output_of(task(print))),
                        (std::vector<std::string>{ none, usual, usual, usual, none }));
}

/* What nobody could do with Nomad's list: read what is root's, and leave a set-user-ID program to others. */
TEST_P(Isolation, NobodyHasNoPowersOfRoot)
{
        ASSERT_EQ(run({ "sh", "-ec", "rm -rf " + SHARED + "/*; chmod 640 /etc/shadow" }).status, 0);
        Spec spec = task("cat /etc/shadow >/dev/null 2>&1 && echo shadow\n"
                         "cp /bin/true /shared/suid && chown 0:0 /shared/suid 2>/dev/null && echo chown\n"
                         "mknod /shared/disk b 8 0 2>/dev/null && echo mknod\n"
                         "python3 -c 'import os; os.setuid(0)' 2>/dev/null && echo setuid\n"
                         "echo end");

        spec.set("User", "nobody").set_mounts({ { SHARED, "/shared", "rw" } });
        EXPECT_EQ(output_of(spec), "end\n");
        EXPECT_TRUE(exists(SHARED + "/suid"));
}

/* Nor can root make writable what is mounted read-only, or uncover what is hidden. */
TEST_P(Isolation, RootCannotUndoTheMounts)
{
        Spec spec = task("mount -o remount,bind,rw /etc 2>/dev/null && echo etc\n"
                         "mount -o remount,rw /sys 2>/dev/null && echo sys\n"
                         "umount /proc/sys 2>/dev/null && echo proc\n"
                         "mkdir -p /cgroup; mount -t cgroup2 none /cgroup 2>/dev/null && echo cgroup\n"
                         "rmdir /cgroup; test -w /proc/sys/kernel/core_pattern && echo core_pattern\n"
                         "grep -c CapEff /proc/self/status");

        EXPECT_EQ(output_of(spec), "1\n");
        spec.set("SeccompProfile", "unconfined");
        EXPECT_EQ(output_of(spec), "1\n");
}

/* A task keeps the defaults that it was started with: what is on disk of 0.1.0 does not say them, they were
 * Nomad's. */
TEST_P(Isolation, DefaultCapabilitiesStayThoseOfTheStart)
{
        const std::string print = "grep CapBnd /proc/self/status",
                          file = "/run/nomad-executor/tasks/" + label_of(id) + "/task.json";

        start_sleeping(Spec().set("User", "nobody"));
        EXPECT_EQ(check_script(print).output, "CapBnd:\t" + mask(0) + "\n");
        kill_service(EXECUTOR_UNIT);
        EXPECT_EQ(check_script(print).output, "CapBnd:\t" + mask(0) + "\n");

        ASSERT_EQ(run({ "sh", "-ec",
                                      "systemctl stop " EXECUTOR_UNIT "; python3 - $0 <<'END'\n"
                                      "import json, sys\n"
                                      "state = json.load(open(sys.argv[1]))\n"
                                      "assert state['Version'] == 2\n"
                                      "state['Version'] = 1\n"
                                      "del state['Defaults']\n"
                                      "json.dump(state, open(sys.argv[1], 'w'))\n"
                                      "END\n",
                                      file })
                                        .status,
                        0);
        for (int i = 0; i < 2; i++) {
                EXPECT_EQ(check_script(print).output, "CapBnd:\t" + mask(0xa80405fb) + "\n") << i;
                EXPECT_EQ(client.property(path, "State"), "running");
                kill_service(EXECUTOR_UNIT);
        }
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

/* Nomad's list of what is in a task's root. A mount of another test would have left its mount point in the
 * directory. */
TEST_P(Isolation, TestExecutor_IsolationAndConstraints)
{
        const std::string directory = TASK_DIRECTORY + "-" + runtime_name();
        const std::string script = "ls /etc/passwd /usr/bin/env /bin/sh /lib/systemd >/dev/null && "
                                   "ls / | grep -v lib32";

        ASSERT_EQ(run({ "mkdir", "-p", directory + "/local" }).status, 0);
        EXPECT_EQ(output_of(contained("sh", { "-c", script }).set("TaskDirectory", directory)),
                        "bin\ndev\netc\nlib\nlib64\nlocal\nproc\nsbin\nsys\nusr\n");
        EXPECT_EQ(run({ "rm", "-r", directory }).status, 0);
}

TEST_P(Isolation, DevProcAndSysAreSane)
{
        EXPECT_EQ(output_of(task("cd /dev; ls | grep -v core; stat -c %F null; cd pts; ls; awk '$2 ~ \"^/(dev|proc|sys)\" { print $2, $3 }' /proc/self/mounts | "
                                 "grep -E '^(/dev|/proc|/sys|/dev/pts|/dev/shm|/dev/mqueue) ' | sort -u")),
                        "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n"
                        "character special file\nptmx\n"
                        "/dev tmpfs\n/dev/mqueue mqueue\n/dev/pts devpts\n/dev/shm tmpfs\n/proc proc\n/sys sysfs\n");
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
/* Starts the service with OPTIONS until the next restore_service(). */
static void restart_service(const std::string &options)
{
        ASSERT_EQ(run({ "sh", "-ec",
                                      "mkdir -p /run/systemd/system/" EXECUTOR_UNIT ".d\n"
                                      "exec=$(systemctl cat " EXECUTOR_UNIT " | sed -n 's/^ExecStart=//p')\n"
                                      "printf '[Service]\\nExecStart=\\nExecStart=%s %s\\n' \"$exec\" \"$1\" "
                                      ">/run/systemd/system/" EXECUTOR_UNIT ".d/options.conf\n"
                                      "systemctl daemon-reload; systemctl restart " EXECUTOR_UNIT,
                                      "sh", options })
                                        .status,
                        0);
}

static void restore_service()
{
        EXPECT_EQ(run({ "sh", "-ec",
                                      "rm -r /run/systemd/system/" EXECUTOR_UNIT
                                      ".d; systemctl daemon-reload; systemctl restart " EXECUTOR_UNIT })
                                        .status,
                        0);
}

TEST_F(IsolationRuntime, ServiceCanBeToldAnother)
{
        restart_service("--runtime=/no/such/default");
        Reply reply = client.start_task(id,
                        script("exit 0").set("Isolation", "container")
                                        .set("TaskDirectory", "/srv/isolation-other"));
        EXPECT_NE(reply.text.find("/no/such/default"), std::string::npos) << reply;
        restore_service();
}

TEST_F(IsolationRuntime, TestExecDriver_NoPivotRoot)
{
        const std::string directory = "/srv/isolation-other", runtime = directory + "/crun";
        Spec spec = script("ls -d /srv || echo hidden");

        ASSERT_EQ(run({ "mkdir", "-p", directory }).status, 0);
        write_file(runtime,
                        "#!/bin/sh\necho \"$@\" >>" + directory + "/arguments\nexec /usr/bin/crun \"$@\"\n");
        ASSERT_EQ(chmod(runtime.c_str(), 0755), 0);
        spec.set("Isolation", "container").set("TaskDirectory", directory).set("Runtime", runtime);

        restart_service("--no-pivot");
        start(id, spec);
        EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false })) << read_file(log_of(id, "stderr"));
        EXPECT_EQ(read_file(log_of(id, "stdout")), "hidden\n");
        EXPECT_NE(read_file(directory + "/arguments").find(" run "), std::string::npos);
        EXPECT_NE(read_file(directory + "/arguments").find(" --no-pivot "), std::string::npos);
        restore_service();
        EXPECT_EQ(run({ "rm", "-rf", directory }).status, 0);
}
