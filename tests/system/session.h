/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "support.h"

/* How a session ended, in WaitExec's order. */
struct ExecStatus {
        int code = -2;
        int signal = -2;

        bool operator==(const ExecStatus &other) const
        {
                return code == other.code && signal == other.signal;
        }
};
std::ostream &operator<<(std::ostream &stream, const ExecStatus &status);

/* The client's end of a session. Reading gives up, and fails the test, when the deadline is over. */
class Session
{
      public:
        explicit Session(const Reply &reply);
        ~Session();
        Session(const Session &) = delete;
        Session &operator=(const Session &) = delete;

        void write(const std::string &text) const;
        void close_input();
        void close_all();

        /* Standard output up to and with TEXT. What was read is taken. */
        std::string read_until(const std::string &text);
        /* Both to the end: of a pipe when nobody has it open any more, of a terminal when the program has
         * gone. */
        std::string read_output();
        std::string read_errors() const;
        /* What there is to read now. */
        std::string read_available() const;

        uint64_t id = 0;
        int in = -1, out = -1, err = -1;

      private:
        std::string unread;
};

/* What Run came back with. */
struct Check {
        std::string error;
        int code = -2;
        int signal = -2;
        bool timed_out = false;
        bool truncated = false;
        std::string output;

        bool operator==(const Check &other) const
        {
                return error == other.error && code == other.code && signal == other.signal &&
                                timed_out == other.timed_out && truncated == other.truncated &&
                                output == other.output;
        }
};
std::ostream &operator<<(std::ostream &stream, const Check &check);
Check read_check(const Reply &reply);

Client::Fill fill_exec(const std::vector<std::string> &argv, const Spec &options);
Client::Fill fill_run(const std::vector<std::string> &argv, uint64_t timeout_usec);

/* Tests with one task, whose sessions and checks they are about. */
class SessionTest : public SystemTest
{
      protected:
        /* Ends at once when it is told to, so that no test waits for it. */
        void start_idle(const Spec &spec = Spec());

        std::unique_ptr<Session> exec(const std::vector<std::string> &argv, const Spec &options = Spec());
        std::unique_ptr<Session> exec_script(const std::string &script, const Spec &options = Spec());
        /* The error's name without its prefix. */
        std::string exec_error(const std::vector<std::string> &argv, const Spec &options = Spec());
        Reply exec_call(const std::string &member, uint64_t session);
        Reply resize(uint64_t session, uint16_t rows, uint16_t columns);
        Reply kill_exec(uint64_t session, const std::string &signal);
        ExecStatus wait_exec(const Session &session);
        Check check(const std::vector<std::string> &argv, uint64_t timeout_usec = 0);
        Check check_script(const std::string &script, uint64_t timeout_usec = 0);

        static std::string short_name(const std::string &error);
        /* The service has waited for each of its children that has ended. */
        static void expect_no_zombie();

        const std::string id = "sessions";
        const std::string path = path_of(id);
};
