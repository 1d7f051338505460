/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "logmon-log-fixture.h"

#include <algorithm>
#include <random>
#include <sys/fsuid.h>
#include <sys/stat.h>

namespace
{

/* The names of the first tests are those of Nomad's. */

TEST_F(Logmon, Start_rotate)
{
        std::mt19937 random(1);
        std::string data;
        int fds[2];

        while (data.size() < 1024 * 1024)
                data += static_cast<char>(random());
        ASSERT_GE(start_pipes(fds,
                                  [&](LogConfig *config) {
                                          config->max_files = 2;
                                          config->max_file_size = 1024 * 1024;
                                  }),
                        0);
        fcntl(fds[0], F_SETFL, O_NONBLOCK);
        for (size_t done = 0; done < data.size();) {
                const ssize_t n = write(fds[0], data.data() + done, data.size() - done);

                done += n > 0 ? static_cast<size_t>(n) : 0;
                ASSERT_GE(sd_event_run(event, 10000), 0);
        }
        close(fds[0]);
        close(fds[1]);
        stop();
        EXPECT_TRUE(dir.has("web.stdout.0"));
        EXPECT_TRUE(dir.has("web.stdout.1"));
        EXPECT_FALSE(dir.has("web.stdout.2"));
        EXPECT_TRUE(dir.read("web.stdout.0") + dir.read("web.stdout.1") == data);
        stop();
}

TEST_F(Logmon, Start_restart_flusheslogs)
{
        ASSERT_GE(start_fifos(), 0);

        int out = open_fifo("out"), err = open_fifo("err");

        ASSERT_GE(out, 0);
        ASSERT_GE(err, 0);
        put(out, "test\n");
        ASSERT_TRUE(wait_for([&] { return dir.read("web.stdout.0") == "test\n"; }));
        stop();
        close(out);
        close(err);

        /* somebody keeps the FIFO, as a task does whose logmon is gone */
        const int held = open((dir / "out").c_str(), O_RDWR | O_CLOEXEC);

        put(held, "test\n");
        EXPECT_EQ(dir.read("web.stdout.0"), "test\n");
        ASSERT_GE(start_fifos(), 0);
        ASSERT_TRUE(wait_for([&] { return dir.read("web.stdout.0") == "test\ntest\n"; }));
        close(held);
}

TEST_F(Logmon, Start_restart)
{
        int fds[2];

        ASSERT_GE(start_pipes(fds), 0);
        put(fds[0], "one\n");
        close(fds[1]);
        ASSERT_TRUE(wait_for([&] { return !stream_is_open(log->streams[STREAM_STDERR]); }));
        EXPECT_EQ(log->state, TASK_LOG_RUNNING);

        /* stdout goes on, stderr is given anew */
        LogConfig config;
        int pipe_fds[2];

        ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
        fill(&config);
        config.fds[STREAM_STDERR] = pipe_fds[0];
        ASSERT_GE(start(&config), 0);
        put(fds[0], "two\n");
        put(pipe_fds[1], "err\n");
        ASSERT_TRUE(wait_for([&] { return dir.read("web.stderr.0") == "err\n"; }));
        ASSERT_TRUE(wait_for([&] { return dir.read("web.stdout.0") == "one\ntwo\n"; }));
        close(fds[0]);
        close(pipe_fds[1]);
        ASSERT_TRUE(wait_for([&] { return log->state == TASK_LOG_STOPPED; }));

        ASSERT_GE(start_pipes(fds), 0);
        put(fds[0], "three\n");
        close(fds[0]);
        close(fds[1]);
        ASSERT_TRUE(wait_for([&] { return log->state == TASK_LOG_STOPPED; }));
        EXPECT_EQ(dir.read("web.stdout.0"), "one\ntwo\nthree\n");
        EXPECT_EQ(log->counters->bytes[STREAM_STDOUT], 14U);
}

TEST_F(Logmon, NewError)
{
        LogConfig config;

        fill(&config);
        config.fifos[STREAM_STDOUT] = g_strdup((dir / "missing/out").c_str());
        EXPECT_LT(start(&config), 0);
        EXPECT_EQ(error_name, BUS_ERROR_LOG_FAILED);
        EXPECT_NE(error_message.find("missing/out"), std::string::npos) << error_message;
        EXPECT_EQ(g_hash_table_size(manager->logs), 0U);
        EXPECT_FALSE(run.has("web.json"));
}

TEST_F(Logmon, Fifo)
{
        ASSERT_GE(start_fifos(), 0);
        /* writers come and go */
        for (int i = 0; i < 3; i++) {
                const int fd = open_fifo("out");

                ASSERT_GE(fd, 0);
                put(fd, "line\n");
                close(fd);
                settle();
        }
        EXPECT_EQ(dir.read("web.stdout.0"), "line\nline\nline\n");
        EXPECT_EQ(log->state, TASK_LOG_RUNNING);
        stop();
        EXPECT_LT(open_fifo("out"), 0);
        EXPECT_EQ(errno, ENXIO);
}

TEST_F(Logmon, ALineIsInTheFileAtOnce)
{
        int fds[2];

        std::vector<gint64> delays;

        ASSERT_GE(start_pipes(fds), 0);
        for (int i = 0; i < 20; i++) {
                const gint64 begin = g_get_monotonic_time();
                const size_t before = dir.read("web.stdout.0").size();

                put(fds[0], "line\n");
                ASSERT_TRUE(wait_for([&] { return dir.read("web.stdout.0").size() > before; }));
                delays.push_back(g_get_monotonic_time() - begin);
        }
        std::sort(delays.begin(), delays.end());
        EXPECT_LT(delays[delays.size() / 2], 100 * G_TIME_SPAN_MILLISECOND);
        close(fds[0]);
        close(fds[1]);
}

TEST_F(Logmon, StopWaitsForAHeldPipeNoLongerThanItSays)
{
        int fds[2];

        ASSERT_GE(start_pipes(fds), 0);
        put(fds[0], "there\n");

        const gint64 begin = g_get_monotonic_time();

        stop();
        EXPECT_GE(g_get_monotonic_time() - begin, (gint64) TASK_LOG_STOP_USEC);
        EXPECT_LT(g_get_monotonic_time() - begin, 10 * (gint64) TASK_LOG_STOP_USEC);
        EXPECT_EQ(dir.read("web.stdout.0"), "there\n");
        close(fds[0]);
        close(fds[1]);
}

TEST_F(Logmon, SizesTakeEffectOnASecondStart)
{
        int fds[2];

        ASSERT_GE(start_pipes(fds), 0);
        put(fds[0], "one\n");
        settle();

        LogConfig config;

        log_config_init(&config);
        config.max_file_size = 5;
        set(&config, "LogMaxFileSize");
        ASSERT_GE(start(&config), 0);
        put(fds[0], "two\n");
        ASSERT_TRUE(wait_for([&] { return dir.read("web.stdout.1") == "two\n"; }));
        EXPECT_EQ(log->config.max_files, 10U);
        close(fds[0]);
        close(fds[1]);
}

TEST_F(Logmon, AnotherPipeForAnOpenStreamIsRefused)
{
        int fds[2], others[2];

        ASSERT_GE(start_pipes(fds), 0);
        EXPECT_LT(start_pipes(others), 0);
        EXPECT_EQ(error_name, BUS_ERROR_TASK_RUNNING);
        put(fds[0], "still here\n");
        ASSERT_TRUE(wait_for([&] { return dir.read("web.stdout.0") == "still here\n"; }));
        for (int fd : { fds[0], fds[1], others[0], others[1] })
                close(fd);
}

TEST_F(Logmon, ReleaseForgets)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        int fds[2];

        ASSERT_GE(start_pipes(fds), 0);
        EXPECT_LT(manager_release_log(manager, log, &error), 0);
        EXPECT_STREQ(error.name, BUS_ERROR_TASK_RUNNING);
        close(fds[0]);
        close(fds[1]);
        stop();
        EXPECT_TRUE(run.has("web.json"));
        EXPECT_GE(manager_release_log(manager, log, nullptr), 0);
        EXPECT_FALSE(run.has("web.json"));
        EXPECT_EQ(g_hash_table_size(manager->logs), 0U);
}

/* As when systemd does not listen: nobody would keep the pipes while the service is away. */
class NoSystemd
{
      public:
        NoSystemd()
        {
                (void) setenv("NOTIFY_SOCKET", "/no/such/socket", 1);
        }

        ~NoSystemd()
        {
                (void) unsetenv("NOTIFY_SOCKET");
        }
};

TEST_F(Logmon, AStartWhosePipesAreNotKeptLeavesNothing)
{
        int fds[2];

        {
                NoSystemd none;

                EXPECT_LT(start_pipes(fds), 0);
        }
        EXPECT_EQ(error_name, BUS_ERROR_LOG_FAILED);
        EXPECT_EQ(g_hash_table_size(manager->logs), 0U);
        EXPECT_FALSE(run.has("web.json"));
        EXPECT_FALSE(dir.has("web.stdout.0"));
        EXPECT_FALSE(is_read(fds[0]));
        close(fds[0]);
        close(fds[1]);
}

TEST_F(Logmon, AStreamWhosePipeIsNotKeptIsNotBegun)
{
        int fds[2], more[2];

        ASSERT_GE(start_pipes(fds, [](LogConfig *config) { config->fds[1] = safe_close(config->fds[1]); }),
                        0);
        /* so that another is needed */
        static_cast<Shelf *>(g_ptr_array_index(manager->shelves->shelves, 0))->capacity = 1;
        {
                NoSystemd none;

                EXPECT_LT(start_pipes(more,
                                          [](LogConfig *config) {
                                                  config->fds[0] = safe_close(config->fds[0]);
                                          }),
                                0);
        }
        EXPECT_EQ(error_name, BUS_ERROR_LOG_FAILED);
        EXPECT_EQ(log->state, TASK_LOG_RUNNING);
        EXPECT_FALSE(stream_is_open(log->streams[STREAM_STDERR]));
        EXPECT_EQ(run.read("web.json").find("StderrPipe"), std::string::npos);
        EXPECT_FALSE(is_read(more[1]));
        put(fds[0], "still read\n");
        EXPECT_TRUE(wait_for([&] { return dir.read("web.stdout.0") == "still read\n"; }));
        for (int fd : { fds[0], fds[1], more[0], more[1] })
                close(fd);
}

TEST_F(Logmon, DiscardRemovesWhatIsEmptyAndNothingElse)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        int fds[2];

        dir.write("web.stdout.old", "");
        dir.write("webster.stdout.0", "");
        ASSERT_GE(start_pipes(fds), 0);
        put(fds[0], "a byte\n");
        close(fds[0]);
        close(fds[1]);
        EXPECT_LT(manager_discard_log(manager, log, &error), 0) << "it is not stopped";
        EXPECT_STREQ(error.name, BUS_ERROR_TASK_RUNNING);
        stop();
        EXPECT_TRUE(dir.has("web.stderr.0"));
        EXPECT_GE(manager_discard_log(manager, log, NULL), 0);
        EXPECT_EQ(g_hash_table_size(manager->logs), 0U);
        EXPECT_EQ(dir.read("web.stdout.0"), "a byte\n");
        EXPECT_FALSE(dir.has("web.stderr.0"));
        EXPECT_TRUE(dir.has("web.stdout.old"));
        EXPECT_TRUE(dir.has("webster.stdout.0"));
}

TEST_F(Logmon, DiscardRemovesADefaultDirectoryThatIsEmpty)
{
        int fds[2];

        for (bool foreign : { true, false }) {
                ASSERT_GE(start_pipes(fds,
                                          [](LogConfig *config) {
                                                  g_clear_pointer(&config->directory, g_free);
                                          }),
                                0);
                ASSERT_TRUE(dir.has("root/web/web.stdout.0"));
                if (foreign)
                        dir.write("root/web/somebodys", "");
                close(fds[0]);
                close(fds[1]);
                stop();
                EXPECT_GE(manager_discard_log(manager, log, NULL), 0);
                EXPECT_FALSE(dir.has("root/web/web.stdout.0"));
                EXPECT_EQ(dir.has("root/web"), foreign);
                (void) unlink((dir / "root/web/somebodys").c_str());
        }
        EXPECT_TRUE(dir.has("root"));
}

TEST_F(Logmon, AtMostLogsMax)
{
        int fds[2], more[2];

        /* all slots but one, without the files that so many logs would need */
        for (uint32_t slot; slot_file_take(manager->counters, &slot) >= 0;)
                last_slot = slot;
        slot_file_release(manager->counters, last_slot);
        ASSERT_EQ(last_slot, LOGS_MAX - 1);
        ASSERT_GE(start_pipes(fds), 0) << error_message;
        id = "one-too-many";
        EXPECT_LT(start_pipes(more), 0);
        EXPECT_EQ(error_name, BUS_ERROR_LIMIT_EXCEEDED);
        EXPECT_EQ(g_hash_table_size(manager->logs), 1U);
        EXPECT_FALSE(is_read(more[0]));
        close(fds[0]);
        close(fds[1]);
        stop();
        EXPECT_GE(manager_release_log(manager, log, NULL), 0);
        close(more[0]);
        close(more[1]);
        EXPECT_GE(start_pipes(more), 0) << "there is room for one again";
        close(more[0]);
        close(more[1]);
}

TEST_F(Logmon, StateWithoutAPipeIsStopped)
{
        int fds[2];

        ASSERT_GE(start_pipes(fds), 0);
        put(fds[0], "abc\n");
        settle();
        reboot();
        log = static_cast<TaskLog *>(g_hash_table_lookup(manager->logs, "web"));
        ASSERT_NE(log, nullptr);
        EXPECT_EQ(log->state, TASK_LOG_STOPPED);
        EXPECT_EQ(log->counters->bytes[STREAM_STDOUT], 4U);
        close(fds[0]);
        close(fds[1]);
}

TEST_F(Logmon, ABrokenStateFileIsIgnored)
{
        run.write("bad.json", "{\"Id\":");
        run.write("worse.json", "{\"Id\":\"worse\",\"Slot\":99999,\"Config\":[]}");
        reboot();
        EXPECT_EQ(g_hash_table_size(manager->logs), 0U);
}

TEST_F(Logmon, WhatIsMissingIsToldAlsoAfterTheEnd)
{
        int fds[2];

        journald.reset();
        ASSERT_GE(start_pipes(fds, [](LogConfig *config) { config->set = 0; }), 0);
        put(fds[0], "one\ntwo\n");
        put(fds[1], "three\n");
        close(fds[0]);
        close(fds[1]);
        ASSERT_GE(task_log_stop(log, nullptr, nullptr), 0);
        ASSERT_TRUE(wait_for([&] { return log->state == TASK_LOG_STOPPED; }));
        EXPECT_EQ(log->counters->journal_dropped, 3U);
        ASSERT_GE(manager_release_log(manager, log, nullptr), 0);

        FakeJournald back(dir / "journal");
        std::map<std::string, std::string> told;

        ASSERT_TRUE(wait_for([&] {
                for (const auto &entry : back.take())
                        told[entry.at("NOMAD_STREAM")] = entry.at("MESSAGE");
                return told.size() == 2;
        }));
        EXPECT_EQ(told["stdout"], "2 lines of output are missing here: the journal did not keep up");
        EXPECT_EQ(told["stderr"], "1 lines of output are missing here: the journal did not keep up");
        EXPECT_EQ(g_queue_get_length(&manager->notices.queue), 0U);
}

TEST_F(Logmon, TheDefaultDirectoryIsMade)
{
        int fds[2];
        struct stat st;

        ASSERT_GE(start_pipes(fds, [](LogConfig *config) { g_clear_pointer(&config->directory, g_free); }),
                        0);
        ASSERT_EQ(stat((dir / "root/web").c_str(), &st), 0);
        EXPECT_EQ(st.st_mode & 07777, 0750U);
        EXPECT_TRUE(dir.has("root/web/web.stdout.0"));
        close(fds[0]);
        close(fds[1]);
}

TEST_F(Logmon, RotateBeginsANewFile)
{
        int fds[2];

        ASSERT_GE(start_pipes(fds), 0);
        put(fds[0], "one\n");
        settle();
        ASSERT_GE(task_log_rotate(log), 0);
        put(fds[0], "two\n");
        ASSERT_TRUE(wait_for([&] { return dir.read("web.stdout.1") == "two\n"; }));
        EXPECT_FALSE(dir.has("web.stderr.1"));
        EXPECT_EQ(log->counters->rotations, 1U);
        close(fds[0]);
        close(fds[1]);
}

/* What a task's user may plant. */
class LogmonSecurity : public Logmon
{
      protected:
        static constexpr uid_t nobody = 65534;

        void SetUp() override
        {
                if (geteuid() != 0)
                        GTEST_SKIP() << "needs root";
                Logmon::SetUp();
                ASSERT_EQ(chmod(dir.path.c_str(), 0755), 0);
                ASSERT_EQ(mkdir((dir / "own").c_str(), 0700), 0);
                ASSERT_EQ(chown((dir / "own").c_str(), nobody, nobody), 0);
                ASSERT_EQ(mkdir((dir / "root-only").c_str(), 0700), 0);
        }

        int start_as_nobody(const std::string &directory, const std::string &fifo = "")
        {
                LogConfig config;

                log_config_init(&config);
                config.directory = g_strdup(directory.c_str());
                config.name = g_strdup("web");
                config.user = g_strdup("65534");
                config.group = g_strdup("65534");
                for (const char *key : { "LogDirectory", "LogName", "User", "Group" })
                        set(&config, key);
                if (fifo.empty()) {
                        EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
                        config.fds[STREAM_STDOUT] = fds[0];
                } else
                        config.fifos[STREAM_STDOUT] = g_strdup(fifo.c_str());
                return start(&config);
        }

        int fds[2] = { -1, -1 };
};

TEST_F(LogmonSecurity, FilesAreTheUsers)
{
        struct stat st;

        ASSERT_GE(start_as_nobody(dir / "own", dir / "own/fifo"), 0);
        ASSERT_EQ(stat((dir / "own/web.stdout.0").c_str(), &st), 0);
        EXPECT_EQ(st.st_uid, nobody);
        EXPECT_EQ(st.st_mode & 07777, 0644U);
        ASSERT_EQ(stat((dir / "own/fifo").c_str(), &st), 0);
        EXPECT_EQ(st.st_uid, nobody);
        EXPECT_EQ(st.st_mode & 07777, 0600U);
        /* and this process is itself again */
        EXPECT_EQ(setfsuid(static_cast<uid_t>(-1)), 0);
        EXPECT_EQ(setfsgid(static_cast<gid_t>(-1)), 0);
}

/* Names are not looked up again. */
TEST_F(LogmonSecurity, TheIdentityIsThatOfTheStart)
{
        LogConfig config;

        fill(&config);
        g_free(config.directory);
        config.directory = g_strdup((dir / "own").c_str());
        config.user = g_strdup("nobody");
        config.groups = g_strsplit("adm,7", ",", -1);
        for (const char *key : { "User", "SupplementaryGroups" })
                set(&config, key);
        ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
        config.fds[STREAM_STDOUT] = fds[0];
        ASSERT_GE(start(&config), 0) << error_message;

        std::string state = run.read("web.json");
        const size_t at = state.find("\"nobody\"");

        ASSERT_NE(at, std::string::npos) << state;
        run.write("web.json", state.replace(at, 8, "\"gone\""));
        reboot();
        log = static_cast<TaskLog *>(g_hash_table_lookup(manager->logs, "web"));
        ASSERT_NE(log, nullptr);
        EXPECT_TRUE(log->identity.other);
        EXPECT_EQ(log->identity.uid, nobody);
        EXPECT_EQ(log->identity.gid, nobody);
        ASSERT_EQ(log->identity.n_groups, 2U);
        EXPECT_EQ(log->identity.groups[0], 4U);
        EXPECT_EQ(log->identity.groups[1], 7U);

        const size_t uid = state.find("\"UID\":65534");

        ASSERT_NE(uid, std::string::npos) << state;
        for (const char *bad : { "\"UID\":-1", "\"UID\":4294967295", "\"UID\":null", "\"UIX\":65534" }) {
                std::string broken = state;

                run.write("web.json", broken.replace(uid, 11, bad));
                reboot();
                EXPECT_EQ(g_hash_table_size(manager->logs), 0U) << bad;
        }
        close(fds[1]);
}

TEST_F(Logmon, ANumberNeedsNoLookUpButForItsGroup)
{
        Identity identity;
        const char *key = "";

        ASSERT_GE(identity_resolve("1234567", "7654321", nullptr, &identity, &key), 0);
        EXPECT_EQ(identity.uid, 1234567U);
        EXPECT_EQ(identity.gid, 7654321U);
        identity_clear(&identity);
        EXPECT_EQ(identity_resolve("1234567", nullptr, nullptr, &identity, &key), -ESRCH);
        EXPECT_STREQ(key, "Group");
        ASSERT_GE(identity_resolve("65534", nullptr, nullptr, &identity, &key), 0);
        EXPECT_EQ(identity.gid, 65534U);
        identity_clear(&identity);
}

/* What is refused, and what is said of it. */
TEST_F(Logmon, WhoIsUnknownIsNamed)
{
        const auto refused = [](const char *user, const char *group, char **groups) -> std::string {
                Identity identity;
                const char *key = "";
                const int r = identity_resolve(user, group, groups, &identity, &key);

                if (r >= 0) {
                        identity_clear(&identity);
                        return "";
                }
                g_autofree char *text = identity_describe_refused(user, group, key, r);
                return text;
        };
        char none[] = "nobody-has-it", one[] = "1";
        char *unknown[] = { none, nullptr };
        std::vector<char *> many(IDENTITY_GROUPS_MAX + 1, one);

        many.push_back(nullptr);
        EXPECT_EQ(refused("nobody-is-it", nullptr, nullptr), "User 'nobody-is-it' is unknown");
        EXPECT_EQ(refused("1234567", nullptr, nullptr),
                        "User '1234567' is not in the user database: Group is required");
        EXPECT_EQ(refused("1234567", none, nullptr), "Group 'nobody-has-it' is unknown");
        EXPECT_EQ(refused("1234567", "1", unknown), "SupplementaryGroups has a group that is unknown");
        EXPECT_EQ(refused("1234567", "1", many.data()), "SupplementaryGroups has more than 1024 groups");
}

TEST_F(LogmonSecurity, WhatTheUserMayNotOpenIsNotOpened)
{
        EXPECT_LT(start_as_nobody(dir / "root-only"), 0);
        EXPECT_EQ(error_name, BUS_ERROR_LOG_FAILED);
        EXPECT_NE(error_message.find("Permission denied"), std::string::npos) << error_message;
        EXPECT_LT(start_as_nobody(dir / "own", dir / "root-only/fifo"), 0);
        EXPECT_EQ(error_name, BUS_ERROR_LOG_FAILED);
}

TEST_F(LogmonSecurity, ASymlinkAtTheDirectoryOrAParent)
{
        ASSERT_EQ(mkdir((dir / "real").c_str(), 0777), 0);
        ASSERT_EQ(chmod((dir / "real").c_str(), 0777), 0);
        ASSERT_EQ(mkdir((dir / "real/logs").c_str(), 0777), 0);
        ASSERT_EQ(symlink((dir / "real").c_str(), (dir / "link").c_str()), 0);
        EXPECT_LT(start_as_nobody(dir / "link"), 0);
        EXPECT_LT(start_as_nobody(dir / "link/logs"), 0);
        EXPECT_NE(error_message.find("symbolic links"), std::string::npos) << error_message;
        EXPECT_FALSE(dir.has("real/web.stdout.0"));
}

TEST_F(LogmonSecurity, ASymlinkAtTheFile)
{
        dir.write("victim", "precious");
        ASSERT_EQ(symlink((dir / "victim").c_str(), (dir / "own/web.stdout.0").c_str()), 0);
        ASSERT_GE(start_as_nobody(dir / "own"), 0);
        put(fds[1], "mine\n");
        settle();
        EXPECT_EQ(dir.read("victim"), "precious");
        EXPECT_EQ(dir.read("own/web.stdout.1"), "mine\n");
        close(fds[1]);
}

TEST_F(LogmonSecurity, ASymlinkAtTheFifo)
{
        ASSERT_EQ(mkfifo((dir / "victim").c_str(), 0666), 0);
        ASSERT_EQ(symlink((dir / "victim").c_str(), (dir / "own/fifo").c_str()), 0);
        EXPECT_LT(start_as_nobody(dir / "own", dir / "own/fifo"), 0);
        EXPECT_EQ(error_name, BUS_ERROR_LOG_FAILED);

        dir.write("own/file", "secret");
        EXPECT_LT(start_as_nobody(dir / "own", dir / "own/file"), 0);
        EXPECT_EQ(dir.read("own/file"), "secret");
}

} // namespace
