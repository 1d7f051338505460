/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "container-config.h"

#include <cerrno>
#include <gtest/gtest.h>
#include <initializer_list>
#include <linux/capability.h>
#include <map>
#include <regex>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <vector>

#include "bus-error.h"
#include "cleanup.h"
#include "container-root.h"
#include "message-fixture.h"

namespace
{

std::string text_of(JsonNode *node)
{
        g_autofree char *text = node ? json_to_string(node, FALSE) : nullptr;

        return text ? text : "";
}

/* Nobody can give what he does not have: a build host may well have less than a service. */
bool has_capabilities(std::initializer_list<int> capabilities)
{
        for (int capability : capabilities)
                if (prctl(PR_CAPBSET_READ, capability) != 1)
                        return false;

        return true;
}

/* A task of uid 1000 with gid 100, whose spec is JSON, as it is on disk, and the config made of it. */
class ContainerConfigTest : public MessageTest
{
      protected:
        void SetUp() override
        {
                MessageTest::SetUp();
                manager.nofile = 1234;
                task.manager = &manager;
                task_spec_init(&task.spec);
                task.credentials.user = g_strdup("alice");
                task.credentials.uid = 1000;
                task.credentials.gid = 100;
        }

        void TearDown() override
        {
                g_clear_pointer(&config, json_node_unref);
                task_spec_clear(&task.spec);
                credentials_clear(&task.credentials);
                MessageTest::TearDown();
        }

        /* Some of the spec's keys, without braces. */
        void read_spec(const std::string &keys)
        {
                std::string text = R"({"Command":"tool","Isolation":"container")" + keys + "}";
                g_autoptr(JsonNode) node = json_from_string(text.c_str(), nullptr);

                task_spec_clear(&task.spec);
                task_spec_init(&task.spec);
                ASSERT_NE(node, nullptr) << text;
                ASSERT_GE(options_from_json(json_node_get_object(node), task_spec_options,
                                          n_task_spec_options, &task.spec, &task.spec.set),
                                0)
                                << text;
        }

        void configure(const std::string &keys, const std::string &root = R"("RootDirectory":"/srv/root")")
        {
                read_spec("," + root + (keys.empty() ? "" : ",") + keys);

                Program program = program_of_task(&task);

                program.command = "/usr/bin/tool";

                g_autoptr(JsonObject) object = container_config(&task, &program);
                g_autofree char *text = container_json(object);

                written = text;
                g_clear_pointer(&config, json_node_unref);
                config = json_from_string(text, nullptr);
                ASSERT_NE(config, nullptr) << text;
        }

        /* What is at that JSONPath, as JSON; "" for nothing. */
        std::string at(const char *path) const
        {
                g_autoptr(JsonNode) found = json_path_query(path, config, nullptr);
                JsonArray *matches = json_node_get_array(found);

                return json_array_get_length(matches) == 1 ? text_of(json_array_get_element(matches, 0))
                                                           : "";
        }

        using Limits = std::map<std::string, std::string>;

        /* Type to "soft hard", from the text: no parser here has numbers as large as the largest. */
        Limits limits() const
        {
                static const std::regex entry(R"re(\{"type":"(\w+)","soft":(-?\d+),"hard":(-?\d+)\})re");
                Limits found;

                for (std::sregex_iterator i(written.begin(), written.end(), entry), end; i != end; ++i)
                        found[i->str(1)] = i->str(2) + " " + i->str(3);
                return found;
        }

        /* Of the mount with that destination, the last where there are several. */
        std::string mount_at(const std::string &destination) const
        {
                g_autoptr(JsonNode) found = json_path_query("$.mounts[*]", config, nullptr);
                JsonArray *mounts = json_node_get_array(found);
                std::string text;

                for (guint i = 0; i < json_array_get_length(mounts); i++) {
                        JsonObject *mount = json_array_get_object_element(mounts, i);

                        if (destination == json_object_get_string_member(mount, "destination"))
                                text = text_of(json_array_get_element(mounts, i));
                }
                return text;
        }

        std::vector<std::string> destinations() const
        {
                g_autoptr(JsonNode) found = json_path_query("$.mounts[*].destination", config, nullptr);
                JsonArray *array = json_node_get_array(found);
                std::vector<std::string> list;

                for (guint i = 0; i < json_array_get_length(array); i++)
                        list.emplace_back(json_array_get_string_element(array, i));
                return list;
        }

        static std::string bind_mount(const std::string &options)
        {
                return R"({"destination":"/data","type":"bind","source":"/host","options":[)" + options +
                                "]}";
        }

        void mount_with(const std::string &options)
        {
                configure(R"("Mounts":[["/host","/data",[)" + options + "]]]");
        }

        Manager manager = {};
        Task task = {};
        JsonNode *config = nullptr;
        std::string written;
};

/* --- process --- */

TEST_F(ContainerConfigTest, ArgumentsAndEnvironment)
{
        configure(R"("Arguments":["-c","a b","\"soft\":-1"],"Environment":["A=1","USER=bob"])");
        EXPECT_EQ(at("$.ociVersion"), R"("1.0.0")");
        EXPECT_EQ(at("$.process.args"), R"(["/usr/bin/tool","-c","a b","\"soft\":-1"])");
        EXPECT_EQ(at("$.process.env"), R"(["A=1","USER=bob","LOGNAME=alice"])");
        EXPECT_EQ(at("$.process.cwd"), R"("/")");
        EXPECT_EQ(at("$.process.terminal"), "false");
        EXPECT_EQ(at("$.process.consoleSize"), "");

        configure(R"("WorkingDirectory":"/local")");
        EXPECT_EQ(at("$.process.args"), R"(["/usr/bin/tool"])");
        EXPECT_EQ(at("$.process.cwd"), R"("/local")");
}

TEST_F(ContainerConfigTest, User)
{
        const char *groups[] = { "100", "44", "4294967294", nullptr };

        configure("");
        EXPECT_EQ(at("$.process.user"), R"({"uid":1000,"gid":100,"umask":18,"additionalGids":[]})");

        task.credentials.uid = 4294967294U;
        task.credentials.groups = g_strdupv(const_cast<char **>(groups));
        configure(R"("UMask":63)");
        EXPECT_EQ(at("$.process.user"),
                        R"({"uid":4294967294,"gid":100,"umask":63,"additionalGids":[100,44,4294967294]})");
}

/* Nomad's TestExecutor_Capabilities: a user has them in every set, root in three. */
TEST_F(ContainerConfigTest, CapabilitiesByUser)
{
        const char *path = "$.process.capabilities";

        if (!has_capabilities({ CAP_KILL, CAP_NET_BIND_SERVICE }))
                GTEST_SKIP() << "not in the bounding set";
        configure(R"("Capabilities":["net_bind_service","CAP_KILL"])");
        EXPECT_EQ(at(path),
                        R"({"bounding":["CAP_KILL","CAP_NET_BIND_SERVICE"],)"
                        R"("permitted":["CAP_KILL","CAP_NET_BIND_SERVICE"],)"
                        R"("effective":["CAP_KILL","CAP_NET_BIND_SERVICE"],)"
                        R"("inheritable":["CAP_KILL","CAP_NET_BIND_SERVICE"],)"
                        R"("ambient":["CAP_KILL","CAP_NET_BIND_SERVICE"]})");

        task.credentials.uid = 0;
        configure(R"("Capabilities":["kill"])");
        EXPECT_EQ(at(path),
                        R"({"bounding":["CAP_KILL"],"permitted":["CAP_KILL"],"effective":["CAP_KILL"],)"
                        R"("inheritable":[],"ambient":[]})");
}

TEST_F(ContainerConfigTest, CapabilitiesGivenAreNotThoseLeftOut)
{
        configure(R"("Capabilities":[])");
        EXPECT_EQ(at("$.process.capabilities"),
                        R"({"bounding":[],"permitted":[],"effective":[],"inheritable":[],"ambient":[]})");
        if (!has_capabilities({ CAP_CHOWN }))
                GTEST_SKIP() << "not in the bounding set";
        configure("");
        EXPECT_EQ(at("$.process.capabilities.bounding"), "[]");
        task.credentials.uid = 0;
        configure("");
        EXPECT_NE(at("$.process.capabilities.effective").find(R"("CAP_CHOWN")"), std::string::npos);
        EXPECT_EQ(at("$.process.capabilities.effective").find(R"("CAP_SYS_ADMIN")"), std::string::npos);
}

TEST_F(ContainerConfigTest, NoNewPrivilegesAndOOMScore)
{
        configure("");
        EXPECT_EQ(at("$.process.noNewPrivileges"), "false");
        EXPECT_EQ(at("$.process.oomScoreAdj"), "0");
        configure(R"("NoNewPrivileges":true,"OOMScoreAdjust":-500)");
        EXPECT_EQ(at("$.process.noNewPrivileges"), "true");
        EXPECT_EQ(at("$.process.oomScoreAdj"), "-500");
}

TEST_F(ContainerConfigTest, LimitsOfTheSpec)
{
        configure(R"("ResourceLimits":{"CORE":[0,0],"NOFILE":[64,128],"RTTIME":[5,-1],"AS":[-1,-1]})");
        EXPECT_EQ(limits(),
                        (Limits{ { "RLIMIT_CORE", "0 0" }, { "RLIMIT_NOFILE", "64 128" },
                                        { "RLIMIT_RTTIME", "5 18446744073709551615" },
                                        { "RLIMIT_AS", "18446744073709551615 18446744073709551615" } }));
}

TEST_F(ContainerConfigTest, DescriptorsAreThoseThatTheServiceWasGiven)
{
        struct rlimit own = {};

        ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &own), 0);
        configure("");
        EXPECT_EQ(limits(), (Limits{ { "RLIMIT_NOFILE", "1234 " + std::to_string(own.rlim_max) } }));
}

/* The numbers of json-glib have a sign. */
TEST_F(ContainerConfigTest, LimitTooLargeForANumberIsNone)
{
        configure(R"("ResourceLimits":{"NOFILE":[1,2],"AS":[9223372036854775807,-9223372036854775808],)"
                  R"("FSIZE":[-1234,-1]})");
        EXPECT_EQ(limits(),
                        (Limits{ { "RLIMIT_NOFILE", "1 2" },
                                        { "RLIMIT_AS", "9223372036854775807 18446744073709551615" },
                                        { "RLIMIT_FSIZE", "18446744073709551615 18446744073709551615" } }));
}

TEST_F(ContainerConfigTest, ProcessOfASession)
{
        char variable[] = "A=2", *environment[] = { variable, nullptr };
        ExecStdio stdio = {};

        read_spec(R"(,"RootDirectory":"/srv/root","Environment":["A=1","B=1"])");

        Program program = program_of_task(&task);

        program.command = "/bin/sh";
        program.environment = environment;
        program.directory = "/tmp";
        stdio.terminal = true;
        stdio.rows = 25;
        stdio.columns = 80;
        config = json_node_init_object(json_node_alloc(), container_process(&task, &program, &stdio));
        json_object_unref(json_node_get_object(config));
        EXPECT_EQ(at("$.terminal"), "true");
        EXPECT_EQ(at("$.consoleSize"), R"({"height":25,"width":80})");
        EXPECT_EQ(at("$.args"), R"(["/bin/sh"])");
        EXPECT_EQ(at("$.env"), R"(["A=2","B=1","USER=alice","LOGNAME=alice"])");
        EXPECT_EQ(at("$.cwd"), R"("/tmp")");
        EXPECT_EQ(at("$.user.uid"), "1000");
}

/* --- root and mounts --- */

TEST_F(ContainerConfigTest, RootDirectoryIsAllThatThereIs)
{
        configure("");
        EXPECT_EQ(at("$.root"), R"({"path":"/srv/root"})");
        EXPECT_EQ(destinations(),
                        (std::vector<std::string>{
                                        "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys" }));
        EXPECT_EQ(mount_at("/proc"),
                        R"({"destination":"/proc","type":"proc","source":"proc",)"
                        R"("options":["nosuid","noexec","nodev"]})");
        EXPECT_EQ(mount_at("/dev"),
                        R"({"destination":"/dev","type":"tmpfs","source":"tmpfs",)"
                        R"("options":["nosuid","strictatime","mode=755","size=65536k"]})");
        EXPECT_EQ(mount_at("/dev/pts"),
                        R"({"destination":"/dev/pts","type":"devpts","source":"devpts","options":["nosuid",)"
                        R"("noexec","newinstance","ptmxmode=0666","mode=0620","gid=5"]})");
        EXPECT_EQ(mount_at("/dev/shm"),
                        R"({"destination":"/dev/shm","type":"tmpfs","source":"shm",)"
                        R"("options":["nosuid","noexec","nodev","mode=1777","size=65536k"]})");
        EXPECT_EQ(mount_at("/sys"),
                        R"({"destination":"/sys","type":"sysfs","source":"sysfs",)"
                        R"("options":["nosuid","noexec","nodev","ro"]})");
}

TEST_F(ContainerConfigTest, TaskDirectoryHasTheHostsPrograms)
{
        std::vector<std::string> expected;

        for (const char *const *path = container_host_directories; *path; path++)
                if (g_file_test(*path, G_FILE_TEST_IS_DIR))
                        expected.emplace_back(*path);

        size_t n = expected.size();

        configure(R"("RootDirectory":"")", R"("TaskDirectory":"/srv/task")");
        EXPECT_EQ(at("$.root"), R"({"path":"/srv/task"})");

        std::vector<std::string> all = destinations();

        ASSERT_EQ(all.size(), n + 6);
        all.resize(n);
        EXPECT_EQ(all, expected);
        EXPECT_EQ(mount_at("/usr"),
                        R"({"destination":"/usr","type":"bind","source":"/usr",)"
                        R"("options":["bind","ro","nodev","rprivate"]})");
}

/* Nomad's TestExecutor_cmdMounts. */
TEST_F(ContainerConfigTest, MountIsABindThatIsPrivateAndWritable)
{
        mount_with("");
        EXPECT_EQ(mount_at("/data"), bind_mount(R"("bind","rprivate","rw")"));
        mount_with(R"("ro")");
        EXPECT_EQ(mount_at("/data"), bind_mount(R"("bind","rprivate","ro")"));
        mount_with(R"("ro","nosuid","noexec")");
        EXPECT_EQ(mount_at("/data"), bind_mount(R"("bind","rprivate","ro","nosuid","noexec")"));
        mount_with(R"("rbind","ro")");
        EXPECT_EQ(mount_at("/data"), bind_mount(R"("rprivate","rbind","ro")"));
        /* after all that is there anyway */
        EXPECT_EQ(destinations().back(), "/data");
}

TEST_F(ContainerConfigTest, PropagationOfAMountReachesTheRoot)
{
        const std::map<std::string, std::string> roots = { { "private", "rprivate" },
                { "rprivate", "rprivate" }, { "slave", "rslave" }, { "rslave", "rslave" },
                { "shared", "rshared" }, { "rshared", "rshared" } };

        for (const auto &[propagation, root] : roots) {
                mount_with("\"" + propagation + "\"");
                EXPECT_EQ(mount_at("/data"), bind_mount(R"("bind",")" + propagation + "\""));
                EXPECT_EQ(at("$.linux.rootfsPropagation"), "\"" + root + "\"");
        }

        configure("");
        EXPECT_EQ(at("$.linux.rootfsPropagation"), R"("rprivate")");
        configure(R"("Mounts":[["/a","/b",["rslave"]],["/c","/d",["rshared"]],["/e","/f",["ro"]]])");
        EXPECT_EQ(at("$.linux.rootfsPropagation"), R"("rshared")");
}

TEST_F(ContainerConfigTest, MountsAreInTheOrderOfTheSpec)
{
        configure(R"("Mounts":[["/a","/z/y",[]],["/b","/z",[]],["/c","/z/y",["ro"]]])");

        std::vector<std::string> all = destinations();

        ASSERT_EQ(all.size(), 9U);
        EXPECT_EQ(std::vector<std::string>(all.end() - 3, all.end()),
                        (std::vector<std::string>{ "/z/y", "/z", "/z/y" }));
        EXPECT_EQ(at("$.mounts[6].source"), R"("/a")");
        EXPECT_EQ(at("$.mounts[8].source"), R"("/c")");
}

/* --- linux --- */

/* Nomad's TestExecutor_configureNamespaces. */
TEST_F(ContainerConfigTest, Namespaces)
{
        const std::string always = R"([{"type":"mount"},{"type":"cgroup"})";

        configure("");
        EXPECT_EQ(at("$.linux.namespaces"), always + R"(,{"type":"pid"},{"type":"ipc"}])");
        configure(R"("PIDMode":"private","IPCMode":"private")");
        EXPECT_EQ(at("$.linux.namespaces"), always + R"(,{"type":"pid"},{"type":"ipc"}])");
        configure(R"("PIDMode":"host")");
        EXPECT_EQ(at("$.linux.namespaces"), always + R"(,{"type":"ipc"}])");
        configure(R"("IPCMode":"host")");
        EXPECT_EQ(at("$.linux.namespaces"), always + R"(,{"type":"pid"}])");
        configure(R"("PIDMode":"host","IPCMode":"host")");
        EXPECT_EQ(at("$.linux.namespaces"), always + "]");
        configure(R"("PIDMode":"host","IPCMode":"host","NetworkNamespacePath":"/run/netns/a")");
        EXPECT_EQ(at("$.linux.namespaces"), always + R"(,{"type":"network","path":"/run/netns/a"}])");
}

TEST_F(ContainerConfigTest, PathsOfTheKernelThatAreHidden)
{
        configure("");
        EXPECT_EQ(at("$.linux.maskedPaths"),
                        R"(["/proc/acpi","/proc/asound","/proc/kcore","/proc/keys","/proc/latency_stats",)"
                        R"("/proc/sched_debug","/proc/scsi","/proc/timer_list","/proc/timer_stats",)"
                        R"("/sys/firmware"])");
        EXPECT_EQ(at("$.linux.readonlyPaths"),
                        R"(["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"])");
}

TEST_F(ContainerConfigTest, CgroupIsBelowTheTasksAndDevicesAreSystemds)
{
        configure("");
        EXPECT_EQ(at("$.linux.cgroupsPath"), R"("task/container")");
        EXPECT_EQ(at("$.linux.resources"), R"({"devices":[{"allow":true,"access":"rwm"}]})");
        EXPECT_EQ(at("$.linux.devices"), "[]");
}

/* --- Devices: Nomad's TestExecutor_cmdDevices --- */

TEST_F(ContainerConfigTest, DevicesAreNodesLikeTheHosts)
{
        struct stat st = {};

        ASSERT_EQ(stat("/dev/zero", &st), 0);
        configure(R"("Devices":[["/dev/zero","/dev/task-zero","r"],["/dev/nothing","/dev/b","r"]])");
        EXPECT_EQ(at("$.linux.devices"),
                        R"([{"path":"/dev/task-zero","type":"c","major":1,"minor":5,"fileMode":)" +
                                        std::to_string(st.st_mode & 0777) + R"(,"uid":)" +
                                        std::to_string(st.st_uid) + R"(,"gid":)" +
                                        std::to_string(st.st_gid) + "}]");
}

TEST_F(ContainerConfigTest, DevicesThatAreNone)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        read_spec(R"(,"Devices":[["/dev/null","/dev/a","r"],["/dev/zero","/dev/b","r"]])");
        EXPECT_EQ(container_check_devices(&task.spec.isolation, &error), 0);

        read_spec(R"(,"Devices":[["/dev/null","/dev/a","r"],["/dev/nothing","/dev/b","r"]])");
        EXPECT_LT(container_check_devices(&task.spec.isolation, &error), 0);
        EXPECT_STREQ(error.name, BUS_ERROR_INVALID_SPEC);
        EXPECT_STREQ(error.message, "Devices: '/dev/nothing': No such file or directory");

        sd_bus_error_free(&error);
        read_spec(R"(,"Devices":[["/dev","/dev/a","r"]])");
        EXPECT_LT(container_check_devices(&task.spec.isolation, &error), 0);
        EXPECT_STREQ(error.name, BUS_ERROR_INVALID_SPEC);
        EXPECT_STREQ(error.message, "Devices: '/dev' is no device");
}

/* Nomad's TestCgroupDeviceRules. */
TEST_F(ContainerConfigTest, RulesForDevicesOfTheScope)
{
        const char *name, *value, *node, *permissions;
        std::string rules;

        read_spec(R"(,"Devices":[["/dev/zero","/dev/a","rw"],["/dev/nothing","/dev/b","r"]])");

        g_autoptr(sd_bus_message) m = message([&](sd_bus_message *body) {
                EXPECT_GE(sd_bus_message_open_container(body, 'a', "(sv)"), 0);
                EXPECT_GE(container_append_device_policy(body, &task.spec.isolation), 0);
                EXPECT_GE(sd_bus_message_close_container(body), 0);
        });

        ASSERT_GT(sd_bus_message_enter_container(m, 'a', "(sv)"), 0);
        ASSERT_GT(sd_bus_message_read(m, "(sv)", &name, "s", &value), 0);
        EXPECT_STREQ(name, "DevicePolicy");
        EXPECT_STREQ(value, "strict");
        ASSERT_GT(sd_bus_message_enter_container(m, 'r', "sv"), 0);
        ASSERT_GT(sd_bus_message_read(m, "s", &name), 0);
        EXPECT_STREQ(name, "DeviceAllow");
        ASSERT_GT(sd_bus_message_enter_container(m, 'v', "a(ss)"), 0);
        ASSERT_GT(sd_bus_message_enter_container(m, 'a', "(ss)"), 0);
        while (sd_bus_message_read(m, "(ss)", &node, &permissions) > 0)
                rules += std::string(node) + " " + permissions + "\n";
        EXPECT_EQ(rules,
                        "/dev/null rwm\n/dev/zero rwm\n/dev/full rwm\n/dev/random rwm\n/dev/urandom rwm\n"
                        "/dev/tty rwm\n/dev/ptmx rwm\nchar-pts rwm\nchar-* m\nblock-* m\n"
                        "/dev/char/1:5 rw\n");
}

/* --- seccomp --- */

/* The rules for one system call: "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO 1", with " args" where it depends on
 * them. */
std::vector<std::string> rules_for(const std::vector<const char *> &capabilities, const std::string &name)
{
        std::vector<const char *> list = capabilities;

        list.push_back(nullptr);

        g_autoptr(JsonObject) seccomp = container_seccomp(const_cast<char **>(list.data()));
        JsonArray *rules = json_object_get_array_member(seccomp, "syscalls");
        std::vector<std::string> found;

        for (guint i = 0; i < json_array_get_length(rules); i++) {
                JsonObject *rule = json_array_get_object_element(rules, i);
                JsonArray *names = json_object_get_array_member(rule, "names");
                std::string text = json_object_get_string_member(rule, "action");

                if (json_object_has_member(rule, "errnoRet"))
                        text += " " + std::to_string(json_object_get_int_member(rule, "errnoRet"));
                if (json_object_has_member(rule, "args"))
                        text += " args";
                for (guint k = 0; k < json_array_get_length(names); k++)
                        if (name == json_array_get_string_element(names, k))
                                found.push_back(text);
        }
        return found;
}

using Rules = std::vector<std::string>;

const Rules allowed = { "SCMP_ACT_ALLOW" }, refused = { "SCMP_ACT_ERRNO 1" };

TEST_F(ContainerConfigTest, SeccompProfileIsThereUnlessUnconfined)
{
        configure("");
        EXPECT_EQ(at("$.linux.seccomp.defaultAction"), R"("SCMP_ACT_ERRNO")");
        EXPECT_EQ(at("$.linux.seccomp.defaultErrnoRet"), std::to_string(ENOSYS));
        configure(R"("SeccompProfile":"default")");
        EXPECT_EQ(at("$.linux.seccomp.defaultAction"), R"("SCMP_ACT_ERRNO")");
        configure(R"("SeccompProfile":"unconfined")");
        EXPECT_EQ(at("$.linux.seccomp"), "");
        EXPECT_NE(at("$.linux.namespaces"), "");
}

TEST_F(ContainerConfigTest, SeccompWithoutCapabilities)
{
        for (const char *name : { "read", "execve", "openat", "futex" })
                EXPECT_EQ(rules_for({}, name), allowed) << name;
        for (const char *name : { "mount", "bpf", "reboot", "chroot", "ptrace", "init_module", "unshare",
                             "kexec_load" })
                EXPECT_EQ(rules_for({}, name), refused) << name;
        EXPECT_EQ(rules_for({}, "no_such_call"), Rules{});
        /* a new namespace is in the arguments of clone, and where no filter sees it in those of clone3 */
        EXPECT_EQ(rules_for({}, "clone"), Rules{ "SCMP_ACT_ALLOW args" });
        EXPECT_EQ(rules_for({}, "clone3"), Rules{ "SCMP_ACT_ERRNO 38" });
}

TEST_F(ContainerConfigTest, SeccompFollowsTheCapabilities)
{
        EXPECT_EQ(rules_for({ "CAP_SYS_CHROOT" }, "chroot"), allowed);
        EXPECT_EQ(rules_for({ "CAP_SYS_CHROOT" }, "mount"), refused);
        EXPECT_EQ(rules_for({ "CAP_SYS_PTRACE" }, "ptrace"), allowed);
        EXPECT_EQ(rules_for({ "CAP_SYS_ADMIN" }, "mount"), allowed);
        EXPECT_EQ(rules_for({ "CAP_SYS_ADMIN" }, "clone"), allowed);
        EXPECT_EQ(rules_for({ "CAP_SYS_ADMIN" }, "clone3"), allowed);
        /* either of two */
        EXPECT_EQ(rules_for({ "CAP_BPF" }, "bpf"), allowed);
        EXPECT_EQ(rules_for({ "CAP_SYS_ADMIN" }, "bpf"), allowed);
        EXPECT_EQ(rules_for({ "CAP_BPF" }, "mount"), refused);
}

/* Of those of the process, not of those of the service. */
TEST_F(ContainerConfigTest, SeccompIsThatOfTheSpecsCapabilities)
{
        configure(R"("Capabilities":[])");
        EXPECT_EQ(at("$.process.capabilities.effective"), "[]");
        EXPECT_EQ(written.find(R"("chown32","chroot","clock_adjtime")"), std::string::npos);
        if (!has_capabilities({ CAP_SYS_CHROOT }))
                GTEST_SKIP() << "not in the bounding set";
        configure(R"("Capabilities":["sys_chroot"])");
        EXPECT_NE(written.find(R"("chown32","chroot","clock_adjtime")"), std::string::npos);
}

} // namespace
