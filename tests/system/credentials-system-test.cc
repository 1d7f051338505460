/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <random>
#include <sstream>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "session.h"
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

/* --- session keyrings --- */

class Keyring : public SessionTest
{
      protected:
        /* Prints the session keyring's number and description, and does more. */
        static std::vector<std::string> describe(const std::string &more = "")
        {
                const std::string script = "import ctypes, errno, time\n"
                                           "libc = ctypes.CDLL(None, use_errno=True)\n"
                                           "keyctl, add_key = " +
                                std::to_string(SYS_keyctl) + ", " + std::to_string(SYS_add_key) +
                                "\n"
                                "keyring = libc.syscall(keyctl, 0, -3, 0)\n"
                                "text = ctypes.create_string_buffer(256)\n"
                                "assert libc.syscall(keyctl, 6, keyring, text, 256) > 0\n"
                                "print(keyring, text.value.decode(), flush=True)\n";

                return { "/usr/bin/python3", "-c", script + more };
        }

        static Spec as(const std::string &user, const std::vector<std::string> &argv)
        {
                return Spec().set("Command", argv[0])
                                .set("Arguments", std::vector<std::string>(argv.begin() + 1, argv.end()))
                                .set("User", user)
                                .set("Group", user);
        }

        std::string first_line(const std::string &task)
        {
                const std::string log = log_of(task, "stdout");

                EXPECT_TRUE(eventually([&] { return read_file(log).find('\n') != std::string::npos; }));
                return read_file(log).substr(0, read_file(log).find('\n'));
        }

        /* The kernel counts keys by uid, for all machines that it runs, and for a while after their end. */
        static std::string some_user()
        {
                return std::to_string(20000 + std::random_device()() % 30000);
        }

        static std::string number(const std::string &line)
        {
                return line.substr(0, line.find(' '));
        }

        static std::string owner(const std::string &line)
        {
                std::string rest = line.substr(line.find(';') + 1);

                return rest.substr(0, rest.find(';'));
        }

        void TearDown() override
        {
                SessionTest::TearDown();
                for (const std::string &task : { id, std::string("keyring-2") })
                        EXPECT_EQ(run({ "rm", "-rf", "/var/log/nomad/" + task }).status, 0);
        }
};

TEST_F(Keyring, EachTaskSessionAndCheckHasItsOwn)
{
        const std::string wait = "time.sleep(1000)\n", user = some_user();
        std::set<std::string> numbers;

        start(id, as(user, describe(wait)));
        start("keyring-2", as(user, describe(wait)));
        std::vector<std::string> lines = { first_line(id), first_line("keyring-2") };
        for (int i = 0; i < 2; i++) {
                auto session = exec(describe());
                ASSERT_NE(session, nullptr);
                lines.push_back(session->read_output());
                EXPECT_EQ(wait_exec(*session), (ExecStatus{ 0, 0 })) << session->read_errors();

                Check result = check(describe(), 0);
                EXPECT_EQ(result.code, 0) << result.output;
                lines.push_back(result.output);
        }
        for (const auto &line : lines) {
                EXPECT_TRUE(numbers.insert(number(line)).second) << line << " is another's too";
                EXPECT_EQ(owner(line), user) << line;
        }
}

/* A user may have 200 keys, and as many tasks as anybody. */
TEST_F(Keyring, TheQuotaOfAUserStopsNoTask)
{
        const std::string user = some_user();

        start(id,
                        as(user,
                                        describe("key = 0\n"
                                                 "while libc.syscall(add_key, b'user', b'k%d' % key, b'x', 1, -3) > 0:\n"
                                                 "    key += 1\n"
                                                 "assert ctypes.get_errno() == errno.EDQUOT\n"
                                                 "print('full', flush=True)\n"
                                                 "time.sleep(1000)\n")));
        EXPECT_EQ(owner(first_line(id)), user);
        ASSERT_TRUE(eventually(
                        [&] { return read_file(log_of(id, "stdout")).find("full") != std::string::npos; }));

        start("keyring-2", as(user, describe()));
        EXPECT_EQ(wait("keyring-2"), (Exit{ "success", 0, 0, false }));
        EXPECT_NE(number(first_line("keyring-2")), number(first_line(id)));
        EXPECT_EQ(owner(first_line("keyring-2")), "0");
}
