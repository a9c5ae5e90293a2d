// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "model/ids.h"
#include "net/http.h"

namespace khtrace::api {

using StringMap = std::map<std::string, std::string>;

// One value each; kInvalidArgument quotes the text and says what is wrong.
Result<int64_t> ParseInteger(std::string_view text, int64_t min, int64_t max);
// What Go's strconv.ParseBool takes: 1, t, T, true, TRUE, True, 0, f, ….
Result<bool> ParseBool(std::string_view text);
// Not below zero.
Result<std::chrono::nanoseconds> ParseDuration(std::string_view text);
// A count of `unit` since 1970; beyond 2554 counts as 2554.
Result<UnixNanos> ParseUnixTime(std::string_view text,
                                std::chrono::nanoseconds unit);
// Microseconds, or milliseconds below 10^14 (in microseconds that is March
// 1973): Grafana sends them where Jaeger documents microseconds.
Result<UnixNanos> ParseMicrosOrMillis(std::string_view text);
// A JSON object whose values are strings; of a key given twice the last.
Result<StringMap> ParseStringMap(std::string_view json);
// 1 to 32 hex digits, or the base64 of 16 bytes.
Result<model::TraceId> ParseJaegerTraceId(std::string_view text);

// Reads the query parameters of one request. Absent and valueless parameters
// ("a" and "a=") are the same: the fallback, or nullopt. A bad one gives that
// as well; the first bad one is in status(), to be looked at once at the end.
// Confined to one thread; `query` must outlive the reader and what it gives.
class ParamReader {
 public:
  // Spellings of one parameter; the first that is there counts.
  using Names = std::initializer_list<std::string_view>;
  // The message for a parameter that is bad for `reason`.
  using Wording = std::string (*)(std::string_view name,
                                  std::string_view reason);

  ParamReader(const net::QueryParams& query, Wording wording)
      : query_(query), wording_(wording) {}

  std::optional<std::string_view> Text(Names names) const;
  int64_t Integer(Names names, int64_t fallback, int64_t min, int64_t max);
  bool Bool(Names names);  // false without
  std::optional<std::chrono::nanoseconds> Duration(Names names);
  std::optional<UnixNanos> UnixTime(Names names, std::chrono::nanoseconds unit);
  std::optional<UnixNanos> MicrosOrMillis(Names names);
  std::optional<UnixNanos> Rfc3339(Names names);
  StringMap Map(Names names);

  // Records the failure of a check beyond a single value.
  void Fail(std::string message);
  const Status& status() const { return status_; }

 private:
  struct Found {
    std::string_view name;
    std::string_view value;
  };
  std::optional<Found> Find(Names names) const;
  template <typename T, typename Parse>
  std::optional<T> Read(Names names, Parse parse);

  const net::QueryParams& query_;
  const Wording wording_;
  Status status_;
};

}  // namespace khtrace::api
