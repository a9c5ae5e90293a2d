// SPDX-License-Identifier: Apache-2.0
#include "api/tracing_params.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>

namespace khtrace::api {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using testing::HasSubstr;

constexpr UnixNanos kNow{1'767'225'600'000'000'000};  // 2026-01-01T00:00:00Z
constexpr std::string_view kKnown[] = {
    "window", "start", "end", "cursor", "limit", "tag", "threshold_ms"};

TracingParams Read(std::string_view query) {
  return {TracingParams::FromQuery(net::QueryParams::Parse(query)), kKnown,
          kNow};
}

// The detail of what is wrong, behind the parameter's name.
std::string Refusal(std::string_view query) {
  TracingParams params = Read(query);
  params.Window();
  params.Millis("threshold_ms");
  params.Count("limit", 1, 1, 10);
  if (!params.bad()) return "";
  return params.bad()->name + "|" + params.bad()->detail;
}

TEST(TracingParams, WindowIsTheLastHourByDefault) {
  const analysis::Window window = Read("").Window();
  EXPECT_EQ(window.end, kNow);
  EXPECT_EQ(window.start, kNow.Minus(hours(1)));
}

TEST(TracingParams, WindowTakesDaysAndWeeks) {
  EXPECT_EQ(Read("window=15m").Window().start, kNow.Minus(minutes(15)));
  EXPECT_EQ(Read("window=7d").Window().start, kNow.Minus(hours(168)));
  EXPECT_EQ(Read("window=2w").Window().start, kNow.Minus(hours(336)));
}

TEST(TracingParams, TimesAreRfc3339OrUnixOfAnyUnit) {
  for (const char* start :
       {"2025-12-31T23:00:00Z", "1767222000", "1767222000000",
        "1767222000000000", "1767222000000000000"}) {
    const analysis::Window window =
        Read(std::string("start=") + start).Window();
    EXPECT_EQ(window.start, kNow.Minus(hours(1))) << start;
    EXPECT_EQ(window.end, kNow);
  }
}

TEST(TracingParams, WindowBeginsAtStartOrEndsAtEnd) {
  const analysis::Window from = Read("start=1767139200&window=1h").Window();
  EXPECT_EQ(from.end, from.start.Plus(hours(1)));
  const analysis::Window to = Read("end=1767139200&window=1h").Window();
  EXPECT_EQ(to.start, to.end.Minus(hours(1)));
}

TEST(TracingParams, RefusalsNameParameterValueAndLimit) {
  const std::array<std::pair<const char*, const char*>, 12> cases = {
      {{"window=soon", "window|window: 'soon' is no duration from 1s to 3660d"},
       {"window=0s", "window|window: '0s'"},
       {"window=-1h", "window|window: '-1h'"},
       {"start=yesterday", "start|start: 'yesterday' is no time"},
       {"start=2000000000", "start|end (2026-01-01T00:00:00Z) is not after"},
       {"window=1h&start=1&end=2", "window|window: start and end are given"},
       {"threshold_ms=-1",
        "threshold_ms|threshold_ms: '-1' is no number of "
        "milliseconds from 0 to 1000000000000"},
       {"threshold_ms=nan", "threshold_ms|threshold_ms: 'nan'"},
       {"threshold_ms=inf", "threshold_ms|threshold_ms: 'inf'"},
       {"threshold_ms=1x", "threshold_ms|threshold_ms: '1x'"},
       {"limit=11", "limit|limit: '11' is no whole number from 1 to 10"},
       {"limit=1&limit=2", "limit|parameter 'limit' is given twice"}}};
  for (const auto& [query, refusal] : cases) {
    EXPECT_THAT(Refusal(query), HasSubstr(refusal)) << query;
  }
  EXPECT_EQ(Refusal("threshold_ms=0&limit=10&tag=a:b&tag=c:d"), "");
}

TEST(TracingParams, UnknownParameterIsToldWithTheNearestOne) {
  EXPECT_THAT(Refusal("treshold_ms=5"),
              HasSubstr("treshold_ms|unknown parameter 'treshold_ms'; did you "
                        "mean 'threshold_ms'?"));
  EXPECT_THAT(Refusal("from=1"), HasSubstr("did you mean 'start'?"));
  EXPECT_THAT(Refusal("zzzzzzzz"), HasSubstr("there are: window, start, end"));
}

TEST(TracingParams, MillisecondsKeepNanoseconds) {
  EXPECT_EQ(Read("threshold_ms=0.000001").Millis("threshold_ms"),
            std::chrono::nanoseconds(1));
  EXPECT_EQ(Read("threshold_ms=").Millis("threshold_ms"), std::nullopt);
}

TEST(TracingParams, CursorKeepsTheWindowOfTheFirstPage) {
  TracingParams first = Read("window=15m&limit=5");
  const analysis::Window window = first.Window();
  const std::string cursor = first.NextOffset(window, 5, 12);
  const auto known = std::span<const std::string_view>(kKnown);
  TracingParams second({{"window", "15m"}, {"cursor", cursor}}, known,
                       kNow.Plus(minutes(3)));
  EXPECT_FALSE(second.bad());
  EXPECT_EQ(second.Window().end, window.end);
  EXPECT_EQ(second.Window().start, window.start);
  EXPECT_EQ(second.Offset(), 5u);
  EXPECT_EQ(second.NextOffset(window, 12, 12), "");
}

TEST(TracingParams, CursorOfAnotherQueryIsRefused) {
  TracingParams first = Read("window=15m");
  const std::string cursor = first.NextOffset(first.Window(), 5, 12);
  EXPECT_THAT(Refusal("window=30m&cursor=" + cursor), HasSubstr("cursor|"));
  for (const char* bad : {"x", "1-2-3", "2-1-5-0", "-", "1-2-3-4-5"}) {
    EXPECT_THAT(Refusal(std::string("cursor=") + bad), HasSubstr("cursor|"));
  }
}

TEST(TracingParams, TakesAtMost256) {
  std::vector<TracingParams::Param> given(256, {"tag", "a:b"});
  const auto known = std::span<const std::string_view>(kKnown);
  const TracingParams most(given, known, kNow);
  EXPECT_FALSE(most.bad());
  EXPECT_EQ(most.All("tag").size(), 256u);
  given.push_back({"limit", "5"});
  const TracingParams more(given, known, kNow);
  ASSERT_TRUE(more.bad());
  EXPECT_EQ(more.bad()->name, "limit");
  EXPECT_EQ(more.bad()->detail, "257 parameters; 256 are the most");
  EXPECT_TRUE(more.All("tag").empty());
}

TEST(TracingParams, BodyIsAFlatObject) {
  const auto params =
      TracingParams::FromJson(R"({"a":"x","n":5,"b":true,"z":null})");
  ASSERT_TRUE(params);
  ASSERT_EQ(params->size(), 3u);
  EXPECT_EQ((*params)[1].value, "5");
  EXPECT_FALSE(TracingParams::FromJson("[1]"));
  EXPECT_FALSE(TracingParams::FromJson("{"));
  const auto nested = TracingParams::FromJson(R"({"a":{}})");
  ASSERT_FALSE(nested);
  EXPECT_THAT(nested.error().message, HasSubstr("'a'"));
}

}  // namespace
}  // namespace khtrace::api
