/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spec.h"

#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <string>

namespace
{

/* Key to "signature, default" as the documentation of StartTask has them: "Key (signature, default): text". */
std::map<std::string, std::pair<std::string, std::string>> documented()
{
        std::ifstream file(
                        std::string(g_getenv("NOMAD_SOURCE_DIR")) + "/dbus/org.nomad.Executor.Manager.xml");
        std::map<std::string, std::pair<std::string, std::string>> keys;
        std::string line;
        bool inside = false;

        while (std::getline(file, line)) {
                char key[64], signature[32], value[64];

                if (line.find("Keys of @spec.") != std::string::npos)
                        inside = true;
                if (inside && line.find("Errors:") != std::string::npos)
                        break;
                if (inside &&
                                sscanf(line.c_str(), " %63[A-Za-z] (%31[^,], %63[^)]):", key, signature,
                                                value) == 3)
                        keys[key] = { signature, value };
        }
        return keys;
}

TEST(SpecDocumentation, HasEachKeyOfTheTableAndNoOther)
{
        auto keys = documented();

        ASSERT_GE(keys.size(), 26U);
        for (size_t i = 0; i < n_task_spec_options; i++) {
                const Option &option = task_spec_options[i];
                auto found = keys.find(option.key);

                ASSERT_NE(found, keys.end()) << option.key << " is not documented";
                EXPECT_EQ(found->second.first, option.type->signature) << option.key;
                EXPECT_EQ(found->second.second == "required", (option.flags & OPTION_REQUIRED) != 0)
                                << option.key;
                keys.erase(found);
        }
        for (const auto &entry : keys)
                ADD_FAILURE() << entry.first << " is documented but not in the table";
}

} // namespace
