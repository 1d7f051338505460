/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal-sink.h"

#include <cstring>
#include <memory>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>

#include "fake-journald.h"
#include "line.h"
#include "logmon-fixture.h"

namespace
{

std::vector<std::string> messages(const std::vector<Entry> &entries)
{
        std::vector<std::string> found;

        for (const auto &entry : entries)
                found.push_back(entry.count("MESSAGE") ? entry.at("MESSAGE") : "(malformed)");
        return found;
}

using Messages = std::vector<std::string>;

class Journal_ : public testing::Test
{
      protected:
        void SetUp() override
        {
                GString *fields = g_string_new(nullptr);

                journal = journal_new((dir / "socket").c_str());
                journald = std::make_unique<FakeJournald>(dir / "socket");
                journal_append_field(fields, "NOMAD_TASK_ID", "a\nb");
                journal_append_field(fields, "SYSLOG_IDENTIFIER", "web");
                sink = journal_sink_new(journal, &counters, fields, LOG_INFO);
        }

        void TearDown() override
        {
                journal_sink_free(sink);
                journal_free(journal);
        }

        size_t feed(const std::string &data, int expected = 0)
        {
                size_t done = 0;

                EXPECT_EQ(journal_sink_feed(sink, data.data(), data.size(), &done), expected);
                return done;
        }

        /* Feeds until journald's socket is full, and then on. Returns how many lines that were. */
        uint64_t overwhelm()
        {
                uint64_t n = 0;

                while (counters.journal_dropped == 0 && n < 1000000) {
                        size_t done = 0;

                        if (journal_sink_feed(sink, "line\n", 5, &done) == -EAGAIN) {
                                EXPECT_EQ(done, 0U);
                                sink->patience_end = g_get_monotonic_time();
                                continue;
                        }
                        n++;
                }
                return n;
        }

        TempDir dir;
        std::unique_ptr<FakeJournald> journald;
        Counters counters = {};
        Journal *journal = nullptr;
        JournalSink *sink = nullptr;
};

TEST_F(Journal_, OneEntryPerLineWithItsFields)
{
        EXPECT_EQ(feed("one\ntwo\n"), 8U);

        const auto entries = journald->take();

        ASSERT_EQ(messages(entries), (Messages{ "one", "two" }));
        EXPECT_EQ(entries[0].at("PRIORITY"), "6");
        EXPECT_EQ(entries[0].at("SYSLOG_IDENTIFIER"), "web");
        EXPECT_EQ(entries[0].at("NOMAD_TASK_ID"), "a\nb");
}

TEST_F(Journal_, APriorityPrefixWinsAndIsTakenOff)
{
        feed("<3>bad\n<9>as it is\n");

        const auto entries = journald->take();

        ASSERT_EQ(messages(entries), (Messages{ "bad", "<9>as it is" }));
        EXPECT_EQ(entries[0].at("PRIORITY"), "3");
        EXPECT_EQ(entries[1].at("PRIORITY"), "6");
}

TEST_F(Journal_, LinesOfAllKinds)
{
        feed(std::string("\n\r\ncr\r\nnul\0l\n\xff\n", 15));
        EXPECT_EQ(messages(journald->take()), (Messages{ "", "", "cr", std::string("nul\0l", 5), "\xff" }));
}

TEST_F(Journal_, ManyLinesAreManyEntries)
{
        std::string lines;
        Messages expected;
        Messages got;

        for (int i = 0; i < 1000; i++) {
                lines += std::to_string(i) + "\n";
                expected.push_back(std::to_string(i));
        }
        for (size_t done = 0; done < lines.size();) {
                size_t n = 0;

                (void) journal_sink_feed(sink, lines.data() + done, lines.size() - done, &n);
                done += n;
                for (auto &message : messages(journald->take()))
                        got.push_back(message);
                sink->patience_end = 0; /* however slow this machine is */
        }
        EXPECT_EQ(got, expected);
        EXPECT_EQ(counters.journal_dropped, 0U);
}

TEST_F(Journal_, AnUnfinishedLineIsKeptForItsEnd)
{
        EXPECT_EQ(feed("be"), 2U);
        EXPECT_EQ(feed("gin"), 3U);
        EXPECT_TRUE(journald->take().empty());
        EXPECT_EQ(feed("ning\nnext\nlast"), 14U);
        EXPECT_EQ(messages(journald->take()), (Messages{ "beginning", "next" }));
        EXPECT_EQ(journal_sink_finish(sink, nullptr, 0), 0);
        EXPECT_EQ(messages(journald->take()), (Messages{ "last" }));
        EXPECT_EQ(journal_sink_finish(sink, nullptr, 0), 0);
        EXPECT_TRUE(journald->take().empty());
}

TEST_F(Journal_, AnUnfinishedLineThatIsNotKeptIsLeft)
{
        sink->keeps_partial = false;
        EXPECT_EQ(feed("one\ntw"), 4U);
        EXPECT_EQ(feed("two\n"), 4U);
        EXPECT_EQ(messages(journald->take()), (Messages{ "one", "two" }));
        EXPECT_EQ(journal_sink_finish(sink, "end", 3), 0);
        EXPECT_EQ(messages(journald->take()), (Messages{ "end" }));
}

TEST_F(Journal_, LongLinesAreCut)
{
        const std::string line(LINE_ENTRY_MAX * 2 + 10, 'l');

        feed(line.substr(0, 100));
        feed(line.substr(100) + "\n");
        EXPECT_EQ(messages(journald->take()),
                        (Messages{ std::string(LINE_ENTRY_MAX, 'l'), std::string(LINE_ENTRY_MAX, 'l'),
                                        std::string(10, 'l') }));
}

/* However a character lies across the cut, and in whatever pieces it comes. */
TEST_F(Journal_, LongLinesAreCutBetweenCharacters)
{
        for (const std::string character : { "\u00e4", "\u20ac", "\U0001f600" })
                for (size_t before = 0; before < 4; before++)
                        for (size_t piece : { size_t{ 1 }, size_t{ 7 }, LINE_ENTRY_MAX * size_t{ 4 } }) {
                                std::string line(before, 'l'), got;

                                while (line.size() < LINE_ENTRY_MAX * 3)
                                        line += character;
                                /* its first part at once, for one byte at a time takes long */
                                const size_t begin = LINE_ENTRY_MAX - 10;

                                feed(line.substr(0, begin));
                                for (size_t i = begin; i < line.size(); i += piece) {
                                        if (piece == 1 && i == LINE_ENTRY_MAX + 10)
                                                piece = line.size();
                                        feed(line.substr(i, piece));
                                }
                                feed("\n");
                                for (const auto &message : messages(journald->take())) {
                                        EXPECT_TRUE(g_utf8_validate(
                                                        message.data(), (gssize) message.size(), nullptr))
                                                        << before << " " << piece;
                                        EXPECT_LE(message.size(), LINE_ENTRY_MAX + 3);
                                        got += message;
                                }
                                EXPECT_TRUE(got == line) << before << " " << piece;
                                ASSERT_EQ(counters.journal_dropped, 0U);
                        }
}

/* What is not UTF-8 is cut where it always was. */
TEST_F(Journal_, BytesThatAreNoCharactersDoNotWait)
{
        for (const std::string bytes : { "\xf0", "\x80", "\xff" }) {
                std::string line;

                while (line.size() < LINE_ENTRY_MAX + 5)
                        line += bytes;
                feed(line + "\n");

                const auto got = messages(journald->take());

                ASSERT_EQ(got.size(), 2U);
                EXPECT_EQ(got[0].size(), LINE_ENTRY_MAX);
        }
}

TEST_F(Journal_, ThePiecesOfALongLineAreOfItsPriority)
{
        const std::string head = "<3>" + std::string(LINE_ENTRY_MAX - 3, 'l');

        feed(head + "<7>tail\nnext\n");

        const auto entries = journald->take();

        ASSERT_EQ(entries.size(), 3U);
        EXPECT_EQ(entries[0].at("PRIORITY"), "3");
        EXPECT_EQ(entries[1].at("PRIORITY"), "3");
        EXPECT_EQ(entries[1].at("MESSAGE"), "<7>tail");
        EXPECT_EQ(entries[2].at("PRIORITY"), "6");
}

TEST_F(Journal_, WaitsForAMomentAndDropsThen)
{
        const uint64_t sent = overwhelm();

        ASSERT_EQ(counters.journal_dropped, 1U);
        feed("a\nb\nc\n");
        EXPECT_EQ(counters.journal_dropped, 4U);
        EXPECT_EQ(journald->take().size(), sent - 1);

        feed("back\n");

        const auto entries = journald->take();

        ASSERT_EQ(entries.size(), 2U);
        EXPECT_EQ(entries[0].at("MESSAGE"),
                        "4 lines of output are missing here: the journal did not keep up");
        EXPECT_EQ(entries[0].at("PRIORITY"), "4");
        EXPECT_EQ(entries[1].at("MESSAGE"), "back");
}

TEST_F(Journal_, AnUnfinishedLineSurvivesAWait)
{
        feed("head ");
        (void) overwhelm(); /* its first line ends with what was kept */
        (void) journald->take();
        feed("be");
        sink->patience_end = 0;
        while (journal_send(journal, std::vector<JournalEntry>(1, { sink->fields, 6, "x", 1 }).data(), 1) >
                        0)
                ;
        EXPECT_EQ(feed("gin\n", -EAGAIN), 0U);
        (void) journald->take();
        EXPECT_EQ(feed("gin\n"), 4U);
        EXPECT_EQ(messages(journald->take()).back(), "begin");
}

TEST_F(Journal_, GoneAndBack)
{
        feed("one\n");
        EXPECT_EQ(journald->take().size(), 1U);
        journald.reset();
        EXPECT_EQ(feed("two\n", -EAGAIN), 0U) << "it is waited for";
        sink->patience_end = g_get_monotonic_time();
        feed("two\n");
        EXPECT_EQ(counters.journal_dropped, 1U);

        journald = std::make_unique<FakeJournald>(dir / "socket");
        feed("three\n");
        EXPECT_EQ(messages(journald->take()).back(), "three");
        EXPECT_EQ(counters.journal_dropped, 1U);
}

TEST_F(Journal_, ASocketMadeAnewLosesNothing)
{
        feed("one\n");
        journald.reset();
        journald = std::make_unique<FakeJournald>(dir / "socket");
        feed("two\n");
        EXPECT_EQ(messages(journald->take()), (Messages{ "two" }));
        EXPECT_EQ(counters.journal_dropped, 0U);
}

/* A stream with both sinks, and one with the journal alone. */
class JournalStream : public StreamTest
{
      protected:
        void SetUp() override
        {
                StreamTest::SetUp();
                journal = journal_new((dir / "socket").c_str());
                journald = std::make_unique<FakeJournald>(dir / "socket");
                stream->journal = journal_sink_new(journal, &counters, g_string_new("A=b\n"), LOG_ERR);
        }

        void TearDown() override
        {
                StreamTest::TearDown();
                journal_free(journal);
        }

        std::unique_ptr<FakeJournald> journald;
        Journal *journal = nullptr;
};

TEST_F(JournalStream, BothSinksHaveEverything)
{
        start(10, 10);
        feed("one\ntwo\nthree\nfo");
        feed("ur\nend");
        fds[1] = safe_close(fds[1]);
        EXPECT_EQ(move(), MOVE_END);
        EXPECT_EQ(messages(journald->take()), (Messages{ "one", "two", "three", "four", "end" }));

        std::string all;

        for (const auto &file : dir.contents("redis.stdout"))
                all += file;
        EXPECT_EQ(all, "one\ntwo\nthree\nfour\nend");
}

TEST_F(JournalStream, JournalAloneKeepsAnUnfinishedLineInThePipe)
{
        int available = 0;

        ASSERT_GE(stream_start(stream, fds[0], false), 0);
        feed("one\ntw");
        ASSERT_EQ(ioctl(fds[0], FIONREAD, &available), 0);
        EXPECT_EQ(available, 2);
        feed("o\nend");
        fds[1] = safe_close(fds[1]);
        EXPECT_EQ(move(), MOVE_END);
        EXPECT_EQ(messages(journald->take()), (Messages{ "one", "two", "end" }));
        EXPECT_EQ(counters.bytes[STREAM_STDOUT], 11U);
}

TEST_F(JournalStream, JournalAloneIsNotBlockedByALineThatFillsThePipe)
{
        ASSERT_GE(stream_start(stream, fds[0], false), 0);

        size_t total = 0;

        for (int i = 0; i < 10; i++) {
                feed(std::string(100000, 'l'));
                for (const auto &message : messages(journald->take()))
                        total += message.size();
        }
        feed("\n");
        for (const auto &message : messages(journald->take()))
                total += message.size();
        EXPECT_EQ(total, 1000000U);
}

/* A pipe has room for so many pieces, and these are as many as there can be. */
TEST_F(JournalStream, JournalAloneIsNotBlockedBySmallPackets)
{
        int packets[2];

        ASSERT_EQ(pipe2(packets, O_CLOEXEC | O_NONBLOCK | O_DIRECT), 0);
        close(fds[0]);
        close(fds[1]);
        fds[1] = packets[1];
        ASSERT_GE(stream_start(stream, packets[0], false), 0);

        ssize_t written = 0;
        std::string got;

        while (write(packets[1], "p", 1) == 1)
                written++;
        ASSERT_LT(written, 1000);
        EXPECT_EQ(move(), MOVE_EMPTY);
        EXPECT_EQ(write(packets[1], "<", 1), 1) << "there is room again";
        ASSERT_EQ(write(packets[1], "3>\n<3>new\n", 10), 10);
        EXPECT_EQ(move(), MOVE_EMPTY);

        const auto entries = journald->take();

        for (const auto &message : messages(entries))
                got += message;
        EXPECT_EQ(got, std::string(static_cast<size_t>(written), 'p') + "<3>new");
        EXPECT_EQ(entries.back().at("PRIORITY"), "3");
        EXPECT_EQ(entries[entries.size() - 2].at("MESSAGE"), "<3>") << "the middle of a line has no prefix";
}

TEST_F(JournalStream, JournalAloneCountsWhatIsThereAtAForcedEnd)
{
        std::string lines;

        for (int i = 0; i < 5000; i++)
                lines += "line " + std::to_string(i) + "\n";
        ASSERT_GE(stream_start(stream, fds[0], false), 0);
        ASSERT_EQ(write(fds[1], lines.data(), lines.size()), static_cast<ssize_t>(lines.size()));
        EXPECT_EQ(move(), MOVE_WAIT_JOURNAL);
        ASSERT_EQ(write(fds[1], "unfinished", 10), 10);
        stream_finish(stream);
        EXPECT_EQ(journald->take().size() + counters.journal_dropped, 5001U);
        EXPECT_EQ(counters.bytes[STREAM_STDOUT], lines.size() + 10);
}

TEST_F(JournalStream, AForcedEndSendsTheLineThatHasNoEnd)
{
        start(10, 1 << 20);
        feed("one\nunfinished");
        stream_finish(stream);
        EXPECT_EQ(messages(journald->take()), (Messages{ "one", "unfinished" }));
        EXPECT_EQ(counters.journal_dropped, 0U);
}

class JournalBacklog : public JournalStream
{
      protected:
        void SetUp() override
        {
                JournalStream::SetUp();
                journal_sink_set_backlog(stream->journal, &pump, "backlog.test", -1);
                start(10, 1 << 30);
        }

        static std::string lines(int first, int last)
        {
                std::string all;

                for (int i = first; i <= last; i++)
                        all += "line " + std::to_string(i) + "\n";
                return all;
        }

        /* As if journald came back: what it has got when there is nothing more for it. */
        Messages catch_up()
        {
                Messages all;

                for (bool waiting = true; waiting;) {
                        waiting = move() == MOVE_WAIT_JOURNAL;
                        for (auto &message : messages(journald->take()))
                                all.push_back(message);
                }
                return all;
        }
};

TEST_F(JournalBacklog, FilesDoNotWaitAndTheJournalGetsEverythingLater)
{
        const std::string input = lines(1, 10000);
        std::string all;

        feed(input);
        EXPECT_EQ(move(), MOVE_WAIT_JOURNAL);
        EXPECT_TRUE(dir.read("redis.stdout.0") == input);

        for (const auto &message : catch_up())
                all += message + "\n";
        EXPECT_TRUE(all == input);
        EXPECT_EQ(counters.journal_dropped, 0U);
        EXPECT_EQ(stream->journal->backlog, nullptr);
        EXPECT_EQ(pump.n_backlogs, 0U);
}

/* Its unit and its sockets are stopped, and started again. */
TEST_F(JournalBacklog, WaitsForAJournaldThatIsGone)
{
        const std::string input = lines(1, 10000);
        std::string all;

        feed("before\n");
        EXPECT_EQ(messages(journald->take()), (Messages{ "before" }));
        journald.reset();
        feed(input);
        EXPECT_EQ(move(), MOVE_WAIT_JOURNAL);
        EXPECT_TRUE(dir.read("redis.stdout.0") == "before\n" + input);
        EXPECT_EQ(counters.journal_dropped, 0U);

        journald = std::make_unique<FakeJournald>(dir / "socket");
        for (const auto &message : catch_up())
                all += message + "\n";
        EXPECT_TRUE(all == input);
        EXPECT_EQ(counters.journal_dropped, 0U);
        EXPECT_EQ(stream->journal->backlog, nullptr);
}

TEST_F(JournalBacklog, AnUnfinishedLineGoesThroughIt)
{
        feed("begun ");
        feed(lines(1, 1000) + "un");
        ASSERT_NE(stream->journal->backlog, nullptr);
        feed("finished\nla");

        const auto got = catch_up();

        ASSERT_EQ(got.size(), 1001U);
        EXPECT_EQ(got.front(), "begun line 1");
        EXPECT_EQ(got.back(), "unfinished");
        feed("st\n");
        EXPECT_EQ(catch_up(), (Messages{ "last" }));
}

TEST_F(JournalBacklog, WhatDoesNotFitIsDroppedByWholeLinesAndCounted)
{
        const int n = 300000;

        feed(lines(1, n));
        EXPECT_GT(counters.journal_dropped, 0U);
        feed("half a line");
        feed(" and the rest\n");

        const uint64_t dropped = counters.journal_dropped;
        const auto got = catch_up();

        EXPECT_EQ(got.size() + dropped, n + 1U);
        for (size_t i = 0; i < got.size(); i++)
                ASSERT_EQ(got[i], "line " + std::to_string(i + 1));
        feed("after\n");
        EXPECT_EQ(catch_up(),
                        (Messages{ std::to_string(dropped) +
                                                        " lines of output are missing here: the journal did not keep up",
                                        "after" }));
}

TEST_F(JournalBacklog, ALineThatCannotGoOnEndsWhereItIs)
{
        feed(lines(1, 1000));

        Backlog *backlog = stream->journal->backlog;
        int used = 0;

        ASSERT_NE(backlog, nullptr);
        ASSERT_EQ(ioctl(backlog->fd, FIONREAD, &used), 0);
        std::string filler(backlog->capacity - static_cast<size_t>(used) - 5, 'x');

        for (size_t i = 4000; i < filler.size(); i += 4000)
                filler[i] = '\n';
        filler.back() = '\n';
        EXPECT_EQ(backlog_write(backlog, filler.data(), filler.size()), 0U);
        EXPECT_EQ(backlog_write(backlog, "half", 4), 0U);
        EXPECT_EQ(backlog_write(backlog, " a line\nlost\n", 13), 2U) << "it is not there as a whole";
        EXPECT_FALSE(backlog->skipping);

        const auto got = catch_up();

        EXPECT_EQ(got.back(), "half");
        EXPECT_EQ(got.size(), 1000U + line_count(filler.data(), filler.size()) + 1U);
}

TEST_F(JournalBacklog, TheEndWaitsForTheJournal)
{
        feed(lines(1, 1000) + "end");
        fds[1] = safe_close(fds[1]);
        EXPECT_EQ(move(), MOVE_WAIT_JOURNAL);

        const auto got = catch_up();

        ASSERT_EQ(got.size(), 1001U);
        EXPECT_EQ(got.back(), "end");
        EXPECT_EQ(move(), MOVE_END);
}

TEST_F(JournalBacklog, AForcedEndCounts)
{
        feed(lines(1, 50000) + "end");
        stream_finish(stream);
        EXPECT_EQ(counters.journal_dropped + journald->take().size(), 50001U);
        EXPECT_EQ(pump.n_backlogs, 0U);
}

/* As with all others stopped journald has not taken what is theirs. */
TEST_F(JournalBacklog, OneOfTooManyDropsAndCounts)
{
        const std::string input = lines(1, 5000);
        std::string all;

        pump.n_backlogs = BACKLOGS_MAX;
        ASSERT_EQ(write(fds[1], input.data(), input.size()), static_cast<ssize_t>(input.size()));
        EXPECT_EQ(move(), MOVE_WAIT_JOURNAL) << "for a moment";
        stream->journal->patience_end = g_get_monotonic_time();
        EXPECT_EQ(move(), MOVE_EMPTY);
        EXPECT_TRUE(dir.read("redis.stdout.0") == input);
        EXPECT_GT(counters.journal_dropped, 0U);

        const auto got = messages(journald->take());

        EXPECT_EQ(got.size() + counters.journal_dropped, 5000U);
        feed("after\n");
        EXPECT_EQ(messages(journald->take()).back(), "after");
        EXPECT_EQ(stream->journal->backlog, nullptr);
        pump.n_backlogs = 0;
}

TEST_F(JournalBacklog, OneOfTooManyLosesNothingAtAForcedEnd)
{
        const std::string input = lines(1, 5000) + "end";

        pump.n_backlogs = BACKLOGS_MAX;
        ASSERT_EQ(write(fds[1], input.data(), input.size()), static_cast<ssize_t>(input.size()));
        EXPECT_EQ(move(), MOVE_WAIT_JOURNAL);
        stream_finish(stream);
        EXPECT_TRUE(dir.read("redis.stdout.0") == input);
        EXPECT_EQ(journald->take().size() + counters.journal_dropped, 5001U);
        pump.n_backlogs = 0;
}

/* In a child without privileges: what backlog_open() gives a user who has as many pipes as the kernel
 * allows. */
static int open_without_room()
{
        const int small = 2 * getpagesize();
        Pump pump = {};
        Backlog *backlog = nullptr;

        if (setresuid(54321, 54321, 54321) < 0)
                return 0;
        for (int n = 0; n < 1000; n++) {
                int fds[2];

                if (pipe2(fds, O_CLOEXEC) < 0)
                        return 0;
                if (fcntl(fds[0], F_GETPIPE_SZ) <= small)
                        return backlog_open(&pump, "backlog.test", &backlog);
                (void) fcntl(fds[0], F_SETPIPE_SZ, 1 << 20);
        }
        return 0;
}

/* Its lines would be dropped one and all; so they wait where they are. */
TEST(Backlog, NeedsAPipeThatIsLargeEnough)
{
        int status = 0;

        if (geteuid() != 0)
                GTEST_SKIP() << "machine: only root can be a user who has nothing else to do";
        pid_t pid = fork();
        ASSERT_GE(pid, 0);
        if (pid == 0)
                _exit(-open_without_room());
        ASSERT_EQ(waitpid(pid, &status, 0), pid);
        ASSERT_TRUE(WIFEXITED(status));
        EXPECT_EQ(WEXITSTATUS(status), ENOBUFS);
}

/* Each of these is half a page and would waste the other half, were it not for the filling up. */
TEST_F(JournalBacklog, LongLinesFindRoomForAsManyBytes)
{
        feed(lines(1, 1000));

        Backlog *backlog = stream->journal->backlog;
        const std::string line = std::string(2500, 'l') + "\n";
        uint64_t dropped = 0, written = 0;
        int used = 0;

        ASSERT_NE(backlog, nullptr);
        for (; dropped == 0; written++)
                dropped = backlog_write(backlog, line.data(), line.size());
        EXPECT_EQ(dropped, 1U);
        ASSERT_EQ(ioctl(backlog->fd, FIONREAD, &used), 0);
        EXPECT_GT(static_cast<size_t>(used), backlog->capacity - line.size());
        EXPECT_EQ(catch_up().size(), 1000 + written - 1);
}

/* After a restart it is not known how full the last page is, so there may be less room than it seems. */
TEST_F(JournalBacklog, WhatDoesNotGoInAfterAllIsCountedToo)
{
        feed(lines(1, 1000));

        Backlog *backlog = stream->journal->backlog;
        const std::string line = std::string(5 * 4096 + 2500, 'l') + "\n";
        uint64_t dropped = 0, written = 0;

        ASSERT_NE(backlog, nullptr);
        for (; dropped == 0; written++) {
                backlog->fill = 0;
                dropped = backlog_write(backlog, line.data(), line.size());
        }
        ASSERT_TRUE(backlog->torn) << "the beginning of the last one is there";
        dropped += backlog_write(backlog, line.data(), line.size());

        const auto got = catch_up();
        uint64_t whole = 0, pieces = 0;

        for (const auto &message : got)
                (message.size() + 1 == line.size() ? whole : pieces)++;
        EXPECT_EQ(whole + dropped, written + 1);
        EXPECT_LE(pieces, 1000U + 1U);
        feed("after\n");
        EXPECT_EQ(catch_up().back(), "after");
}

TEST_F(JournalBacklog, TheNextProcessGoesOnWithIt)
{
        feed(lines(1, 1000) + "un");

        Backlog *backlog = stream->journal->backlog;

        ASSERT_NE(backlog, nullptr);
        const int kept = fcntl(backlog->fd, F_DUPFD_CLOEXEC, 3);

        stream->journal->backlog = backlog_free(backlog);
        stream_recover_partial(stream);
        journal_sink_set_backlog(stream->journal, &pump, "backlog.test", kept);
        feed("finished\n");

        const auto got = catch_up();

        ASSERT_EQ(got.size(), 1001U);
        EXPECT_EQ(got.back(), "unfinished");
}

TEST_F(JournalStream, TheHeadOfALineIsFoundAgainInTheFile)
{
        start(10, 1000);
        feed("one\ntw");
        g_clear_pointer(&stream->journal->partial, g_byte_array_unref); /* as after a SIGKILL */
        stream_recover_partial(stream);
        feed("o\n");
        EXPECT_EQ(messages(journald->take()), (Messages{ "one", "two" }));
}

} // namespace
