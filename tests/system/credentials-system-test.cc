/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

/* As whom a task runs, and what it inherits: nothing. */

class Credentials : public SystemTest
{
      protected:
        static void SetUpTestSuite()
        {
                for (std::string group : { "conf-first", "conf-second" })
                        ASSERT_EQ(run({ "groupadd", group }).status, 0);
                ASSERT_EQ(run({ "useradd", "--create-home", "--shell", "/bin/dash", "--groups",
                                              "conf-first,conf-second", "conf" })
                                                .status,
                                0);
        }

        static void TearDownTestSuite()
        {
                EXPECT_EQ(run({ "userdel", "--force", "--remove", "conf" }).status, 0);
                for (std::string group : { "conf-first", "conf-second" })
                        EXPECT_EQ(run({ "groupdel", group }).status, 0);
        }

        static Spec sleeper()
        {
                return Spec().set("Command", "/bin/sleep")
                                .set("Arguments", std::vector<std::string>{ "infinity" });
        }

        /* Starts it, and gives the folder of its main process below /proc. */
        std::string proc_of(const Spec &spec)
        {
                start("credentials", spec);
                return "/proc/" + client.property(path_of("credentials"), "MainPID");
        }

        /* What the program prints that is run as a task. */
        std::string output_of(const Spec &spec)
        {
                start("credentials", spec);
                EXPECT_EQ(wait("credentials"), (Exit{ "success", 0, 0, false }));
                std::string text = read_file(log_of("credentials", "stdout"));
                release("credentials");
                EXPECT_EQ(run({ "rm", "-rf", "/var/log/nomad/credentials" }).status, 0);
                return text;
        }

        static std::string status(const std::string &proc, const std::string &key)
        {
                for (const auto &line : lines_of(read_file(proc + "/status")))
                        if (line.rfind(key + ":\t", 0) == 0)
                                return line.substr(key.size() + 2);
                ADD_FAILURE() << "no " << key << " in " << proc << "/status";
                return "";
        }

        static std::set<std::string> words(const std::string &text)
        {
                std::istringstream stream(text);
                std::set<std::string> result;
                std::string word;

                while (stream >> word)
                        result.insert(word);
                return result;
        }

        static std::set<std::string> environment(const std::string &proc)
        {
                std::string text = read_file(proc + "/environ");
                std::set<std::string> result;

                for (size_t at = 0; at < text.size();) {
                        std::string entry = text.c_str() + at;
                        EXPECT_TRUE(result.insert(entry).second) << entry << " is there twice";
                        at += entry.size() + 1;
                }
                return result;
        }

        static std::string id_of(const std::vector<std::string> &options)
        {
                std::vector<std::string> argv = { "id" };

                argv.insert(argv.end(), options.begin(), options.end());
                std::string text = run(argv).text;
                text.pop_back();
                return text;
        }

        static std::string four_times(const std::string &number)
        {
                return number + "\t" + number + "\t" + number + "\t" + number;
        }
};

TEST_F(Credentials, SupplementaryGroupsAreThoseOfTheUserAndNoOthers)
{
        std::string proc = proc_of(sleeper().set("User", "conf"));
        std::set<std::string> groups = words(status(proc, "Groups"));

        EXPECT_EQ(status(proc, "Uid"), four_times(id_of({ "-u", "conf" })));
        EXPECT_EQ(status(proc, "Gid"), four_times(id_of({ "-g", "conf" })));
        EXPECT_EQ(groups, words(id_of({ "-G", "conf" })));
        EXPECT_EQ(groups.size(), 3U) << "its own, and two more";
        EXPECT_EQ(groups.count("0"), 0U) << "Nomad leaves root's among them";
        EXPECT_EQ(client.property(path_of("credentials"), "UID"), id_of({ "-u", "conf" }));
}

TEST_F(Credentials, UserByNumberIsTheSameUser)
{
        std::string proc = proc_of(sleeper().set("User", id_of({ "-u", "conf" })));

        EXPECT_EQ(status(proc, "Uid"), four_times(id_of({ "-u", "conf" })));
        EXPECT_EQ(words(status(proc, "Groups")), words(id_of({ "-G", "conf" })));
        EXPECT_EQ(environment(proc).count("USER=conf"), 1U);
}

TEST_F(Credentials, GroupTakesThePlaceOfTheUsersOwn)
{
        std::string group = run({ "sh", "-c", "getent group conf-first | cut -d: -f3" }).text;
        group.pop_back();
        std::string proc = proc_of(sleeper().set("User", "conf").set("Group", "conf-first"));

        EXPECT_EQ(status(proc, "Gid"), four_times(group));
        EXPECT_EQ(words(status(proc, "Groups")).count(id_of({ "-g", "conf" })), 0U);
}

TEST_F(Credentials, UserWhoIsInNoDatabaseNeedsAGroup)
{
        Reply reply = client.start_task("credentials", sleeper().set("User", "54321"));
        EXPECT_EQ(reply.error, "org.nomad.Executor.Error.InvalidSpec") << reply;
        EXPECT_NE(reply.text.find("Group"), std::string::npos) << reply;

        std::string proc = proc_of(sleeper().set("User", "54321").set("Group", "54322"));
        EXPECT_EQ(status(proc, "Uid"), four_times("54321"));
        EXPECT_EQ(status(proc, "Gid"), four_times("54322"));
        EXPECT_EQ(words(status(proc, "Groups")), std::set<std::string>());
        EXPECT_EQ(environment(proc), (std::set<std::string>{ "USER=54321", "LOGNAME=54321" }));
}

TEST_F(Credentials, RootIsRootAndInRootsGroups)
{
        std::string proc = proc_of(sleeper());

        EXPECT_EQ(status(proc, "Uid"), four_times("0"));
        EXPECT_EQ(words(status(proc, "Groups")), words(id_of({ "-G", "root" })));
}

/* --- what it sees --- */

TEST_F(Credentials, EnvironmentIsTheSpecsAndTheUsers)
{
        EXPECT_EQ(environment(proc_of(sleeper().set("User", "conf"))),
                        (std::set<std::string>{ "USER=conf", "LOGNAME=conf", "HOME=/home/conf",
                                        "SHELL=/bin/dash" }));
}

TEST_F(Credentials, EnvironmentOfTheSpecComesFirst)
{
        const std::vector<std::string> given = { "HOME=/srv", "USER=other", "X=1" };

        EXPECT_EQ(environment(proc_of(sleeper().set("User", "conf").set("Environment", given))),
                        (std::set<std::string>{ "USER=other", "LOGNAME=conf", "HOME=/srv", "SHELL=/bin/dash",
                                        "X=1" }));
}

TEST_F(Credentials, ThreeDescriptorsAndNoMore)
{
        const std::set<std::string> three = { "0", "1", "2" };
        std::string fds = proc_of(sleeper()) + "/fd";

        /* the dynamic linker may still have a library open */
        EXPECT_TRUE(eventually([&] { return list_directory(fds) == three; })) << run({ "ls", "-l", fds });
}

TEST_F(Credentials, SignalsAreAtTheirDefaults)
{
        std::string proc = proc_of(sleeper());

        for (std::string key : { "SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd" })
                EXPECT_EQ(status(proc, key), "0000000000000000") << key;
}

TEST_F(Credentials, LimitsAreThoseThatSystemdGives)
{
        const std::string limits = "/proc/self/limits";
        std::string usual = run({ "systemd-run", "--quiet", "--wait", "--pipe", "cat", limits }).text;

        ASSERT_NE(usual.find("Max open files"), std::string::npos) << usual;
        EXPECT_EQ(output_of(Spec().set("Command", "cat")
                                                  .set("Arguments", std::vector<std::string>{ limits })),
                        usual);
}

TEST_F(Credentials, ResourceLimitsAreSet)
{
        std::string proc = proc_of(
                        sleeper().set("User", "conf").set_limit("ResourceLimits", "NOFILE", 123, 456));
        bool seen = false;

        for (const auto &line : lines_of(read_file(proc + "/limits")))
                if (line.rfind("Max open files", 0) == 0) {
                        seen = true;
                        EXPECT_EQ(words(line),
                                        (std::set<std::string>{ "Max", "open", "files", "123", "456" }));
                }
        EXPECT_TRUE(seen);
}

TEST_F(Credentials, CapabilitiesAndRestrictions)
{
        const std::string of_pid_1 = status("/proc/1", "CapEff");

        std::string proc = proc_of(sleeper());
        EXPECT_EQ(status(proc, "CapEff"), of_pid_1);
        EXPECT_EQ(status(proc, "CapInh"), "0000000000000000");
        EXPECT_EQ(status(proc, "NoNewPrivs"), "0");
        EXPECT_EQ(status(proc, "Seccomp"), status("/proc/1", "Seccomp"));
        client.stop_task(path_of("credentials"), "", 0);
        wait("credentials");
        release("credentials");

        proc = proc_of(sleeper().set("User", "conf"));
        for (std::string key : { "CapEff", "CapPrm", "CapInh", "CapAmb" })
                EXPECT_EQ(status(proc, key), "0000000000000000") << key;
}

TEST_F(Credentials, SchedulingIsPlain)
{
        ASSERT_EQ(run({ "renice", "-n", "-5", "-p", std::to_string(main_pid(EXECUTOR_UNIT)) }).status, 0);
        std::string proc = proc_of(sleeper());
        EXPECT_EQ(run({ "renice", "-n", "0", "-p", std::to_string(main_pid(EXECUTOR_UNIT)) }).status, 0);

        std::istringstream fields(read_file(proc + "/stat"));
        std::string field;
        for (int i = 0; i < 19; i++)
                fields >> field;
        EXPECT_EQ(field, "0") << "nice";
        EXPECT_EQ(read_file(proc + "/oom_score_adj"), "0\n");
        EXPECT_EQ(run({ "ps", "-o", "cls=", "-p", proc.substr(6) }).text, " TS\n");
}

TEST_F(Credentials, UMaskAndDirectory)
{
        std::string proc = proc_of(sleeper());
        EXPECT_EQ(status(proc, "Umask"), "0022");
        EXPECT_EQ(run({ "readlink", proc + "/cwd" }).text, "/\n");
        client.stop_task(path_of("credentials"), "", 0);
        wait("credentials");
        release("credentials");

        proc = proc_of(sleeper().set("User", "conf")
                                        .set("UMask", uint32_t{ 0077 })
                                        .set("WorkingDirectory", "/home/conf"));
        EXPECT_EQ(status(proc, "Umask"), "0077");
        EXPECT_EQ(run({ "readlink", proc + "/cwd" }).text, "/home/conf\n");
}

/* The directory is entered as the user, who may not enter root's. */
TEST_F(Credentials, DirectoryIsEnteredAsTheUser)
{
        const std::string directory = "/tmp/of-root";

        run({ "rm", "-rf", directory });
        ASSERT_EQ(mkdir(directory.c_str(), 0700), 0);
        Reply reply = client.start_task(
                        "credentials", sleeper().set("User", "conf").set("WorkingDirectory", directory));
        EXPECT_EQ(reply.error, "org.nomad.Executor.Error.ExecFailed") << reply;
        expect_nothing_left("credentials");
        EXPECT_EQ(output_of(Spec().set("Command", "pwd").set("WorkingDirectory", directory)),
                        directory + "\n");
        EXPECT_EQ(rmdir(directory.c_str()), 0);
}
