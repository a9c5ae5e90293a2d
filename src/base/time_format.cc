// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/text.h"

namespace khtrace {
namespace {

constexpr uint64_t kNanosPerSecond = 1'000'000'000;
constexpr int64_t kSecondsPerDay = 86'400;

// Reads RFC 3339 left to right; after the first mismatch everything fails.
class TimeReader {
 public:
  explicit TimeReader(std::string_view text) : rest_(text) {}

  bool ok() const { return ok_; }
  bool done() const { return rest_.empty(); }

  // Exactly `digits` digits, between `low` and `high`.
  int64_t Number(size_t digits, int64_t low, int64_t high) {
    int64_t value = 0;
    for (size_t i = 0; i < digits; ++i) {
      if (i >= rest_.size() || rest_[i] < '0' || rest_[i] > '9') return Fail();
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    return value < low || value > high ? Fail() : value;
  }

  char OneOf(std::string_view allowed) {
    if (rest_.empty() || allowed.find(rest_[0]) == std::string_view::npos) {
      Fail();
      return '\0';
    }
    const char c = rest_[0];
    rest_.remove_prefix(1);
    return c;
  }

  // ".123" as nanoseconds; digits after the ninth are dropped.
  int64_t Fraction() {
    if (rest_.empty() || rest_[0] != '.') return 0;
    rest_.remove_prefix(1);
    int64_t ns = 0;
    int64_t weight = 100'000'000;
    size_t digits = 0;
    for (; digits < rest_.size(); ++digits) {
      const char c = rest_[digits];
      if (c < '0' || c > '9') break;
      ns += weight * (c - '0');
      weight /= 10;
    }
    rest_.remove_prefix(digits);
    return digits == 0 ? Fail() : ns;
  }

  // Seconds to subtract from the written time to reach UTC.
  int64_t Offset() {
    const char sign = OneOf("Zz+- ");
    if (!ok_ || sign == 'Z' || sign == 'z') return 0;
    const int64_t hours = Number(2, 0, 23);
    OneOf(":");
    const int64_t minutes = Number(2, 0, 59);
    const int64_t seconds = hours * 3600 + minutes * 60;
    return sign == '-' ? -seconds : seconds;
  }

 private:
  int64_t Fail() {
    ok_ = false;
    rest_ = {};
    return 0;
  }

  std::string_view rest_;
  bool ok_ = true;
};

Error BadTime(std::string_view text, std::string_view why) {
  return Error{Code::kInvalidArgument,
               fmt::format("invalid time '{}': {}", text, why)};
}

}  // namespace

std::string FormatRfc3339(UnixNanos time) {
  namespace chr = std::chrono;
  const auto seconds = static_cast<int64_t>(time.ns / kNanosPerSecond);
  const uint64_t nanos = time.ns % kNanosPerSecond;
  const chr::year_month_day date{
      chr::sys_days(chr::days(seconds / kSecondsPerDay))};
  const int64_t in_day = seconds % kSecondsPerDay;
  std::string out = fmt::format(
      "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      in_day / 3600, in_day / 60 % 60, in_day % 60);
  if (nanos != 0) {
    out += fmt::format(".{:09}", nanos);
    out.erase(out.find_last_not_of('0') + 1);
  }
  return out + "Z";
}

Result<UnixNanos> ParseRfc3339(std::string_view text) {
  namespace chr = std::chrono;
  constexpr std::string_view kShape = "expected 2006-01-02T15:04:05.999Z";
  TimeReader in(text);
  const int64_t year = in.Number(4, 0, 9999);
  in.OneOf("-");
  const int64_t month = in.Number(2, 1, 12);
  in.OneOf("-");
  const int64_t day = in.Number(2, 1, 31);
  in.OneOf("Tt ");
  const int64_t hour = in.Number(2, 0, 23);
  in.OneOf(":");
  const int64_t minute = in.Number(2, 0, 59);
  in.OneOf(":");
  const int64_t second = in.Number(2, 0, 60);  // 60: a leap second
  const int64_t nanos = in.Fraction();
  const int64_t offset = in.Offset();
  if (!in.ok() || !in.done()) return BadTime(text, kShape);

  const chr::year_month_day date{chr::year(static_cast<int>(year)),
                                 chr::month(static_cast<unsigned>(month)),
                                 chr::day(static_cast<unsigned>(day))};
  if (!date.ok()) return BadTime(text, "no such day");
  const int64_t days = chr::sys_days(date).time_since_epoch().count();
  const int64_t seconds =
      days * kSecondsPerDay + hour * 3600 + minute * 60 + second - offset;
  const __int128 ns = static_cast<__int128>(seconds) * kNanosPerSecond + nanos;
  if (ns < 0 || ns > static_cast<__int128>(UINT64_MAX)) {
    return BadTime(text, "not between the years 1970 and 2554");
  }
  return UnixNanos{static_cast<uint64_t>(ns)};
}

}  // namespace khtrace
