// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "query/metrics.h"

namespace khtrace::query {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kMinute = 60 * kSecond;
constexpr uint64_t kRoundSteps[] = {60 * kMinute, 5 * kMinute, kMinute,
                                    15 * kSecond, 5 * kSecond, kSecond};

std::string Shown(uint64_t nanos) {
  return FormatGoDuration(std::chrono::nanoseconds(nanos));
}

}  // namespace

uint64_t TimeAxis::DefaultStep(uint64_t range_ns) {
  const uint64_t step = range_ns / 240;
  if (range_ns < kMinute) {
    constexpr uint64_t kLeast = 50 * kMillisecond;
    return std::max(step / kLeast * kLeast, kLeast);
  }
  for (const uint64_t round : kRoundSteps) {
    if (round <= step) return step / round * round;
  }
  return kSecond;
}

Result<TimeAxis> TimeAxis::Make(const MetricsRequest& request) {
  const uint64_t start = request.start.ns;
  const uint64_t end = request.end.ns;
  if (end <= start) {
    return Error{
        Code::kInvalidArgument,
        fmt::format("end must be greater than start: {} and {}", end, start)};
  }
  const uint64_t range = end - start;
  TimeAxis axis;
  if (request.instant) {
    axis = {start, range, 1, end};
    return axis;
  }
  const uint64_t step =
      request.step_nanos != 0 ? request.step_nanos : DefaultStep(range);
  if (range / step + (range % step != 0) > kMaxIntervals) {
    const uint64_t least = (range - 1) / kMaxIntervals + 1;
    return Error{Code::kInvalidArgument,
                 fmt::format("step of {} is too small, minimum step for given "
                             "range is {}",
                             Shown(step), Shown(least))};
  }
  const uint64_t past = end % step;
  const uint64_t to_step = past == 0 ? 0 : step - past;
  if (end > UINT64_MAX - to_step) {
    return Error{Code::kInvalidArgument,
                 fmt::format("cannot round the end {} up to a multiple of the "
                             "step {}: the latest time is {}",
                             end, Shown(step), UINT64_MAX)};
  }
  axis.step_ns = step;
  axis.start_ns = start - start % step - step;
  axis.end_ns = end + to_step;
  axis.intervals = (axis.end_ns - axis.start_ns) / step;
  return axis;
}

size_t TimeAxis::IndexOf(uint64_t start_of_span_ns) const {
  const bool before_1970 = start_ns > end_ns;
  if (start_of_span_ns > end_ns) return kOutside;
  if (!before_1970 && start_of_span_ns <= start_ns) return kOutside;
  return (start_of_span_ns - start_ns - 1) / step_ns;
}

double TimeAxis::Seconds() const { return static_cast<double>(step_ns) / 1e9; }

int64_t TimeAxis::TimestampMs(size_t interval) const {
  const uint64_t end = start_ns + (interval + 1) * step_ns;
  return static_cast<int64_t>(end / kMillisecond);
}

}  // namespace khtrace::query
