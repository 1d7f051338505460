/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>

#include "harness.h"

/* The XML in dbus/ is the contract; what the services tell about themselves has to be the same, member by
 * member. */

namespace
{

struct NodeDeleter {
        void operator()(GDBusNodeInfo *node) const
        {
                g_dbus_node_info_unref(node);
        }
};
using Node = std::unique_ptr<GDBusNodeInfo, NodeDeleter>;

Node parse(const std::string &xml, const std::string &origin)
{
        GError *error = nullptr;
        Node node(g_dbus_node_info_new_for_xml(xml.c_str(), &error));

        EXPECT_NE(node, nullptr) << origin << ": " << (error ? error->message : "");
        g_clear_error(&error);
        return node;
}

std::string arguments(GDBusArgInfo **args)
{
        std::string text;

        for (; args && *args; args++)
                text += (text.empty() ? "" : ", ") + std::string((*args)->signature) + " " +
                                ((*args)->name ? (*args)->name : "(unnamed)");
        return "(" + text + ")";
}

/* Those of D-Bus itself; what else sd-bus tells is about how it is built. */
std::string annotation(GDBusAnnotationInfo **annotations, const char *name, const char *otherwise)
{
        const char *value = g_dbus_annotation_info_lookup(
                        annotations, (std::string("org.freedesktop.DBus.") + name).c_str());

        return value ? value : otherwise;
}

/* Each member as one line, so that a difference reads well. */
std::set<std::string> describe(const GDBusInterfaceInfo *interface)
{
        std::set<std::string> lines;

        for (GDBusMethodInfo **m = interface->methods; m && *m; m++)
                lines.insert(std::string("method ") + (*m)->name + " " + arguments((*m)->in_args) + " -> " +
                                arguments((*m)->out_args) +
                                " deprecated=" + annotation((*m)->annotations, "Deprecated", "false") +
                                " noreply=" + annotation((*m)->annotations, "Method.NoReply", "false"));
        for (GDBusSignalInfo **s = interface->signals; s && *s; s++)
                lines.insert(std::string("signal ") + (*s)->name + " " + arguments((*s)->args) +
                                " deprecated=" + annotation((*s)->annotations, "Deprecated", "false"));
        for (GDBusPropertyInfo **p = interface->properties; p && *p; p++)
                lines.insert(std::string("property ") + (*p)->name + " " + (*p)->signature + " " +
                                ((*p)->flags & G_DBUS_PROPERTY_INFO_FLAGS_READABLE ? "r" : "") +
                                ((*p)->flags & G_DBUS_PROPERTY_INFO_FLAGS_WRITABLE ? "w" : "") +
                                " changes=" +
                                annotation((*p)->annotations, "Property.EmitsChangedSignal", "true") +
                                " deprecated=" + annotation((*p)->annotations, "Deprecated", "false"));
        return lines;
}

class IntrospectionBus : public BusTest
{
      protected:
        void expect_as_documented(const std::string &destination, const std::string &path,
                        const std::string &interface)
        {
                std::string file = source_directory() + "/dbus/" + interface + ".xml";
                Node documented = parse(read_file(file), file),
                     live = parse(client->introspect(destination, path), path);

                ASSERT_NE(documented, nullptr);
                ASSERT_NE(live, nullptr);
                const auto *wanted = g_dbus_node_info_lookup_interface(documented.get(), interface.c_str());
                const auto *found = g_dbus_node_info_lookup_interface(live.get(), interface.c_str());
                ASSERT_NE(wanted, nullptr) << file << " has no " << interface;
                ASSERT_NE(found, nullptr) << path << " has no " << interface;

                auto in_file = describe(wanted), on_bus = describe(found);
                EXPECT_GT(in_file.size(), 3U);
                for (const auto &line : in_file)
                        EXPECT_TRUE(on_bus.count(line)) << "documented, but not on " << path << ": " << line;
                for (const auto &line : on_bus)
                        EXPECT_TRUE(in_file.count(line)) << "not documented in " << file << ": " << line;
        }

        /* Nobody can use what is not documented: every interface of ours on the object has its file. */
        void expect_no_other(const std::string &destination, const std::string &path,
                        std::set<std::string> documented)
        {
                Node live = parse(client->introspect(destination, path), path);

                ASSERT_NE(live, nullptr);
                for (GDBusInterfaceInfo **i = live->interfaces; i && *i; i++)
                        if (std::string((*i)->name).find("org.freedesktop.") != 0) {
                                EXPECT_EQ(documented.erase((*i)->name), 1U) << (*i)->name << " on " << path;
                        }
                EXPECT_TRUE(documented.empty());
        }
};

TEST_F(IntrospectionBus, Executor)
{
        expect_as_documented(EXECUTOR_NAME, MANAGER_PATH, MANAGER_INTERFACE);
        expect_no_other(EXECUTOR_NAME, MANAGER_PATH, { MANAGER_INTERFACE });

        Reply reply = client->start_task("a/b", shell("exit 0"));
        ASSERT_TRUE(reply.ok()) << reply;
        std::string path = reply.path();
        expect_as_documented(EXECUTOR_NAME, path, TASK_INTERFACE);
        expect_no_other(EXECUTOR_NAME, path, { TASK_INTERFACE });
}

TEST_F(IntrospectionBus, TasksAreChildrenOfOneNode)
{
        for (const char *id : { "a", "b" })
                ASSERT_TRUE(client->start_task(id, shell("exit 0")).ok());

        Node node = parse(client->introspect(EXECUTOR_NAME, "/org/nomad/Executor/task"), "task");
        ASSERT_NE(node, nullptr);
        std::set<std::string> children;
        for (GDBusNodeInfo **child = node->nodes; child && *child; child++)
                children.insert((*child)->path);
        EXPECT_EQ(children, (std::set<std::string>{ "a", "b" }));
}

TEST_F(IntrospectionBus, Logmon)
{
        const std::string name = "org.nomad.Logmon", path = "/org/nomad/Logmon";

        expect_as_documented(name, path, "org.nomad.Logmon.Manager");
        expect_no_other(name, path, { "org.nomad.Logmon.Manager" });

        Reply reply = client->start_task("a/b", logged_shell("exec sleep 1000"));
        ASSERT_TRUE(reply.ok()) << reply;
        expect_as_documented(name, path + "/log/a_2fb", "org.nomad.Logmon.Log");
        expect_no_other(name, path + "/log/a_2fb", { "org.nomad.Logmon.Log" });
}

TEST_F(IntrospectionBus, DockerLogger)
{
        const std::string name = "org.nomad.DockerLogger", path = "/org/nomad/DockerLogger";
        Service dockerlog(*systemd, directory, bus_address, "nomad-dockerlog");

        ASSERT_TRUE(dockerlog.start());
        expect_as_documented(name, path, "org.nomad.DockerLogger.Manager");
        expect_no_other(name, path, { "org.nomad.DockerLogger.Manager" });

        Reply reply = client->call(
                        name, path, "org.nomad.DockerLogger.Manager", "Start", [&](sd_bus_message *m) {
                                EXPECT_GE(sd_bus_message_append(m, "s", "a/b"), 0);
                                Spec().set("ContainerID", "none")
                                                .set("Endpoint", "unix://" + directory + "/none")
                                                .set("LogDirectory", log_directory)
                                                .append_to(m);
                        });
        ASSERT_TRUE(reply.ok()) << reply;
        expect_as_documented(name, path + "/log/a_2fb", "org.nomad.DockerLogger.Log");
        expect_no_other(name, path + "/log/a_2fb", { "org.nomad.DockerLogger.Log" });
        EXPECT_EQ(dockerlog.stop(), 0) << dockerlog.messages();
}

/* The keys that the documentation of a method lists after HEADING, each with its signature. */
std::map<std::string, std::string> documented_keys(
                const std::string &text, const std::string &heading = "Keys of @spec.")
{
        std::map<std::string, std::string> keys;
        size_t position = text.find(heading);

        EXPECT_NE(position, std::string::npos);
        while ((position = text.find('\n', position)) != std::string::npos) {
                position++;
                std::string line = text.substr(position, text.find('\n', position) - position);
                char key[64], signature[32];

                if (line.find("Errors:") != std::string::npos)
                        break;
                if (sscanf(line.c_str(), " %63[A-Za-z] (%31[^,], ", key, signature) == 2) {
                        EXPECT_TRUE(keys.emplace(key, signature).second) << key << " is listed twice";
                }
        }
        return keys;
}

/* The option table is what the documentation promises: each key that it lists is refused with another type,
 * by a message that tells the right one. */
TEST_F(IntrospectionBus, KeysOfTheSpec)
{
        auto keys = documented_keys(read_file(source_directory() + "/dbus/" MANAGER_INTERFACE ".xml"));

        EXPECT_GE(keys.size(), 26U);
        for (const auto &[key, signature] : keys) {
                /* no key is of this type */
                Reply reply = client->manager("StartTask", [&, name = key](sd_bus_message *m) {
                        EXPECT_GE(sd_bus_message_append(m, "sa{sv}t", "bad", 1, name.c_str(), "ad", 0,
                                                  UINT64_C(0)),
                                        0);
                });
                EXPECT_EQ(reply.error, "org.nomad.Executor.Error.InvalidSpec") << key;
                EXPECT_NE(reply.text.find(key + " is of type '" + signature + "'"), std::string::npos)
                                << signature << ": " << reply.text;
        }
        expect_nothing_left();
}

TEST_F(IntrospectionBus, KeysOfAContainersConfig)
{
        const std::string manager = "org.nomad.DockerLogger.Manager";
        auto keys = documented_keys(
                        read_file(source_directory() + "/dbus/" + manager + ".xml"), "Keys of @config.");
        Service dockerlog(*systemd, directory, bus_address, "nomad-dockerlog");

        ASSERT_TRUE(dockerlog.start());
        EXPECT_EQ(keys.size(), 18U);
        for (const auto &[key, signature] : keys) {
                Reply reply = client->call("org.nomad.DockerLogger", "/org/nomad/DockerLogger", manager,
                                "Start", [&, name = key](sd_bus_message *m) {
                                        EXPECT_GE(sd_bus_message_append(m, "sa{sv}", "bad", 1, name.c_str(),
                                                                  "ad", 0),
                                                        0);
                                });
                EXPECT_EQ(reply.error, "org.nomad.Executor.Error.InvalidSpec") << key;
                EXPECT_NE(reply.text.find(key + " is of type '" + signature + "'"), std::string::npos)
                                << signature << ": " << reply.text;
        }
        EXPECT_EQ(dockerlog.stop(), 0) << dockerlog.messages();
}

} // namespace
