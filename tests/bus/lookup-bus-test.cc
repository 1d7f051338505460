/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <dlfcn.h>
#include <fstream>
#include <link.h>
#include <sstream>
#include <sys/mount.h>
#include <unistd.h>

#include "stall-fixture.h"

/* Users are looked up by children, since a name service may not answer. The name service of these tests is
 * mounted in place of one of the C library's; only this program and what it starts see the mounts. */

namespace
{

class LookupBus : public StallFixture
{
      protected:
        void start_services() override
        {
                const std::string configuration = directory + "/nsswitch.conf", module = module_path();

                ASSERT_FALSE(module.empty());
                std::ofstream(configuration) << "passwd: files compat\ngroup: files\n";
                mount_over(configuration, "/etc/nsswitch.conf");
                mount_over(std::string(getenv("NOMAD_BUILD_DIR")) + "/tests/bus/nss-hang.so", module);
                StallFixture::start_services();
        }

        void TearDown() override
        {
                StallFixture::TearDown();
                for (const auto &path : mounted)
                        EXPECT_EQ(umount2(path.c_str(), MNT_DETACH), 0) << path;
        }

        static Spec sleep_as(const std::string &user)
        {
                return shell("exec sleep 1000").set("User", user);
        }

        std::vector<pid_t> lookups() const
        {
                const std::string pid = std::to_string(executor->pid());
                std::istringstream children(read_file("/proc/" + pid + "/task/" + pid + "/children"));
                std::vector<pid_t> result;

                for (pid_t child; children >> child;)
                        if (read_file("/proc/" + std::to_string(child) + "/comm") == "nomad-lookup\n")
                                result.push_back(child);
                return result;
        }

        /* Returns once N children are at work. */
        void hang(size_t n)
        {
                for (size_t i = 0; i < n; i++) {
                        const std::string id = "late" + std::to_string(i);

                        starts.push_back(
                                        client->start_task_later(id, sleep_as("hangs" + std::to_string(i))));
                        ASSERT_TRUE(eventually([&] { return other->get_task(id).ok(); }));
                }
                ASSERT_TRUE(eventually([&] { return lookups().size() == n; }));
        }

        void expect_start(Client &caller, const std::string &user, const std::string &uid = "1")
        {
                Reply reply = caller.start_task("named", sleep_as(user));

                ASSERT_TRUE(reply.ok()) << reply;
                EXPECT_EQ(caller.property(TASK_PATH("named"), "UID"), uid);
                end_other("named");
        }

        void stop_late()
        {
                for (size_t i = 0; i < starts.size(); i++) {
                        const std::string path = "/org/nomad/Executor/task/late" + std::to_string(i);

                        EXPECT_TRUE(other->stop_task(path, "KILL", 0).ok());
                        ASSERT_TRUE(client->await(starts[i]));
                        EXPECT_EQ(starts[i]->reply().error, ERROR("NotRunning")) << starts[i]->reply();
                }
        }

        static std::shared_ptr<Pending> exec_later(Client &caller, const char *user)
        {
                return caller.call_later(EXECUTOR_NAME, TASK_PATH("web"), TASK_INTERFACE, "Exec",
                                [user](sd_bus_message *m) {
                                        EXPECT_GE(sd_bus_message_append(m, "asa{sv}", 2, "/bin/sleep",
                                                                  "1000", 1, "User", "s", user),
                                                        0);
                                });
        }

        std::vector<std::shared_ptr<Pending>> starts;

      private:
        static std::string module_path()
        {
                void *module = dlopen("libnss_compat.so.2", RTLD_LAZY);
                struct link_map *map = nullptr;
                std::string path;

                if (module && dlinfo(module, RTLD_DI_LINKMAP, &map) == 0)
                        path = map->l_name;
                if (module)
                        (void) dlclose(module);
                return path;
        }

        void mount_over(const std::string &source, const std::string &target)
        {
                ASSERT_EQ(mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr), 0)
                                << source << ": " << strerror(errno);
                mounted.push_back(target);
        }

        std::vector<std::string> mounted;
};

TEST_F(LookupBus, NobodyWaitsForANameServiceThatHangs)
{
        hang(1);
        if (HasFatalFailure())
                return;
        pid_t hanging = lookups()[0];

        expect_undisturbed();
        expect_start(*other, "daemon");
        EXPECT_EQ(other->start_task("late0", shell("exit 0")).error, ERROR("TaskExists"));
        EXPECT_FALSE(starts[0]->done());

        ASSERT_TRUE(client->await(starts[0]));
        EXPECT_EQ(starts[0]->reply().error, "org.freedesktop.DBus.Error.Timeout") << starts[0]->reply();
        EXPECT_NE(starts[0]->reply().text.find("User 'hangs0'"), std::string::npos) << starts[0]->reply();
        EXPECT_EQ(count_messages("nomad-lookup is killed"), 1U);
        EXPECT_TRUE(eventually([&] { return state_of(hanging) == "gone"; }));
        expect_nothing_left();
}

TEST_F(LookupBus, StopEndsALookUp)
{
        hang(1);
        if (HasFatalFailure())
                return;
        stop_late();
        EXPECT_TRUE(eventually([&] { return lookups().empty(); }));
        expect_start(*client, "daemon");
        expect_nothing_left();
}

TEST_F(LookupBus, UnknownUser)
{
        Reply reply = client->start_task("unknown", sleep_as("there-is-no-such-user"));

        EXPECT_EQ(reply.error, ERROR("InvalidSpec"));
        EXPECT_EQ(reply.text, "User 'there-is-no-such-user' is unknown");
        expect_nothing_left();
}

/* But for a moment at which the kernel has the path not at hand, as while something is mounted elsewhere. */
TEST_F(LookupBus, RootNeedsNoChild)
{
        EXPECT_TRUE(eventually([&] {
                EXPECT_TRUE(executor->restart_hard());
                expect_start(*client, "root", "0");
                expect_start(*client, "0", "0");
                return lookups().empty();
        }));
}

TEST_F(LookupBus, OneChildServesManyAndHasNothingOfOurs)
{
        std::vector<std::shared_ptr<Pending>> many;

        for (int i = 0; i < 40; i++)
                many.push_back(client->start_task_later(
                                "many" + std::to_string(i), shell("exit 3").set("User", "daemon")));
        for (const auto &one : many) {
                ASSERT_TRUE(client->await(one));
                ASSERT_TRUE(one->reply().ok()) << one->reply();
                std::string path = one->reply().path();
                EXPECT_EQ(client->wait_task(path), (Exit{ "exit-code", 3, 0, false }));
                EXPECT_TRUE(client->release(path).ok());
        }
        ASSERT_TRUE(eventually([&] { return lookups().size() == 1; }));

        const std::string files = "/proc/" + std::to_string(lookups()[0]) + "/fd";
        DIR *dir = opendir(files.c_str());
        ASSERT_NE(dir, nullptr);
        for (const struct dirent *entry; (entry = readdir(dir));) {
                char target[256] = "";

                if (entry->d_name[0] == '.')
                        continue;
                (void) readlink((files + "/" + entry->d_name).c_str(), target, sizeof target - 1);
                EXPECT_TRUE(std::string(entry->d_name) == "4" || std::string(target) == "/dev/null")
                                << entry->d_name << " is " << target;
        }
        (void) closedir(dir);
        expect_nothing_left();
}

TEST_F(LookupBus, ChildThatDies)
{
        hang(1);
        if (HasFatalFailure())
                return;
        ASSERT_EQ(kill(lookups()[0], SIGKILL), 0);
        ASSERT_TRUE(client->await(starts[0]));
        EXPECT_EQ(starts[0]->reply().text, "Cannot look up User 'hangs0': nomad-lookup died");

        /* and one that has nothing to do */
        expect_start(*client, "daemon");
        ASSERT_EQ(lookups().size(), 1U);
        ASSERT_EQ(kill(lookups()[0], SIGKILL), 0);
        expect_start(*client, "daemon");
        expect_nothing_left();
}

TEST_F(LookupBus, CallerOfTooManyThatHangIsRefused)
{
        hang(4);
        if (HasFatalFailure())
                return;

        /* those that have been at it for a second count as stuck */
        auto begin = Clock::now();
        ASSERT_TRUE(eventually([&] { return Clock::now() - begin > std::chrono::seconds(2); }));
        EXPECT_EQ(client->start_task("fifth", sleep_as("daemon")).error, ERROR("LimitExceeded"));
        EXPECT_EQ(lookups().size(), 4U);
        expect_undisturbed();
        expect_start(*other, "daemon");

        stop_late();
        expect_start(*client, "daemon");
        expect_nothing_left();
}

TEST_F(LookupBus, ServiceThatIsStoppedMeanwhile)
{
        hang(1);
        if (HasFatalFailure())
                return;
        pid_t hanging = lookups()[0];

        EXPECT_EQ(executor->stop(), 0);
        EXPECT_TRUE(eventually([&] { return state_of(hanging) == "gone"; }));
        EXPECT_EQ(executor->messages().find("zombie"), std::string::npos);
        ASSERT_TRUE(executor->start());
        EXPECT_TRUE(client->list_tasks().empty());
        expect_nothing_left();
}

TEST_F(LookupBus, ServiceThatIsKilledMeanwhile)
{
        hang(1);
        if (HasFatalFailure())
                return;
        pid_t hanging = lookups()[0];

        ASSERT_TRUE(executor->restart_hard());
        EXPECT_TRUE(eventually([&] { return state_of(hanging) == "gone"; }));
        EXPECT_TRUE(client->list_tasks().empty());
        expect_start(*client, "daemon");
        expect_nothing_left();
}

TEST_F(LookupBus, Exec)
{
        ASSERT_TRUE(client->start_task("web", shell("exec sleep 1000")).ok());
        auto session = exec_later(*client, "daemon");
        ASSERT_TRUE(client->await(session));
        EXPECT_TRUE(session->reply().ok()) << session->reply();
        auto unknown = exec_later(*client, "there-is-no-such-user");
        ASSERT_TRUE(client->await(unknown));
        EXPECT_EQ(unknown->reply().error, ERROR("InvalidSpec")) << unknown->reply();

        auto leaving = std::make_unique<Client>(bus_address);
        connect(*leaving);
        (void) exec_later(*leaving, "hangs");
        connect(*leaving); /* after the Exec has come */
        ASSERT_EQ(lookups().size(), 1U);
        pid_t left = lookups()[0];
        leaving.reset();
        EXPECT_TRUE(eventually([&] { return state_of(left) == "gone"; }));

        auto hanging = exec_later(*client, "hangs");
        ASSERT_TRUE(eventually([&] { return lookups().size() == 1; }));
        expect_undisturbed();
        EXPECT_FALSE(hanging->done());
        end_other("web");
        ASSERT_TRUE(client->await(hanging));
        EXPECT_EQ(hanging->reply().error, ERROR("NotRunning")) << hanging->reply();
        EXPECT_TRUE(eventually([&] { return lookups().empty(); }));
        expect_nothing_left();
}

} // namespace
