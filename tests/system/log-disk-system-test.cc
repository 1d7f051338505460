/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <algorithm>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log-fixture.h"

/* Logs that cannot be written, and those that somebody would have written or read elsewhere. */

/* --- a full disk --- */

class LogDisk : public LogTest
{
      protected:
        void SetUp() override
        {
                LogTest::SetUp();
                disk = scratch + "/disk";
                ASSERT_EQ(mkdir(disk.c_str(), 0755), 0);
                ASSERT_EQ(mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=2m"), 0);
        }

        void TearDown() override
        {
                stop_writers();
                EXPECT_EQ(umount2(disk.c_str(), MNT_DETACH), 0);
                LogTest::TearDown();
        }

        void make_larger() const
        {
                ASSERT_EQ(mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT, "size=32m"), 0);
        }

        std::string file(unsigned index = 0) const
        {
                return disk + "/full.stdout." + std::to_string(index);
        }

        Spec on_disk() const
        {
                return Spec().set("LogDirectory", disk)
                                .set("LogName", "full")
                                .set("LogTargets", std::vector<std::string>{ "files" });
        }

        void fill_and_empty(uint64_t more);

        std::string disk;
};

static const std::string MARKER = "nomad-logmon: ";

/* What is in the file of a writer after bytes had to be dropped. */
struct Accounts {
        uint64_t kept = 0;
        uint64_t dropped = 0; /* as the marker lines say */
        size_t markers = 0;
        std::string wrong;
};

static Accounts accounts_of(const std::string &text, unsigned tag)
{
        Accounts accounts;
        size_t at = 0;

        while (at < text.size()) {
                const size_t marker = std::min(text.find(MARKER, at), text.size());
                const uint64_t position = accounts.kept + accounts.dropped;
                size_t size = marker - at;

                /* a line of our own is in a line of its own */
                if (marker < text.size() && size > 0 && (position + size) % SEQUENCE_LINE == 1)
                        size--;
                if (text.compare(at, size, sequence(tag, size, position)) != 0) {
                        accounts.wrong = "not what comes at " + std::to_string(position);
                        break;
                }
                accounts.kept += size;
                if (marker == text.size())
                        break;
                accounts.dropped += std::stoull(text.substr(marker + MARKER.size()));
                accounts.markers++;
                at = text.find('\n', marker) + 1;
        }
        return accounts;
}

/* A task writes on while its disk is full and, for at least MORE bytes, when there is room again. */
void LogDisk::fill_and_empty(uint64_t more)
{
        start_writer("full", 1, 65536, 2000, 0, on_disk().set("LogMaxFileSize", (uint64_t) 1 << 30));
        ASSERT_TRUE(eventually([&] { return log_count("full", "DroppedBytes") > 1000000; }));
        make_larger();
        const uint64_t until = log_count("full", "StdoutBytes") + more;
        ASSERT_TRUE(eventually([&] { return log_count("full", "StdoutBytes") >= until; }));
        stop_writers();
        EXPECT_EQ(wait("full"), (Exit{ "success", 0, 0, false }));

        const Accounts accounts = accounts_of(read_file(file()), 1);
        EXPECT_EQ(accounts.wrong, "");
        EXPECT_GE(accounts.markers, 1U);
        EXPECT_EQ(accounts.dropped, log_count("full", "DroppedBytes"));
        EXPECT_EQ(accounts.kept + accounts.dropped, written("full"));
        EXPECT_EQ(log_count("full", "StdoutBytes"), written("full"));
}

TEST_F(LogDisk, EveryByteIsInAFileOrCounted)
{
        const uint64_t first = 8U << 20;

        /* 8 MiB at once into 2, then slowly on; few lines, so that the journal has no trouble of its own */
        start("full",
                        script("yes \"$(head -c 4095 /dev/zero | tr '\\0' x)\" | head -c " +
                                        std::to_string(first) + "; while ! [ -e " + scratch +
                                        "/go ]; do sleep 0.02; done; seq 100000 100999; exit 3")
                                        .set("LogDirectory", disk)
                                        .set("LogName", "full"));
        ASSERT_TRUE(eventually([&] { return log_count("full", "StdoutBytes") == first; }))
                        << log_property("full", "StdoutBytes");
        const uint64_t kept = read_file(file()).size();
        EXPECT_LE(kept, 2U << 20);
        EXPECT_EQ(log_count("full", "DroppedBytes"), first - kept);
        EXPECT_EQ(log_property("full", "LastError"), disk + "/full.stdout: No space left on device");
        EXPECT_EQ(client.property(path_of("full"), "State"), "running");

        make_larger();
        ASSERT_EQ(run({ "touch", scratch + "/go" }).status, 0);
        EXPECT_EQ(wait("full"), (Exit{ "exit-code", 3, 0, false })) << "the task ends as it would";
        const std::string text = read_file(file()).substr(kept),
                          rest = run({ "seq", "100000", "100999" }).text;
        const size_t marker = text.find(MARKER), end = text.find('\n', marker) + 1;
        ASSERT_LE(marker, 1U) << text.substr(0, 200);
        const uint64_t dropped = std::stoull(text.substr(marker + MARKER.size()));
        EXPECT_EQ(text.substr(marker, end - marker),
                        MARKER + std::to_string(dropped) +
                                        " bytes of output are missing here: the log could not be written\n");
        EXPECT_EQ(log_count("full", "DroppedBytes"), dropped);
        EXPECT_EQ(log_count("full", "StdoutBytes"), first + rest.size());
        EXPECT_EQ(kept + dropped + (text.size() - end), first + rest.size());
        /* less than the first attempt after the next delay may be gone, with its count */
        EXPECT_EQ(text.substr(end), rest.substr(rest.size() - (text.size() - end)));
        EXPECT_TRUE(eventually([&] {
                const std::vector<std::string> told = journal({ "NOMAD_TASK_ID=full", "PRIORITY=4" });
                return std::count(told.begin(), told.end(), text.substr(marker, end - 1 - marker)) == 1;
        })) << "a warning in the journal";
}

TEST_F(LogDisk, EveryByteIsInAFileOrCountedWhileTheDiskFillsAndEmpties)
{
        fill_and_empty(16U << 20);
}

TEST_F(LogDisk, AGapAtTheEndIsMarkedToo)
{
        fill_and_empty(0);
}

TEST_F(LogDisk, OldFilesGoFirst)
{
        const uint64_t size = 12U << 20;

        start_writer("purged", 2, 65536, 0, size,
                        on_disk().set("LogMaxFileSize", (uint64_t) 256 << 10).set("LogMaxFiles", 1000U));
        EXPECT_EQ(wait("purged"), (Exit{ "success", 0, 0, false }));
        EXPECT_EQ(written("purged"), size);
        EXPECT_EQ(log_count("purged", "DroppedBytes"), 0U) << log_property("purged", "LastError");

        std::map<uint64_t, std::string> files;
        std::string text;
        for (const auto &name : list_directory(disk))
                if (name.rfind("full.stdout.", 0) == 0)
                        files[std::stoull(name.substr(12))] = read_file(disk + "/" + name);
        for (const auto &one : files)
                text += one.second;
        EXPECT_GT(files.begin()->first, 30U) << "the first of them are gone";
        EXPECT_GT(text.size(), 1U << 20) << "not more than had to";
        EXPECT_TRUE(text == sequence(2, text.size(), size - text.size())) << "the end of it is there";
}

TEST_F(LogDisk, ATaskThatWouldRatherWaitWaits)
{
        const uint64_t size = 6U << 20;
        const std::string text = sequence(3, size);
        Pipe pipe;

        start_pipe("full", pipe, on_disk().set("LogOverflow", "block"));
        size_t done = 0;
        EXPECT_FALSE(eventually(
                        [&] {
                                done += pipe.put_what_fits(text.substr(done));
                                return done == size;
                        },
                        std::chrono::seconds(1)))
                        << "it did not wait";
        EXPECT_GT(done, 2U << 20);
        EXPECT_EQ(log_count("full", "DroppedBytes"), 0U);
        EXPECT_NE(log_property("full", "LastError"), "");

        make_larger();
        pipe.put(text.substr(done));
        pipe.close_writer();
        ASSERT_TRUE(logmon("Stop", "full").ok());
        EXPECT_TRUE(read_file(file()) == text) << "everything is there, without a marker";
        EXPECT_EQ(log_count("full", "DroppedBytes"), 0U);
}

/* --- symbolic links --- */

/* The directory of a user who may do nothing, with a task of that user's, and what is of no concern to
 * it. */
class LogLinks : public LogTest
{
      protected:
        void SetUp() override
        {
                LogTest::SetUp();
                home = scratch + "/home";
                logs = home + "/logs";
                secret = scratch + "/secret";
                others = scratch + "/others";
                as_nobody("mkdir " + home + " " + logs);
                make_directory(secret, "0755", "0600");
                make_directory(others, "0777", "0666");
        }

        void TearDown() override
        {
                for (const auto &directory : { secret, others }) {
                        EXPECT_EQ(list_directory(directory), (std::set<std::string>{ "fifo", "file" }));
                        EXPECT_EQ(read_file(directory + "/file"), "secret\n");
                }
                LogTest::TearDown();
        }

        static void make_directory(
                        const std::string &path, const std::string &mode, const std::string &file_mode)
        {
                ASSERT_EQ(run({ "sh", "-c",
                                          "mkdir -m " + mode + " " + path + " && cd " + path +
                                                          " && mkfifo fifo && echo secret >file && chmod " +
                                                          file_mode + " *" }),
                                (Output{ 0, "" }));
        }

        static void as_nobody(const std::string &text)
        {
                ASSERT_EQ(run_as_nobody({ "sh", "-c", text }), (Output{ 0, "" })) << text;
        }

        Spec as_nobody_in(const std::string &directory, const std::string &text) const
        {
                return script(text)
                                .set("User", "nobody")
                                .set("LogDirectory", directory)
                                .set("LogName", "web")
                                .set("LogMaxFileSize", (uint64_t) 64);
        }

        /* A task that writes, does MISCHIEF, and writes so much that the files rotate. */
        void start_mischief(const std::string &mischief)
        {
                start("mischief",
                                as_nobody_in(logs,
                                                "seq 100 104; while ! [ -s " + logs +
                                                                "/web.stdout.0 ]; do sleep 0.01; done; " +
                                                                mischief + "; seq 200 299; exit 5"));
                EXPECT_EQ(wait("mischief"), (Exit{ "exit-code", 5, 0, false }))
                                << "the task does not suffer";
        }

        std::string home, logs;
        std::string secret; /* root's */
        std::string others; /* where everybody may write, so that nothing but the link is in the way */
};

TEST_F(LogLinks, AtTheDirectoryOrAParentBeforeTheStart)
{
        as_nobody("ln -s " + others + " " + home + "/link; mkdir " + home + "/real; ln -s real " + home +
                        "/parent; mkdir " + home + "/real/logs");
        for (const auto &path : { home + "/link", home + "/parent/logs" }) {
                Reply reply = client.start_task("linked", as_nobody_in(path, "echo out"));
                EXPECT_EQ(reply.error, "org.nomad.Executor.Error.LogFailed") << path << ": " << reply;
                if (reply.ok()) {
                        (void) wait("linked");
                        release("linked");
                }
        }
        EXPECT_TRUE(list_directory(home + "/real/logs").empty());
}

TEST_F(LogLinks, AtTheDirectoryWhileTheTaskRuns)
{
        start_mischief("mv " + logs + " " + logs + ".moved; ln -s " + others + " " + logs);
        EXPECT_GT(log_count("mischief", "DroppedBytes"), 0U) << "nowhere to go on";
        EXPECT_NE(log_property("mischief", "LastError").find(logs), std::string::npos);
}

TEST_F(LogLinks, AtAParentWhileTheTaskRuns)
{
        as_nobody("mkdir " + others + "/logs");
        start_mischief("mv " + home + " " + home + ".moved; ln -s " + others + " " + home);
        EXPECT_GT(log_count("mischief", "DroppedBytes"), 0U) << "nowhere to go on";
        EXPECT_TRUE(list_directory(others + "/logs").empty());
        as_nobody("rm -r " + others + "/logs");
}

TEST_F(LogLinks, AtTheNextFile)
{
        start_mischief("ln -s " + others + "/file " + logs + "/web.stdout.1; ln -s " + others + "/new " +
                        logs + "/web.stdout.2; mkfifo " + logs + "/web.stdout.3; mkdir " + logs +
                        "/web.stdout.4");
        EXPECT_EQ(log_count("mischief", "DroppedBytes"), 0U) << "the next name that can be had is taken";
        std::string text = read_file(logs + "/web.stdout.0");
        for (unsigned i = 5; exists(logs + "/web.stdout." + std::to_string(i)); i++)
                text += read_file(logs + "/web.stdout." + std::to_string(i));
        EXPECT_EQ(text, run({ "sh", "-c", "seq 100 104; seq 200 299" }).text);
}

TEST_F(LogLinks, AHardLinkToAFileOfSomebodyElse)
{
        /* where the kernel lets it be made at all */
        const bool linked = run_as_nobody({ "ln", secret + "/file", logs + "/web.stdout.0" }).status == 0;
        Reply reply = client.start_task("linked", as_nobody_in(logs, "echo out"));

        EXPECT_EQ(reply.error, linked ? "org.nomad.Executor.Error.LogFailed" : "") << reply;
        if (reply.ok()) {
                (void) wait("linked");
                release("linked");
        }
}

TEST_F(LogLinks, AtTheFifo)
{
        const Spec config = Spec().set("User", "nobody").set("LogDirectory", logs).set("LogName", "web");

        as_nobody("ln -s " + others + "/fifo " + home + "/fifo; ln -s " + others + "/file " + home +
                        "/file; ln -s " + others + " " + home + "/link; mkfifo " + home + "/own");
        for (const char *name : { "fifo", "file", "link/fifo", "link/new" }) {
                Spec with_fifo = config;
                Reply reply = start_log("fifo", with_fifo.set("StdoutFifo", home + "/" + name));
                EXPECT_EQ(reply.error, "org.nomad.Executor.Error.LogFailed") << name << ": " << reply;
        }
        for (const char *name : { "/fifo", "/file", "/new" }) {
                Spec with_fifo = config;
                Reply reply = start_log("fifo", with_fifo.set("StdoutFifo", secret + name));
                EXPECT_EQ(reply.error, "org.nomad.Executor.Error.LogFailed") << name << ": " << reply;
        }
        EXPECT_TRUE(list_directory(logs).empty()) << "a log that did not start leaves no file";

        Spec with_fifo = config;
        ASSERT_TRUE(start_log("fifo", with_fifo.set("StdoutFifo", home + "/own")).ok()) << "but its own";
        as_nobody("timeout 10 sh -c 'echo mine >" + home + "/own'");
        EXPECT_TRUE(eventually([&] { return log_count("fifo", "StdoutBytes") == 5; }));
        EXPECT_EQ(read_file(logs + "/web.stdout.0"), "mine\n");
}
