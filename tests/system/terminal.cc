/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "terminal.h"

#include <csignal>
#include <cstdlib>
#include <unistd.h>

#include "support.h"

Terminal::Terminal(unsigned columns, unsigned rows, const std::string &command)
{
        static unsigned counter;

        name = "nomad-test-" + std::to_string(getpid()) + "-" + std::to_string(counter++);
        Output output = tmux({ "new-session", "-d", "-x", std::to_string(columns), "-y",
                        std::to_string(rows), "-e", "LESS=", command + "; exec sleep infinity", ";",
                        "set-option", "-g", "status", "off", ";", "set-option", "-g", "window-size",
                        "manual" });
        EXPECT_EQ(output.status, 0) << output;
        /* without a status line there is one row more */
        resize(columns, rows);
}

Terminal::~Terminal()
{
        (void) tmux({ "kill-server" });
}

/* Each has a server of its own: one that is about to end with its last window would take the next one
 * along. */
Output Terminal::tmux(std::vector<std::string> arguments) const
{
        arguments.insert(arguments.begin(), { "tmux", "-u", "-f", "/dev/null", "-L", name });
        return run(arguments);
}

void Terminal::send(const std::vector<std::string> &keys)
{
        std::vector<std::string> arguments = { "send-keys" };

        arguments.insert(arguments.end(), keys.begin(), keys.end());
        EXPECT_EQ(tmux(arguments).status, 0);
}

void Terminal::send_text(const std::string &text)
{
        EXPECT_EQ(tmux({ "send-keys", "-l", "--", text }).status, 0);
}

void Terminal::type(const std::string &line)
{
        send_text(line);
        send({ "Enter" });
}

void Terminal::resize(unsigned columns, unsigned rows)
{
        Output output = tmux({ "resize-window", "-x", std::to_string(columns), "-y", std::to_string(rows) });

        EXPECT_EQ(output.status, 0) << output;
}

std::string Terminal::format(const std::string &variable) const
{
        return lines_of(tmux({ "display-message", "-p", "#{" + variable + "}" }).text).at(0);
}

void Terminal::signal_program(int number)
{
        if (program == 0) {
                std::string shell = format("pane_pid");
                auto child = [&] { return lines_of(run({ "pgrep", "--parent", shell }).text); };

                ASSERT_TRUE(eventually([&] { return child().size() == 1; }));
                program = (pid_t) std::atoi(child().at(0).c_str());
        }
        EXPECT_EQ(kill(program, number), 0);
}

std::vector<std::string> Terminal::lines() const
{
        auto result = lines_of(tmux({ "capture-pane", "-p" }).text);

        while (!result.empty() && result.back().empty())
                result.pop_back();
        return result;
}

std::string Terminal::screen() const
{
        std::string text;

        for (const auto &line : lines())
                text += line + "\n";
        return text;
}

bool Terminal::shows(const std::string &text) const
{
        return eventually([&] { return screen().find(text) != std::string::npos; });
}

unsigned Terminal::scrolled() const
{
        return (unsigned) std::atoi(format("history_size").c_str());
}

bool Terminal::has_cursor() const
{
        return format("cursor_flag") == "1";
}
