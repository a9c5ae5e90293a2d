// SPDX-License-Identifier: Apache-2.0
#include "alerting/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "alerting/engine_state.h"

namespace khtrace::alerting {
namespace {

using std::chrono::nanoseconds;

constexpr size_t kMaxSteps = 2000;
constexpr int kDefaultSteps = 240;
constexpr std::chrono::seconds kLeastStep{30};
constexpr std::chrono::minutes kCategoryStep{5};

nanoseconds StepOf(const ReplayRequest& request) {
  if (request.step.count() > 0) return request.step;
  const nanoseconds range(
      static_cast<int64_t>(request.end.ns - request.start.ns));
  const nanoseconds least = request.rule.kind == RuleKind::kCategory
                                ? nanoseconds(kCategoryStep)
                                : nanoseconds(kLeastStep);
  return std::max(range / kDefaultSteps, least);
}

class Player {
 public:
  Player(MeasureSource& source, const RequestContext& context, const Rule& rule)
      : source_(source), context_(context), rule_(rule) {}

  void Play(std::vector<Measurement> measurements, UnixNanos now) {
    std::optional<double> worst;
    for (Measurement& m : measurements) {
      if (m.value && (!worst || IsWorse(*m.value, *worst))) worst = m.value;
      const std::string id = AlertId("", rule_.name, m.labels);
      Instance& instance = instances_[id];
      instance.labels = m.labels;
      instance.measured_at = now;
      Advance(instance, m, now);
    }
    if (worst) result_.points.push_back({now, *worst});
    for (auto& [id, instance] : instances_) {
      if (instance.measured_at != now) AdvanceUnmeasured(instance, now);
    }
    ++result_.evaluations;
  }

  ReplayResult Take() {
    for (auto& [id, instance] : instances_) {
      if (instance.firing) {
        result_.firings.push_back(*std::move(instance.firing));
      }
    }
    result_.instances = instances_.size();
    std::sort(result_.firings.begin(), result_.firings.end(),
              [](const Firing& a, const Firing& b) {
                return std::tie(a.start, a.labels) <
                       std::tie(b.start, b.labels);
              });
    return std::move(result_);
  }

 private:
  struct Instance {
    Labels labels;
    AlertState state;
    UnixNanos measured_at;
    std::optional<Firing> firing;
  };

  bool IsWorse(double a, double b) const {
    const bool upwards = rule_.compare == Comparison::kAbove ||
                         rule_.compare == Comparison::kAtLeast;
    return upwards ? a > b : a < b;
  }

  void AdvanceUnmeasured(Instance& instance, UnixNanos now) {
    std::optional<Measurement> missing;
    if (instance.state.phase != Phase::kOk) {
      missing = source_.MeasureMissing(context_, rule_, now, instance.labels);
    }
    Advance(instance, missing.value_or(Measurement()), now);
  }

  void Advance(Instance& instance, const Measurement& m, UnixNanos now) {
    instance.state = Step(instance.state, m, now, rule_);
    const Phase phase = instance.state.phase;
    if (!IsFiring(phase)) {
      if (!instance.firing) return;
      instance.firing->end = now;
      result_.firings.push_back(*std::move(instance.firing));
      instance.firing.reset();
      return;
    }
    if (!instance.firing) {
      instance.firing.emplace();
      instance.firing->labels = instance.labels;
      instance.firing->start = now;
    }
    Firing& firing = *instance.firing;
    firing.worst = std::max(firing.worst, phase);
    if (m.value &&
        (!firing.peak.value || IsWorse(*m.value, *firing.peak.value))) {
      firing.peak = m;
    }
  }

  MeasureSource& source_;
  const RequestContext& context_;
  const Rule& rule_;
  std::map<std::string, Instance> instances_;
  ReplayResult result_;
};

}  // namespace

Result<ReplayResult> Replay(MeasureSource& source,
                            const RequestContext& context,
                            const ReplayRequest& request) {
  if (request.end <= request.start) {
    return Error{Code::kInvalidArgument, "end: not later than start"};
  }
  const nanoseconds step = StepOf(request);
  const uint64_t steps =
      (request.end.ns - request.start.ns) / static_cast<uint64_t>(step.count());
  if (steps > kMaxSteps) {
    return Error{Code::kInvalidArgument,
                 fmt::format("step: {} steps; {} are the most: take a shorter "
                             "range or a longer step",
                             steps, kMaxSteps)};
  }
  Player player(source, context, request.rule);
  for (uint64_t i = 0; i <= steps; ++i) {
    RETURN_IF_ERROR(context.Check());
    const UnixNanos now{request.start.ns +
                        i * static_cast<uint64_t>(step.count())};
    ASSIGN_OR_RETURN(std::vector<Measurement> measurements,
                     source.Measure(context, request.rule, now));
    player.Play(std::move(measurements), now);
  }
  ReplayResult result = player.Take();
  result.step = step;
  return result;
}

}  // namespace khtrace::alerting
