/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "option-table.h"

#include <cerrno>
#include <climits>
#include <cstddef>
#include <fcntl.h>
#include <map>
#include <string>
#include <sys/stat.h>
#include <vector>

#include "bus-error.h"
#include "message-fixture.h"

namespace
{

struct Everything {
        char *text;
        char **list;
        bool flag;
        int32_t i32;
        uint16_t u16;
        uint32_t u32;
        uint64_t u64;
        int fd;
        GHashTable *dict;
};

enum { TEXT, LIST, FLAG, I32, U16, U32, U64, FD, DICT, N_OPTIONS };

#define OPTION(key, type, member, invalid, flags)                                                      \
        {                                                                                              \
                key, &option_type_##type, offsetof(Everything, member), invalid, (OptionFlags) (flags) \
        }

const Option table[] = {
        OPTION("Text", string, text, option_invalid_if_empty, 0),
        OPTION("List", strv, list, nullptr, 0),
        OPTION("Flag", bool, flag, nullptr, 0),
        OPTION("I32", int32, i32, nullptr, 0),
        OPTION("U16", uint16, u16, nullptr, 0),
        OPTION("U32", uint32, u32, option_invalid_if_zero32, 0),
        OPTION("U64", uint64, u64, option_invalid_if_zero64, 0),
        OPTION("Fd", fd, fd, nullptr, 0),
        OPTION("Dict", dict, dict, nullptr, 0),
};
static_assert(G_N_ELEMENTS(table) == N_OPTIONS, "the indexes above are those of the table");

const uint64_t ALL = (UINT64_C(1) << N_OPTIONS) - 1;
const uint64_t BIT_FD = UINT64_C(1) << FD;

std::vector<std::string> to_vector(char **list)
{
        std::vector<std::string> result;

        for (char **s = list; s && *s; s++)
                result.emplace_back(*s);
        return result;
}

std::map<std::string, std::string> to_map(GHashTable *dict)
{
        std::map<std::string, std::string> result;
        GHashTableIter iter;
        void *key, *value;

        if (!dict)
                return result;
        g_hash_table_iter_init(&iter, dict);
        while (g_hash_table_iter_next(&iter, &key, &value))
                result[(char *) key] = (char *) value;
        return result;
}

class OptionTable : public MessageTest
{
      protected:
        void SetUp() override
        {
                MessageTest::SetUp();
                ASSERT_GE(bus_error_register(), 0);
        }

        void TearDown() override
        {
                options_clear(table, N_OPTIONS, &target);
                sd_bus_error_free(&error);
                sd_bus_message_unref(m);
                MessageTest::TearDown();
        }

        /* Reads the a{sv} that ENTRIES fills. */
        int read(const std::function<void(sd_bus_message *)> &entries)
        {
                m = sd_bus_message_unref(m);
                m = message([&](sd_bus_message *message) {
                        ASSERT_GE(sd_bus_message_open_container(message, 'a', "{sv}"), 0);
                        entries(message);
                        ASSERT_GE(sd_bus_message_close_container(message), 0);
                });
                sd_bus_error_free(&error);
                return options_read(m, table, N_OPTIONS, &target, &set, &error);
        }

        void expect_error(int r, int expected, const char *name, const char *key)
        {
                EXPECT_EQ(r, expected);
                ASSERT_STREQ(error.name, name);
                EXPECT_NE(std::string(error.message).find(key), std::string::npos) << error.message;
        }

        void fill_everything()
        {
                const char *list[] = { "", "two words", "ünï", nullptr };

                target.text = g_strdup("käse \"quoted\"\n");
                target.list = g_strdupv((char **) list);
                target.flag = true;
                target.i32 = INT32_MIN;
                target.u16 = UINT16_MAX;
                target.u32 = UINT32_MAX;
                target.u64 = UINT64_MAX;
                target.dict = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
                g_hash_table_replace(target.dict, g_strdup("key/1"), g_strdup("välue"));
                g_hash_table_replace(target.dict, g_strdup(""), g_strdup(""));
        }

        void expect_everything(const Everything &got)
        {
                EXPECT_STREQ(got.text, "käse \"quoted\"\n");
                EXPECT_EQ(to_vector(got.list), (std::vector<std::string>{ "", "two words", "ünï" }));
                EXPECT_TRUE(got.flag);
                EXPECT_EQ(got.i32, INT32_MIN);
                EXPECT_EQ(got.u16, UINT16_MAX);
                EXPECT_EQ(got.u32, UINT32_MAX);
                EXPECT_EQ(got.u64, UINT64_MAX);
                EXPECT_EQ(to_map(got.dict),
                                (std::map<std::string, std::string>{ { "key/1", "välue" }, { "", "" } }));
        }

        static Everything nothing()
        {
                Everything result = {};

                result.fd = -1;
                return result;
        }

        Everything target = nothing();
        uint64_t set = 0;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *m = nullptr;
};

TEST_F(OptionTable, AppendAndReadEveryType)
{
        Everything got = nothing();
        int pipe_fds[2];

        ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
        fill_everything();
        target.fd = pipe_fds[1];
        m = message([&](sd_bus_message *message) {
                ASSERT_GE(sd_bus_message_open_container(message, 'a', "{sv}"), 0);
                for (size_t i = 0; i < N_OPTIONS; i++)
                        ASSERT_GE(option_append_entry(message, table + i, &target), 0);
                ASSERT_GE(sd_bus_message_close_container(message), 0);
        });
        ASSERT_GE(options_read(m, table, N_OPTIONS, &got, &set, &error), 0) << error.message;

        EXPECT_EQ(set, ALL);
        expect_everything(got);
        ASSERT_GE(got.fd, 0);
        EXPECT_NE(got.fd, pipe_fds[1]) << "the value must be a copy that outlives the message";
        EXPECT_EQ(fcntl(got.fd, F_GETFD), FD_CLOEXEC);
        m = sd_bus_message_unref(m);
        ASSERT_EQ(write(got.fd, "x", 1), 1);
        char c = 0;
        ASSERT_EQ(::read(pipe_fds[0], &c, 1), 1);
        EXPECT_EQ(c, 'x');

        options_clear(table, N_OPTIONS, &got);
        EXPECT_EQ(got.fd, -1);
        EXPECT_EQ(got.text, nullptr);
        EXPECT_EQ(got.list, nullptr);
        EXPECT_EQ(got.dict, nullptr);
        (void) close(pipe_fds[0]);
}

TEST_F(OptionTable, JsonRoundTripThroughText)
{
        Everything got = nothing();

        fill_everything();
        g_autoptr(JsonNode) node = options_to_json(table, N_OPTIONS, &target, ALL);
        g_autofree char *text = json_to_string(node, FALSE);
        g_autoptr(JsonNode) parsed = json_from_string(text, nullptr);
        ASSERT_NE(parsed, nullptr) << text;
        EXPECT_FALSE(json_object_has_member(json_node_get_object(parsed), "Fd"));
        ASSERT_GE(options_from_json(json_node_get_object(parsed), table, N_OPTIONS, &got, &set), 0) << text;

        EXPECT_EQ(set, ALL & ~BIT_FD);
        expect_everything(got);
        EXPECT_EQ(got.fd, -1);
        options_clear(table, N_OPTIONS, &got);
}

TEST_F(OptionTable, JsonKeepsEveryUint64)
{
        for (uint64_t value : { UINT64_C(1), (uint64_t) INT64_MAX, (uint64_t) INT64_MAX + 1,
                             (uint64_t) INT64_MAX + 2, UINT64_MAX - 1, UINT64_MAX }) {
                Everything got = nothing();

                target.u64 = value;
                g_autoptr(JsonNode) node = options_to_json(table, N_OPTIONS, &target, UINT64_C(1) << U64);
                g_autofree char *text = json_to_string(node, FALSE);
                g_autoptr(JsonNode) parsed = json_from_string(text, nullptr);
                ASSERT_NE(parsed, nullptr) << text;
                ASSERT_GE(options_from_json(json_node_get_object(parsed), table, N_OPTIONS, &got, nullptr),
                                0)
                                << text;
                EXPECT_EQ(got.u64, value) << text;
        }
}

TEST_F(OptionTable, JsonWritesOnlyWhatIsSet)
{
        fill_everything();
        g_autoptr(JsonNode) node = options_to_json(table, N_OPTIONS, &target, UINT64_C(1) << U16);
        g_autofree char *text = json_to_string(node, FALSE);

        EXPECT_STREQ(text, "{\"U16\":65535}");
}

TEST_F(OptionTable, JsonToleratesUnknownAndMissingKeys)
{
        g_autoptr(JsonNode) node = json_from_string("{\"Newer\":[1],\"U32\":7}", nullptr);

        target.u16 = 5;
        ASSERT_GE(options_from_json(json_node_get_object(node), table, N_OPTIONS, &target, &set), 0);
        EXPECT_EQ(set, UINT64_C(1) << U32);
        EXPECT_EQ(target.u32, 7U);
        EXPECT_EQ(target.u16, 5U) << "a missing key leaves the member as it is";
}

TEST_F(OptionTable, JsonRefusesValuesOfAnotherShape)
{
        for (const char *text : { "{\"Text\":1}", "{\"Text\":[]}", "{\"Text\":null}", "{\"Text\":\"\"}",
                             "{\"List\":\"x\"}", "{\"List\":[1]}", "{\"Flag\":1}", "{\"I32\":2147483648}",
                             "{\"I32\":\"1\"}", "{\"U16\":65536}", "{\"U16\":-1}", "{\"U32\":4294967296}",
                             "{\"U32\":0}", "{\"U32\":1.5}", "{\"Fd\":3}", "{\"Dict\":[]}",
                             "{\"Dict\":{\"a\":1}}" }) {
                g_autoptr(JsonNode) node = json_from_string(text, nullptr);

                ASSERT_NE(node, nullptr) << text;
                EXPECT_EQ(options_from_json(json_node_get_object(node), table, N_OPTIONS, &target, &set),
                                -EINVAL)
                                << text;
        }
}

TEST_F(OptionTable, EmptyMessageSetsNothing)
{
        set = 42;
        ASSERT_GE(read([](sd_bus_message *) {}), 0);
        EXPECT_EQ(set, 0U);
}

TEST_F(OptionTable, EmptyListAndDict)
{
        ASSERT_GE(read([](sd_bus_message *message) {
                ASSERT_GE(sd_bus_message_append(message, "{sv}{sv}", "List", "as", 0, "Dict", "a{ss}", 0),
                                0);
        }),
                        0)
                        << error.message;
        EXPECT_EQ(set, (UINT64_C(1) << LIST) | (UINT64_C(1) << DICT));
        EXPECT_TRUE(to_vector(target.list).empty());
        EXPECT_TRUE(to_map(target.dict).empty());
}

TEST_F(OptionTable, UnknownKey)
{
        int r = read([](sd_bus_message *message) {
                ASSERT_GE(sd_bus_message_append(message, "{sv}", "text", "s", "x"), 0);
        });

        expect_error(r, -EINVAL, BUS_ERROR_INVALID_SPEC, "text");
}

TEST_F(OptionTable, WrongTypeOfEveryKey)
{
        for (size_t i = 0; i < N_OPTIONS; i++) {
                int r = read([&](sd_bus_message *message) {
                        ASSERT_GE(sd_bus_message_append(message, "{sv}", table[i].key, "ai", 1, 7), 0);
                });

                expect_error(r, -EINVAL, BUS_ERROR_INVALID_SPEC, table[i].key);
        }
        EXPECT_EQ(target.text, nullptr);
}

TEST_F(OptionTable, SameKeyTwice)
{
        int r = read([](sd_bus_message *message) {
                ASSERT_GE(sd_bus_message_append(message, "{sv}{sv}", "U16", "q", 1, "U16", "q", 1), 0);
        });

        expect_error(r, -EINVAL, BUS_ERROR_INVALID_SPEC, "U16");
}

TEST_F(OptionTable, SameNameTwiceInADictionary)
{
        expect_error(read([](sd_bus_message *message) {
                ASSERT_GE(sd_bus_message_append(
                                          message, "{sv}", "Dict", "a{ss}", 3, "a", "1", "b", "2", "a", "3"),
                                0);
        }),
                        -EINVAL, BUS_ERROR_INVALID_SPEC, "Dict");
}

TEST_F(OptionTable, RefusedValues)
{
        expect_error(read([](sd_bus_message *message) {
                ASSERT_GE(sd_bus_message_append(message, "{sv}", "Text", "s", ""), 0);
        }),
                        -EINVAL, BUS_ERROR_INVALID_SPEC, "Text");
        expect_error(read([](sd_bus_message *message) {
                ASSERT_GE(sd_bus_message_append(message, "{sv}", "U32", "u", 0), 0);
        }),
                        -EINVAL, BUS_ERROR_INVALID_SPEC, "U32");
        expect_error(read([](sd_bus_message *message) {
                ASSERT_GE(sd_bus_message_append(message, "{sv}", "U64", "t", UINT64_C(0)), 0);
        }),
                        -EINVAL, BUS_ERROR_INVALID_SPEC, "U64");
}

TEST_F(OptionTable, RequiredKey)
{
        const Option required[] = {
                OPTION("Text", string, text, nullptr, OPTION_REQUIRED),
                OPTION("U16", uint16, u16, nullptr, 0),
        };

        m = message([](sd_bus_message *message) {
                ASSERT_GE(sd_bus_message_append(message, "a{sv}", 1, "U16", "q", 1), 0);
        });
        set = 42;
        expect_error(options_read(m, required, 2, &target, &set, &error), -EINVAL, BUS_ERROR_INVALID_SPEC,
                        "Text");
        EXPECT_EQ(set, 42U) << "outputs are set on success only";
}

TEST_F(OptionTable, SecondReadReplacesTheFirst)
{
        for (const char *value : { "first", "second" })
                ASSERT_GE(read([&](sd_bus_message *message) {
                        ASSERT_GE(sd_bus_message_append(message, "{sv}{sv}{sv}", "Text", "s", value, "List",
                                                  "as", 1, value, "Dict", "a{ss}", 1, "k", value),
                                        0);
                }),
                                0);
        EXPECT_STREQ(target.text, "second");
        EXPECT_EQ(to_vector(target.list), (std::vector<std::string>{ "second" }));
        EXPECT_EQ(to_map(target.dict), (std::map<std::string, std::string>{ { "k", "second" } }));
}

/* What follows the a{sv} in the message is still to be read. */
TEST_F(OptionTable, LeavesTheMessageAfterTheArray)
{
        uint64_t flags = 0;

        m = message([](sd_bus_message *message) {
                ASSERT_GE(sd_bus_message_append(message, "a{sv}t", 1, "U16", "q", 1, UINT64_C(77)), 0);
        });
        ASSERT_GE(options_read(m, table, N_OPTIONS, &target, &set, &error), 0);
        ASSERT_GT(sd_bus_message_read(m, "t", &flags), 0);
        EXPECT_EQ(flags, 77U);
}

/* Everything counts, whatever is made of it: strings with the byte at their end, and 8 bytes for each
 * number. */
TEST_F(OptionTable, MoreThanTheLimit)
{
        const std::string most(OPTIONS_BYTES_MAX - 1, 'x'), part = most.substr(4),
                                                            half = most.substr(OPTIONS_BYTES_MAX / 2);
        const auto limit = [&](const char *types, auto... values) {
                return read([&](sd_bus_message *message) {
                        ASSERT_GE(sd_bus_message_append(message, types, values...), 0);
                });
        };

        EXPECT_GE(limit("{sv}", "Text", "s", most.c_str()), 0) << error.message;
        EXPECT_EQ(strlen(target.text), most.size()) << "the value is still to be read after the count";
        EXPECT_GE(limit("{sv}", "List", "as", 2, "abc", part.c_str()), 0) << error.message;
        EXPECT_GE(limit("{sv}", "Dict", "a{ss}", 1, "abc", part.c_str()), 0) << error.message;

        const std::string more = most + "x", more_part = part + "x";
        for (int i = 0; i < 5; i++) {
                int r = i == 0           ? limit("{sv}", "Text", "s", more.c_str())
                                : i == 1 ? limit("{sv}", "List", "as", 2, "abc", more_part.c_str())
                                : i == 2 ? limit("{sv}", "Dict", "a{ss}", 1, "abc", more_part.c_str())
                                : i == 3 ? limit("{sv}{sv}", "U16", "q", 1, "Text", "s", most.c_str())
                                         : limit("{sv}{sv}", "List", "as", 1, half.c_str(), "Text", "s",
                                                           (half + "x").c_str());
                SCOPED_TRACE(i);
                expect_error(r, -EDQUOT, BUS_ERROR_LIMIT_EXCEEDED, "more than 1048576 bytes");
        }
}

TEST_F(OptionTable, Find)
{
        EXPECT_EQ(options_find(table, N_OPTIONS, "Text"), table);
        EXPECT_EQ(options_find(table, N_OPTIONS, "Dict"), table + DICT);
        EXPECT_EQ(options_find(table, N_OPTIONS, "Tex"), nullptr);
        EXPECT_EQ(options_find(table, N_OPTIONS, ""), nullptr);
}

TEST(OptionChecks, AbsolutePath)
{
        const char *path = "/x";

        EXPECT_EQ(option_invalid_unless_absolute(&path), nullptr);
        for (const char *bad : { "x", "", "./x", (const char *) nullptr })
                EXPECT_STREQ(option_invalid_unless_absolute(&bad), "must be an absolute path");
}

TEST_F(OptionTable, MessagesNameTheValue)
{
        auto refused = [&](const char *key, const char *type, auto... values) {
                EXPECT_EQ(read([&](sd_bus_message *message) {
                        EXPECT_GE(sd_bus_message_append(message, "{sv}", key, type, values...), 0);
                }),
                                -EINVAL);
                return std::string(error.message);
        };

        EXPECT_EQ(refused("U32", "u", 0), "U32 must be greater than 0: '0'");
        EXPECT_EQ(refused("Text", "s", ""), "Text must not be empty");
        EXPECT_EQ(refused("Txet", "s", "x"), "Unknown key 'Txet'; did you mean Text?");
        EXPECT_EQ(refused("LIST", "s", "x"), "Unknown key 'LIST'; did you mean List?");
        EXPECT_EQ(refused("Nothing", "s", "x"),
                        "Unknown key 'Nothing'; there are Text, List, Flag, I32, U16, U32, U64, Fd and Dict");
        EXPECT_EQ(refused(std::string(5000, 'k').c_str(), "s", "x").find(std::string(61, 'k')),
                        std::string::npos);
}

TEST(OptionDescribe, NamesTheEntryOfAList)
{
        const char *list[] = { "A=b", "FOO\nbar", nullptr };
        Everything target = {};
        const Option option = OPTION("Environment", strv, list, option_invalid_environment, 0);
        g_autofree char *text = nullptr;

        target.list = (char **) list;
        text = option_describe_refused(&option, &target, option_invalid_environment(&target.list));
        EXPECT_STREQ(text, "Environment has an entry that is not NAME=VALUE: 'FOO?bar'");
}

} // namespace
