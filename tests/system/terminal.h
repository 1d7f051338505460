/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <string>
#include <vector>

#include "support.h"

/* A terminal of a fixed size, as text: a window of tmux(1), in which a shell command runs. Its screen stays
 * when the command has ended. */
class Terminal
{
      public:
        Terminal(unsigned columns, unsigned rows, const std::string &command);
        ~Terminal();
        Terminal(const Terminal &) = delete;
        Terminal &operator=(const Terminal &) = delete;

        /* As tmux's send-keys has it: "C-c", "Enter". */
        void send(const std::vector<std::string> &keys);
        void send_text(const std::string &text);
        void type(const std::string &line); /* and Enter */
        void resize(unsigned columns, unsigned rows);
        void signal_program(int number); /* the command, which has to be the same one each time */

        /* What is on it, line by line without trailing blanks; the last lines are left out if they are
         * empty. */
        std::vector<std::string> lines() const;
        std::string screen() const;
        /* True once TEXT is on it. */
        bool shows(const std::string &text) const;
        /* Lines that have left it at the top. */
        unsigned scrolled() const;
        bool has_cursor() const;

      private:
        Output tmux(std::vector<std::string> arguments) const;
        std::string format(const std::string &variable) const;

        std::string name;
        pid_t program = 0;
};
