// SPDX-License-Identifier: Apache-2.0
#include "api/params.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <system_error>
#include <utility>

#include "base/text.h"

namespace khtrace::api {
namespace {

constexpr int64_t kMaxInt64 = std::numeric_limits<int64_t>::max();
// The border between milliseconds and microseconds.
constexpr int64_t kFirstMicros = 100'000'000'000'000;

Error Bad(std::string message) {
  return {Code::kInvalidArgument, std::move(message)};
}

}  // namespace

Result<int64_t> ParseInteger(std::string_view text, int64_t min, int64_t max) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  const bool too_large = error == std::errc::result_out_of_range;
  if (stopped != end || (error != std::errc() && !too_large)) {
    return Bad(fmt::format("'{}' is not a whole number", text));
  }
  if (too_large || value < min || value > max) {
    return Bad(fmt::format("{} is outside {} to {}", text, min, max));
  }
  return value;
}

Result<bool> ParseBool(std::string_view text) {
  for (std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return true;
  }
  for (std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return false;
  }
  return Bad(fmt::format("'{}' is neither true nor false", text));
}

Result<std::chrono::nanoseconds> ParseDuration(std::string_view text) {
  ASSIGN_OR_RETURN(const std::chrono::nanoseconds duration,
                   ParseGoDuration(text));
  if (duration.count() < 0) {
    return Bad(fmt::format("'{}' is below zero", text));
  }
  return duration;
}

Result<UnixNanos> ParseUnixTime(std::string_view text,
                                std::chrono::nanoseconds unit) {
  ASSIGN_OR_RETURN(const int64_t count, ParseInteger(text, 0, kMaxInt64));
  const auto factor = static_cast<uint64_t>(unit.count());
  const auto units = static_cast<uint64_t>(count);
  if (units > UINT64_MAX / factor) return UnixNanos::Max();
  return UnixNanos{units * factor};
}

Result<UnixNanos> ParseMicrosOrMillis(std::string_view text) {
  ASSIGN_OR_RETURN(const int64_t count, ParseInteger(text, 0, kMaxInt64));
  if (count < kFirstMicros) {
    return ParseUnixTime(text, std::chrono::milliseconds(1));
  }
  return ParseUnixTime(text, std::chrono::microseconds(1));
}

Result<StringMap> ParseStringMap(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (const auto error =
          parser.parse(json.data(), json.size()).get_object().get(object)) {
    return Bad(error == simdjson::INCORRECT_TYPE
                   ? "not an object"
                   : simdjson::error_message(error));
  }
  StringMap map;
  for (const auto& [key, value] : object) {
    std::string_view text;
    if (value.get_string().get(text)) {
      return Bad(fmt::format("the value of '{}' is not a string", key));
    }
    map[std::string(key)] = text;
  }
  return map;
}

Result<model::TraceId> ParseJaegerTraceId(std::string_view text) {
  if (const auto id = model::TraceId::FromHex(text)) return *id;
  if (const auto bytes = Base64Decode(text); bytes && bytes->size() == 16) {
    return model::TraceId::FromBytes(bytes->data());
  }
  return Bad(fmt::format("'{}' is not 1 to 32 hex digits", text));
}

std::optional<ParamReader::Found> ParamReader::Find(Names names) const {
  for (const std::string_view name : names) {
    const auto value = query_.Get(name);
    if (value && !value->empty()) return Found{name, *value};
  }
  return std::nullopt;
}

template <typename T, typename Parse>
std::optional<T> ParamReader::Read(Names names, Parse parse) {
  const std::optional<Found> found = Find(names);
  if (!found) return std::nullopt;
  Result<T> value = parse(found->value);
  if (value) return *std::move(value);
  Fail(wording_(found->name, value.error().message));
  return std::nullopt;
}

std::optional<std::string_view> ParamReader::Text(Names names) const {
  const std::optional<Found> found = Find(names);
  if (!found) return std::nullopt;
  return found->value;
}

int64_t ParamReader::Integer(Names names, int64_t fallback, int64_t min,
                             int64_t max) {
  return Read<int64_t>(names,
                       [=](std::string_view text) {
                         return ParseInteger(text, min, max);
                       })
      .value_or(fallback);
}

bool ParamReader::Bool(Names names) {
  return Read<bool>(names, ParseBool).value_or(false);
}

std::optional<std::chrono::nanoseconds> ParamReader::Duration(Names names) {
  return Read<std::chrono::nanoseconds>(names, ParseDuration);
}

std::optional<UnixNanos> ParamReader::UnixTime(Names names,
                                               std::chrono::nanoseconds unit) {
  return Read<UnixNanos>(names, [unit](std::string_view text) {
    return ParseUnixTime(text, unit);
  });
}

std::optional<UnixNanos> ParamReader::MicrosOrMillis(Names names) {
  return Read<UnixNanos>(names, ParseMicrosOrMillis);
}

std::optional<UnixNanos> ParamReader::Rfc3339(Names names) {
  return Read<UnixNanos>(names, ParseRfc3339);
}

StringMap ParamReader::Map(Names names) {
  return Read<StringMap>(names, ParseStringMap).value_or(StringMap());
}

void ParamReader::Fail(std::string message) {
  if (status_) status_ = Bad(std::move(message));
}

}  // namespace khtrace::api
