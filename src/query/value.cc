// SPDX-License-Identifier: Apache-2.0
#include "query/value.h"

#include <re2/re2.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "traceql/checker.h"

namespace khtrace::query {
namespace {

using model::AttrType;
using model::AttrValue;
using traceql::BinaryOp;
using traceql::Static;
using traceql::Type;

constexpr double kTwoTo63 = 9223372036854775808.0;

Value Make(Type type, uint64_t bits, std::string_view text = {}) {
  Value value;
  value.type = type;
  value.bits = bits;
  value.text = text;
  return value;
}

bool IsScalar(AttrType type) {
  return type == AttrType::kString || type == AttrType::kBool ||
         type == AttrType::kInt || type == AttrType::kDouble;
}

Value FromScalar(const AttrValue& value) {
  switch (value.type) {
    case AttrType::kString:
      return Value::Text(value.bytes);
    case AttrType::kBool:
      return Value::Bool(value.AsBool());
    case AttrType::kInt:
      return Value::Int(value.AsInt());
    case AttrType::kDouble:
      return Value::Float(value.AsDouble());
    default:
      return {};
  }
}

Value Untyped(const AttrValue& value) {
  return Make(Type::kAttribute, static_cast<uint64_t>(value.type), value.bytes);
}

Value FromArray(const AttrValue& value) {
  size_t count = 0;
  AttrValue first;
  bool scalars = true;
  const bool whole = model::ForEachNested(
      value, [&](std::string_view, const AttrValue& element) {
        scalars = IsScalar(element.type);
        if (count++ == 0) first = element;
        return scalars;
      });
  if (!whole || !scalars) return Untyped(value);
  if (count == 1) return FromScalar(first);
  return Make(Type::kStringArray, 0, value.bytes);
}

// Calls visit(element) for the elements of an array.
template <typename Visit>
void ForEachElement(const Value& array, const Visit& visit) {
  model::ForEachNested(AttrValue{AttrType::kArray, 0, array.text},
                       [&](std::string_view, const AttrValue& element) {
                         visit(FromScalar(element));
                         return true;
                       });
}

std::partial_ordering OrderOf(int64_t a, double b) {
  if (std::isnan(b)) return std::partial_ordering::unordered;
  if (b >= kTwoTo63) return std::partial_ordering::less;
  if (b < -kTwoTo63) return std::partial_ordering::greater;
  const auto whole = static_cast<int64_t>(b);
  if (a != whole) return a <=> whole;
  return 0.0 <=> b - static_cast<double>(whole);
}

std::partial_ordering OrderOfNumbers(const Value& a, const Value& b) {
  const bool a_float = a.type == Type::kFloat;
  const bool b_float = b.type == Type::kFloat;
  if (a_float && b_float) return a.AsFloat() <=> b.AsFloat();
  if (b_float) return OrderOf(a.AsInt(), b.AsFloat());
  if (a_float) return 0 <=> OrderOf(b.AsInt(), a.AsFloat());
  return a.AsInt() <=> b.AsInt();
}

bool Holds(BinaryOp op, std::partial_ordering order) {
  switch (op) {
    case BinaryOp::kEqual:
      return order == 0;
    case BinaryOp::kNotEqual:
      return order != 0;
    case BinaryOp::kLess:
      return order < 0;
    case BinaryOp::kLessEqual:
      return order <= 0;
    case BinaryOp::kGreater:
      return order > 0;
    case BinaryOp::kGreaterEqual:
      return order >= 0;
    default:
      return false;
  }
}

// Neither is an array.
bool CompareScalars(BinaryOp op, const Value& left, const Value& right) {
  if (left.numeric() && right.numeric()) {
    return Holds(op, OrderOfNumbers(left, right));
  }
  if (left.type != right.type) return false;
  switch (left.type) {
    case Type::kString:
      return Holds(op, left.text <=> right.text);
    case Type::kBool:
    case Type::kStatus:
    case Type::kKind:
      if (op == BinaryOp::kEqual) return left.bits == right.bits;
      return op == BinaryOp::kNotEqual && left.bits != right.bits;
    default:
      return false;
  }
}

// `positive`: the test itself (=, =~, <, …), not its negation. Of a negation
// (`!=`, `!~`): some element passes it and none passes `positive`.
template <typename Test, typename Positive>
bool AnyElement(const Value& array, bool negated, const Test& test,
                const Positive& positive) {
  bool some = false;
  bool refuted = false;
  ForEachElement(array, [&](const Value& element) {
    some |= test(element);
    refuted |= negated && positive(element);
  });
  return some && !refuted;
}

uint64_t PowerOf(uint64_t base, uint64_t exponent, bool* fits) {
  uint64_t result = 1;
  const auto multiply = [fits](uint64_t a, uint64_t b) {
    int64_t product = 0;
    *fits &= !__builtin_mul_overflow(static_cast<int64_t>(a),
                                     static_cast<int64_t>(b), &product);
    return static_cast<uint64_t>(product);
  };
  while (*fits && exponent != 0) {
    if ((exponent & 1) != 0) result = multiply(result, base);
    exponent >>= 1;
    if (exponent != 0) base = multiply(base, base);
  }
  return result;
}

Value IntPower(int64_t base, int64_t exponent) {
  bool fits = exponent >= 0;
  if (fits) {
    const uint64_t result = PowerOf(static_cast<uint64_t>(base),
                                    static_cast<uint64_t>(exponent), &fits);
    if (fits) return Make(Type::kInt, result);
  }
  return Value::Float(
      std::pow(static_cast<double>(base), static_cast<double>(exponent)));
}

Value CalculateInts(BinaryOp op, const Value& left, const Value& right,
                    bool* by_zero) {
  const bool durations =
      left.type == Type::kDuration || right.type == Type::kDuration;
  const Type sum = durations ? Type::kDuration : Type::kInt;
  const uint64_t a = left.bits;
  const uint64_t b = right.bits;
  switch (op) {
    case BinaryOp::kAdd:
      return Make(sum, a + b);
    case BinaryOp::kSub:
      return Make(sum, a - b);
    case BinaryOp::kMul:
      return Make(Type::kInt, a * b);
    case BinaryOp::kPow:
      return IntPower(left.AsInt(), right.AsInt());
    case BinaryOp::kDiv:
    case BinaryOp::kMod:
      break;
    default:
      return {};
  }
  if (b == 0) {
    *by_zero = true;
    return {};
  }
  const bool division = op == BinaryOp::kDiv;
  // The processor refuses to divide the least int by -1.
  if (right.AsInt() == -1) {
    return division ? Make(Type::kInt, 0 - a) : Make(sum, 0);
  }
  if (division) return Value::Int(left.AsInt() / right.AsInt());
  return Make(sum, static_cast<uint64_t>(left.AsInt() % right.AsInt()));
}

Value CalculateFloats(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::kAdd:
      return Value::Float(a + b);
    case BinaryOp::kSub:
      return Value::Float(a - b);
    case BinaryOp::kMul:
      return Value::Float(a * b);
    case BinaryOp::kDiv:
      return Value::Float(a / b);
    case BinaryOp::kMod:
      return Value::Float(std::fmod(a, b));
    case BinaryOp::kPow:
      return Value::Float(std::pow(a, b));
    default:
      return {};
  }
}

template <typename T, typename Read>
Static ArrayOf(const std::vector<AttrValue>& elements, const Read& read) {
  std::vector<T> out;
  for (const AttrValue& element : elements) out.push_back(T(read(element)));
  return Static(std::move(out));
}

Static ArrayToStatic(const Value& value) {
  const AttrValue array{AttrType::kArray, 0, value.text};
  std::vector<AttrValue> elements;
  model::ForEachNested(array, [&](std::string_view, const AttrValue& element) {
    elements.push_back(element);
    return true;
  });
  if (elements.empty()) return Static(std::vector<std::string>{});
  const AttrType type = elements.front().type;
  const bool uniform = std::all_of(
      elements.begin(), elements.end(),
      [type](const AttrValue& element) { return element.type == type; });
  if (!uniform) return Static(model::ToDisplayString(array));
  switch (type) {
    case AttrType::kString:
      return ArrayOf<std::string>(elements,
                                  [](const AttrValue& e) { return e.bytes; });
    case AttrType::kBool:
      return ArrayOf<bool>(elements,
                           [](const AttrValue& e) { return e.AsBool(); });
    case AttrType::kInt:
      return ArrayOf<int64_t>(elements,
                              [](const AttrValue& e) { return e.AsInt(); });
    default:
      return ArrayOf<double>(elements,
                             [](const AttrValue& e) { return e.AsDouble(); });
  }
}

std::weak_ordering OrderOf(double a, double b) {
  const bool a_number = !std::isnan(a);
  const bool b_number = !std::isnan(b);
  if (!a_number || !b_number) return a_number <=> b_number;
  if (a == b) return std::weak_ordering::equivalent;
  return a < b ? std::weak_ordering::less : std::weak_ordering::greater;
}

template <typename T>
std::weak_ordering OrderOf(const T& a, const T& b) {
  return a <=> b;
}

std::weak_ordering OrderOf(traceql::Nil, traceql::Nil) {
  return std::weak_ordering::equivalent;
}

template <typename T>
std::weak_ordering OrderOf(const std::vector<T>& a, const std::vector<T>& b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const auto order =
        OrderOf(static_cast<const T&>(a[i]), static_cast<const T&>(b[i]));
    if (order != 0) return order;
  }
  return a.size() <=> b.size();
}

}  // namespace

Value Value::Int(int64_t value) {
  return Make(Type::kInt, static_cast<uint64_t>(value));
}

Value Value::Float(double value) {
  return Make(Type::kFloat, std::bit_cast<uint64_t>(value));
}

Value Value::Text(std::string_view value) {
  return Make(Type::kString, 0, value);
}

Value Value::Bool(bool value) { return Make(Type::kBool, value ? 1 : 0); }

Value Value::Duration(int64_t nanos) {
  return Make(Type::kDuration, static_cast<uint64_t>(nanos));
}

Value Value::Status(uint64_t number) { return Make(Type::kStatus, number); }

Value Value::Kind(uint64_t number) { return Make(Type::kKind, number); }

double Value::AsFloat() const { return std::bit_cast<double>(bits); }

double Value::Number() const {
  return type == Type::kFloat ? AsFloat() : static_cast<double>(AsInt());
}

Value FromAttribute(const AttrValue& value) {
  switch (value.type) {
    case AttrType::kArray:
      return FromArray(value);
    case AttrType::kKvList:
    case AttrType::kBytes:
      return Untyped(value);
    default:
      return FromScalar(value);
  }
}

Value FromStatic(const Static& literal) {
  const auto& v = literal.value;
  switch (literal.type()) {
    case Type::kInt:
      return Value::Int(std::get<int64_t>(v));
    case Type::kFloat:
      return Value::Float(std::get<double>(v));
    case Type::kString:
      return Value::Text(std::get<std::string>(v));
    case Type::kBool:
      return Value::Bool(std::get<bool>(v));
    case Type::kDuration:
      return Value::Duration(std::get<std::chrono::nanoseconds>(v).count());
    case Type::kStatus:
      return Value::Status(
          static_cast<uint64_t>(std::get<model::StatusCode>(v)));
    case Type::kKind:
      return Value::Kind(static_cast<uint64_t>(std::get<model::SpanKind>(v)));
    default:
      return {};
  }
}

Static ToStatic(const Value& value) {
  switch (value.type) {
    case Type::kNil:
      return {};
    case Type::kInt:
      return Static(value.AsInt());
    case Type::kFloat:
      return Static(value.AsFloat());
    case Type::kString:
      return Static(std::string(value.text));
    case Type::kBool:
      return Static(value.bits != 0);
    case Type::kDuration:
      return Static(std::chrono::nanoseconds(value.AsInt()));
    case Type::kStatus:
      return Static(static_cast<model::StatusCode>(value.bits));
    case Type::kKind:
      return Static(static_cast<model::SpanKind>(value.bits));
    case Type::kAttribute:
      return Static(model::ToDisplayString(
          {static_cast<AttrType>(value.bits), 0, value.text}));
    default:
      return ArrayToStatic(value);
  }
}

Result<Regex> Regex::Compile(const std::string& pattern) {
  std::string why;
  Regex regex;
  regex.regex_ = traceql::CompileRegex(pattern, &why);
  if (regex.regex_ == nullptr) {
    return Error{Code::kInvalidArgument, "invalid regex: " + why};
  }
  return regex;
}

bool Regex::Matches(std::string_view text) const {
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()),
                             *regex_);
}

bool Compare(BinaryOp op, const Value& left, const Value& right) {
  if (left.array() == right.array()) {
    return !left.array() && CompareScalars(op, left, right);
  }
  const auto compare = [&](BinaryOp o, const Value& element) {
    return left.array() ? CompareScalars(o, element, right)
                        : CompareScalars(o, left, element);
  };
  return AnyElement(
      left.array() ? left : right, op == BinaryOp::kNotEqual,
      [&](const Value& e) { return compare(op, e); },
      [&](const Value& e) { return compare(BinaryOp::kEqual, e); });
}

bool Match(BinaryOp op, const Value& value, const Regex& regex) {
  const bool negated = op == BinaryOp::kNotRegex;
  const auto test = [&](const Value& v, bool wanted) {
    return v.type == Type::kString && regex.Matches(v.text) == wanted;
  };
  if (!value.array()) return test(value, !negated);
  return AnyElement(
      value, negated, [&](const Value& e) { return test(e, !negated); },
      [&](const Value& e) { return test(e, true); });
}

Value Calculate(BinaryOp op, const Value& left, const Value& right,
                bool* by_zero) {
  if (!left.numeric() || !right.numeric()) return {};
  if (left.type == Type::kFloat || right.type == Type::kFloat) {
    return CalculateFloats(op, left.Number(), right.Number());
  }
  return CalculateInts(op, left, right, by_zero);
}

Value Negate(const Value& value) {
  if (!value.numeric()) return {};
  if (value.type == Type::kFloat) return Value::Float(-value.AsFloat());
  return Make(value.type, 0 - value.bits);
}

bool SameValue(const Value& a, const Value& b) {
  if (a.type != b.type) return false;
  if (a.type != Type::kFloat) return a.bits == b.bits && a.text == b.text;
  return OrderOf(a.AsFloat(), b.AsFloat()) == 0;
}

size_t HashOf(const Value& value) {
  uint64_t bits = value.bits;
  if (value.type == Type::kFloat) {
    const double number = value.AsFloat();
    if (number == 0) bits = 0;
    if (std::isnan(number)) bits = 1;
  }
  bits = Mix64(bits ^ (static_cast<uint64_t>(value.type) << 56));
  return bits ^ TableHash(value.text);
}

std::weak_ordering Order(const Static& a, const Static& b) {
  if (a.type() != b.type()) return a.type() <=> b.type();
  return std::visit(
      [&b](const auto& content) -> std::weak_ordering {
        using T = std::decay_t<decltype(content)>;
        return OrderOf(content, std::get<T>(b.value));
      },
      a.value);
}

}  // namespace khtrace::query
