/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state-file.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>

#include "cleanup.h"

namespace
{

class StateFile : public testing::Test
{
      protected:
        void SetUp() override
        {
                char path[] = "/tmp/state-file-test-XXXXXX";

                ASSERT_NE(mkdtemp(path), nullptr) << g_strerror(errno);
                dir = path;
                fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                ASSERT_GE(fd, 0);
        }

        void TearDown() override
        {
                (void) close(fd);
                EXPECT_GE(remove_tree_at(AT_FDCWD, dir.c_str()), 0);
                EXPECT_NE(access(dir.c_str(), F_OK), 0);
        }

        void write_text(const char *name, const std::string &text)
        {
                std::ofstream file(dir + "/" + name, std::ios::binary);

                file << text;
                file.close();
                ASSERT_TRUE(file.good());
        }

        bool exists(const char *name)
        {
                struct stat st;

                return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
        }

        int write_value(const char *name, const std::string &value)
        {
                g_autoptr(JsonObject) object = json_object_new();

                json_object_set_string_member(object, "Value", value.c_str());
                return state_file_write(fd, name, object);
        }

        std::string read_value(const char *name)
        {
                g_autoptr(JsonObject) object = nullptr;
                int r = state_file_read(fd, name, &object);

                EXPECT_EQ(r, 0) << g_strerror(-r);
                return r < 0 ? "" : json_object_get_string_member_with_default(object, "Value", "none");
        }

        std::string dir;
        int fd = -1;
};

/* Makes write(2) fail with EFBIG after SIZE bytes of a file, for any user and on any file system. */
class FileSizeLimit
{
      public:
        explicit FileSizeLimit(rlim_t size)
        {
                struct rlimit limit;

                (void) signal(SIGXFSZ, SIG_IGN);
                EXPECT_EQ(getrlimit(RLIMIT_FSIZE, &original), 0);
                limit = original;
                limit.rlim_cur = size;
                EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
        }
        ~FileSizeLimit()
        {
                EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &original), 0);
                (void) signal(SIGXFSZ, SIG_DFL);
        }
        FileSizeLimit(const FileSizeLimit &) = delete;
        FileSizeLimit &operator=(const FileSizeLimit &) = delete;

      private:
        struct rlimit original;
};

TEST_F(StateFile, WriteAndRead)
{
        struct stat st;

        ASSERT_EQ(write_value("task", "ünï\n\"x\""), 0);
        EXPECT_EQ(read_value("task"), "ünï\n\"x\"");
        ASSERT_EQ(fstatat(fd, "task", &st, 0), 0);
        EXPECT_EQ(st.st_mode & 07777, 0600U);
        EXPECT_FALSE(exists("task.new"));
}

TEST_F(StateFile, ReplacesByRename)
{
        struct stat before, after;

        ASSERT_EQ(write_value("task", "one"), 0);
        ASSERT_EQ(fstatat(fd, "task", &before, 0), 0);
        ASSERT_EQ(write_value("task", "two"), 0);
        ASSERT_EQ(fstatat(fd, "task", &after, 0), 0);
        EXPECT_EQ(read_value("task"), "two");
        EXPECT_NE(before.st_ino, after.st_ino) << "a reader of the old file must not see the new one grow";
}

TEST_F(StateFile, OldFileIsIntactWhenWritingFails)
{
        ASSERT_EQ(write_value("task", "one"), 0);
        {
                FileSizeLimit limit(1000);

                EXPECT_EQ(write_value("task", std::string(100000, 'x')), -EFBIG);
        }
        EXPECT_EQ(read_value("task"), "one");
        EXPECT_FALSE(exists("task.new"));
}

TEST_F(StateFile, LeftoverOfACrashIsOverwritten)
{
        write_text("task.new", std::string(5000, 'x'));
        ASSERT_EQ(write_value("task", "one"), 0);
        EXPECT_EQ(read_value("task"), "one");
        EXPECT_FALSE(exists("task.new"));
}

TEST_F(StateFile, DoesNotWriteThroughASymlink)
{
        write_text("victim", "precious");
        ASSERT_EQ(symlinkat("victim", fd, "task.new"), 0);
        EXPECT_EQ(write_value("task", "one"), -ELOOP);

        g_autofree char *text = nullptr;
        ASSERT_EQ(read_file_at(fd, "victim", 100, &text, nullptr), 0);
        EXPECT_STREQ(text, "precious");
        EXPECT_FALSE(exists("task"));
}

TEST_F(StateFile, ReadErrors)
{
        g_autoptr(JsonObject) object = nullptr;

        EXPECT_EQ(state_file_read(fd, "none", &object), -ENOENT);
        for (const char *bad : { "", "{", "[1]", "7", "{\"a\":1} x", "\xff" }) {
                write_text("bad", bad);
                EXPECT_EQ(state_file_read(fd, "bad", &object), -EBADMSG) << bad;
                EXPECT_EQ(object, nullptr);
        }
        write_text("target", "{}");
        ASSERT_EQ(symlinkat("target", fd, "link"), 0);
        ASSERT_EQ(mkfifoat(fd, "fifo", 0600), 0);
        ASSERT_EQ(mkdirat(fd, "directory", 0700), 0);
        write_text("large", "{}");
        ASSERT_EQ(truncate((dir + "/large").c_str(), STATE_FILE_SIZE_MAX + 1), 0);
        for (const char *bad : { "link", "fifo", "directory", "large" })
                EXPECT_EQ(state_file_read(fd, bad, &object), -EBADMSG) << bad;
        EXPECT_EQ(object, nullptr);
}

TEST_F(StateFile, WhatIsTooLargeToBeReadIsNotWritten)
{
        ASSERT_EQ(write_value("task", "one"), 0);
        EXPECT_EQ(write_value("task", std::string(STATE_FILE_SIZE_MAX, 'x')), -EFBIG);
        EXPECT_EQ(read_value("task"), "one");
}

TEST_F(StateFile, Version)
{
        const std::pair<const char *, int> versions[] = {
                { "{}", 0 },
                { "{\"Version\":1}", 0 },
                { "{\"Version\":2}", 0 },
                { "{\"Version\":3}", -EPROTONOSUPPORT },
                { "{\"Version\":0}", -EBADMSG },
                { "{\"Version\":-1}", -EBADMSG },
                { "{\"Version\":\"1\"}", -EBADMSG },
                { "{\"Version\":1.5}", -EBADMSG },
                { "{\"Version\":null}", -EBADMSG },
                { "{\"Version\":[1]}", -EBADMSG },
        };

        for (const auto &[text, result] : versions) {
                g_autoptr(JsonObject) object = nullptr;

                write_text("state", text);
                ASSERT_EQ(state_file_read(fd, "state", &object), 0) << text;
                EXPECT_EQ(state_check_version(object, 2), result) << text;
        }
}

TEST_F(StateFile, SetAside)
{
        for (const char *text : { "one", "two" }) {
                write_text("state", text);
                EXPECT_FALSE(state_is_set_aside("state"));
                EXPECT_EQ(state_set_aside(fd, "state", "is damaged"), 0);
                EXPECT_FALSE(exists("state"));
                EXPECT_TRUE(exists("state.set-aside"));
                EXPECT_TRUE(state_is_set_aside("state.set-aside"));
                EXPECT_TRUE(state_was_set_aside(fd, "state"));
        }
        ASSERT_EQ(mkdirat(fd, "state", 0700), 0);
        write_text("state/file", "x");
        EXPECT_EQ(state_set_aside(fd, "state", "is damaged"), 0) << "a directory in place of a file";
        write_text("state", "x");
        EXPECT_EQ(state_set_aside(fd, "state", "is damaged"), 0) << "and the other way round";
        EXPECT_FALSE(state_was_set_aside(fd, "none"));
        EXPECT_EQ(state_set_aside(fd, "none", "is damaged"), -ENOENT);
}

TEST_F(StateFile, OneObjectAndNothingElse)
{
        for (const char *bad : { "{\"a\":1}{\"b\":2}", "5{\"a\":1}", "{\"a\":1} 5", "[1]{\"a\":1}",
                             "{\"a\":1}}", "{\"a\":1 /* } */}", "// {\n{\"a\":1}" }) {
                JsonObject *object = nullptr;

                write_text("bad", bad);
                EXPECT_EQ(state_file_read(fd, "bad", &object), -EBADMSG) << bad;
                g_clear_pointer(&object, json_object_unref);
        }

        JsonObject *object = nullptr;

        write_text("nul", std::string("{\"a\":1}\0{\"b\":2}", 15));
        EXPECT_EQ(state_file_read(fd, "nul", &object), -EBADMSG);
        for (const char *value : { "}{", "a\"}", "\\", "\\\"{", "/* */", "\n\t" }) {
                ASSERT_GE(write_value("good", value), 0);
                ASSERT_GE(state_file_read(fd, "good", &object), 0) << value;
                EXPECT_STREQ(json_object_get_string_member(object, "Value"), value);
                g_clear_pointer(&object, json_object_unref);
        }
}

TEST_F(StateFile, ReadFileHasALimit)
{
        g_autofree char *text = nullptr;
        size_t size = 77;

        write_text("file", std::string("ab\0c", 4));
        ASSERT_EQ(read_file_at(fd, "file", 4, &text, &size), 0);
        EXPECT_EQ(std::string(text, size), std::string("ab\0c", 4));
        EXPECT_EQ(text[size], '\0');

        size = 77;
        EXPECT_EQ(read_file_at(fd, "file", 3, &text, &size), -EFBIG);
        EXPECT_EQ(size, 77U) << "outputs are set on success only";
}

TEST_F(StateFile, RecordLines)
{
        g_autoptr(GHashTable) record = nullptr;

        write_text("exit", "VERSION=1\nCODE=3\nnothing\nTEXT=a=b c\nEMPTY=\nTWICE=1\nTWICE=2\nLAST=end\n");
        ASSERT_EQ(record_file_read(fd, "exit", &record), 0);
        EXPECT_EQ(g_hash_table_size(record), 6U);
        EXPECT_STREQ((char *) g_hash_table_lookup(record, "CODE"), "3");
        EXPECT_STREQ((char *) g_hash_table_lookup(record, "TEXT"), "a=b c");
        EXPECT_STREQ((char *) g_hash_table_lookup(record, "EMPTY"), "");
        EXPECT_STREQ((char *) g_hash_table_lookup(record, "TWICE"), "2");
        EXPECT_STREQ((char *) g_hash_table_lookup(record, "LAST"), "end");
        EXPECT_EQ(g_hash_table_lookup(record, "nothing"), nullptr);

        GHashTable *none = nullptr;
        EXPECT_EQ(record_file_read(fd, "start", &none), -ENOENT);
        EXPECT_EQ(none, nullptr);
        for (const char *bad : { "", "CODE=3", "CODE=1\nCODE=3" }) {
                write_text("start", bad);
                EXPECT_EQ(record_file_read(fd, "start", &none), -EBADMSG) << bad;
        }
}

TEST_F(StateFile, NumbersOfARecord)
{
        g_autoptr(GHashTable) record =
                        record_parse("A=0\nB=18446744073709551615\nC=18446744073709551616\nD=\n"
                                     "E=-1\nF=+1\nG= 1\nH=1 \nI=0x1\nJ=1.0\nK=one\nL=256\nM=255");
        uint64_t value = 77;

        EXPECT_EQ(record_get_uint64(record, "none", UINT64_MAX, &value), 0);
        for (const char *bad : { "C", "D", "E", "F", "G", "H", "I", "J", "K" })
                EXPECT_EQ(record_get_uint64(record, bad, UINT64_MAX, &value), -EBADMSG) << bad;
        EXPECT_EQ(record_get_uint64(record, "L", 255, &value), -EBADMSG);
        EXPECT_EQ(value, 77U);
        EXPECT_EQ(record_get_uint64(record, "M", 255, &value), 1);
        EXPECT_EQ(value, 255U);
        EXPECT_EQ(record_get_uint64(record, "A", UINT64_MAX, &value), 1);
        EXPECT_EQ(value, 0U);
        EXPECT_EQ(record_get_uint64(record, "B", UINT64_MAX, &value), 1);
        EXPECT_EQ(value, UINT64_MAX);
}

TEST_F(StateFile, OpenOrMakeDir)
{
        struct stat st;

        for (int i = 0; i < 2; i++) {
                _cleanup_close_ int sub = -1;

                ASSERT_EQ(open_or_make_dir_at(fd, "sub", 0700, &sub), 0);
                ASSERT_EQ(fstat(sub, &st), 0);
                EXPECT_EQ(st.st_mode & 07777, 0700U);
        }

        int none = -1;
        ASSERT_EQ(symlinkat("sub", fd, "link"), 0);
        EXPECT_LT(open_or_make_dir_at(fd, "link", 0700, &none), 0);
        write_text("file", "");
        EXPECT_EQ(open_or_make_dir_at(fd, "file", 0700, &none), -ENOTDIR);
        EXPECT_EQ(none, -1);
}

TEST_F(StateFile, RemoveTreeTakesAllOfIt)
{
        _cleanup_close_ int sub = -1, deep = -1;

        ASSERT_EQ(open_or_make_dir_at(fd, "tree", 0700, &sub), 0);
        ASSERT_EQ(open_or_make_dir_at(sub, "deep", 0700, &deep), 0);
        write_text("tree/file", "x");
        write_text("tree/deep/.hidden", "x");
        ASSERT_EQ(mkfifoat(deep, "fifo", 0600), 0);

        EXPECT_EQ(remove_tree_at(fd, "tree"), 0);
        EXPECT_FALSE(exists("tree"));
        EXPECT_EQ(remove_tree_at(fd, "tree"), 0) << "nothing there is no error";
}

TEST_F(StateFile, RemoveTreeDoesNotFollowSymlinks)
{
        _cleanup_close_ int sub = -1, outside = -1;

        ASSERT_EQ(open_or_make_dir_at(fd, "outside", 0700, &outside), 0);
        write_text("outside/precious", "x");
        ASSERT_EQ(open_or_make_dir_at(fd, "tree", 0700, &sub), 0);
        ASSERT_EQ(symlinkat("../outside", sub, "dir-link"), 0);
        ASSERT_EQ(symlinkat("../outside/precious", sub, "file-link"), 0);
        ASSERT_EQ(symlinkat("outside", fd, "top-link"), 0);

        EXPECT_EQ(remove_tree_at(fd, "tree"), 0);
        EXPECT_EQ(remove_tree_at(fd, "top-link"), 0);
        EXPECT_FALSE(exists("tree"));
        EXPECT_FALSE(exists("top-link"));
        EXPECT_TRUE(exists("outside/precious"));
}

} // namespace
