/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <thread>
#include <unistd.h>

#include "log-fixture.h"

/* Logmon is killed, restarted and replaced while tasks write: nothing is lost, and nothing is there
 * twice. */

class LogFire : public LogTest
{
      protected:
        const Spec many_files = Spec().set("LogTargets", std::vector<std::string>{ "files" })
                                                .set("LogMaxFileSize", (uint64_t) 3000000)
                                                .set("LogMaxFiles", 65536U);

        static std::string id_of(unsigned i)
        {
                return "fire-" + std::to_string(i);
        }

        /* Chunks that are no whole lines and no whole pages, small and large. */
        void start_writers(unsigned n)
        {
                static const size_t chunks[] = { 65536, 7919, 997, 262147 };

                for (unsigned i = 0; i < n; i++)
                        start_writer(id_of(i), i, chunks[i % 4], 0, 0, many_files);
        }

        /* Ends the writers; each file of each is what it wrote. */
        void expect_all_there(unsigned n)
        {
                uint64_t total = 0;

                stop_writers();
                for (unsigned i = 0; i < n; i++) {
                        EXPECT_EQ(wait(id_of(i)), (Exit{ "success", 0, 0, false })) << i;
                        total += expect_there(i);
                }
                EXPECT_GT(total, (uint64_t) n << 21) << "they were hardly writing";
                std::cout << n << " tasks wrote " << total / 1000000 << " MB" << std::endl;
        }

        uint64_t expect_there(unsigned tag)
        {
                const uint64_t size = written(id_of(tag));
                const std::string text = contents_of(id_of(tag));
                const size_t same = first_difference(text, tag);

                EXPECT_EQ(text.size(), size) << "of writer " << tag;
                EXPECT_EQ(same, text.size())
                                << "of writer " << tag << ", where there is: " << text.substr(same, 40);
                return size;
        }

        /* N times in SECONDS, at random moments. */
        void kill_often(unsigned n, unsigned seconds)
        {
                std::mt19937 random = seeded_random();
                std::vector<std::chrono::microseconds> moments(n);
                const auto begin = std::chrono::steady_clock::now();
                std::set<pid_t> killed;
                pid_t pid = 0;

                for (auto &moment : moments)
                        moment = std::chrono::microseconds(random() % (seconds * 1000000));
                std::sort(moments.begin(), moments.end());
                for (const auto &moment : moments) {
                        pid = logmon_pid(pid);
                        std::this_thread::sleep_until(begin + moment);
                        ASSERT_EQ(kill(pid, SIGKILL), 0) << "it has ended by itself";
                        ASSERT_TRUE(killed.insert(pid).second) << pid;
                }
                (void) logmon_pid(pid);
        }

        /* One after the other for so long: a process that is left alone fills memory with what it has
         * logged. */
        void replace_for(unsigned seconds, const std::function<void(unsigned)> &replace)
        {
                const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
                pid_t pid = logmon_pid();
                unsigned n = 0;

                for (; std::chrono::steady_clock::now() < end; n++) {
                        replace(n);
                        const pid_t next = logmon_pid(pid);
                        ASSERT_NE(next, pid);
                        pid = next;
                }
                std::cout << n << " times" << std::endl;
                EXPECT_GE(n, seconds / 2);
        }

        static void restart()
        {
                ASSERT_EQ(run({ "systemctl", "restart", LOGMON_UNIT }).status, 0);
        }

        static constexpr unsigned SECONDS = 20, TASKS = 20, KILLS = 100;
};

TEST_F(LogFire, NoByteIsLostOrDoubledBySIGKILL)
{
        start_writers(TASKS);
        kill_often(KILLS, SECONDS);
        for (unsigned i = 0; i < TASKS; i++)
                EXPECT_EQ(client.property(path_of(id_of(i)), "State"), "running")
                                << "the last kill came after the end";
        expect_all_there(TASKS);
}

TEST_F(LogFire, NoByteIsLostOrDoubledByRestart)
{
        start_writers(TASKS);
        replace_for(SECONDS, [](unsigned) { restart(); });
        expect_all_there(TASKS);
}

static std::string checksum_of(const std::string &path)
{
        return run({ "sha256sum", path }).text.substr(0, 64);
}

TEST_F(LogFire, NoByteIsLostOrDoubledByAnUpgrade)
{
        const std::string kept = scratch + "/kept", next = LOGMON_BINARY ".next";
        std::set<std::string> seen = { checksum_of(LOGMON_BINARY) };

        ASSERT_EQ(run({ "cp", "--preserve", LOGMON_BINARY, kept }).status, 0);
        start_writers(TASKS);
        replace_for(SECONDS, [&](unsigned i) {
                /* a program does not mind what comes after its end */
                ASSERT_EQ(run({ "sh", "-c",
                                              "cp --preserve " LOGMON_BINARY " " + next + " && echo >>" +
                                                              next + " && mv " + next + " " LOGMON_BINARY })
                                                .status,
                                0);
                if (i % 2)
                        kill_logmon();
                else
                        restart();
                const std::string now = checksum_of(LOGMON_BINARY);
                ASSERT_TRUE(seen.insert(now).second) << "it is the same program";
                EXPECT_TRUE(eventually([&] {
                        return checksum_of("/proc/" + std::to_string(logmon_pid()) + "/exe") == now;
                })) << "the new program does not run";
        });
        expect_all_there(TASKS);
        EXPECT_EQ(run({ "mv", kept, LOGMON_BINARY }).status, 0);
        EXPECT_EQ(run({ "systemctl", "restart", LOGMON_UNIT }).status, 0);
}

/* --- the journal --- */

struct InJournal {
        std::set<std::string> lines; /* of the sequence */
        size_t doubled = 0;
        std::vector<std::string> strange;
};

static InJournal read_journal(const std::string &id, const std::string &expected)
{
        std::vector<std::string> lines = lines_of(expected);
        const std::set<std::string> known(lines.begin(), lines.end());
        InJournal found;

        for (const auto &line : journal({ "NOMAD_TASK_ID=" + id, "NOMAD_STREAM=stdout" }))
                if (known.count(line) == 0)
                        found.strange.push_back(line);
                else if (!found.lines.insert(line).second)
                        found.doubled++;
        return found;
}

TEST_F(LogFire, TheJournalLosesNothingUncounted)
{
        const unsigned n = 4;

        for (unsigned i = 0; i < n; i++)
                start_writer(id_of(i), i, 477, 10000, 0);
        kill_often(30, 4);
        stop_writers();
        for (unsigned i = 0; i < n; i++) {
                EXPECT_EQ(wait(id_of(i)), (Exit{ "success", 0, 0, false }));
                const uint64_t size = written(id_of(i)), dropped = log_count(id_of(i), "JournalDropped");
                const std::string expected = sequence(i, size);
                const InJournal found = read_journal(id_of(i), expected);
                const size_t lines = lines_of(expected).size();

                EXPECT_EQ(contents_of(id_of(i)), expected);
                EXPECT_GT(lines, 1000U) << "hardly any output";
                EXPECT_LE(lines - found.lines.size(), dropped) << "lines are missing that were not counted";
                for (const auto &line : found.strange)
                        EXPECT_NE(line.find(" are missing here"), std::string::npos) << line;
                std::cout << lines << " lines, " << found.doubled << " twice, " << dropped << " dropped"
                          << std::endl;
        }
}

TEST_F(LogFire, FilesDoNotWaitForTheJournal)
{
        const std::string id = "journald", expected = run({ "seq", "-f", "%0400.0f", "1", "20000" }).text;
        const std::string file = log_of(id, "stdout");

        start(id,
                        script("while ! [ -e " + scratch +
                                        "/first ]; do sleep 0.02; done; seq -f %0400.0f 1 20000; "
                                        "while ! [ -e " +
                                        scratch + "/second ]; do sleep 0.02; done; echo last"));
        {
                StoppedJournald stopped;

                ASSERT_EQ(run({ "touch", scratch + "/first" }).status, 0);
                EXPECT_TRUE(eventually([&] { return contents_of(id).size() == expected.size(); }));
                EXPECT_EQ(contents_of(id), expected);
                EXPECT_GT(log_count(id, "JournalDropped"), 0U);
        }
        /* journald has what was kept for it */
        EXPECT_TRUE(eventually([&] {
                return journal({ "NOMAD_TASK_ID=" + id }).size() + log_count(id, "JournalDropped") >= 20000;
        }));
        ASSERT_EQ(run({ "touch", scratch + "/second" }).status, 0);
        EXPECT_EQ(wait(id), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(contents_of(id), expected + "last\n");

        const InJournal found = read_journal(id, expected + "last\n");
        const uint64_t dropped = log_count(id, "JournalDropped");
        EXPECT_EQ(found.lines.size() + dropped, 20001U) << "each line is there, or counted";
        EXPECT_EQ(found.lines.count("last"), 1U);
        EXPECT_EQ(found.doubled, 0U);
        ASSERT_EQ(found.strange.size(), 1U);
        EXPECT_EQ(found.strange[0],
                        std::to_string(dropped) +
                                        " lines of output are missing here: the journal did not keep up");
}

/* A log for the journal alone: nothing else has its lines, so each is there or counted, also the one that
 * was not finished when Stop would wait no longer. */
TEST_F(LogFire, TheJournalAloneHasEveryLineOrCountsIt)
{
        const std::string text = run({ "seq", "-f", "%099.0f", "1", "2500" }).text;
        Pipe pipe;

        start_pipe("alone", pipe, Spec().set("LogTargets", std::vector<std::string>{ "journal" }));
        pipe.put("before\n");
        ASSERT_TRUE(eventually([&] { return journal({ "NOMAD_TASK_ID=alone" }).size() == 1; }));
        {
                StoppedJournald stopped;

                pipe.put(text + "unfinished");
                ASSERT_TRUE(logmon("Stop", "alone").ok()) << "although there is a writer, and no journal";
                EXPECT_EQ(log_property("alone", "State"), "stopped");
                EXPECT_EQ(log_count("alone", "StdoutBytes"), 7 + text.size() + 10);
                EXPECT_GT(log_count("alone", "JournalDropped"), 0U);
        }

        const uint64_t dropped = log_count("alone", "JournalDropped");
        ASSERT_TRUE(eventually([&] { return journal({ "NOMAD_TASK_ID=alone" }).size() + dropped >= 2502; }));
        const InJournal found = read_journal("alone", "before\n" + text + "unfinished\n");
        EXPECT_EQ(found.lines.size() + dropped, 2502U);
        EXPECT_EQ(found.doubled, 0U);
        EXPECT_TRUE(eventually([&] {
                return read_journal("alone", text).strange.back() ==
                                std::to_string(dropped) +
                                " lines of output are missing here: the journal did not keep up";
        })) << "told, although the log has ended";
        EXPECT_TRUE(files_of("alone").empty());
}

TEST_F(LogFire, TheJournalAloneHasWhatWasWritten)
{
        const std::string text = run({ "seq", "5000" }).text;
        Pipe pipe;

        start_pipe("alone", pipe, Spec().set("LogTargets", std::vector<std::string>{ "journal" }));
        for (size_t at = 0; at < text.size(); at += 5000) {
                pipe.put(text.substr(at, 5000));
                if (at % 10000 == 0)
                        kill_logmon();
        }
        pipe.put("no end of the line");
        pipe.close_writer();
        ASSERT_TRUE(logmon("Stop", "alone").ok());
        EXPECT_EQ(log_count("alone", "JournalDropped"), 0U);
        ASSERT_TRUE(eventually([&] {
                return read_journal("alone", text + "no end of the line\n").lines.size() == 5001;
        }));
        const InJournal found = read_journal("alone", text + "no end of the line\n");
        EXPECT_TRUE(found.strange.empty()) << found.strange[0];
}
