// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "model/span_batch.h"

namespace khtrace::traceql {

// What is known about a value's type before a query runs. The first twelve are
// the alternatives of Static, in its order. kAttribute is dynamic: each span's
// attribute brings its own type.
enum class Type : uint8_t {
  kNil,
  kInt,
  kFloat,
  kString,
  kBool,
  kDuration,
  kStatus,
  kKind,
  kIntArray,
  kFloatArray,
  kStringArray,
  kBoolArray,
  kAttribute,
};

// "int", "duration", "array of string", … for messages.
std::string_view TypeName(Type type);
// int, float and duration: they compare and calculate with each other.
bool IsNumeric(Type type);

struct Nil {
  friend bool operator==(Nil, Nil) { return true; }
};

// A literal: what stands in a query or what a plan makes of it. The language
// has no literals for arrays; they are what an attribute may hold and what a
// planner makes of `a = 1 || a = 2`. `==` means the same type and content; how
// values compare inside a query is the evaluator's business.
struct Static {
  using Value =
      std::variant<Nil, int64_t, double, std::string, bool,
                   std::chrono::nanoseconds, model::StatusCode, model::SpanKind,
                   std::vector<int64_t>, std::vector<double>,
                   std::vector<std::string>, std::vector<bool>>;
  Value value;

  Static() = default;
  explicit Static(Value v) : value(std::move(v)) {}

  Type type() const { return static_cast<Type>(value.index()); }
  bool operator==(const Static&) const = default;
};

// As TraceQL writes it; arrays as "[1, 2]", which it cannot read. Shortest
// digits for floats, always with '.' or 'e'; durations as Go does, without
// zero parts; strings quoted, in backticks where that saves escapes.
std::string ToString(const Static& value);

// The words of the language: "unset", "ok", "error".
std::string_view StatusName(model::StatusCode status);
// "unspecified", "internal", "server", "client", "producer", "consumer".
std::string_view KindName(model::SpanKind kind);

}  // namespace khtrace::traceql
