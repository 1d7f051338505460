/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <memory>
#include <sys/stat.h>
#include <syslog.h>

#include "journal-sink.h"
#include "logmon-log-fixture.h"

/* SYSLOG_PID, which a file tells. */

namespace
{

using Texts = std::vector<std::string>;

/* One field of each entry; "" where there is none. */
Texts field(const std::vector<Entry> &entries, const std::string &name)
{
        Texts found;

        for (const auto &entry : entries)
                found.push_back(entry.count(name) ? entry.at(name) : "");
        return found;
}

Texts pids(const std::vector<Entry> &entries)
{
        return field(entries, "SYSLOG_PID");
}

class JournalPid : public StreamTest
{
      protected:
        void SetUp() override
        {
                StreamTest::SetUp();
                journal = journal_new((dir / "socket").c_str());
                journald = std::make_unique<FakeJournald>(dir / "socket");
                sink = stream->journal =
                                journal_sink_new(journal, &counters, g_string_new("A=b\n"), LOG_INFO);
                set_pid_file(sink);
        }

        void TearDown() override
        {
                StreamTest::TearDown();
                journal_free(journal);
        }

        size_t show(const std::string &data, int expected = 0)
        {
                size_t done = 0;

                EXPECT_EQ(journal_sink_feed(sink, data.data(), data.size(), &done), expected);
                return done;
        }

        void set_pid_file(JournalSink *of)
        {
                g_autoptr(PidFile) pid_file = pid_file_new(file.c_str());

                journal_sink_set_pid_file(of, pid_file);
        }

        void make_file(const std::string &text)
        {
                dir.write("pid", text);
        }

        const std::string file = dir / "pid";
        std::unique_ptr<FakeJournald> journald;
        Journal *journal = nullptr;
        JournalSink *sink = nullptr;
};

TEST_F(JournalPid, IsInEachEntry)
{
        make_file("4711\n");
        show("one\n");
        ASSERT_EQ(unlink(file.c_str()), 0);
        show("two\nthree\n");
        EXPECT_EQ(pids(journald->take()), (Texts{ "4711", "4711", "4711" }));
}

TEST_F(JournalPid, LinesWaitForIt)
{
        EXPECT_EQ(show("one\n", -EAGAIN), 0U);
        EXPECT_TRUE(journald->take().empty());
        make_file("4711\n");
        EXPECT_EQ(show("one\ntwo\n"), 8U);

        const auto entries = journald->take();

        EXPECT_EQ(field(entries, "MESSAGE"), (Texts{ "one", "two" }));
        EXPECT_EQ(pids(entries), (Texts{ "4711", "4711" }));
        EXPECT_EQ(counters.journal_dropped, 0U);
}

TEST_F(JournalPid, LinesDoNotWaitForEver)
{
        EXPECT_EQ(show("one\n", -EAGAIN), 0U);
        ASSERT_GT(sink->pid_file->deadline, 0);
        journal_sink_give_up_pid(sink);
        show("one\n");
        make_file("4711\n");
        show("two\n");
        EXPECT_EQ(pids(journald->take()), (Texts{ "", "4711" })) << "late is better than never";
}

/* What the other stream has comes after it, although it is looked at first when the file is there. */
TEST_F(JournalPid, LinesThatWaitKeepTheOrderOfTheStreams)
{
        JournalSink *other = journal_sink_new(journal, &counters, g_string_new("A=c\n"), LOG_ERR);
        size_t done = 0;

        journal_sink_set_pid_file(other, sink->pid_file);
        EXPECT_EQ(show("out\n", -EAGAIN), 0U);
        EXPECT_EQ(journal_sink_feed(other, "err\n", 4, &done), -EAGAIN);
        make_file("4711\n");
        EXPECT_EQ(journal_sink_feed(other, "err\n", 4, &done), -EAGAIN);
        EXPECT_EQ(show("out\n"), 4U);
        EXPECT_EQ(journal_sink_feed(other, "err\n", 4, &done), 0);

        const auto entries = journald->take();

        EXPECT_EQ(field(entries, "MESSAGE"), (Texts{ "out", "err" }));
        EXPECT_EQ(pids(entries), (Texts{ "4711", "4711" }));
        journal_sink_free(other);
}

/* Nor does the end of the writer change the order: both are looked at again at once. */
TEST_F(JournalPid, LinesThatWaitKeepTheirOrderAtTheEnd)
{
        JournalSink *other = journal_sink_new(journal, &counters, g_string_new("A=c\n"), LOG_ERR);
        size_t done = 0;

        journal_sink_set_pid_file(other, sink->pid_file);
        EXPECT_EQ(show("out\n", -EAGAIN), 0U);
        EXPECT_EQ(journal_sink_feed(other, "err\n", 4, &done), -EAGAIN);
        journal_sink_give_up_pid(sink);
        journal_sink_give_up_pid(other);
        EXPECT_EQ(journal_sink_feed(other, "err\n", 4, &done), -EAGAIN);
        EXPECT_EQ(show("out\n"), 4U);
        EXPECT_EQ(journal_sink_feed(other, "err\n", 4, &done), 0);
        EXPECT_EQ(field(journald->take(), "MESSAGE"), (Texts{ "out", "err" }));
        journal_sink_free(other);
}

TEST_F(JournalPid, TheOtherStreamDoesNotWaitForOneThatIsGone)
{
        JournalSink *other = journal_sink_new(journal, &counters, g_string_new("A=c\n"), LOG_ERR);
        size_t done = 0;

        journal_sink_set_pid_file(other, sink->pid_file);
        EXPECT_EQ(journal_sink_feed(other, "err\n", 4, &done), -EAGAIN);
        make_file("4711\n");
        EXPECT_EQ(show("out\n", -EAGAIN), 0U);
        journal_sink_free(other);
        EXPECT_EQ(show("out\n"), 4U);
}

TEST_F(JournalPid, AnEndDoesNotWait)
{
        sink->hurried = true;
        show("last\n");
        EXPECT_EQ(field(journald->take(), "MESSAGE"), (Texts{ "last" }));
}

TEST_F(JournalPid, AStreamThatIsToEndDoesNotWait)
{
        start(10, 1 << 20);
        ASSERT_EQ(write(fds[1], "one\n", 4), 4);
        EXPECT_EQ(move(), MOVE_WAIT_JOURNAL);
        EXPECT_TRUE(journald->take().empty());
        ASSERT_GE(stream_drain(stream), 0);
        EXPECT_EQ(move(), MOVE_EMPTY);
        EXPECT_EQ(field(journald->take(), "MESSAGE"), (Texts{ "one" }));
}

TEST_F(JournalPid, FilesDoNotWait)
{
        journal_sink_set_backlog(sink, &pump, "backlog", -1);
        start(10, 1 << 20);
        ASSERT_EQ(write(fds[1], "one\n", 4), 4);
        EXPECT_EQ(move(), MOVE_WAIT_JOURNAL);
        EXPECT_EQ(dir.read("redis.stdout.0"), "one\n");
        EXPECT_TRUE(journald->take().empty());

        make_file("4711\n");
        feed("two\n");
        EXPECT_EQ(pids(journald->take()), (Texts{ "4711", "4711" }));
        EXPECT_EQ(pump.n_backlogs, 0U);
}

TEST_F(JournalPid, WhatIsNoPidIsNoField)
{
        for (const char *text : { "0\n", "-1\n", "12a\n", "12", "4294967296\n", "\n", "1\nMESSAGE=forged\n",
                             "12345678901234567890\n" }) {
                make_file(text);
                set_pid_file(sink);
                show("line\n");
                EXPECT_EQ(pids(journald->take()), (Texts{ "" })) << text;
        }

        ASSERT_EQ(unlink(file.c_str()), 0);
        ASSERT_EQ(mkdir(file.c_str(), 0700), 0);
        set_pid_file(sink);
        show("line\n");
        EXPECT_EQ(pids(journald->take()), (Texts{ "" })) << "a directory";
        ASSERT_EQ(rmdir(file.c_str()), 0);

        dir.write("target", "4711\n");
        ASSERT_EQ(symlink((dir / "target").c_str(), file.c_str()), 0);
        set_pid_file(sink);
        show("line\n");
        EXPECT_EQ(pids(journald->take()), (Texts{ "" })) << "a symbolic link";
}

TEST_F(JournalPid, AnEmptyFileIsNotCompleteYet)
{
        make_file("");
        EXPECT_EQ(show("one\n", -EAGAIN), 0U);
        make_file("4711\n");
        show("one\n");
        EXPECT_EQ(pids(journald->take()), (Texts{ "4711" }));
}

/* The path is in the log's state, for a process that comes later. */
TEST_F(Logmon, EntriesHaveThePidOfTheTask)
{
        const std::unique_ptr<FakeJournald> own = std::move(journald);
        const std::string file = dir / "main-pid";
        LogConfig config;

        dir.write("main-pid", "4711\n");
        fill(&config);
        config.fifos[STREAM_STDOUT] = g_strdup((dir / "out").c_str());
        config.main_pid_file = g_strdup(file.c_str());
        g_strfreev(config.targets);
        config.targets = g_strsplit("journal", ",", -1);
        for (const char *key : { "StdoutFifo", "MainPIDFile" })
                set(&config, key);
        ASSERT_GE(start(&config), 0);

        const int fd = open_fifo("out");
        std::vector<Entry> entries;

        ASSERT_GE(fd, 0);
        put(fd, "line\n");
        ASSERT_TRUE(wait_for([&] {
                entries = own->take();
                return !entries.empty();
        }));
        EXPECT_EQ(pids(entries), (Texts{ "4711" }));
        close(fd);

        reboot();
        log = static_cast<TaskLog *>(g_hash_table_lookup(manager->logs, "web"));
        ASSERT_NE(log, nullptr);
        EXPECT_STREQ(log->config.main_pid_file, file.c_str());
}

} // namespace
