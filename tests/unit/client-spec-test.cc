/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <cerrno>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <memory>
#include <nomad-executor.h>
#include <regex>
#include <string>
#include <unistd.h>

/* A spec as clients make it, seen through its JSON. */

using Spec = std::unique_ptr<nx_spec, decltype(&nx_spec_free)>;

static Spec make(const char *command = nullptr)
{
        return { nx_spec_new(command), nx_spec_free };
}

static std::string json_of(const Spec &spec)
{
        char *text = nullptr;

        EXPECT_EQ(nx_spec_to_json(spec.get(), &text), 0);
        std::unique_ptr<char, decltype(&free)> owner(text, free);
        return text;
}

/* The message of the error that a call fails with, as INVALID_SPEC. */
template <typename Call> static std::string refusal(Call call)
{
        nx_error *error = nullptr;

        EXPECT_EQ(call(&error), -EINVAL);
        if (!error)
                return "";
        std::string message = nx_error_get_message(error);
        EXPECT_EQ(nx_error_get_code(error), NX_ERROR_INVALID_SPEC);
        nx_error_free(error);
        return message;
}

static std::string assigned(const std::string &text)
{
        Spec spec = make();
        nx_error *error = nullptr;

        if (nx_spec_assign(spec.get(), text.c_str(), &error) < 0) {
                std::string message = nx_error_get_message(error);
                nx_error_free(error);
                return message;
        }
        return json_of(spec);
}

static std::string parse_error(const std::string &json)
{
        nx_spec *spec = nullptr;

        return refusal([&](nx_error **error) { return nx_spec_new_from_json(json.c_str(), &spec, error); });
}

TEST(ClientSpec, BuilderSetsEveryType)
{
        Spec spec = make("/bin/true");
        const char *arguments[] = { "a", "b", nullptr };

        EXPECT_EQ(nx_spec_set_strv(spec.get(), "Arguments", arguments, nullptr), 0);
        EXPECT_EQ(nx_spec_set_uint64(spec.get(), "MemoryMax", 1U << 20, nullptr), 0);
        EXPECT_EQ(nx_spec_set_uint64(spec.get(), "UMask", 077, nullptr), 0);
        EXPECT_EQ(nx_spec_set_int(spec.get(), "OOMScoreAdjust", -5, nullptr), 0);
        EXPECT_EQ(nx_spec_set_entry(spec.get(), "Labels", "job", "web", nullptr), 0);
        EXPECT_EQ(json_of(spec),
                        "{\"Command\":\"/bin/true\",\"Arguments\":[\"a\",\"b\"],\"Labels\":{\"job\":\"web\"},"
                        "\"OOMScoreAdjust\":-5,\"UMask\":63,\"MemoryMax\":1048576}");
        EXPECT_TRUE(nx_spec_has(spec.get(), "UMask"));
        EXPECT_FALSE(nx_spec_has(spec.get(), "User"));
        EXPECT_FALSE(nx_spec_has(spec.get(), "Nothing"));
}

TEST(ClientSpec, WrongTypeNamesTheKey)
{
        Spec spec = make();
        const char *list[] = { nullptr };
        auto s = spec.get();

        EXPECT_EQ(refusal([&](nx_error **e) { return nx_spec_set_string(s, "UMask", "1", e); }),
                        "UMask is a number");
        EXPECT_EQ(refusal([&](nx_error **e) { return nx_spec_set_strv(s, "Command", list, e); }),
                        "Command is a string");
        EXPECT_EQ(refusal([&](nx_error **e) { return nx_spec_set_uint64(s, "Arguments", 1, e); }),
                        "Arguments is a list of strings");
        EXPECT_EQ(refusal([&](nx_error **e) { return nx_spec_set_int(s, "UMask", 1, e); }),
                        "UMask is a number");
        EXPECT_EQ(refusal([&](nx_error **e) { return nx_spec_set_fd(s, "Labels", 1, e); }),
                        "Labels is names and values");
        EXPECT_EQ(refusal([&](nx_error **e) { return nx_spec_set_uint64(s, "UMask", UINT64_MAX, e); }),
                        "UMask must be at most 4294967295, not 18446744073709551615");
        EXPECT_EQ(refusal([&](nx_error **e) { return nx_spec_set_string(s, "Comand", "x", e); }),
                        "Unknown key 'Comand'; did you mean Command?");
        EXPECT_EQ(json_of(spec), "{}");
}

TEST(ClientSpec, DescriptorsAreDuplicated)
{
        Spec spec = make();
        int fds[2];

        ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
        EXPECT_EQ(nx_spec_set_fd(spec.get(), "StandardOutput", fds[1], nullptr), 0);
        EXPECT_TRUE(nx_spec_has(spec.get(), "StandardOutput"));
        (void) close(fds[1]);
        /* the spec's own keeps the pipe open, until it is taken back */
        ASSERT_EQ(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
        char byte;
        EXPECT_EQ(read(fds[0], &byte, 1), -1);
        EXPECT_EQ(errno, EAGAIN);
        EXPECT_EQ(nx_spec_set_fd(spec.get(), "StandardOutput", -1, nullptr), 0);
        EXPECT_FALSE(nx_spec_has(spec.get(), "StandardOutput"));
        EXPECT_EQ(read(fds[0], &byte, 1), 0);
        (void) close(fds[0]);
        EXPECT_EQ(nx_spec_set_fd(spec.get(), "StandardOutput", 12345, nullptr), -EBADF);
}

TEST(ClientSpec, AssignmentsHaveUnits)
{
        EXPECT_EQ(assigned("MemoryMax=512M"), "{\"MemoryMax\":536870912}");
        EXPECT_EQ(assigned("MemoryMax=7"), "{\"MemoryMax\":7}");
        EXPECT_EQ(assigned("MemoryMax=infinity"), "{\"MemoryMax\":\"infinity\"}");
        EXPECT_EQ(assigned("StopTimeoutUSec=250"), "{\"StopTimeoutUSec\":250}");
        EXPECT_EQ(assigned("StopTimeoutUSec=1min 30s"), "{\"StopTimeoutUSec\":90000000}");
        EXPECT_EQ(assigned("RuntimeMaxUSec=500ms"), "{\"RuntimeMaxUSec\":500000}");
        EXPECT_EQ(assigned("CPUQuotaPerSecUSec=150%"), "{\"CPUQuotaPerSecUSec\":1500000}");
        EXPECT_EQ(assigned("CPUQuota=150%"), "{\"CPUQuotaPerSecUSec\":1500000}");
        EXPECT_EQ(assigned("CPUQuota=infinity"), "{\"CPUQuotaPerSecUSec\":\"infinity\"}");
        EXPECT_EQ(assigned("CPUQuota=150"), "CPUQuota: '150' is not a percentage of one CPU such as 150%");
        EXPECT_EQ(assigned("UMask=027"), "{\"UMask\":23}");
        EXPECT_EQ(assigned("TasksMax=10"), "{\"TasksMax\":10}");
        EXPECT_EQ(assigned("OOMScoreAdjust=-10"), "{\"OOMScoreAdjust\":-10}");
        EXPECT_EQ(assigned("Description=a = b"), "{\"Description\":\"a = b\"}");
        EXPECT_EQ(assigned("ResourceLimits=NOFILE=100:infinity"),
                        "{\"ResourceLimits\":{\"NOFILE\":[100,\"infinity\"]}}");
        EXPECT_EQ(assigned("ResourceLimits=CORE=0"), "{\"ResourceLimits\":{\"CORE\":[0,0]}}");
        EXPECT_EQ(assigned("Labels=a=b=c"), "{\"Labels\":{\"a\":\"b=c\"}}");
}

TEST(ClientSpec, AssignmentsThatAreNone)
{
        EXPECT_EQ(assigned("MemoryMax"), "'MemoryMax' is not KEY=VALUE");
        EXPECT_EQ(assigned("=1"), "'=1' is not KEY=VALUE");
        EXPECT_EQ(assigned("Memory=1"), "Unknown key 'Memory'");
        for (const char *text : { "MemoryMax=", "MemoryMax=x", "MemoryMax=-1", "MemoryMax=1X",
                             "MemoryMax=1 2", "MemoryMax=1s", "TasksMax=1K", "StopTimeoutUSec=5parsecs" })
                EXPECT_NE(assigned(text).find("is not a number"), std::string::npos) << text;
        EXPECT_EQ(assigned("MemoryMax=64MB"),
                        "MemoryMax: '64MB' is not a number of bytes, or one with K, M, G or T");
        EXPECT_EQ(assigned("StopTimeoutUSec=5q"),
                        "StopTimeoutUSec: '5q' is not a number of microseconds, or one with a unit such as "
                        "500ms, 5s or 1min 30s");
        EXPECT_EQ(assigned("UMask=99"), "UMask: '99' is not an octal number such as 0022");
        EXPECT_EQ(assigned("UMask="), "UMask: '' is not an octal number such as 0022");
        EXPECT_EQ(assigned("MemroyMax=1"), "Unknown key 'MemroyMax'; did you mean MemoryMax?");
        EXPECT_EQ(assigned("memorymax=1"), "Unknown key 'memorymax'; did you mean MemoryMax?");
        EXPECT_EQ(assigned("RuntimeMaxSec=1"), "Unknown key 'RuntimeMaxSec'; did you mean RuntimeMaxUSec?");
        EXPECT_EQ(assigned("Frobnicate=1"), "Unknown key 'Frobnicate'");
        EXPECT_EQ(assigned("MemoryMax=16777216T"), "MemoryMax: '16777216T' is too large");
        EXPECT_EQ(assigned("MemoryMax=99999999999999999999"),
                        "MemoryMax: '99999999999999999999' is too large");
        EXPECT_EQ(assigned("OOMScoreAdjust=1x"), "OOMScoreAdjust: '1x' is not a number");
        EXPECT_EQ(assigned("Labels=a"), "Labels is set by Labels=NAME=VALUE, not 'a'");
        EXPECT_EQ(assigned("ResourceLimits=NOFILE"),
                        "ResourceLimits is set by ResourceLimits=NAME=SOFT:HARD, not 'NOFILE'");
        EXPECT_EQ(assigned("StandardInput=0"), "StandardInput is a descriptor and cannot be given in text");
}

TEST(ClientSpec, ListsGrowAndAreEmptied)
{
        Spec spec = make();

        for (const char *text : { "Arguments=a", "Arguments=b c", "LogTargets=files", "LogTargets=" })
                EXPECT_EQ(nx_spec_assign(spec.get(), text, nullptr), 0);
        EXPECT_EQ(json_of(spec), "{\"Arguments\":[\"a\",\"b c\"],\"LogTargets\":[]}");
}

TEST(ClientSpec, LimitsAreLaidOverEachOther)
{
        Spec spec = make();

        EXPECT_EQ(nx_spec_assign(spec.get(), "ResourceLimits=NOFILE=1:2", nullptr), 0);
        EXPECT_EQ(nx_spec_assign(spec.get(), "ResourceLimits=CORE=3", nullptr), 0);
        EXPECT_EQ(json_of(spec), "{\"ResourceLimits\":{\"NOFILE\":[1,2],\"CORE\":[3,3]}}");
}

TEST(ClientSpec, MountsGrowAndAreEmptied)
{
        Spec spec = make();

        EXPECT_EQ(nx_spec_assign(spec.get(), "Mounts=/srv/a:/a:ro,rslave", nullptr), 0);
        EXPECT_TRUE(nx_spec_has(spec.get(), "Mounts"));
        EXPECT_EQ(nx_spec_assign(spec.get(), "Mounts=/b:/c/d", nullptr), 0);
        EXPECT_EQ(nx_spec_assign(spec.get(), "Mounts=/e:/f:", nullptr), 0);
        EXPECT_EQ(json_of(spec),
                        "{\"Mounts\":[[\"/srv/a\",\"/a\",[\"ro\",\"rslave\"]],[\"/b\",\"/c/d\",[]],"
                        "[\"/e\",\"/f\",[]]]}");
        EXPECT_EQ(nx_spec_assign(spec.get(), "Mounts=", nullptr), 0);
        EXPECT_EQ(json_of(spec), "{\"Mounts\":[]}");
        EXPECT_EQ(nx_spec_assign(spec.get(), "Mounts=/g:/h", nullptr), 0);
        EXPECT_EQ(json_of(spec), "{\"Mounts\":[[\"/g\",\"/h\",[]]]}");
}

TEST(ClientSpec, DevicesGrowAndAreEmptied)
{
        Spec spec = make();

        for (const char *text :
                        { "Devices=/dev/fuse", "Devices=/dev/sda:/dev/xvda", "Devices=/dev/kvm:/kvm:rw" })
                EXPECT_EQ(nx_spec_assign(spec.get(), text, nullptr), 0);
        EXPECT_EQ(json_of(spec),
                        "{\"Devices\":[[\"/dev/fuse\",\"/dev/fuse\",\"rwm\"],"
                        "[\"/dev/sda\",\"/dev/xvda\",\"rwm\"],[\"/dev/kvm\",\"/kvm\",\"rw\"]]}");
        EXPECT_EQ(nx_spec_assign(spec.get(), "Devices=", nullptr), 0);
        EXPECT_EQ(json_of(spec), "{\"Devices\":[]}");
}

TEST(ClientSpec, MountsAndDevicesOfAnotherForm)
{
        for (const char *value : { "/a", ":/b", "/a:", "/a::ro", "/a:/b:ro:rw", ":" })
                EXPECT_EQ(assigned(std::string("Mounts=") + value),
                                "Mounts is set by Mounts=SOURCE:DESTINATION[:OPTION,...], not '" +
                                                std::string(value) + "'");
        for (const char *value : { ":/b", "/a:", "/a::rw", "/a:/b:rw:m", ":" })
                EXPECT_EQ(assigned(std::string("Devices=") + value),
                                "Devices is set by Devices=PATH[:DESTINATION[:PERMISSIONS]], not '" +
                                                std::string(value) + "'");
}

/* What was there is there still. */
TEST(ClientSpec, RefusedMountChangesNothing)
{
        Spec spec = make();

        EXPECT_EQ(nx_spec_assign(spec.get(), "Mounts=/a", nullptr), -EINVAL);
        EXPECT_FALSE(nx_spec_has(spec.get(), "Mounts"));
        EXPECT_EQ(nx_spec_assign(spec.get(), "Mounts=/a:/b:ro", nullptr), 0);
        EXPECT_EQ(nx_spec_assign(spec.get(), "Mounts=/a", nullptr), -EINVAL);
        EXPECT_EQ(json_of(spec), "{\"Mounts\":[[\"/a\",\"/b\",[\"ro\"]]]}");
}

TEST(ClientSpec, JsonRoundTrip)
{
        const std::string json =
                        "{\"Command\":\"/bin/sh\",\"Arguments\":[\"-c\",\"echo\"],\"Labels\":{\"a\":\"b\"},"
                        "\"OOMScoreAdjust\":-3,\"UMask\":18,\"ResourceLimits\":{\"NOFILE\":[1,\"infinity\"]},"
                        "\"LogTargets\":[],\"MemoryMax\":\"infinity\",\"Isolation\":\"container\","
                        "\"RootDirectory\":\"/srv/root\",\"Mounts\":[[\"/a\",\"/b\",[\"ro\"]],[\"/c\",\"/d:e\",[]]],"
                        "\"Devices\":[[\"/dev/fuse\",\"/dev/fuse\",\"rw\"]]}";
        nx_spec *spec = nullptr;

        ASSERT_EQ(nx_spec_new_from_json(json.c_str(), &spec, nullptr), 0);
        EXPECT_EQ(json_of(Spec(spec, nx_spec_free)), json);
}

TEST(ClientSpec, JsonNumbersMayBeText)
{
        nx_spec *spec = nullptr;

        ASSERT_EQ(nx_spec_new_from_json("{\"MemoryMax\":\"1G\",\"ResourceLimits\":{\"NOFILE\":5}}", &spec,
                                  nullptr),
                        0);
        EXPECT_EQ(json_of(Spec(spec, nx_spec_free)),
                        "{\"ResourceLimits\":{\"NOFILE\":[5,5]},\"MemoryMax\":1073741824}");
}

TEST(ClientSpec, JsonThatIsRefused)
{
        EXPECT_NE(parse_error("").find("JSON"), std::string::npos);
        const struct {
                std::string json, where;
        } cases[] = {
                { "{bad", "line 1, character 2 cannot be 'b'" },
                { "{\"Command\":\"x\" \"y\":1}", "line 1, character 16 cannot be '\"'" },
                { "{\n \"Command\": x}", "line 2, character 13 cannot be 'x'" },
                { "{\"Command\":\"ä\";}", "line 1, character 15 cannot be ';'" },
                { "[]]", "line 1, character 3 cannot be ']'" },
                { "{\"a\":1,}", "line 1, character 8 cannot be '}'" },
                { "[1", "it ends too early" },
                { "{", "it ends too early" },
                { "{\"a\": \"b", "it ends too early" },
        };
        for (const auto &c : cases)
                EXPECT_EQ(parse_error(c.json), "The spec is not JSON: " + c.where) << c.json;
        EXPECT_EQ(parse_error("[]"), "The spec is not a JSON object");
        EXPECT_EQ(parse_error("null"), "The spec is not a JSON object");
        EXPECT_EQ(parse_error("{\"Comand\":\"x\"}"), "Unknown key 'Comand'; did you mean Command?");
        for (const char *key : { "MemoryMax\":-1", "MemoryMax\":1.5", "MemoryMax\":null", "MemoryMax\":[1]",
                             "MemoryMax\":\"x\"", "UMask\":4294967296", "OOMScoreAdjust\":\"1\"",
                             "Arguments\":\"x\"", "Arguments\":[1]", "Labels\":[\"a\"]",
                             "Labels\":{\"a\":1}", "Command\":1", "ResourceLimits\":{\"NOFILE\":[1]}",
                             "ResourceLimits\":{\"NOFILE\":[1,-2]}", "ResourceLimits\":[]",
                             "Mounts\":[[\"/a\",\"/b\"]]", "Mounts\":[[\"/a\",\"/b\",\"ro\"]]",
                             "Mounts\":[\"/a:/b\"]", "Devices\":[[\"/a\",\"/b\",[\"r\"]]]", "Devices\":{}" })
                EXPECT_TRUE(std::regex_search(parse_error(std::string("{\"") + key + "}"),
                                std::regex("^[A-Za-z]+(: .* is out of range$| must be .*, not .)")))
                                << key;
        EXPECT_EQ(parse_error("{\"Command\":[\"true\"]}"), "Command must be a string, not [\"true\"]");
        EXPECT_EQ(parse_error("{\"MemoryMax\":\"64MB\"}"),
                        "MemoryMax must be a number of bytes, or one with K, M, G or T, not \"64MB\"");
        EXPECT_EQ(parse_error("{\"MemoryMax\":-1}"), "MemoryMax: -1 is out of range");
        EXPECT_NE(parse_error("{\"StandardInput\":0}").find("is a descriptor"), std::string::npos);
}

/* What json-glib would take for something else, without a word. */
TEST(ClientSpec, JsonThatWouldBeMisread)
{
        const struct {
                const char *json, *what;
        } cases[] = {
                { "{\"Command\":\"tr\\u0000ue\"}", "a NUL character at line 1, character 15" },
                { "{\"\\u0000\":1}", "a NUL character at line 1, character 3" },
                { "{\"Arguments\":[\"\\\\\\u0000\"]}", "a NUL character at line 1, character 18" },
                { "{\n\"Command\":\"ä\\u0000\"}", "a NUL character at line 2, character 13" },
                { "{\"MemoryMax\":18446744073709551615}",
                                "a number that is out of range at line 1, character 14" },
                { "{\"ResourceLimits\":{\"CORE\":[1,99999999999999999999]}}",
                                "a number that is out of range at line 1, character 30" },
                { "{\"StopTimeoutUSec\":-99999999999999999999}",
                                "a number that is out of range at line 1, character 20" },
        };
        for (const auto &c : cases)
                EXPECT_EQ(parse_error(c.json), std::string("The spec has ") + c.what) << c.json;

        for (const char *json : { "{\"Command\":\"\\\\u0000\"}", "{\"Command\":\"99999999999999999999\"}",
                             "{\"MemoryMax\":9223372036854775807}" }) {
                nx_spec *spec = nullptr;

                EXPECT_EQ(nx_spec_new_from_json(json, &spec, nullptr), 0) << json;
                nx_spec_free(spec);
        }
}
