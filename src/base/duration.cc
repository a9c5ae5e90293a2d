// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>

#include "base/text.h"

namespace khtrace {
namespace {

constexpr uint64_t kMicrosecond = 1'000;
constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kMinute = 60 * kSecond;
constexpr uint64_t kHour = 60 * kMinute;
constexpr uint64_t kDay = 24 * kHour;

struct Unit {
  std::string_view name;
  uint64_t ns;
};
constexpr std::array<Unit, 8> kUnits{{
    {"ns", 1},
    {"us", kMicrosecond},
    {"\u00b5s", kMicrosecond},  // micro sign
    {"\u03bcs", kMicrosecond},  // Greek mu
    {"ms", kMillisecond},
    {"s", kSecond},
    {"m", kMinute},
    {"h", kHour},
}};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

Error BadDuration(std::string_view text, std::string_view why) {
  return Error{Code::kInvalidArgument,
               fmt::format("invalid duration '{}': {}", text, why)};
}

std::optional<uint64_t> TakeUnit(std::string_view& rest) {
  size_t size = 0;
  while (size < rest.size() && rest[size] != '.' && !IsDigit(rest[size])) {
    ++size;
  }
  for (const Unit& unit : kUnits) {
    if (rest.substr(0, size) != unit.name) continue;
    rest.remove_prefix(size);
    return unit.ns;
  }
  return std::nullopt;
}

// A decimal number as whole + fraction / scale. Digits of the fraction that
// are beyond a nanosecond of an hour's unit are dropped, as Go does.
struct Decimal {
  uint64_t whole = 0;
  uint64_t fraction = 0;
  uint64_t scale = 1;
};

// False when there is no digit or the number is too large.
bool TakeDecimal(std::string_view& rest, Decimal& out) {
  bool any = false;
  for (; !rest.empty() && IsDigit(rest[0]); rest.remove_prefix(1)) {
    any = true;
    const auto digit = static_cast<uint64_t>(rest[0] - '0');
    if (__builtin_mul_overflow(out.whole, 10, &out.whole) ||
        __builtin_add_overflow(out.whole, digit, &out.whole)) {
      return false;
    }
  }
  if (rest.empty() || rest[0] != '.') return any;
  rest.remove_prefix(1);
  for (; !rest.empty() && IsDigit(rest[0]); rest.remove_prefix(1)) {
    any = true;
    if (out.scale >= 1'000'000'000'000'000) continue;
    out.fraction = out.fraction * 10 + static_cast<uint64_t>(rest[0] - '0');
    out.scale *= 10;
  }
  return any;
}

// `value` of `unit_ns` in nanoseconds, added to `total`; false on overflow.
bool AddTo(uint64_t& total, const Decimal& value, uint64_t unit_ns) {
  uint64_t ns = 0;
  if (__builtin_mul_overflow(value.whole, unit_ns, &ns)) return false;
  const auto fraction_ns = static_cast<uint64_t>(
      static_cast<unsigned __int128>(value.fraction) * unit_ns / value.scale);
  return !__builtin_add_overflow(ns, fraction_ns, &ns) &&
         !__builtin_add_overflow(total, ns, &total);
}

uint64_t Magnitude(std::chrono::nanoseconds d) {
  const auto ns = static_cast<uint64_t>(d.count());
  return d.count() < 0 ? 0 - ns : ns;
}

// `ns` in `unit_ns` with its fraction, exact, zeros trimmed: "1.5".
std::string ExactDecimal(uint64_t ns, uint64_t unit_ns) {
  std::string out = fmt::format("{}", ns / unit_ns);
  uint64_t rest = ns % unit_ns;
  if (rest != 0) out.push_back('.');
  while (rest != 0) {
    rest *= 10;
    out.push_back(static_cast<char>('0' + rest / unit_ns));
    rest %= unit_ns;
  }
  return out;
}

}  // namespace

Result<std::chrono::nanoseconds> ParseGoDuration(std::string_view text) {
  std::string_view rest = text;
  const bool negative = !rest.empty() && rest[0] == '-';
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    rest.remove_prefix(1);
  }
  if (rest == "0") return std::chrono::nanoseconds(0);
  if (rest.empty()) return BadDuration(text, "no number");

  uint64_t total = 0;
  while (!rest.empty()) {
    Decimal value;
    if (!TakeDecimal(rest, value)) {
      return BadDuration(text, "expected a number such as in 1.5s");
    }
    const std::optional<uint64_t> unit_ns = TakeUnit(rest);
    if (!unit_ns) {
      return BadDuration(text, "a number needs a unit: ns, us, ms, s, m or h");
    }
    if (!AddTo(total, value, *unit_ns)) {
      return BadDuration(text, "longer than 292 years");
    }
  }
  const uint64_t limit = static_cast<uint64_t>(INT64_MAX) + (negative ? 1 : 0);
  if (total > limit) return BadDuration(text, "longer than 292 years");
  return std::chrono::nanoseconds(
      static_cast<int64_t>(negative ? 0 - total : total));
}

std::string FormatGoDuration(std::chrono::nanoseconds duration) {
  uint64_t ns = Magnitude(duration);
  if (ns == 0) return "0s";
  std::string out = duration.count() < 0 ? "-" : "";
  if (ns < kMicrosecond) return out + fmt::format("{}ns", ns);
  if (ns < kMillisecond) return out + ExactDecimal(ns, kMicrosecond) + "µs";
  if (ns < kSecond) return out + ExactDecimal(ns, kMillisecond) + "ms";
  if (ns >= kHour) out += fmt::format("{}h", ns / kHour);
  ns %= kHour;
  if (ns >= kMinute) out += fmt::format("{}m", ns / kMinute);
  ns %= kMinute;
  if (ns != 0) out += ExactDecimal(ns, kSecond) + "s";
  return out;
}

std::string FormatDurationShort(std::chrono::nanoseconds duration) {
  const uint64_t ns = Magnitude(duration);
  const char* sign = duration.count() < 0 ? "-" : "";
  if (ns < kMicrosecond) return fmt::format("{}{} ns", sign, ns);
  constexpr std::array<Unit, 3> kDecimalUnits{
      {{"µs", kMicrosecond}, {"ms", kMillisecond}, {"s", kSecond}}};
  for (const Unit& unit : kDecimalUnits) {
    // Three digits. 999.6 µs would round up to "1000 µs": it is 1 ms.
    const double value = static_cast<double>(ns) / static_cast<double>(unit.ns);
    const double limit = unit.ns == kSecond ? 59.95 : 999.5;
    if (value < limit)
      return fmt::format("{}{:.3g} {}", sign, value, unit.name);
  }
  const auto two = [&](uint64_t big, std::string_view big_name, uint64_t small,
                       std::string_view small_name) {
    const uint64_t smalls = (ns + small / 2) / small;
    const uint64_t per_big = big / small;
    std::string out = fmt::format("{}{} {}", sign, smalls / per_big, big_name);
    if (smalls % per_big != 0) {
      out += fmt::format(" {} {}", smalls % per_big, small_name);
    }
    return out;
  };
  if (ns < kHour - kSecond / 2) return two(kMinute, "min", kSecond, "s");
  if (ns < kDay - kMinute / 2) return two(kHour, "h", kMinute, "min");
  return two(kDay, "d", kHour, "h");
}

}  // namespace khtrace
