// SPDX-License-Identifier: Apache-2.0
#include "alerting/replay.h"

#include <gtest/gtest.h>

#include "alerting/testing.h"

namespace khtrace::alerting {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr UnixNanos kStart{1'767'225'600'000'000'000};

// A value that is high from minute 10 to 20 and from minute 50 on.
class WaveSource : public FakeSource {
 public:
  Result<std::vector<Measurement>> Measure(const RequestContext& context,
                                           const Rule& rule,
                                           UnixNanos now) override {
    const uint64_t minute = (now.ns - kStart.ns) / 60'000'000'000;
    const bool high = (minute >= 10 && minute < 20) || minute >= 50;
    Set(rule.name, high ? 0.8 + 0.001 * static_cast<double>(minute) : 0.1);
    return FakeSource::Measure(context, rule, now);
  }
};

ReplayRequest Request() {
  ReplayRequest request;
  request.rule.name = "slow";
  request.rule.kind = RuleKind::kQuery;
  request.rule.alert = 0.5;
  request.rule.hold = minutes(2);
  request.rule.min_samples = 0;
  request.start = kStart;
  request.end = kStart.Plus(minutes(60));
  request.step = minutes(1);
  return request;
}

TEST(Replay, SaysWhenARuleWouldHaveFired) {
  WaveSource source;
  const auto result = Replay(source, {}, Request());
  ASSERT_TRUE(result);
  EXPECT_EQ(result->evaluations, 61u);
  EXPECT_EQ(result->instances, 1u);
  EXPECT_EQ(result->points.size(), 61u);
  ASSERT_EQ(result->firings.size(), 2u);
  EXPECT_EQ(result->firings[0].start, kStart.Plus(minutes(12)));
  EXPECT_EQ(result->firings[0].end, kStart.Plus(minutes(20)));
  EXPECT_NEAR(*result->firings[0].peak.value, 0.819, 1e-9);
  EXPECT_EQ(result->firings[1].start, kStart.Plus(minutes(52)));
  EXPECT_FALSE(result->firings[1].end);
}

TEST(Replay, RefusesWhatWouldTakeForever) {
  WaveSource source;
  ReplayRequest request = Request();
  request.step = seconds(1);
  EXPECT_FALSE(Replay(source, {}, request));
  request.end = request.start;
  EXPECT_FALSE(Replay(source, {}, request));
  request = Request();
  request.step = {};
  EXPECT_EQ(Replay(source, {}, request)->step, seconds(30));
}

}  // namespace
}  // namespace khtrace::alerting
