// SPDX-License-Identifier: Apache-2.0
#include "alerting/alert_state.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <vector>

namespace khtrace::alerting {
namespace {

using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr UnixNanos kStart{1'767'225'600'000'000'000};
constexpr seconds kStep{30};

Rule TestRule() {
  Rule rule;
  rule.name = "slow";
  rule.kind = RuleKind::kQuery;
  rule.alert = 50;
  rule.critical = 100;
  rule.hold = minutes(2);
  rule.resolve_below = 0.9;
  rule.keep_firing = minutes(5);
  rule.min_samples = 0;
  return rule;
}

Measurement Measured(const Rule& rule, std::optional<double> value) {
  Measurement m;
  m.value = value;
  m.alert = rule.alert;
  m.critical = rule.critical;
  JudgeAll(rule, &m);
  return m;
}

// Feeds values, one for each 30 s; nullopt is a moment without data.
class Timeline {
 public:
  explicit Timeline(Rule rule) : rule_(std::move(rule)) {}

  Phase Feed(std::optional<double> value, int times = 1) {
    for (int i = 0; i < times; ++i) {
      now_ = now_.Plus(kStep);
      state_ = Step(state_, Measured(rule_, value), now_, rule_);
    }
    return state_.phase;
  }
  const AlertState& state() const { return state_; }
  UnixNanos now() const { return now_; }

 private:
  const Rule rule_;
  AlertState state_;
  UnixNanos now_ = kStart;
};

TEST(AlertState, FiresOnlyAfterTheThresholdWasExceededForThatLong) {
  Timeline timeline(TestRule());
  EXPECT_EQ(timeline.Feed(10), Phase::kOk);
  EXPECT_EQ(timeline.Feed(60), Phase::kPending);
  EXPECT_EQ(timeline.Feed(60, 3), Phase::kPending);  // 90 s
  EXPECT_EQ(timeline.Feed(60), Phase::kAlert);       // 120 s
  EXPECT_EQ(timeline.state().fired_at, timeline.now());
}

TEST(AlertState, APauseBelowTheThresholdBeginsAnew) {
  Timeline timeline(TestRule());
  timeline.Feed(60, 4);
  EXPECT_EQ(timeline.Feed(50), Phase::kOk);  // not above: exactly at it
  EXPECT_EQ(timeline.Feed(60, 4), Phase::kPending);
  EXPECT_EQ(timeline.Feed(60), Phase::kAlert);
}

TEST(AlertState, GoesStraightToCriticalAndFromAlertToCritical) {
  Timeline straight(TestRule());
  EXPECT_EQ(straight.Feed(200, 5), Phase::kCritical);
  Timeline rising(TestRule());
  EXPECT_EQ(rising.Feed(60, 5), Phase::kAlert);
  const UnixNanos fired = rising.state().fired_at;
  EXPECT_EQ(rising.Feed(200, 4), Phase::kAlert);  // critical for 90 s
  EXPECT_EQ(rising.Feed(200), Phase::kCritical);
  EXPECT_EQ(rising.state().fired_at, fired);
  EXPECT_EQ(rising.state().since, rising.now());
}

TEST(AlertState, WithoutForItFiresAtOnce) {
  Rule rule = TestRule();
  rule.hold = seconds(0);
  Timeline timeline(rule);
  EXPECT_EQ(timeline.Feed(60), Phase::kAlert);
  EXPECT_EQ(timeline.Feed(101), Phase::kCritical);
}

TEST(AlertState, EndsAtOnceClearlyBelowButInTheBandOnlyAfterKeepFiring) {
  Timeline clear(TestRule());
  clear.Feed(60, 5);
  EXPECT_EQ(clear.Feed(45), Phase::kOk);  // 90 % of 50
  EXPECT_EQ(clear.state().resolved_at, clear.now());
  Timeline band(TestRule());
  band.Feed(60, 5);
  EXPECT_EQ(band.Feed(46, 10), Phase::kAlert);  // 4.5 min in the band
  EXPECT_EQ(band.Feed(46), Phase::kOk);         // 5 min
  Timeline flapping(TestRule());
  flapping.Feed(60, 5);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(flapping.Feed(48, 5), Phase::kAlert);
    EXPECT_EQ(flapping.Feed(52), Phase::kAlert);
  }
}

TEST(AlertState, CriticalFallsBackToAlertOrEnds) {
  Timeline timeline(TestRule());
  timeline.Feed(200, 5);
  EXPECT_EQ(timeline.Feed(95), Phase::kCritical);  // in the band below 100
  EXPECT_EQ(timeline.Feed(80), Phase::kAlert);
  EXPECT_EQ(timeline.Feed(10), Phase::kOk);
  timeline.Feed(200, 5);
  EXPECT_EQ(timeline.Feed(10), Phase::kOk);
}

TEST(AlertState, WithOneThresholdTheOtherStateIsNeverReached) {
  Rule alone = TestRule();
  alone.alert.reset();
  Timeline critical(alone);
  EXPECT_EQ(critical.Feed(99, 20), Phase::kOk);
  EXPECT_EQ(critical.Feed(101), Phase::kPending);
  EXPECT_EQ(critical.Feed(101, 4), Phase::kCritical);
  EXPECT_EQ(critical.Feed(80), Phase::kOk);
  alone = TestRule();
  alone.critical.reset();
  Timeline alert(alone);
  EXPECT_EQ(alert.Feed(1000, 20), Phase::kAlert);
}

TEST(AlertState, NoDataKeepsTheStateAndItsClockStandsStill) {
  Timeline firing(TestRule());
  firing.Feed(60, 5);
  EXPECT_EQ(firing.Feed(std::nullopt, 100), Phase::kAlert);
  EXPECT_EQ(firing.state().no_data, "no_spans");
  Timeline pending(TestRule());
  pending.Feed(60, 3);  // for 60 s
  EXPECT_EQ(pending.Feed(std::nullopt, 100), Phase::kPending);
  EXPECT_EQ(pending.Feed(60), Phase::kPending);  // still 60 s
  EXPECT_EQ(pending.Feed(60), Phase::kPending);
  EXPECT_EQ(pending.Feed(60), Phase::kAlert);
  EXPECT_EQ(pending.state().no_data, "");
}

TEST(AlertState, FewSamplesAreNoData) {
  Rule rule = TestRule();
  rule.hold = seconds(0);
  rule.min_samples = 20;
  Measurement m;
  m.value = 500;
  m.count = 19;
  m.alert = rule.alert;
  JudgeAll(rule, &m);
  const AlertState state = Step({}, m, kStart, rule);
  EXPECT_EQ(state.phase, Phase::kOk);
  EXPECT_EQ(state.no_data, "insufficient_data");
  m.count = 20;
  m.no_data.clear();
  JudgeAll(rule, &m);
  EXPECT_EQ(Step({}, m, kStart, rule).phase, Phase::kAlert);
}

TEST(AlertState, AClockThatGoesBackCountsAsStandingStill) {
  const Rule rule = TestRule();
  AlertState state = Step({}, Measured(rule, 60), kStart, rule);
  state = Step(state, Measured(rule, 60), kStart.Minus(minutes(60)), rule);
  EXPECT_EQ(state.beyond_alert, nanoseconds(0));
  EXPECT_EQ(state.phase, Phase::kPending);
}

TEST(AlertState, TimersGoOnAfterTheClockWentBack) {
  const Rule rule = TestRule();
  AlertState state = Step({}, Measured(rule, 60), kStart, rule);
  const UnixNanos back = kStart.Minus(std::chrono::hours(24));
  state = Step(state, Measured(rule, 60), back, rule);
  EXPECT_EQ(state.phase, Phase::kPending);
  state = Step(state, Measured(rule, 60), back.Plus(rule.hold), rule);
  EXPECT_EQ(state.beyond_alert, rule.hold);
  EXPECT_EQ(state.phase, Phase::kAlert);
}

TEST(AlertState, AClockThatJumpsAheadCountsForOneGap) {
  Rule rule = TestRule();
  rule.hold = minutes(10);
  AlertState state = Step({}, Measured(rule, 60), kStart, rule);
  const UnixNanos ahead = kStart.Plus(std::chrono::hours(24));
  state = Step(state, Measured(rule, 60), ahead, rule, minutes(5));
  EXPECT_EQ(state.beyond_alert, minutes(5));
  EXPECT_EQ(state.phase, Phase::kPending);
  state =
      Step(state, Measured(rule, 60), ahead.Plus(minutes(5)), rule, minutes(5));
  EXPECT_EQ(state.phase, Phase::kAlert);
}

TEST(Judge, KnowsBothDirectionsAndNegativeThresholds) {
  using enum Comparison;
  EXPECT_FALSE(Judge(50, 50, kAbove, 1).breach);
  EXPECT_TRUE(Judge(50, 50, kAtLeast, 1).breach);
  EXPECT_TRUE(Judge(50, 50, kAbove, 1).clear);
  EXPECT_FALSE(Judge(50, 50, kAtLeast, 1).clear);
  EXPECT_TRUE(Judge(9, 10, kBelow, 0.9).breach);
  EXPECT_FALSE(Judge(10.5, 10, kBelow, 0.9).clear);
  EXPECT_TRUE(Judge(11, 10, kBelow, 0.9).clear);
  EXPECT_TRUE(Judge(10, 10, kAtMost, 0.9).breach);
  EXPECT_TRUE(Judge(-5, -10, kAbove, 0.9).breach);
  EXPECT_FALSE(Judge(-10.5, -10, kAbove, 0.9).clear);
  EXPECT_TRUE(Judge(-11, -10, kAbove, 0.9).clear);
  const Verdict nan = Judge(std::nan(""), 1, kAbove, 0.9);
  EXPECT_FALSE(nan.breach || nan.clear);
}

// What must hold of any rule and any history.
class RandomHistory {
 public:
  explicit RandomHistory(uint32_t seed) : random_(seed) {
    rule_ = TestRule();
    rule_.hold = seconds(Pick(0, 300));
    rule_.keep_firing = seconds(Pick(0, 600));
    rule_.resolve_below = Pick(50, 100) / 100.0;
    rule_.compare = static_cast<Comparison>(Pick(0, 3));
    if (rule_.compare >= Comparison::kBelow) {
      std::swap(rule_.alert, rule_.critical);
    }
    const int which = Pick(0, 4);
    if (which == 0) rule_.alert.reset();
    if (which == 1) rule_.critical.reset();
  }

  void Run() {
    double value = 75;
    for (int i = 0; i < 400; ++i) {
      now_ = now_.Plus(seconds(Pick(1, 60)));
      value = std::clamp(value + Pick(-40, 40), 0.0, 150.0);
      Check(Pick(0, 9) == 0 ? std::nullopt : std::optional(value));
    }
  }

 private:
  int Pick(int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random_);
  }

  void Check(std::optional<double> value) {
    const Measurement m = Measured(rule_, value);
    const AlertState next = Step(state_, m, now_, rule_);
    ASSERT_EQ(next, Step(state_, m, now_, rule_));
    if (!value) {
      ASSERT_EQ(next.phase, state_.phase);
      ASSERT_NE(next.no_data, "");
      state_ = next;
      return;
    }
    ASSERT_FALSE(m.alert_verdict.breach && m.alert_verdict.clear);
    Follow(m);
    CheckPhase(next, m);
    state_ = next;
  }

  // Independent of the timers: for how long, in measured time, the thresholds
  // have been exceeded.
  void Follow(const Measurement& m) {
    const nanoseconds elapsed =
        had_data_at_ && state_.no_data.empty()
            ? nanoseconds(static_cast<int64_t>(now_.ns - had_data_at_->ns))
            : nanoseconds(0);
    had_data_at_ = now_;
    alert_for_ = m.alert_verdict.breach ? alert_for_ + elapsed : nanoseconds(0);
    if (!was_beyond_ || !m.alert_verdict.breach) alert_for_ = nanoseconds(0);
    was_beyond_ = m.alert_verdict.breach;
  }

  void CheckPhase(const AlertState& next, const Measurement& m) {
    const bool breach = m.alert_verdict.breach || m.critical_verdict.breach;
    // Nothing that exceeds a threshold is ever called ok.
    if (breach) {
      ASSERT_NE(next.phase, Phase::kOk);
    }
    if (next.phase == Phase::kPending) {
      ASSERT_TRUE(breach);
    }
    // A state that the rule has no threshold for is never reached by rising.
    if (!rule_.critical) {
      ASSERT_NE(next.phase, Phase::kCritical);
    }
    if (!rule_.alert) {
      ASSERT_NE(next.phase, Phase::kAlert);
    }
    // It rises only while exceeding, and the alert not before its time.
    if (next.phase > state_.phase && IsFiring(next.phase)) {
      ASSERT_TRUE(breach);
      if (next.phase == Phase::kAlert) {
        ASSERT_GE(alert_for_, rule_.hold);
      }
    }
    // What was exceeded for long enough fires.
    if (rule_.alert && m.alert_verdict.breach && alert_for_ >= rule_.hold) {
      ASSERT_TRUE(IsFiring(next.phase));
    }
    // It ends only while nothing is exceeded; clearly below, at once.
    if (IsFiring(state_.phase) && next.phase == Phase::kOk) {
      ASSERT_FALSE(breach);
      ASSERT_EQ(next.resolved_at, now_);
    }
    if (m.alert_verdict.clear && m.critical_verdict.clear) {
      ASSERT_EQ(next.phase, Phase::kOk);
    }
    ASSERT_EQ(next.since == now_, next.phase != state_.phase);
  }

  std::mt19937 random_;
  Rule rule_;
  AlertState state_;
  UnixNanos now_ = kStart;
  std::optional<UnixNanos> had_data_at_;
  bool was_beyond_ = false;
  nanoseconds alert_for_{};
};

TEST(AlertState, HoldsItsPromisesInRandomHistories) {
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(seed);
    RandomHistory(seed).Run();
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace khtrace::alerting
