/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <csignal>
#include <regex>

#include "support.h"
#include "terminal.h"

/* nomad-executorctl in a terminal: a shell in a task, tables at any width, top. */

class CliTty : public SystemTest
{
      protected:
        void start_idle(const std::string &id, const std::string &description = "")
        {
                Spec spec = Spec().set("Command", "/bin/sleep")
                                            .set("Arguments", std::vector<std::string>{ "infinity" })
                                            .set("StopSignal", "SIGTERM");

                if (!description.empty())
                        spec.set("Description", description);
                start(id, spec);
        }

        static size_t width_of(const std::string &line)
        {
                size_t width = 0;

                for (unsigned char c : line)
                        width += (c & 0xc0) != 0x80;
                return width;
        }
};

#define SHELL "nomad-executorctl run --pty --id=shell -E PS1='$ ' -- bash --norc --noprofile; echo status $?"

/* As a local shell does: size, what it is resized to, job control, exit status. */
TEST_F(CliTty, ShellHasOurSize)
{
        Terminal terminal(70, 20, SHELL);

        ASSERT_TRUE(terminal.shows("$"));
        terminal.type("stty size; echo \"at $(tty)\"");
        EXPECT_TRUE(terminal.shows("20 70")) << terminal.screen();
        EXPECT_TRUE(terminal.shows("at /dev/pts/")) << terminal.screen();
        terminal.resize(100, 33);
        terminal.type("clear; stty size");
        EXPECT_TRUE(terminal.shows("33 100")) << terminal.screen();
        terminal.type("exit 7");
        EXPECT_TRUE(terminal.shows("status 7")) << terminal.screen();
        EXPECT_EQ(client.list_tasks().size(), 0U);
}

TEST_F(CliTty, ShellHasJobControl)
{
        Terminal terminal(80, 24, SHELL);

        ASSERT_TRUE(terminal.shows("$"));
        terminal.type("sleep 1234; echo interrupted $?");
        ASSERT_TRUE(eventually([] { return run({ "pgrep", "-fx", "sleep 1234" }).status == 0; }));
        terminal.send({ "C-c" });
        EXPECT_TRUE(eventually([] { return run({ "pgrep", "-fx", "sleep 1234" }).status != 0; }));
        EXPECT_EQ(client.property(path_of("shell"), "State"), "running");

        terminal.type("sleep 2345");
        ASSERT_TRUE(eventually([] { return run({ "pgrep", "-fx", "sleep 2345" }).status == 0; }));
        terminal.send({ "C-z" });
        EXPECT_TRUE(terminal.shows("Stopped")) << terminal.screen();
        terminal.type("clear; jobs; bg; fg");
        EXPECT_TRUE(terminal.shows("sleep 2345 &")) << terminal.screen();
        terminal.send({ "C-c" });
        terminal.type("echo $((6 * 7))");
        EXPECT_TRUE(terminal.shows("42")) << terminal.screen();
        terminal.send({ "C-d" });
        EXPECT_TRUE(terminal.shows("status 0")) << terminal.screen();
}

/* The user's own terminal is as it was before, whatever the shell has done to it. */
TEST_F(CliTty, OurTerminalIsRestored)
{
        Terminal terminal(80, 24, "stty -a >/tmp/before; " SHELL "; stty -a >/tmp/after; echo all done");

        ASSERT_TRUE(terminal.shows("$"));
        terminal.type("stty raw -echo; kill -KILL $$");
        EXPECT_TRUE(terminal.shows("status 137")) << terminal.screen();
        EXPECT_TRUE(terminal.shows("all done")) << terminal.screen();
        EXPECT_EQ(read_file("/tmp/after"), read_file("/tmp/before"));
        EXPECT_NE(read_file("/tmp/before"), "");
}

TEST_F(CliTty, ShellOfAnotherUser)
{
        Terminal terminal(80, 24,
                        "nomad-executorctl run --pty --uid=nobody -E PS1='$ ' -- bash --norc --noprofile; echo status $?");

        ASSERT_TRUE(terminal.shows("$"));
        terminal.type("echo owner $(stat -c %U $(tty)); echo I am $(id -un) >/dev/tty; exit 3");
        EXPECT_TRUE(terminal.shows("owner nobody")) << terminal.screen();
        EXPECT_TRUE(terminal.shows("I am nobody")) << terminal.screen();
        EXPECT_TRUE(terminal.shows("status 3")) << terminal.screen();
}

/* A terminal goes with who holds it: the shell is hung up, and the task with it. */
TEST_F(CliTty, KilledClientHangsUp)
{
        Terminal terminal(80, 24, SHELL);

        ASSERT_TRUE(terminal.shows("$"));
        terminal.signal_program(SIGKILL);
        EXPECT_TRUE(terminal.shows("status 137"));
        EXPECT_EQ(client.wait_task(path_of("shell")), (Exit{ "signal", 128 + SIGHUP, SIGHUP, false }));
        EXPECT_TRUE(client.release(path_of("shell")).ok());
}

TEST_F(CliTty, EscapeKeyHangsUp)
{
        Terminal terminal(80, 24, SHELL);

        ASSERT_TRUE(terminal.shows("$"));
        terminal.send({ "C-]", "C-]", "C-]" });
        EXPECT_TRUE(terminal.shows("is hung up")) << terminal.screen();
        EXPECT_TRUE(terminal.shows("status 125")) << terminal.screen();
        EXPECT_EQ(client.wait_task(path_of("shell")).signal, SIGHUP);
        EXPECT_TRUE(client.release(path_of("shell")).ok());
}

TEST_F(CliTty, InterruptOfAPlainRunReachesAllOfTheTask)
{
        Terminal terminal(80, 24,
                        "nomad-executorctl run -- sh -c 'echo up; sleep 3456; echo not reached'; echo status $?");

        ASSERT_TRUE(terminal.shows("up"));
        ASSERT_TRUE(eventually([] { return run({ "pgrep", "-fx", "sleep 3456" }).status == 0; }));
        terminal.send({ "C-c" });
        EXPECT_TRUE(terminal.shows("status 130")) << terminal.screen();
        EXPECT_EQ(terminal.screen().find("not reached"), std::string::npos);
}

TEST_F(CliTty, ExecInATerminal)
{
        start_idle("web");
        Terminal terminal(66, 18,
                        "nomad-executorctl exec -it -E PS1='$ ' web bash --norc --noprofile; echo status $?");

        ASSERT_TRUE(terminal.shows("$"));
        terminal.type("stty size");
        EXPECT_TRUE(terminal.shows("18 66")) << terminal.screen();
        terminal.resize(90, 30);
        /* the new size goes through two services */
        EXPECT_TRUE(eventually([&] {
                terminal.type("clear; stty size");
                return terminal.shows("30 90");
        })) << terminal.screen();
        terminal.type("sleep 4567");
        ASSERT_TRUE(eventually([] { return run({ "pgrep", "-fx", "sleep 4567" }).status == 0; }));
        terminal.send({ "C-c" });
        terminal.type("exit 12");
        EXPECT_TRUE(terminal.shows("status 12")) << terminal.screen();
        EXPECT_EQ(client.property(path_of("web"), "State"), "running");
}

/* Each line of a table is one line of the terminal, and begins with what it is about. */
TEST_F(CliTty, TablesFitAnyWidth)
{
        start_idle("web",
                        "a description that is a good deal longer than any column of a narrow terminal has room for");
        start_idle("alloc-0123456789abcdef/database");
        start_idle("日本語のタスク");

        for (unsigned width : { 20U, 40U, 57U, 80U, 132U }) {
                Terminal terminal(width, 24,
                                "nomad-executorctl --no-pager list; nomad-executorctl stats; echo end");

                ASSERT_TRUE(terminal.shows("end"));
                auto lines = terminal.lines();
                ASSERT_EQ(lines.size(), 4U + 2 + 4 + 1) << width << ":\n" << terminal.screen();
                EXPECT_EQ(lines[0].rfind("ID", 0), 0U) << terminal.screen();
                EXPECT_EQ(lines[1].rfind("alloc-0", 0), 0U) << terminal.screen();
                EXPECT_EQ(lines[2].rfind("web", 0), 0U) << terminal.screen();
                EXPECT_EQ(lines[3].rfind("日本", 0), 0U) << terminal.screen();
                EXPECT_EQ(lines[5], "3 tasks.");
                EXPECT_EQ(lines[6].rfind("ID", 0), 0U) << terminal.screen();
                if (width >= 57) { /* room for what says most */
                        EXPECT_NE(lines[2].find("running"), std::string::npos) << terminal.screen();
                }
        }
}

TEST_F(CliTty, StatusFitsTheTerminal)
{
        start("web", script("head -c 500 /dev/zero | tr '\\0' x; echo; printf '\\033[2Jred\\n'; exec sleep infinity"));
        ASSERT_TRUE(eventually([&] {
                return read_file(log_of("web", "stdout")).find("red") != std::string::npos;
        }));
        Terminal terminal(50, 24, "nomad-executorctl --no-pager status web; echo end");

        ASSERT_TRUE(terminal.shows("end"));
        std::string screen = terminal.screen();
        EXPECT_EQ(screen.rfind("● web\n", 0), 0U) << screen;
        EXPECT_NE(screen.find("\n  xxxxxxxxxx"), std::string::npos) << screen;
        EXPECT_NE(screen.find("x…\n  \\x1b[2Jred\n"), std::string::npos) << screen;
}

TEST_F(CliTty, LongListGoesThroughAPager)
{
        for (int i = 0; i < 30; i++)
                start_idle("task-" + std::to_string(100 + i));
        Terminal terminal(80, 10, "LESS=FRSXMK nomad-executorctl list; echo left");

        EXPECT_TRUE(terminal.shows("task-107")) << terminal.screen();
        EXPECT_EQ(terminal.screen().find("left"), std::string::npos);
        terminal.send({ "q" });
        EXPECT_TRUE(terminal.shows("left")) << terminal.screen();
}

/* Redrawn in place: nothing leaves the screen at the top, and the lines are where they were. */
TEST_F(CliTty, TopRedrawsInPlace)
{
        start("busy", script("while :; do :; done"));
        start_idle("idle");
        Terminal terminal(100, 12, "echo before; nomad-executorctl top --interval=100ms; echo status $?");

        EXPECT_TRUE(terminal.shows("2 tasks running, CPU")) << terminal.screen();
        EXPECT_TRUE(terminal.shows("█")) << "no bar of a busy task:\n" << terminal.screen();
        EXPECT_TRUE(terminal.shows("\nidle ")) << terminal.screen();
        auto lines = terminal.lines();
        ASSERT_EQ(lines.size(), 6U) << terminal.screen();
        EXPECT_EQ(lines[1], "Sorted by cpu. Keys: c CPU, m memory, t tasks, i id, q quit");
        /* one wider for 100 % and more, which a busy task has at times */
        EXPECT_TRUE(std::regex_search(lines[3], std::regex("^ID {4,5}CPU% "))) << lines[3];
        EXPECT_EQ(lines[4].rfind("busy ", 0), 0U) << terminal.screen();
        EXPECT_EQ(lines[5].rfind("idle ", 0), 0U) << terminal.screen();
        EXPECT_EQ(terminal.scrolled(), 0U);
        EXPECT_FALSE(terminal.has_cursor());

        /* a task that comes, and one that goes */
        start_idle("added");
        EXPECT_TRUE(terminal.shows("3 tasks running")) << terminal.screen();
        terminal.send({ "i" });
        EXPECT_TRUE(terminal.shows("Sorted by id.")) << terminal.screen();
        EXPECT_TRUE(eventually([&] { return terminal.lines().at(4).rfind("added ", 0) == 0; }))
                        << terminal.screen();
        client.stop_task(path_of("added"), "", 0);
        EXPECT_TRUE(terminal.shows("2 tasks running")) << terminal.screen();
        EXPECT_TRUE(eventually([&] { return terminal.lines().size() == 6; })) << terminal.screen();

        terminal.send({ "q" });
        EXPECT_TRUE(terminal.shows("status 0")) << terminal.screen();
        EXPECT_EQ(terminal.screen(), "before\nstatus 0\n");
        EXPECT_TRUE(terminal.has_cursor());
}

TEST_F(CliTty, TopInANarrowTerminal)
{
        for (int i = 0; i < 9; i++)
                start_idle("a-task-with-a-long-name-" + std::to_string(i));
        Terminal terminal(100, 20, "nomad-executorctl top --interval=100ms --sort=id");

        ASSERT_TRUE(terminal.shows("a-task-with-a-long-name-8"));
        for (unsigned width : { 60U, 30U, 12U }) {
                terminal.resize(width, 8);
                auto fits = [&] {
                        auto lines = terminal.lines();
                        bool narrow = lines.size() == 8 && lines[4].rfind("a-task-", 0) == 0 &&
                                        lines[7].rfind("a-task-", 0) == 0;
                        for (const auto &line : lines)
                                narrow = narrow && width_of(line) <= width;
                        return narrow;
                };
                EXPECT_TRUE(eventually(fits)) << width << ":\n" << terminal.screen();
        }
        EXPECT_EQ(terminal.scrolled(), 0U);
        terminal.resize(100, 20);
        EXPECT_TRUE(terminal.shows("a-task-with-a-long-name-8"));
}

/* sd-bus fails a call during which a signal is handled, before systemd 253. */
TEST_F(CliTty, TopOutlivesAnyNumberOfResizes)
{
        for (int i = 0; i < 9; i++)
                start_idle("task-" + std::to_string(i));
        Terminal terminal(100, 20, "nomad-executorctl top --interval=10ms");

        ASSERT_TRUE(terminal.shows("Sorted by cpu."));
        for (int i = 0; i < 3000; i++) {
                terminal.signal_program(SIGWINCH);
                usleep(100);
        }
        terminal.send({ "i" });
        EXPECT_TRUE(terminal.shows("Sorted by id.")) << terminal.screen();
        terminal.resize(60, 20);
        EXPECT_TRUE(eventually([&] { return width_of(terminal.lines().at(4)) <= 60; })) << terminal.screen();
        terminal.send({ "q" });
}

TEST_F(CliTty, TopWithoutATerminal)
{
        start_idle("web");
        Output output = run(
                        { "nomad-executorctl", "top", "--iterations=2", "--interval=50ms", "--no-legend" });

        EXPECT_EQ(output.status, 0);
        EXPECT_EQ(output.text.find('\033'), std::string::npos);
        auto lines = lines_of(output.text);
        ASSERT_EQ(lines.size(), 3U) << output;
        EXPECT_EQ(lines[0].rfind("web ", 0), 0U);
        EXPECT_EQ(lines[1], "");
        EXPECT_EQ(lines[2].rfind("web ", 0), 0U);
}

TEST_F(CliTty, ColoursAreForTerminalsThatWantThem)
{
        start_idle("web");
        auto coloured = [](const std::string &environment) {
                Terminal terminal(80, 10, environment + " nomad-executorctl --no-pager list; echo end");

                EXPECT_TRUE(terminal.shows("end"));
                return run({ "bash", "-c", environment + " script -qec 'nomad-executorctl --no-pager list' /dev/null" })
                                       .text.find("\033[") != std::string::npos;
        };

        EXPECT_TRUE(coloured("TERM=xterm"));
        EXPECT_FALSE(coloured("TERM=xterm NO_COLOR=1"));
        EXPECT_FALSE(coloured("TERM=dumb"));
}

/* The shells' completion knows commands, options and the tasks that there are. */
TEST_F(CliTty, BashCompletion)
{
        start_idle("web-frontend");
        Terminal terminal(100, 24, "PS1='$ ' bash --norc --noprofile");

        ASSERT_TRUE(terminal.shows("$"));
        terminal.type(". /usr/share/bash-completion/bash_completion; "
                      ". /usr/share/bash-completion/completions/nomad-executorctl; clear");
        terminal.send_text("nomad-executorctl stat");
        terminal.send({ "Tab", "Tab" });
        EXPECT_TRUE(terminal.shows("stats   status")) << terminal.screen();
        terminal.send_text("us web-");
        terminal.send({ "Tab" });
        EXPECT_TRUE(terminal.shows("nomad-executorctl status web-frontend")) << terminal.screen();
        terminal.send_text("--no-p");
        terminal.send({ "Tab" });
        EXPECT_TRUE(terminal.shows("web-frontend --no-pager")) << terminal.screen();

        const struct {
                std::string typed, completed;
        } cases[] = {
                { "run -p MemoryM", "run -p MemoryMax=" },
                { "list --state=runn", "list --state=running" },
                { "kill -s SIGTER", "kill -s SIGTERM" },
                { "run --uid=nobody -- sha256su", "-- sha256sum" },
                { "set-property web-frontend TasksM", "web-frontend TasksMax=" },
        };
        for (const auto &c : cases) {
                terminal.send({ "C-u" });
                terminal.send_text("nomad-executorctl " + c.typed);
                terminal.send({ "Tab" });
                EXPECT_TRUE(terminal.shows(c.completed)) << terminal.screen();
        }
}

TEST_F(CliTty, ZshCompletion)
{
        start_idle("web-frontend");
        Terminal terminal(100, 24, "PS1='$ ' zsh -f");

        ASSERT_TRUE(terminal.shows("$"));
        terminal.type("PS1='$ '; autoload -Uz compinit && compinit -u; clear");
        terminal.send_text("nomad-executorctl set-p");
        terminal.send({ "Tab" });
        EXPECT_TRUE(terminal.shows("nomad-executorctl set-property")) << terminal.screen();
        terminal.send_text("web-");
        terminal.send({ "Tab" });
        EXPECT_TRUE(terminal.shows("set-property web-frontend")) << terminal.screen();
}
