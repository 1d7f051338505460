/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spec.h"

#include <cctype>
#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <sstream>
#include <string>

namespace
{

/* Key to "signature, default" as the documentation of StartTask has them: "Key (signature, default):
 * text". */
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

std::string contents(const std::string &path)
{
        std::ifstream file(path);
        std::stringstream text;

        text << file.rdbuf();
        return text.str();
}

/* The page is made from the same description. */
TEST(SpecDocumentation, HasAPageOfTheKeys)
{
        const std::string page = contents(g_getenv("NOMAD_SPEC_PAGE"));

        ASSERT_NE(page.find(".SH KEYS"), std::string::npos);
        for (size_t i = 0; i < n_task_spec_options; i++)
                EXPECT_NE(page.find(std::string("\n.BR ") + task_spec_options[i].key + " \" ("),
                                std::string::npos)
                                << task_spec_options[i].key;
        for (size_t i = 0; i < n_resource_options; i++)
                EXPECT_NE(page.find(resource_options[i].key, page.find(".SH CHANGING")), std::string::npos)
                                << resource_options[i].key;
}

void erase_all(std::string &text, const std::string &begin, const std::string &end)
{
        for (size_t at; (at = text.find(begin)) != std::string::npos;)
                text.erase(at, end.empty() ? begin.size() : text.find(end, at) + end.size() - at);
}

/* Without comments, what the preprocessor reads, and white space. */
std::string declarations(const std::string &header)
{
        std::string text = contents(std::string(g_getenv("NOMAD_SOURCE_DIR")) + "/client/include/" + header);
        std::string line, result;
        std::istringstream lines;

        erase_all(text, "/*", "*/");
        lines.str(text);
        while (std::getline(lines, line))
                if (line[0] != '#')
                        for (char c : line)
                                if (!std::isspace((unsigned char) c))
                                        result += c;
        for (const char *macro : { "NX_MUST_USE", "G_BEGIN_DECLS" })
                erase_all(result, macro, "");
        return result;
}

TEST(LibraryDocumentation, HasThePrototypesOfTheHeaders)
{
        const std::string source = g_getenv("NOMAD_SOURCE_DIR");
        const std::string headers = declarations("nomad-executor.h") +
                        declarations("nomad-executor-glib.h") + declarations("nomad-task-hook.h");
        std::istringstream page(contents(source + "/data/man/libnomad-executor.3"));
        std::istringstream symbols(contents(source + "/client/lib/libnomad-executor.sym"));
        std::string line, synopsis;
        unsigned n = 0;

        while (std::getline(page, line) && line != ".SH DESCRIPTION")
                for (char c : line.rfind(".B ", 0) == 0 ? line.substr(3) : "")
                        if (!std::isspace((unsigned char) c) && c != '"' && c != '\\')
                                synopsis += c;
        while (std::getline(symbols, line)) {
                char name[64];

                if (sscanf(line.c_str(), " nx_%63[a-z0-9_];", name) != 1)
                        continue;
                const size_t at = headers.find(std::string("nx_") + name + "(");
                ASSERT_NE(at, std::string::npos) << name;
                const size_t begin = headers.find_last_of(";{}", at) + 1, end = headers.find(';', at);
                EXPECT_NE(synopsis.find(headers.substr(begin, end + 1 - begin)), std::string::npos)
                                << headers.substr(begin, end + 1 - begin);
                n++;
        }
        EXPECT_GE(n, 90U);
}

} // namespace
