/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <algorithm>
#include <cerrno>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "demux.h"
#include "position.h"
#include "raw.h"

namespace
{

struct Entry {
        int stream;
        int64_t nsec;
        std::string data;
        bool ended;

        bool operator==(const Entry &other) const
        {
                return stream == other.stream && nsec == other.nsec && data == other.data &&
                                ended == other.ended;
        }
};

std::ostream &operator<<(std::ostream &stream, const Entry &entry)
{
        return stream << entry.stream << " " << entry.nsec << " '" << entry.data << "'"
                      << (entry.ended ? "" : "…");
}

struct Recorder {
        std::vector<Entry> entries;
        EntryHandler handler = { begin, data, end, this };

        static void begin(StreamKind stream, int64_t nsec, void *userdata)
        {
                static_cast<Recorder *>(userdata)->entries.push_back({ stream, nsec, "", false });
        }
        static Entry &last(StreamKind stream, void *userdata)
        {
                auto &entries = static_cast<Recorder *>(userdata)->entries;
                auto entry = std::find_if(entries.rbegin(), entries.rend(),
                                [&](const Entry &e) { return e.stream == (int) stream; });

                EXPECT_NE(entry, entries.rend());
                EXPECT_FALSE(entry->ended);
                return *entry;
        }
        static void data(StreamKind stream, const char *bytes, size_t size, void *userdata)
        {
                EXPECT_GT(size, 0U);
                last(stream, userdata).data.append(bytes, size);
        }
        static void end(StreamKind stream, void *userdata)
        {
                last(stream, userdata).ended = true;
        }
};

std::string frame(int stream, const std::string &payload)
{
        std::string text = { (char) stream, 0, 0, 0, (char) (payload.size() >> 24),
                (char) (payload.size() >> 16), (char) (payload.size() >> 8), (char) payload.size() };

        return text + payload;
}

const char stamp[] = "2026-11-23T23:47:20.404237886Z ", later[] = "2026-11-23T23:47:20.404237887Z ";
const int64_t nsec = INT64_C(1795477640404237886);

struct Parsed {
        int result = 0;
        std::vector<Entry> entries;
        std::string message;

        bool operator==(const Parsed &other) const
        {
                return result == other.result && entries == other.entries && message == other.message;
        }
};

template <class Feed> Parsed feed_in_pieces(const std::string &text, size_t first, size_t step, Feed feed)
{
        Parsed parsed;

        for (size_t at = 0, n = first; at < text.size() && parsed.result == 0; at += n, n = step) {
                /* a copy of its own, so that a sanitizer sees a look beyond */
                const std::vector<char> piece(text.begin() + (long) at,
                                text.begin() + (long) std::min(at + n, text.size()));

                if (!piece.empty())
                        parsed.result = feed(piece.data(), piece.size());
        }
        return parsed;
}

Parsed demux(const std::string &text, size_t first, size_t step)
{
        Recorder recorder;
        Demux demux;

        demux_init(&demux, &recorder.handler);
        Parsed parsed = feed_in_pieces(text, first, step,
                        [&](const char *data, size_t n) { return demux_feed(&demux, data, n); });
        parsed.entries = recorder.entries;
        parsed.message = demux.message->str;
        demux_clear(&demux);
        return parsed;
}

Parsed raw(const std::string &text, size_t first, size_t step, bool finish = true)
{
        Recorder recorder;
        Raw raw;

        raw_init(&raw, &recorder.handler);
        Parsed parsed = feed_in_pieces(text, first, step,
                        [&](const char *data, size_t n) { return raw_feed(&raw, data, n); });
        if (finish)
                raw_finish(&raw);
        parsed.entries = recorder.entries;
        return parsed;
}

/* Cut at every place, and into pieces of every size, it is the same. */
template <class Parse> Parsed at_any_cut(const std::string &text, Parse parse)
{
        Parsed whole = parse(text, text.size(), 1);

        for (size_t cut = 1; cut < text.size(); cut++)
                EXPECT_TRUE(parse(text, cut, text.size()) == whole) << "cut at " << cut;
        for (size_t step = 1; step < std::min(text.size(), (size_t) 100); step++)
                EXPECT_TRUE(parse(text, step, step) == whole) << "in steps of " << step;
        return whole;
}

Parsed demux_at_any_cut(const std::string &text)
{
        return at_any_cut(text, [](const std::string &t, size_t a, size_t b) { return demux(t, a, b); });
}

Parsed raw_at_any_cut(const std::string &text)
{
        return at_any_cut(text, [](const std::string &t, size_t a, size_t b) { return raw(t, a, b); });
}

TEST(Timestamp, Forms)
{
        int64_t value = 0;

        EXPECT_EQ(timestamp_parse(stamp, strlen(stamp), &value), 31);
        EXPECT_EQ(value, nsec);
        EXPECT_EQ(timestamp_parse("1970-01-01T00:00:01Z rest", 25, &value), 21);
        EXPECT_EQ(value, 1000000000);
        EXPECT_EQ(timestamp_parse("1970-01-01T01:00:00.5+01:00 ", 28, &value), 28);
        EXPECT_EQ(value, 500000000);
        EXPECT_EQ(timestamp_parse("1969-12-31T23:30:00-00:30 ", 26, &value), -EBADMSG) << "before 1970";
        EXPECT_EQ(timestamp_parse("1970-01-01T00:30:00-00:30 ", 26, &value), 26);
        EXPECT_EQ(value, INT64_C(3600000000000));
}

TEST(Timestamp, EveryBeginningMayBecomeOne)
{
        for (const std::string &text : { std::string(stamp), std::string("2026-11-23T23:47:20Z "),
                             std::string("2026-11-23T23:47:20.123456+02:00 ") }) {
                int64_t value = 0;

                for (size_t n = 0; n < text.size(); n++)
                        EXPECT_EQ(timestamp_parse(text.data(), n, &value), 0) << text.substr(0, n);
                EXPECT_EQ(timestamp_parse(text.data(), text.size(), &value), (int) text.size());
        }
}

TEST(Timestamp, OthersAreNone)
{
        int64_t value;

        for (const std::string text : { "x", "2026-1x", "2026-13-01T00:00:00Z ", "2026-11-23 23:47:20Z ",
                             "2026-11-23T23:47:20.Z ", "2026-11-23T23:47:20.1234567890Z ",
                             "2026-11-23T23:47:20ZZ", "2026-11-23T23:47:20+1x", "2026-11-23T24:47:20Z ",
                             "2026-00-23T23:47:20Z " })
                EXPECT_EQ(timestamp_parse(text.data(), text.size(), &value), -EBADMSG) << text;
}

TEST(Demux, FramesOfBothStreams)
{
        const std::string long_line(5000, 'x');
        const Parsed parsed = demux_at_any_cut(frame(1, std::string(stamp) + "out\n") +
                        frame(2, std::string(later) + "err\n") + frame(0, std::string(stamp) + "in\n") +
                        frame(1, std::string(stamp)) + frame(1, "") +
                        frame(1, std::string(stamp) + long_line));

        EXPECT_EQ(parsed.result, 0);
        EXPECT_EQ(parsed.entries,
                        (std::vector<Entry>{ { 0, nsec, "out\n", true }, { 1, nsec + 1, "err\n", true },
                                        { 0, nsec, "in\n", true }, { 0, nsec, "", true },
                                        { 0, nsec, long_line, true } }));
}

TEST(Demux, MessageOfTheEngine)
{
        const Parsed parsed =
                        demux_at_any_cut(frame(1, std::string(stamp) + "out\n") + frame(3, "went wrong"));

        EXPECT_EQ(parsed.result, -EREMOTEIO);
        EXPECT_EQ(parsed.message, "went wrong");
        EXPECT_EQ(parsed.entries.size(), 1U);
        EXPECT_EQ(demux(frame(3, std::string(100000, 'x')), 1000, 1000).message.size(), DEMUX_MESSAGE_MAX);
}

TEST(Demux, GarbageIsRefusedAtOnce)
{
        for (const std::string &garbage : { std::string("garbage!"), std::string("\4\0\0\0\0\0\0\1", 8),
                             std::string("\1\0\1\0", 4), frame(1, "no time stamp\n"), frame(1, "2026-11-23"),
                             frame(1, std::string(100, '2')) })
                EXPECT_EQ(demux(garbage, garbage.size(), 1).result, -EBADMSG) << garbage;
}

/* Four gigabytes are announced: what comes is handed on, and nothing is kept. */
TEST(Demux, HugeFrame)
{
        const std::string header = std::string("\1\0\0\0\xff\xff\xff\xff", 8) + stamp, data(1 << 20, 'x');
        size_t total = 0;
        const EntryHandler count = { [](StreamKind, int64_t, void *) {},
                [](StreamKind, const char *, size_t size, void *userdata) { *(size_t *) userdata += size; },
                [](StreamKind, void *) { ADD_FAILURE() << "the frame has not ended"; }, &total };
        Demux demux;

        demux_init(&demux, &count);
        EXPECT_EQ(demux_feed(&demux, header.data(), header.size()), 0);
        for (int i = 0; i < 100; i++)
                EXPECT_EQ(demux_feed(&demux, data.data(), data.size()), 0);
        EXPECT_EQ(total, 100U << 20);
        demux_clear(&demux);
}

TEST(Raw, Lines)
{
        const Parsed parsed =
                        raw_at_any_cut(std::string(stamp) + "one\r\n" + later + "\r\n" + stamp + "end");

        EXPECT_EQ(parsed.result, 0);
        EXPECT_EQ(parsed.entries,
                        (std::vector<Entry>{ { 0, nsec, "one\r\n", true }, { 0, nsec + 1, "\r\n", true },
                                        { 0, nsec, "end", false } }));
}

/* Pieces of a long line, and what a container wrote after it was restarted within a line. */
TEST(Raw, TimeStampsWithinALine)
{
        const Parsed parsed =
                        raw_at_any_cut(std::string(stamp) + "2abc" + stamp + "def202" + later + "ghi\n");

        EXPECT_EQ(parsed.entries,
                        (std::vector<Entry>{ { 0, nsec, "2abc", true }, { 0, nsec, "def202", true },
                                        { 0, nsec + 1, "ghi\n", true } }));
}

/* Times that a program writes are in its past, or still to come, or of another form. */
TEST(Raw, TimesThatAreText)
{
        for (const std::string text : { "at 2026-11-23T23:47:20.404237885Z it was\n",
                             "2199-01-01T00:00:00.000000000Z will be\n",
                             "2026-11-23T23:47:20.404237886+00:00 \n", "x2026-11-23T23:47:21Z y\n",
                             "2026-11-23T23:47:20.404237886Z\n", "2202602026-11-2026-11-23T23:47\n" }) {
                const Parsed parsed = raw_at_any_cut(std::string(stamp) + text + later + text);

                EXPECT_EQ(parsed.entries,
                                (std::vector<Entry>{
                                                { 0, nsec, text, true }, { 0, nsec + 1, text, true } }));
        }
}

/* podman: seconds, in which a program may well write the same. */
TEST(Raw, CoarseTimeStampsAreAtTheStartOfLinesOnly)
{
        const std::string coarse = "2026-11-23T23:47:20Z ",
                          text = "at 2026-11-23T23:47:20Z and 2026-11-23T23:47:21Z \n";
        const Parsed parsed = raw_at_any_cut(coarse + text + coarse + "next\n");

        EXPECT_EQ(parsed.entries,
                        (std::vector<Entry>{ { 0, nsec / 1000000000 * 1000000000, text, true },
                                        { 0, nsec / 1000000000 * 1000000000, "next\n", true } }));
}

TEST(Raw, WhatIsCutOffIsNotHandedOn)
{
        EXPECT_EQ(raw(std::string(stamp) + "abc2026-11", 1, 1, false).entries,
                        (std::vector<Entry>{ { 0, nsec, "abc", false } }));
        EXPECT_EQ(raw(std::string(stamp) + "abc2026-11", 1, 1, true).entries,
                        (std::vector<Entry>{ { 0, nsec, "abc2026-11", false } }));
}

TEST(Raw, GarbageIsRefused)
{
        EXPECT_EQ(raw("2026 garbage\n", 1, 1).result, -EBADMSG);
        EXPECT_EQ(raw(std::string(stamp) + "line\ngarbage\n", 1, 1).result, -EBADMSG);
}

/* --- positions --- */

/* A log as an engine has it, read with cuts, from the position on each time. */
class PositionTest : public testing::Test
{
      protected:
        struct LogEntry {
                int64_t nsec;
                std::string text;
        };

        /* Reads what the engine has from the position on, up to N bytes of what it lists. */
        void read(size_t n, bool filters = true)
        {
                const int64_t since = positions_since(positions, true, 0);
                PositionFilter filter;
                bool begun = false;

                position_filter_init(&filter, positions);
                for (const auto &entry : log) {
                        /* an older engine leaves out whatever is older, a newer one goes on from the first
                         * that is not */
                        if (entry.nsec < since && (filters || !begun))
                                continue;
                        begun = true;
                        if (n == 0)
                                return;
                        position_begin(positions, &filter, entry.nsec);
                        for (char byte : entry.text) {
                                if (n-- == 0)
                                        return;
                                if (position_data(positions, &filter, &byte, 1) == 0)
                                        taken += byte;
                        }
                        position_end(positions, &filter);
                }
        }

        std::string all() const
        {
                std::string text;

                for (const auto &entry : log)
                        text += entry.text;
                return text;
        }

        void expect_exact()
        {
                for (bool filters : { false, true })
                        for (size_t first = 0; first < all().size() + 2; first++)
                                for (size_t second = 0; second < all().size() + 2; second++) {
                                        positions[0] = positions[1] = {};
                                        taken.clear();
                                        read(first, filters);
                                        read(second, filters);
                                        read(SIZE_MAX, filters);
                                        read(SIZE_MAX, filters);
                                        ASSERT_EQ(taken, all()) << first << " " << second << " " << filters;
                                }
        }

        std::vector<LogEntry> log;
        Position positions[STREAM_MAX] = {};
        std::string taken;
};

TEST_F(PositionTest, TimesThatDiffer)
{
        log = { { 10000, "one\n" }, { 20000, "two\n" }, { 30000, "three\n" } };
        expect_exact();
}

TEST_F(PositionTest, TheSameTimeForMany)
{
        log = { { 10000, "a\n" }, { 20000, "b\n" }, { 20000, "b\n" }, { 20000, "b\n" }, { 20000, "" },
                { 20000, "c\n" }, { 30000, "d\n" }, { 30000, "d\n" } };
        expect_exact();
}

TEST_F(PositionTest, PiecesOfALine)
{
        log = { { 10000, "aaa" }, { 10000, "aaa" }, { 10000, "a\n" }, { 20000, "bb" }, { 20000, "b\n" } };
        expect_exact();
}

/* The clock was set back while the log was followed. */
TEST_F(PositionTest, TimesThatGoBack)
{
        log = { { 50000, "a\n" }, { 60000, "b\n" }, { 20000, "c\n" }, { 30000, "d\n" } };
        read(SIZE_MAX);
        ASSERT_EQ(taken, all());
        read(SIZE_MAX);
        EXPECT_EQ(taken, all());
        log.push_back({ 30000, "e\n" });
        log.push_back({ 40000, "f\n" });
        read(SIZE_MAX);
        EXPECT_EQ(taken, all());
}

/* The engine has thrown away what the position is about. */
TEST_F(PositionTest, TheAnchorIsGone)
{
        log = { { 10000, "a\n" }, { 20000, "b\n" } };
        read(SIZE_MAX);
        log = { { 30000, "c\n" }, { 40000, "d\n" } };
        read(SIZE_MAX);
        EXPECT_EQ(taken, "a\nb\nc\nd\n");
}

TEST(PositionsSince, TheQuietStreamDoesNotHoldItBack)
{
        const int64_t second = 1000000000;
        Position positions[STREAM_MAX] = {};

        EXPECT_EQ(positions_since(positions, false, 0), 0);
        EXPECT_EQ(positions_since(positions, false, 77), 77);
        positions[STREAM_STDOUT].nsec = 100 * second;
        EXPECT_EQ(positions_since(positions, false, 0), 98 * second - 1000);
        EXPECT_EQ(positions_since(positions, true, 0), 100 * second - 1000);
        positions[STREAM_STDERR].nsec = 99 * second;
        EXPECT_EQ(positions_since(positions, false, 0), 99 * second - 1000);
        /* the rest of its line has the time of the beginning */
        positions[STREAM_STDERR].nsec = 10 * second;
        positions[STREAM_STDERR].mid_line = true;
        EXPECT_EQ(positions_since(positions, false, 0), 10 * second - 1000);
}

} // namespace
