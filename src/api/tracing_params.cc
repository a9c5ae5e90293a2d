// SPDX-License-Identifier: Apache-2.0
#include "api/tracing_params.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>
#include <system_error>

#include "api/params.h"
#include "base/hash.h"
#include "base/text.h"

namespace khtrace::api {
namespace {

using std::chrono::nanoseconds;

constexpr nanoseconds kDefaultWindow = std::chrono::hours(1);
constexpr nanoseconds kLeastWindow = std::chrono::seconds(1);
constexpr nanoseconds kGreatestWindow = std::chrono::hours(24) * 3660;
// Of what is given in milliseconds: some 30 years.
constexpr double kMaxMillis = 1e12;
// Names that other APIs have for ours.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8>
    kOtherNames = {{{"from", "start"},
                    {"to", "end"},
                    {"since", "window"},
                    {"range", "window"},
                    {"name", "operation"},
                    {"tags", "tag"},
                    {"query", "q"},
                    {"top", "limit"}}};

std::string UnknownParameter(std::string_view name,
                             std::span<const std::string_view> known) {
  const auto has = [known](std::string_view word) {
    return std::ranges::find(known, word) != known.end();
  };
  std::string text =
      fmt::format("unknown parameter '{}'", SanitizeUtf8(name.substr(0, 100)));
  const auto* other = std::ranges::find(
      kOtherNames, name, &std::pair<std::string_view, std::string_view>::first);
  if (other != kOtherNames.end() && has(other->second)) {
    return text + fmt::format("; did you mean '{}'?", other->second);
  }
  if (const auto nearest = NearestWord(name, known)) {
    return text + fmt::format("; did you mean '{}'?", *nearest);
  }
  if (known.empty()) return text + "; there are none here";
  return text + fmt::format("; there are: {}", fmt::join(known, ", "));
}

// Each is compared with those before it.
constexpr size_t kMaxParams = 256;

// Go's durations, and whole days and weeks.
Result<nanoseconds> ParseWindow(std::string_view text) {
  if (text.ends_with('d') || text.ends_with('w')) {
    const int64_t days = text.ends_with('w') ? 7 : 1;
    // As many as nanoseconds hold.
    ASSIGN_OR_RETURN(
        const int64_t count,
        ParseInteger(text.substr(0, text.size() - 1), 0, 100'000 / days));
    return nanoseconds(std::chrono::hours(24) * days * count);
  }
  return ParseGoDuration(text);
}

// Which unit is meant shows in the size: s until 5138, ms since 1973, ….
Result<UnixNanos> ParseTime(std::string_view text) {
  const bool digits = std::all_of(text.begin(), text.end(),
                                  [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) return ParseRfc3339(text);
  nanoseconds unit(1);
  if (text.size() <= 11) {
    unit = std::chrono::seconds(1);
  } else if (text.size() <= 14) {
    unit = std::chrono::milliseconds(1);
  } else if (text.size() <= 17) {
    unit = std::chrono::microseconds(1);
  }
  return ParseUnixTime(text, unit);
}

template <typename Int>
bool ReadInt(std::string_view text, Int* value, int base) {
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, *value, base);
  return error == std::errc() && stopped == end && !text.empty();
}

}  // namespace

TracingParams::TracingParams(std::vector<Param> params,
                             std::span<const std::string_view> known,
                             UnixNanos now)
    : params_(std::move(params)), now_(now) {
  if (params_.size() > kMaxParams) {
    Fail(params_[kMaxParams].name, fmt::format("{} parameters; {} are the most",
                                               params_.size(), kMaxParams));
    params_.clear();
  }
  for (size_t i = 0; i < params_.size(); ++i) {
    const std::string& name = params_[i].name;
    if (std::ranges::find(known, name) == known.end()) {
      Fail(name, UnknownParameter(name, known));
    }
    const auto earlier = params_.begin() + static_cast<ptrdiff_t>(i);
    if (name != "tag" &&
        std::find_if(params_.begin(), earlier, [&name](const Param& p) {
          return p.name == name;
        }) != earlier) {
      Fail(name, fmt::format("parameter '{}' is given twice", name));
    }
  }
  std::erase_if(params_, [](const Param& p) { return p.value.empty(); });
  if (Find("cursor") == nullptr) return;
  cursor_ = ReadCursor();
  if (!cursor_) {
    Fail("cursor",
         "cursor: not one of this query; take next_cursor of its last page, "
         "and leave the other parameters as they were");
  }
}

std::vector<TracingParams::Param> TracingParams::FromQuery(
    const net::QueryParams& query) {
  std::vector<Param> params;
  for (const auto& param : query) params.push_back({param.key, param.value});
  return params;
}

Result<std::vector<TracingParams::Param>> TracingParams::FromJson(
    std::string_view body) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (const auto error =
          parser.parse(body.data(), body.size()).get_object().get(object)) {
    return Error{Code::kInvalidArgument,
                 fmt::format("cannot read the body: {}",
                             error == simdjson::INCORRECT_TYPE
                                 ? "it is no JSON object"
                                 : simdjson::error_message(error))};
  }
  std::vector<Param> params;
  for (const auto& [key, value] : object) {
    std::string_view text;
    if (value.is_null()) continue;
    if (value.get_string().get(text) == simdjson::SUCCESS) {
      params.push_back({std::string(key), std::string(text)});
    } else if (value.is_number() || value.is_bool()) {
      params.push_back({std::string(key), simdjson::minify(value)});
    } else {
      return Error{
          Code::kInvalidArgument,
          fmt::format("cannot read the body: '{}' is no text or number", key)};
    }
  }
  return params;
}

const std::string* TracingParams::Find(std::string_view name) const {
  const auto at = std::ranges::find(params_, name, &Param::name);
  return at == params_.end() ? nullptr : &at->value;
}

std::string TracingParams::Text(std::string_view name) const {
  const std::string* value = Find(name);
  return value == nullptr ? "" : *value;
}

std::vector<std::string_view> TracingParams::All(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const Param& param : params_) {
    if (param.name == name) values.push_back(param.value);
  }
  return values;
}

size_t TracingParams::Count(std::string_view name, size_t fallback, size_t min,
                            size_t max) {
  const std::string* value = Find(name);
  if (value == nullptr) return fallback;
  const auto count = ParseInteger(*value, static_cast<int64_t>(min),
                                  static_cast<int64_t>(max));
  if (count) return static_cast<size_t>(*count);
  Fail(name, fmt::format("{}: '{}' is no whole number from {} to {}", name,
                         SanitizeUtf8(*value), min, max));
  return fallback;
}

bool TracingParams::Flag(std::string_view name) {
  const std::string* value = Find(name);
  if (value == nullptr) return false;
  const auto flag = ParseBool(*value);
  if (flag) return *flag;
  Fail(name, fmt::format("{}: {}", name, SanitizeUtf8(flag.error().message)));
  return false;
}

std::optional<nanoseconds> TracingParams::Millis(std::string_view name) {
  const std::string* value = Find(name);
  if (value == nullptr) return std::nullopt;
  double millis = 0;
  const char* end = value->data() + value->size();
  const auto [stopped, error] = std::from_chars(value->data(), end, millis);
  // NaN fails the first comparison.
  if (error == std::errc() && stopped == end && millis >= 0 &&
      millis <= kMaxMillis) {
    return nanoseconds(std::llround(millis * 1e6));
  }
  Fail(name, fmt::format("{}: '{}' is no number of milliseconds from 0 to {}",
                         name, SanitizeUtf8(*value), 1'000'000'000'000));
  return std::nullopt;
}

size_t TracingParams::ChoiceIndex(std::string_view name,
                                  std::span<const std::string_view> words) {
  const std::string* value = Find(name);
  if (value == nullptr) return 0;
  const auto at = std::ranges::find(words, *value);
  if (at != words.end()) return static_cast<size_t>(at - words.begin());
  // "" stands for a parameter that is not given.
  if (words.front().empty()) words = words.subspan(1);
  Fail(name, fmt::format("{}: '{}' is none of {}", name, SanitizeUtf8(*value),
                         fmt::join(words, ", ")));
  return 0;
}

std::optional<UnixNanos> TracingParams::Time(std::string_view name) {
  const std::string* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (const auto time = ParseTime(*value)) return *time;
  Fail(name, fmt::format("{}: '{}' is no time; expected RFC 3339 "
                         "(2026-01-31T08:00:00Z) or Unix time in s, ms, µs or "
                         "ns, from 1970 to 2554",
                         name, SanitizeUtf8(*value)));
  return std::nullopt;
}

std::optional<nanoseconds> TracingParams::WindowLength() {
  const std::string* value = Find("window");
  if (value == nullptr) return std::nullopt;
  const auto length = ParseWindow(*value);
  if (length && *length >= kLeastWindow && *length <= kGreatestWindow) {
    return *length;
  }
  Fail("window", fmt::format("window: '{}' is no duration from 1s to 3660d, "
                             "such as 15m, 1h, 24h or 7d",
                             SanitizeUtf8(*value)));
  return std::nullopt;
}

analysis::Window TracingParams::Window() {
  const auto length = WindowLength();
  const auto start = Time("start");
  const auto end = Time("end");
  if (cursor_) return cursor_->window;
  if (length && start && end) {
    Fail("window", "window: start and end are given, and say it already");
  }
  analysis::Window window;
  if (start) {
    window.start = *start;
    window.end = end.value_or(length ? start->Plus(*length) : now_);
  } else {
    window.end = end.value_or(now_);
    window.start = window.end.Minus(length.value_or(kDefaultWindow));
  }
  if (!bad_ && window.end <= window.start) {
    Fail(end ? "end" : "start",
         fmt::format("end ({}) is not after start ({})",
                     FormatRfc3339(window.end), FormatRfc3339(window.start)));
  }
  return window;
}

size_t TracingParams::Offset() {
  size_t offset = 0;
  if (!cursor_ || ReadInt(cursor_->position, &offset, 10)) return offset;
  Fail("cursor", "cursor: not one of this query");
  return 0;
}

uint64_t TracingParams::Fingerprint() const {
  std::vector<std::string> parts;
  for (const Param& param : params_) {
    if (param.name == "cursor" || param.name == "limit") continue;
    parts.push_back(fmt::format("{}={}", param.name, param.value));
  }
  std::ranges::sort(parts);
  return Hash64(fmt::format("{}", fmt::join(parts, "\n")));
}

std::string TracingParams::NextCursor(const analysis::Window& window,
                                      std::string_view position) const {
  return fmt::format("{:x}-{:x}-{}-{:016x}", window.start.ns, window.end.ns,
                     position, Fingerprint());
}

std::string TracingParams::NextOffset(const analysis::Window& window,
                                      size_t next, size_t total) const {
  return next >= total ? "" : NextCursor(window, std::to_string(next));
}

std::optional<TracingParams::Cursor> TracingParams::ReadCursor() const {
  std::array<std::string_view, 4> parts;
  std::string_view rest = *Find("cursor");
  for (std::string_view& part : parts) {
    const size_t dash = std::min(rest.find('-'), rest.size());
    part = rest.substr(0, dash);
    rest.remove_prefix(std::min(dash + 1, rest.size()));
  }
  Cursor cursor;
  uint64_t fingerprint = 0;
  const bool read = ReadInt(parts[0], &cursor.window.start.ns, 16) &&
                    ReadInt(parts[1], &cursor.window.end.ns, 16) &&
                    ReadInt(parts[3], &fingerprint, 16) && rest.empty();
  if (!read || fingerprint != Fingerprint() ||
      cursor.window.end <= cursor.window.start) {
    return std::nullopt;
  }
  cursor.position = parts[2];
  return cursor;
}

void TracingParams::Fail(std::string_view name, std::string detail) {
  if (!bad_) bad_ = BadParameter{std::string(name), std::move(detail)};
}

Status TracingParams::status() const {
  if (!bad_) return {};
  return Error{Code::kInvalidArgument, bad_->detail};
}

}  // namespace khtrace::api
