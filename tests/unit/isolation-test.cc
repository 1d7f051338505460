/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "isolation.h"

#include <cstring>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <map>
#include <string>
#include <vector>

#include "bus-error.h"
#include "cleanup.h"
#include "message-fixture.h"
#include "spec.h"

namespace
{

#define CAPABILITY(name)                 \
        {                                \
                "CAP_" #name, CAP_##name \
        }

const std::map<std::string, int> capability_numbers = {
        CAPABILITY(CHOWN),
        CAPABILITY(DAC_OVERRIDE),
        CAPABILITY(DAC_READ_SEARCH),
        CAPABILITY(FOWNER),
        CAPABILITY(FSETID),
        CAPABILITY(KILL),
        CAPABILITY(SETGID),
        CAPABILITY(SETUID),
        CAPABILITY(SETPCAP),
        CAPABILITY(LINUX_IMMUTABLE),
        CAPABILITY(NET_BIND_SERVICE),
        CAPABILITY(NET_BROADCAST),
        CAPABILITY(NET_ADMIN),
        CAPABILITY(NET_RAW),
        CAPABILITY(IPC_LOCK),
        CAPABILITY(IPC_OWNER),
        CAPABILITY(SYS_MODULE),
        CAPABILITY(SYS_RAWIO),
        CAPABILITY(SYS_CHROOT),
        CAPABILITY(SYS_PTRACE),
        CAPABILITY(SYS_PACCT),
        CAPABILITY(SYS_ADMIN),
        CAPABILITY(SYS_BOOT),
        CAPABILITY(SYS_NICE),
        CAPABILITY(SYS_RESOURCE),
        CAPABILITY(SYS_TIME),
        CAPABILITY(SYS_TTY_CONFIG),
        CAPABILITY(MKNOD),
        CAPABILITY(LEASE),
        CAPABILITY(AUDIT_WRITE),
        CAPABILITY(AUDIT_CONTROL),
        CAPABILITY(SETFCAP),
        CAPABILITY(MAC_OVERRIDE),
        CAPABILITY(MAC_ADMIN),
        CAPABILITY(SYSLOG),
        CAPABILITY(WAKE_ALARM),
        CAPABILITY(BLOCK_SUSPEND),
        CAPABILITY(AUDIT_READ),
        CAPABILITY(PERFMON),
        CAPABILITY(BPF),
        CAPABILITY(CHECKPOINT_RESTORE),
};

/* What this process could give. */
uint64_t bounding_set()
{
        std::ifstream status("/proc/self/status");
        std::string line;

        while (std::getline(status, line))
                if (line.rfind("CapBnd:", 0) == 0)
                        return std::stoull(line.substr(7), nullptr, 16);

        ADD_FAILURE() << "no CapBnd";
        return 0;
}

uint64_t bit_of(const std::string &name)
{
        auto found = capability_numbers.find(name);

        if (found == capability_numbers.end()) {
                ADD_FAILURE() << name;
                return 0;
        }
        return UINT64_C(1) << found->second;
}

/* A spec with Command, and what a test adds to it. */
class IsolationTest : public MessageTest
{
      protected:
        using Fill = std::function<void(sd_bus_message *)>;

        void SetUp() override
        {
                MessageTest::SetUp();
                task_spec_init(&spec);
        }

        void TearDown() override
        {
                task_spec_clear(&spec);
                sd_bus_error_free(&error);
                MessageTest::TearDown();
        }

        /* One key; TYPE and VALUES as sd_bus_message_append() has them. */
        template <typename... Values>
        static void add(sd_bus_message *m, const char *key, const char *type, Values... values)
        {
                EXPECT_GE(sd_bus_message_append(m, "{sv}", key, type, values...), 0);
        }

        /* "", or "error's name: message" */
        std::string read(const Fill &fill, const char *command = "/bin/true")
        {
                g_autoptr(sd_bus_message) m = message([&](sd_bus_message *body) {
                        EXPECT_GE(sd_bus_message_open_container(body, 'a', "{sv}"), 0);
                        add(body, "Command", "s", command);
                        fill(body);
                        EXPECT_GE(sd_bus_message_close_container(body), 0);
                });

                task_spec_clear(&spec);
                task_spec_init(&spec);
                sd_bus_error_free(&error);
                if (task_spec_read(&spec, m, &error) >= 0)
                        return "";
                return std::string(error.name ? error.name : "") + ": " +
                                (error.message ? error.message : "");
        }

        template <typename... Values>
        std::string read_plain(const char *key, const char *type, Values... values)
        {
                return read([=](sd_bus_message *m) { add(m, key, type, values...); });
        }

        /* The same in a container. */
        template <typename... Values>
        std::string read_isolated(const char *key, const char *type, Values... values)
        {
                return read([=](sd_bus_message *m) {
                        add(m, "Isolation", "s", "container");
                        add(m, "RootDirectory", "s", "/srv/root");
                        add(m, key, type, values...);
                });
        }

        template <typename... Values>
        void expect_needs_container(const char *key, const char *type, Values... values)
        {
                std::string message = invalid(std::string(key) + " needs Isolation 'container'");

                EXPECT_EQ(read_plain(key, type, values...), message);
                EXPECT_EQ(read([=](sd_bus_message *m) {
                        add(m, "Isolation", "s", "none");
                        add(m, key, type, values...);
                }),
                                message);
        }

        /* The set that a process of that user gets, as in /proc/PID/status. */
        uint64_t mask(uint32_t uid)
        {
                bool given = task_spec_is_set(&spec, "Capabilities");
                g_auto(GStrv) names = isolation_capabilities(&spec.isolation, given, uid);
                uint64_t set = 0;

                for (char **name = names; *name; name++)
                        set |= bit_of(*name);
                return set;
        }

        const Binding *mount(guint i) const
        {
                return static_cast<const Binding *>(g_ptr_array_index(spec.isolation.mounts, i));
        }

        std::string invalid(const std::string &text) const
        {
                return std::string(BUS_ERROR_INVALID_SPEC) + ": " + text;
        }

        std::string refused(const std::string &text, const std::string &value) const
        {
                return invalid(value.empty() ? text : text + ": '" + value + "'");
        }

        TaskSpec spec = {};
        sd_bus_error error = SD_BUS_ERROR_NULL;
};

/* --- the keys together --- */

TEST_F(IsolationTest, Kind)
{
        EXPECT_EQ(read([](sd_bus_message *) {}), "");
        EXPECT_FALSE(isolation_is_container(&spec.isolation));
        EXPECT_EQ(read_plain("Isolation", "s", "none"), "");
        EXPECT_FALSE(isolation_is_container(&spec.isolation));
        EXPECT_EQ(read_isolated("Description", "s", ""), "");
        EXPECT_TRUE(isolation_is_container(&spec.isolation));
        for (const char *kind : { "", "Container", "chroot" })
                EXPECT_EQ(read_plain("Isolation", "s", kind),
                                refused("Isolation is neither 'none' nor 'container'", kind))
                                << kind;
}

/* Even where the value is the one that it has anyway. */
TEST_F(IsolationTest, KeysOfAContainerNeedOne)
{
        expect_needs_container("RootDirectory", "s", "");
        expect_needs_container("TaskDirectory", "s", "/srv/task");
        expect_needs_container("Mounts", "a(ssas)", 0);
        expect_needs_container("Devices", "a(sss)", 0);
        expect_needs_container("Capabilities", "as", 0);
        expect_needs_container("NoNewPrivileges", "b", 0);
        expect_needs_container("PIDMode", "s", "host");
        expect_needs_container("IPCMode", "s", "host");
        expect_needs_container("NetworkNamespacePath", "s", "/run/netns/a");
        expect_needs_container("Runtime", "s", "/usr/bin/crun");
        expect_needs_container("SeccompProfile", "s", "unconfined");
}

TEST_F(IsolationTest, OneRootAndNoOther)
{
        const std::string either =
                        invalid("Isolation 'container' needs either RootDirectory or TaskDirectory");

        EXPECT_EQ(read_plain("Isolation", "s", "container"), either);
        EXPECT_EQ(read_isolated("TaskDirectory", "s", "/srv/task"), either);
        EXPECT_EQ(read([](sd_bus_message *m) {
                add(m, "Isolation", "s", "container");
                add(m, "RootDirectory", "s", "");
        }),
                        either);

        EXPECT_EQ(read([](sd_bus_message *m) {
                add(m, "Isolation", "s", "container");
                add(m, "RootDirectory", "s", "");
                add(m, "TaskDirectory", "s", "/srv/task");
        }),
                        "");
        EXPECT_TRUE(isolation_binds_host(&spec.isolation));
        EXPECT_STREQ(isolation_root(&spec.isolation), "/srv/task");

        EXPECT_EQ(read_isolated("Description", "s", ""), "");
        EXPECT_FALSE(isolation_binds_host(&spec.isolation));
        EXPECT_STREQ(isolation_root(&spec.isolation), "/srv/root");
}

/* --- paths --- */

TEST_F(IsolationTest, PathsAreAbsolute)
{
        for (const char *path : { "", "srv", "./srv", "../srv" }) {
                for (const char *key : { "TaskDirectory", "NetworkNamespacePath", "Runtime" })
                        EXPECT_EQ(read_isolated(key, "s", path),
                                        refused(std::string(key) + " must be an absolute path", path))
                                        << path;
        }

        for (const char *path : { "srv", "./srv" })
                EXPECT_EQ(read_plain("RootDirectory", "s", path),
                                refused("RootDirectory must be empty or an absolute path", path));

        EXPECT_EQ(read_isolated("NetworkNamespacePath", "s", "/run/netns/a"), "");
        EXPECT_STREQ(spec.isolation.network_namespace_path, "/run/netns/a");
        EXPECT_EQ(read_isolated("Runtime", "s", "/usr/bin/runc"), "");
        EXPECT_STREQ(spec.isolation.runtime, "/usr/bin/runc");
}

TEST_F(IsolationTest, PathOfAContainerHasNoWayUp)
{
        for (const char *path : { "/", "/a", "/a/b/", "/a/..b", "/a/b..", "/...", "/." })
                EXPECT_TRUE(isolation_path_is_valid(path)) << path;
        for (const char *path : { "", "a", "a/b", "/..", "/a/..", "/a/../b", "..", "//.." })
                EXPECT_FALSE(isolation_path_is_valid(path)) << path;
}

TEST_F(IsolationTest, CommandAndDirectoryStayInTheRoot)
{
        auto container = [](sd_bus_message *m) {
                add(m, "Isolation", "s", "container");
                add(m, "RootDirectory", "s", "/srv/root");
        };

        for (const char *command : { "true", "bin/true", "/bin/true", "/a..b" })
                EXPECT_EQ(read(container, command), "") << command;
        for (const char *command : { "..", "../true", "/a/../true", "a/.." })
                EXPECT_EQ(read(container, command), invalid("Command must not have '..'")) << command;
        EXPECT_EQ(read_isolated("WorkingDirectory", "s", "/local/.."),
                        invalid("WorkingDirectory must not have '..'"));
        EXPECT_EQ(read_isolated("WorkingDirectory", "s", "/local"), "");
        /* of the host */
        EXPECT_EQ(read_plain("WorkingDirectory", "s", "/local/.."), "");
        EXPECT_EQ(read([](sd_bus_message *) {}, "bin/true"),
                        invalid("Command must be an absolute path or a name without a slash"));
}

/* --- modes: Nomad's TestDriver_TaskConfig_validate --- */

TEST_F(IsolationTest, NamespaceModes)
{
        for (const char *key : { "PIDMode", "IPCMode" }) {
                EXPECT_EQ(read_isolated(key, "s", "private"), "");
                EXPECT_EQ(read_isolated(key, "s", "host"), "");
                for (const char *mode : { "", "Host", "shared", "container:a" })
                        EXPECT_EQ(read_isolated(key, "s", mode),
                                        refused(std::string(key) + " is neither 'private' nor 'host'",
                                                        mode));
        }

        EXPECT_TRUE(isolation_mode_is_private(nullptr));
        EXPECT_TRUE(isolation_mode_is_private("private"));
        EXPECT_FALSE(isolation_mode_is_private("host"));
}

TEST_F(IsolationTest, SeccompProfiles)
{
        EXPECT_EQ(read_isolated("SeccompProfile", "s", "default"), "");
        EXPECT_EQ(read_isolated("SeccompProfile", "s", "unconfined"), "");
        for (const char *profile : { "", "none", "/etc/seccomp.json" })
                EXPECT_EQ(read_isolated("SeccompProfile", "s", profile),
                                refused("SeccompProfile is neither 'default' nor 'unconfined'", profile));
}

/* --- Mounts --- */

TEST_F(IsolationTest, MountsAreKeptInOrder)
{
        EXPECT_EQ(read_isolated("Mounts", "a(ssas)", 3, "/a", "/b", 0, "/c/../d", "/", 2, "ro", "rslave",
                                  "/e", "/f", 1, ""),
                        "");
        ASSERT_EQ(spec.isolation.mounts->len, 3U);
        EXPECT_STREQ(mount(0)->source, "/a");
        EXPECT_STREQ(mount(0)->destination, "/b");
        EXPECT_STREQ(mount(0)->mode, "");
        EXPECT_STREQ(mount(1)->source, "/c/../d");
        EXPECT_STREQ(mount(1)->destination, "/");
        EXPECT_STREQ(mount(1)->mode, "ro,rslave");
        EXPECT_STREQ(mount(2)->mode, "");
}

TEST_F(IsolationTest, MountOptions)
{
        for (const char *option : { "ro", "rw", "bind", "rbind", "nosuid", "nodev", "noexec", "private",
                             "rprivate", "slave", "rslave", "shared", "rshared" })
                EXPECT_EQ(read_isolated("Mounts", "a(ssas)", 1, "/a", "/b", 1, option), "") << option;
        for (const char *option : { "RO", "exec", "suid", "dev", "remount", "idmap", "size=1", "ro ",
                             "ro,suid", ",ro" })
                EXPECT_EQ(read_isolated("Mounts", "a(ssas)", 1, "/a", "/b", 2, "ro", option),
                                refused("Mounts has an option that is not one of ro, rw, bind, rbind, nosuid, "
                                        "nodev, noexec, [r]private, [r]slave, [r]shared",
                                                std::string("/a:/b:ro,") + option))
                                << option;
}

TEST_F(IsolationTest, MountPaths)
{
        for (const char *source : { "", "a", "../a" })
                EXPECT_EQ(read_isolated("Mounts", "a(ssas)", 1, source, "/b", 0),
                                refused("Mounts has a source that is not an absolute path",
                                                std::string(source) + ":/b:"));
        for (const char *destination : { "", "b", "/b/../c", "/.." })
                EXPECT_EQ(read_isolated("Mounts", "a(ssas)", 1, "/a", destination, 0),
                                refused("Mounts has a destination that is not an absolute path without '..'",
                                                std::string("/a:") + destination + ":"));
        /* not the first alone */
        EXPECT_EQ(read_isolated("Mounts", "a(ssas)", 2, "/a", "/b", 0, "c", "/d", 0),
                        refused("Mounts has a source that is not an absolute path", "c:/d:"));
        EXPECT_EQ(read_isolated("Mounts", "a(sss)", 1, "/a", "/b", "ro"),
                        invalid("Mounts is of type 'a(ssas)', not 'a(sss)'"));
}

/* --- Devices --- */

TEST_F(IsolationTest, DevicePermissions)
{
        for (const char *permissions : { "r", "w", "m", "rw", "rwm", "mwr" })
                EXPECT_EQ(read_isolated("Devices", "a(sss)", 1, "/dev/null", "/dev/a", permissions), "");
        for (const char *permissions : { "", "x", "rwx", "RW", "r w" })
                EXPECT_EQ(read_isolated("Devices", "a(sss)", 1, "/dev/null", "/dev/a", permissions),
                                refused("Devices has permissions that are not of the letters r, w and m",
                                                std::string("/dev/null:/dev/a:") + permissions));
}

TEST_F(IsolationTest, DevicePaths)
{
        EXPECT_EQ(read_isolated("Devices", "a(sss)", 1, "/srv/../dev/null", "/b", "r"), "");
        for (const char *source : { "", "null" })
                EXPECT_EQ(read_isolated("Devices", "a(sss)", 1, source, "/dev/b", "r"),
                                refused("Devices has a path that is not absolute",
                                                std::string(source) + ":/dev/b:r"));
        for (const char *destination : { "", "b", "/dev/../b" })
                EXPECT_EQ(read_isolated("Devices", "a(sss)", 1, "/dev/null", destination, "r"),
                                refused("Devices has a destination that is not an absolute path without '..'",
                                                std::string("/dev/null:") + destination + ":r"));
}

TEST_F(IsolationTest, NumberOfEntries)
{
        char path[] = "/a", letter[] = "r", none[] = "";
        Binding device = { path, path, letter }, bind = { path, path, none };
        g_autoptr(GPtrArray) devices = g_ptr_array_new(), mounts = g_ptr_array_new();

        for (unsigned i = 0; i < BINDINGS_MAX; i++) {
                g_ptr_array_add(devices, &device);
                g_ptr_array_add(mounts, &bind);
        }
        EXPECT_EQ(devices->len, 256U);
        EXPECT_EQ(isolation_invalid_devices(&devices), nullptr);
        EXPECT_EQ(isolation_invalid_mounts(&mounts), nullptr);

        g_ptr_array_add(devices, &device);
        g_ptr_array_add(mounts, &bind);
        EXPECT_STREQ(isolation_invalid_devices(&devices), "has more than 256 entries");
        EXPECT_STREQ(isolation_invalid_mounts(&mounts), "has more than 256 entries");
}

/* --- the limit on a spec --- */

TEST_F(IsolationTest, StringsCountForTheLimitOnASpec)
{
        std::string half(OPTIONS_BYTES_MAX / 2, 'a'), path = "/" + half;
        const char *p = path.c_str();
        const std::string exceeded =
                        std::string(BUS_ERROR_LIMIT_EXCEEDED) + ": The spec is more than 1048576 bytes";

        EXPECT_EQ(read_isolated("Runtime", "s", p), "");
        EXPECT_EQ(read_isolated("Mounts", "a(ssas)", 1, p, "/b", 0), "");
        EXPECT_TRUE(read_isolated("Mounts", "a(ssas)", 1, p, p, 0) == exceeded);
        EXPECT_TRUE(read_isolated("Devices", "a(sss)", 1, p, p, "r") == exceeded);
        EXPECT_TRUE(read([=](sd_bus_message *m) {
                add(m, "Isolation", "s", "container");
                add(m, "RootDirectory", "s", p);
                add(m, "NetworkNamespacePath", "s", p);
        }) == exceeded);
}

/* --- Capabilities: the masks are those of Nomad's TestExecutor_Capabilities --- */

TEST_F(IsolationTest, CapabilitiesOfNomadByName)
{
        for (const char *nomad : { "nomad", "Nomad" }) {
                ASSERT_EQ(read_isolated("Capabilities", "as", 1, nomad), "");
                EXPECT_EQ(mask(65534), UINT64_C(0xa80405fb) & bounding_set());
                EXPECT_EQ(mask(1), mask(65534));
                EXPECT_EQ(mask(0), UINT64_C(0x3fffffffff) & bounding_set());
                EXPECT_EQ(isolation_missing_capability(&spec.isolation), nullptr);
        }
        ASSERT_EQ(read_isolated("Capabilities", "as", 2, "net_raw", "nomad"), "");
        EXPECT_EQ(mask(65534), UINT64_C(0xa80425fb) & bounding_set());
}

TEST_F(IsolationTest, CapabilitiesByDefault)
{
        ASSERT_EQ(read_isolated("Description", "s", ""), "");
        EXPECT_EQ(mask(65534), 0U);
        EXPECT_EQ(mask(1), 0U);
        EXPECT_EQ(mask(0), UINT64_C(0xa80405fb) & bounding_set());
        EXPECT_EQ(isolation_missing_capability(&spec.isolation), nullptr);

        isolation_use_nomads_defaults(&spec.isolation);
        EXPECT_EQ(mask(65534), UINT64_C(0xa80405fb) & bounding_set());
        EXPECT_EQ(mask(0), UINT64_C(0x3fffffffff) & bounding_set());
}

TEST_F(IsolationTest, CapabilitiesThatAreGivenAreAllThatThereAre)
{
        ASSERT_EQ(read_isolated("Capabilities", "as", 1, "net_bind_service"), "");
        EXPECT_EQ(mask(65534), UINT64_C(0x400) & bounding_set());
        EXPECT_EQ(mask(0), UINT64_C(0x400) & bounding_set());
        ASSERT_EQ(read_isolated("Capabilities", "as", 2, "kill", "CAP_CHOWN"), "");
        EXPECT_EQ(mask(65534), UINT64_C(0x21) & bounding_set());
        ASSERT_EQ(read_isolated("Capabilities", "as", 0), "");
        EXPECT_EQ(mask(65534), 0U);
        EXPECT_EQ(mask(0), 0U);
}

TEST_F(IsolationTest, AllCapabilitiesAreThoseOfTheService)
{
        for (const char *all : { "all", "ALL" }) {
                ASSERT_EQ(read_isolated("Capabilities", "as", 2, all, all), "");
                EXPECT_EQ(mask(65534), bounding_set() & UINT64_C(0x1ffffffffff));
                EXPECT_EQ(mask(0), mask(65534));
                EXPECT_EQ(isolation_missing_capability(&spec.isolation), nullptr);
        }
}

TEST_F(IsolationTest, EachCapabilityHasItsNumber)
{
        EXPECT_EQ(capability_numbers.size(), 41U);
        ASSERT_EQ(read_isolated("Capabilities", "as", 1, "all"), "");

        g_auto(GStrv) all = isolation_capabilities(&spec.isolation, true, 0);

        for (char **name = all; name[0] && name[1]; name++)
                EXPECT_LT(bit_of(name[0]), bit_of(name[1]));
        for (const auto &[name, number] : capability_numbers) {
                uint64_t bit = UINT64_C(1) << number;
                g_autofree const char *lower = g_ascii_strdown(name.c_str(), -1);

                for (const char *spelling : { name.c_str(), lower, name.c_str() + 4, lower + 4 }) {
                        ASSERT_EQ(read_isolated("Capabilities", "as", 1, spelling), "");
                        EXPECT_EQ(mask(65534), bit & bounding_set()) << spelling;
                        EXPECT_STREQ(isolation_missing_capability(&spec.isolation),
                                        bit & bounding_set() ? nullptr : spelling);
                }
        }
}

TEST_F(IsolationTest, CapabilitiesThatThereAreNot)
{
        for (const char *name :
                        { "", "CAP_", "CAP_ALL", "CAP_CAP_KILL", "KIL", "KILLS", "NOT_A_CAP", "-kill" })
                EXPECT_EQ(read_isolated("Capabilities", "as", 2, "kill", name),
                                refused("Capabilities names a capability that capabilities(7) does not have",
                                                name))
                                << name;
}

} // namespace
