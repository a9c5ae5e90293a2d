// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/attr_value.h"
#include "traceql/ast.h"

namespace re2 {
class RE2;
}

// What TraceQL's operators do with single values (docs/traceql.md,
// "Evaluation"): the one place for types, nil, numbers and arrays.

namespace khtrace::query {

// A value while a query runs: 32 bytes, texts borrowed. kNil is "no value";
// the four array types are told apart by nothing but their elements: every
// array has kStringArray, and `text` is the OTLP ArrayValue message.
// kAttribute is a value that is there and that TraceQL has no type for
// (key-value lists, bytes, arrays of these or of arrays): unequal and equal to
// nothing.
struct Value {
  traceql::Type type = traceql::Type::kNil;
  // kInt, kDuration (nanoseconds): two's complement; kFloat: IEEE 754; kBool:
  // 0 or 1; kStatus, kKind: OTLP's number; kAttribute: its model::AttrType.
  uint64_t bits = 0;
  std::string_view text;  // kString, arrays, kAttribute

  static Value Int(int64_t value);
  static Value Float(double value);
  static Value Text(std::string_view value);
  static Value Bool(bool value);
  static Value Duration(int64_t nanos);
  static Value Status(uint64_t number);
  static Value Kind(uint64_t number);

  bool nil() const { return type == traceql::Type::kNil; }
  bool array() const { return type == traceql::Type::kStringArray; }
  int64_t AsInt() const { return static_cast<int64_t>(bits); }
  double AsFloat() const;  // of a kFloat
  // Of kInt, kFloat and kDuration; `numeric` tells whether it is one.
  bool numeric() const { return traceql::IsNumeric(type); }
  double Number() const;
};

// An attribute as TraceQL sees it. An array of one scalar is that scalar; an
// empty value (OTLP's null) is nil.
Value FromAttribute(const model::AttrValue& value);
// Borrows the literal's text. Nil for arrays, which the language cannot write.
Value FromStatic(const traceql::Static& literal);
// For labels and answers: arrays get their own type (the empty one is of
// strings); what has no type, arrays of several types included, becomes its
// text (model::ToDisplayString).
traceql::Static ToStatic(const Value& value);

// A regex as TraceQL means it: RE2, matches the whole text, '.' also a newline.
class Regex {
 public:
  // kInvalidArgument with RE2's reason.
  static Result<Regex> Compile(const std::string& pattern);
  bool Matches(std::string_view text) const;

 private:
  std::shared_ptr<const re2::RE2> regex_;  // shared: it is immutable
};

// `op` is one of = != < <= > >=. False, also for !=, if an operand is nil or
// the types do not match; numbers compare by value, exactly (an int against a
// float without rounding either). Booleans, status and kind have no order. An
// array against a scalar: any element; != means no element is equal, though
// some element is of a type that could be. False for an empty array and for two
// arrays.
bool Compare(traceql::BinaryOp op, const Value& left, const Value& right);
// `op` is kRegex or kNotRegex; both false of what is no text. Arrays as above.
bool Match(traceql::BinaryOp op, const Value& value, const Regex& regex);

// `op` is arithmetic. Nil unless both are numbers. With a float on either side
// a float. Otherwise ints, durations being their nanoseconds: they wrap, and
// division truncates towards zero; what + - % make of a duration is a duration.
// `^` gives a float where the exponent is negative or the result does not fit.
// Division or modulo by the int (or duration) zero is nil and sets *by_zero.
Value Calculate(traceql::BinaryOp op, const Value& left, const Value& right,
                bool* by_zero);
// Nil unless it is a number, otherwise of its type.
Value Negate(const Value& value);

// For grouping: the same type and content. Unlike operator=, NaN is itself, and
// the int 1 is not the float 1; 0.0 and -0.0 are one.
bool SameValue(const Value& a, const Value& b);
size_t HashOf(const Value& value);
// The order of answers: by type, then content; NaN before other floats.
std::weak_ordering Order(const traceql::Static& a, const traceql::Static& b);

}  // namespace khtrace::query
