// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/operation_report.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/http.h"

namespace khtrace::api {

// What is wrong with a parameter.
struct BadParameter {
  std::string name;
  std::string detail;  // names parameter, value and limit
};

// The parameters of one request to /api/tracing, from its query or its JSON
// body. A parameter without value counts as absent; a bad one gives the
// fallback, and the first bad one is kept in bad(). Confined to one thread.
class TracingParams {
 public:
  struct Param {
    std::string name;
    std::string value;
  };

  // A name that is not among `known`, and one given twice but for `tag`, is
  // bad. `known` outlives the reader.
  TracingParams(std::vector<Param> params,
                std::span<const std::string_view> known, UnixNanos now);
  static std::vector<Param> FromQuery(const net::QueryParams& query);
  // A JSON object of texts, numbers and booleans. kInvalidArgument otherwise.
  static Result<std::vector<Param>> FromJson(std::string_view body);

  std::string Text(std::string_view name) const;  // "" if absent
  std::vector<std::string_view> All(std::string_view name) const;
  size_t Count(std::string_view name, size_t fallback, size_t min, size_t max);
  bool Flag(std::string_view name);  // false if absent
  // Milliseconds, not below 0.
  std::optional<std::chrono::nanoseconds> Millis(std::string_view name);
  // RFC 3339 or Unix time in s, ms, µs or ns.
  std::optional<UnixNanos> Time(std::string_view name);
  // One of the words of `choices`; the fallback is the first of them.
  template <typename T>
  T Choice(std::string_view name,
           std::span<const std::pair<std::string_view, T>> choices) {
    std::vector<std::string_view> words;
    for (const auto& [word, value] : choices) words.push_back(word);
    return choices[ChoiceIndex(name, words)].second;
  }

  // `window` (15m, 1h, 24h, 7d; 1h by default) before `end` (now), or `start`
  // to `end`; each as RFC 3339 or Unix time in s, ms, µs or ns. With `cursor`
  // it is that of the first page.
  analysis::Window Window();
  // What NextCursor was given for the page before this one; "" on the first.
  std::string Position() const { return cursor_ ? cursor_->position : ""; }
  // The same where pages are cut by position.
  size_t Offset();
  // The `cursor` of the next page of this request. `position`: letters and
  // digits.
  std::string NextCursor(const analysis::Window& window,
                         std::string_view position) const;
  // "" if `total` is reached.
  std::string NextOffset(const analysis::Window& window, size_t next,
                         size_t total) const;

  void Fail(std::string_view name, std::string detail);
  const std::optional<BadParameter>& bad() const { return bad_; }
  // kInvalidArgument if there is a bad one.
  Status status() const;
  UnixNanos now() const { return now_; }

 private:
  struct Cursor {
    analysis::Window window;
    std::string position;
  };

  const std::string* Find(std::string_view name) const;
  size_t ChoiceIndex(std::string_view name,
                     std::span<const std::string_view> words);
  std::optional<std::chrono::nanoseconds> WindowLength();
  // Of all parameters but cursor and limit.
  uint64_t Fingerprint() const;
  std::optional<Cursor> ReadCursor() const;

  std::vector<Param> params_;
  UnixNanos now_;
  std::optional<Cursor> cursor_;
  std::optional<BadParameter> bad_;
};

}  // namespace khtrace::api
