/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <atomic>
#include <csignal>
#include <thread>
#include <unistd.h>

#include "harness.h"

/* Signals that somebody else than systemd or the bus sends in their names. The bus does not check the sender
 * of what is sent to one connection alone. The forger is root here, whom no policy keeps away. */

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define DBUS_NAME    "org.freedesktop.DBus"
#define DBUS_PATH    "/org/freedesktop/DBus"
#define WEB          TASK_PATH("web")
#define WEB_UNIT     "nomad-task-web.scope"

namespace
{

/* Sends signals from a connection of its own. */
class Forger
{
      public:
        explicit Forger(const std::string &bus_address) : client(bus_address)
        {
        }

        template <typename... Arguments>
        void send(const std::string &destination, const char *path, const char *interface,
                        const char *member, const char *types, Arguments... arguments)
        {
                sd_bus_message *m = nullptr;

                ASSERT_GE(sd_bus_message_new_signal(client.bus, &m, path, interface, member), 0);
                ASSERT_GE(sd_bus_message_append(m, types, arguments...), 0);
                EXPECT_GE(sd_bus_send_to(client.bus, m, destination.c_str(), nullptr), 0);
                sd_bus_message_unref(m);
                ASSERT_GE(sd_bus_flush(client.bus), 0);
        }

        void request_stop(const std::string &destination)
        {
                char *path = nullptr;

                ASSERT_GE(sd_bus_path_encode(SYSTEMD_PATH "/unit", WEB_UNIT, &path), 0);
                send(destination, path, SYSTEMD_NAME ".Scope", "RequestStop", "");
                free(path);
        }

        void name_owner_changed(
                        const std::string &destination, const std::string &name, const std::string &owner)
        {
                send(destination, DBUS_PATH, DBUS_NAME, "NameOwnerChanged", "sss", name.c_str(), "",
                                owner.c_str());
        }

        std::string unique_name() const
        {
                const char *name = "";

                EXPECT_GE(sd_bus_get_unique_name(client.bus, &name), 0);
                return name;
        }

        Client client;
};

class ForgedBus : public BusTest
{
      protected:
        void SetUp() override
        {
                BusTest::SetUp();
                if (!IsSkipped() && !HasFatalFailure())
                        forger = std::make_unique<Forger>(bus_address);
        }

        void TearDown() override
        {
                forger.reset();
                BusTest::TearDown();
        }

        void start(const std::string &id, const Spec &spec)
        {
                Reply reply = client->start_task(id, spec);

                ASSERT_TRUE(reply.ok()) << reply;
        }

        pid_t pid_of(const std::string &name)
        {
                Reply reply = client->call(DBUS_NAME, DBUS_PATH, DBUS_NAME, "GetConnectionUnixProcessID",
                                [&](sd_bus_message *m) {
                                        EXPECT_GE(sd_bus_message_append(m, "s", name.c_str()), 0);
                                });

                return reply.ok() ? (pid_t) std::stol(value_to_text(reply.message.get())) : 0;
        }

        /* The service's connection, which has no other name before the service has taken its own; "" for
         * none. */
        std::string connection_of(const Service &service)
        {
                Reply reply = client->call(DBUS_NAME, DBUS_PATH, DBUS_NAME, "ListNames");
                std::string text = reply.ok() ? value_to_text(reply.message.get()) : "";

                for (size_t start = text.find(':'); start != std::string::npos;
                                start = text.find(':', start + 1)) {
                        std::string name = text.substr(start, text.find_first_of(" ]", start) - start);

                        if (pid_of(name) == service.pid())
                                return name;
                }
                return "";
        }

        std::vector<std::string> names_of(const Service &service)
        {
                return { service.bus_name(), connection_of(service) };
        }

        bool listens_to(const std::string &member)
        {
                Reply reply = client->call(
                                DBUS_NAME, DBUS_PATH, DBUS_NAME ".Debug.Stats", "GetAllMatchRules");

                EXPECT_TRUE(reply.ok()) << reply;
                return value_to_text(reply.message.get()).find("member='" + member) != std::string::npos;
        }

        /* What the forger has sent before has been handled when it has the answer. */
        void sync()
        {
                EXPECT_TRUE(forger->client.manager("ListTasks").ok());
        }

        void forge_all(const std::string &destination)
        {
                forger->request_stop(destination);
                forger->name_owner_changed(destination, SYSTEMD_NAME, forger->unique_name());
                forger->request_stop(destination);
                for (const char *result : { "failed", "done" })
                        forger->send(destination, SYSTEMD_PATH, SYSTEMD_NAME ".Manager", "JobRemoved",
                                        "uoss", 1, SYSTEMD_PATH "/job/1", WEB_UNIT, result);
                forger->send(destination, SYSTEMD_PATH, SYSTEMD_NAME ".Manager", "UnitRemoved", "so",
                                WEB_UNIT, SYSTEMD_PATH "/unit/x");
        }

        size_t n_stops() const
        {
                const std::string text = executor->messages(), said = "systemd asks to stop task 'web'";
                size_t n = 0;

                for (size_t at = text.find(said); at != std::string::npos; at = text.find(said, at + 1))
                        n++;
                return n;
        }

        /* The task goes on, and a stop of systemd's own is still heeded. */
        void expect_untouched()
        {
                EXPECT_EQ(client->property(WEB, "State"), "running");
                EXPECT_EQ(n_stops(), n_stops_known);
                await_handler();
                systemd->stop_unit(WEB_UNIT);
                EXPECT_EQ(client->wait_task(WEB), (Exit{ "exit-code", 5, 0, false }));
                EXPECT_EQ(n_stops(), ++n_stops_known);
                EXPECT_TRUE(client->release(WEB).ok());
        }

        Spec web() const
        {
                return shell("trap 'exit 5' INT; touch " + ready_file() + "; while :; do sleep 0.01; done");
        }

        std::string ready_file() const
        {
                return directory + "/ready";
        }

        /* The task has its handler by now. */
        void await_handler()
        {
                EXPECT_TRUE(eventually([&] { return access(ready_file().c_str(), F_OK) == 0; }));
                (void) unlink(ready_file().c_str());
        }

        std::unique_ptr<Forger> forger;

      private:
        size_t n_stops_known = 0;
};

TEST_F(ForgedBus, WhileItRuns)
{
        for (const std::string &name : names_of(*executor)) {
                SCOPED_TRACE(name);
                ASSERT_NE(name, "");
                start("web", web());
                forge_all(name);
                sync();
                expect_untouched();
        }
}

/* The scope's job is told to have failed, and to be done, before it is. */
TEST_F(ForgedBus, JobRemoved)
{
        for (const std::string &name : names_of(*executor)) {
                SCOPED_TRACE(name);
                ScopeBehaviour slow;

                slow.hold_job = true;
                systemd->set_behaviour(slow);
                unsigned before = systemd->n_started();
                auto pending = client->start_task_later("web", web());
                ASSERT_TRUE(eventually([&] { return systemd->n_started() == before + 1; }));
                ASSERT_TRUE(listens_to("JobRemoved"));

                for (const char *result : { "failed", "done" })
                        for (uint32_t job = 1; job < 20; job++) {
                                std::string path = SYSTEMD_PATH "/job/" + std::to_string(job);

                                forger->send(name, SYSTEMD_PATH, SYSTEMD_NAME ".Manager", "JobRemoved",
                                                "uoss", job, path.c_str(), WEB_UNIT, result);
                        }
                sync();
                EXPECT_EQ(client->list_tasks()["web"].first, "starting");

                systemd->release_jobs();
                ASSERT_TRUE(client->await(pending));
                EXPECT_TRUE(pending->reply().ok()) << pending->reply();
                systemd->set_behaviour({});
                expect_untouched();
        }
}

/* The scope is told to be gone while it is there. */
TEST_F(ForgedBus, UnitRemoved)
{
        for (const std::string &name : names_of(*executor)) {
                SCOPED_TRACE(name);
                ScopeBehaviour slow;

                slow.hold_removal = true;
                systemd->set_behaviour(slow);
                start("web", shell("exit 3"));
                ASSERT_TRUE(eventually([] { return task_processes().empty(); }));
                auto pending = client->wait_later(WEB);
                ASSERT_TRUE(eventually([&] { return listens_to("UnitRemoved"); }));

                forger->send(name, SYSTEMD_PATH, SYSTEMD_NAME ".Manager", "UnitRemoved", "so", WEB_UNIT,
                                SYSTEMD_PATH "/unit/x");
                sync();
                EXPECT_EQ(client->list_tasks()["web"].first, "running");
                EXPECT_FALSE(pending->done());

                systemd->remove_units();
                ASSERT_TRUE(client->await(pending));
                EXPECT_EQ(Client::read_exit(pending->reply()), (Exit{ "exit-code", 3, 0, false }));
                EXPECT_TRUE(client->release(WEB).ok());
        }
}

/* A client is told to have left, for which its Wait would be forgotten. */
TEST_F(ForgedBus, NameOwnerChanged)
{
        const char *own_name = nullptr;

        ASSERT_GE(sd_bus_get_unique_name(client->bus, &own_name), 0);
        for (const std::string &name : names_of(*executor)) {
                SCOPED_TRACE(name);
                start("web", web());
                auto pending = client->wait_later(WEB);
                EXPECT_EQ(client->property(WEB, "State"), "running") << "the Wait has been handled";

                forger->name_owner_changed(name, own_name, "");
                sync();
                await_handler();
                systemd->stop_unit(WEB_UNIT);
                ASSERT_TRUE(client->await(pending)) << "the Wait is forgotten";
                EXPECT_EQ(Client::read_exit(pending->reply()), (Exit{ "exit-code", 5, 0, false }));
                EXPECT_TRUE(client->release(WEB).ok());
        }
}

/* The service hangs in its start, with what was forged in its queue. */
TEST_F(ForgedBus, BeforeItListens)
{
        ScopeBehaviour slow;
        std::string connection;

        start("web", web());
        executor->kill_hard();
        slow.hold_version = true;
        systemd->set_behaviour(slow);
        ASSERT_TRUE(executor->begin_start());
        ASSERT_TRUE(eventually([&] { return systemd->n_swallowed() == 1; }));
        connection = connection_of(*executor);
        ASSERT_NE(connection, "");
        EXPECT_TRUE(client->has_owner(EXECUTOR_NAME))
                        << "the bus lets everybody send to a connection without name";
        forge_all(connection);

        systemd->set_behaviour({});
        systemd->answer_calls();
        ASSERT_TRUE(executor->await_ready());
        sync();
        expect_untouched();
}

/* The service waits for a task whose start was cut off. It has its name, and calls wait. */
TEST_F(ForgedBus, WhileItSettles)
{
        ScopeBehaviour slow;
        pid_t supervisor = 0;

        start("web", web());
        slow.hold_job = true;
        systemd->set_behaviour(slow);
        auto start_of_other = client->start_task_later("other", shell("exec sleep 1000"));
        ASSERT_TRUE(eventually([&] { return systemd->n_started() == 2; }));
        for (const auto &unit : systemd->units())
                if (unit.name == "nomad-task-other.scope")
                        supervisor = unit.pids.at(0);
        ASSERT_GT(supervisor, 0);
        ASSERT_EQ(kill(supervisor, SIGSTOP), 0);
        executor->kill_hard();

        ASSERT_TRUE(executor->begin_start());
        ASSERT_TRUE(eventually([&] { return client->has_owner(EXECUTOR_NAME); }));
        ASSERT_TRUE(eventually([&] { return listens_to("RequestStop"); }));
        std::string connection = connection_of(*executor);
        auto list = client->call_later(EXECUTOR_NAME, MANAGER_PATH, MANAGER_INTERFACE, "ListTasks");
        auto later = client->start_task_later("later", shell("exit 3"));
        auto found = client->call_later(EXECUTOR_NAME, MANAGER_PATH, MANAGER_INTERFACE, "GetTask",
                        [](sd_bus_message *m) { EXPECT_GE(sd_bus_message_append(m, "s", "later"), 0); });
        for (const std::string &name : { std::string(EXECUTOR_NAME), connection })
                forge_all(name);
        EXPECT_FALSE(systemd->service_is_ready(executor->program));
        EXPECT_FALSE(list->done());

        systemd->set_behaviour({});
        systemd->release_jobs();
        ASSERT_EQ(kill(supervisor, SIGCONT), 0);
        ASSERT_TRUE(executor->await_ready());
        for (const auto &pending : { list, later, found }) {
                ASSERT_TRUE(client->await(pending));
                EXPECT_TRUE(pending->reply().ok()) << pending->reply();
        }
        EXPECT_EQ(value_to_text(list->reply().message.get()).find("starting"), std::string::npos);
        EXPECT_EQ(client->wait_task(TASK_PATH("later")), (Exit{ "exit-code", 3, 0, false }));
        EXPECT_TRUE(client->release(TASK_PATH("later")).ok());
        sync();
        expect_untouched();
}

/* From before the service has a connection until it is ready, to every connection that the bus may make
 * next. */
TEST_F(ForgedBus, ThroughoutItsStart)
{
        start("web", web());
        for (int i = 0; i < 5; i++) {
                executor->kill_hard();

                std::string own_name = forger->unique_name();
                unsigned next = (unsigned) std::stoul(own_name.substr(own_name.find('.') + 1));
                std::atomic<bool> over(false);
                std::thread flood([&] {
                        Forger stranger(bus_address);

                        while (!over) {
                                for (unsigned j = 0; j < 40 && !over; j++)
                                        stranger.request_stop(":1." + std::to_string(next + j));
                        }
                });
                bool ready = executor->start();
                over = true;
                flood.join();
                ASSERT_TRUE(ready);
                sync();
                ASSERT_EQ(client->property(WEB, "State"), "running");
                /* names are not used again */
                forger = std::make_unique<Forger>(bus_address);
        }
        expect_untouched();
}

/* As after a re-execution of systemd: a new connection has the name. */
TEST_F(ForgedBus, TheNextOwnerOfTheNameIsBelieved)
{
        start("web", web());
        forger->request_stop(EXECUTOR_NAME);
        sync();
        EXPECT_EQ(client->property(WEB, "State"), "running");

        systemd->disconnect();
        ASSERT_GE(sd_bus_request_name(forger->client.bus, SYSTEMD_NAME, 0), 0);
        forger->request_stop(EXECUTOR_NAME);
        EXPECT_TRUE(eventually([&] { return task_processes().empty(); }));
        EXPECT_EQ(n_stops(), 1U);
}

/* There is nothing to forge for those that listen to nobody. */
TEST_F(ForgedBus, TheOthersListenToNothing)
{
        Service dockerlog(*systemd, directory, bus_address, "nomad-dockerlog");

        ASSERT_TRUE(dockerlog.start());
        for (const Service *service : { logmon.get(), &dockerlog }) {
                Reply reply = client->call(
                                DBUS_NAME, DBUS_PATH, DBUS_NAME ".Debug.Stats", "GetAllMatchRules");
                std::string rules = value_to_text(reply.message.get()), name = connection_of(*service);

                ASSERT_NE(name, "");
                EXPECT_NE(rules.find("{" + connection_of(*executor) + "=["), std::string::npos) << rules;
                EXPECT_EQ(rules.find(name + "=[t"), std::string::npos) << service->program << ": " << rules;
        }
        EXPECT_EQ(dockerlog.stop(), 0);
}

} // namespace
