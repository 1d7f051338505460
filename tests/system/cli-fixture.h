/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support.h"

/* nomad-executorctl in a machine. */
class Cli : public SystemTest
{
      protected:
        static Output ctl(std::vector<std::string> arguments)
        {
                arguments.insert(arguments.begin(), "nomad-executorctl");
                return run(arguments);
        }

        /* By a shell, for redirections and pipes. */
        static Output sh(const std::string &command)
        {
                return run({ "bash", "-o", "pipefail", "-c", command });
        }

        /* A task that goes on for ever, released with the test. */
        void start_idle(const std::string &id)
        {
                start(id,
                                Spec().set("Command", "/bin/sleep")
                                                .set("Arguments", std::vector<std::string>{ "infinity" })
                                                .set("StopSignal", "SIGTERM"));
        }

        std::string list()
        {
                return ctl({ "list", "--quiet" }).text;
        }
};
