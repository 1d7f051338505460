/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <csignal>
#include <random>
#include <string>
#include <vector>

#include "sequence.h"
#include "support.h"

#define LOGMON_NAME    "org.nomad.Logmon"
#define LOGMON_BINARY  "/usr/libexec/nomad-executor/nomad-logmon"
#define LOGMON_MANAGER "org.nomad.Logmon.Manager"
#define LOGMON_LOG     "org.nomad.Logmon.Log"

inline bool operator==(const Output &a, const Output &b)
{
        return a.status == b.status && a.text == b.text;
}

/* The ends of a pipe, closed with it. */
class Pipe
{
      public:
        Pipe();
        ~Pipe();
        Pipe(const Pipe &) = delete;
        Pipe &operator=(const Pipe &) = delete;

        void close_reader();
        void close_writer();
        /* Writes all of it, waiting for the reader no longer than the deadline. */
        void put(const std::string &data) const;
        /* As much as goes in now. */
        size_t put_what_fits(const std::string &data) const;

        int reader = -1, writer = -1;
};

/* In descriptor order of the reply: what Open and OpenLog give. The caller closes it. */
int fd_of(const Reply &reply);
/* Up to the end of the pipe; gives up, and fails the test, when nothing comes until the deadline. */
std::string read_log(int fd);
/* Until so many bytes are there, or the deadline is over. */
std::string read_log(int fd, size_t size);

/* SIZE bytes of the sequence of a writer. */
std::string sequence(unsigned tag, size_t size, uint64_t position = 0);
/* Where TEXT first differs from the sequence; its size if it does not. */
size_t first_difference(const std::string &text, unsigned tag);

/* A journald that stands still, as on a disk that is slow. */
class StoppedJournald
{
      public:
        StoppedJournald();
        ~StoppedJournald();
        StoppedJournald(const StoppedJournald &) = delete;
        StoppedJournald &operator=(const StoppedJournald &) = delete;

        void resume() const;

      private:
        pid_t pid;
};

/* From NOMAD_TEST_SEED or at random; said on standard output, for another run. */
std::mt19937 seeded_random();

/* Tests of logs: those of tasks, and those that are nobody's but logmon's. All are gone at the end, their
 * files too. */
class LogTest : public SystemTest
{
      protected:
        void SetUp() override;
        void TearDown() override;

        Reply logmon(const std::string &member, const std::string &id);
        Reply start_log(const std::string &id, const Spec &config);
        /* Start with PIPE as stdout, whose other end is the test's alone then. */
        Reply start_pipe(const std::string &id, Pipe &pipe, Spec config = Spec());
        std::string log_property(const std::string &id, const std::string &name);
        uint64_t log_count(const std::string &id, const std::string &name);
        Reply open_log(const std::string &id, const Spec &options, const std::string &stream = "stdout");

        /* A task that runs log-writer; it ends, and written() answers, after stop_writers() or at LIMIT. */
        void start_writer(const std::string &id, unsigned tag, size_t chunk, uint64_t pause_usec,
                        uint64_t limit, Spec spec = Spec());
        void stop_writers();
        uint64_t written(const std::string &id);

        /* The files of a stream in the default directory, in order, and all that is in them. */
        std::vector<std::string> files_of(const std::string &id, const std::string &stream = "stdout");
        std::string contents_of(const std::string &id, const std::string &stream = "stdout");

        /* By D-Bus, since systemctl takes longer than logmon does to start; waits until it is there and not
         * OLD. */
        pid_t logmon_pid(pid_t old = 0);
        void kill_logmon();

        std::string scratch; /* a directory of the test's own, empty and open to all */

      private:
        std::set<std::string> logs, tasks;
};
