// SPDX-License-Identifier: Apache-2.0
#include "query/value.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <list>
#include <string>
#include <vector>

namespace khtrace::query {
namespace {

using model::AttrType;
using model::AttrValue;
using traceql::BinaryOp;
using traceql::Static;
using traceql::Type;

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
const double kNan = std::nan("");
const BinaryOp kComparisons[] = {BinaryOp::kEqual,   BinaryOp::kNotEqual,
                                 BinaryOp::kLess,    BinaryOp::kLessEqual,
                                 BinaryOp::kGreater, BinaryOp::kGreaterEqual};

// Owns the bytes of arrays.
class Arrays {
 public:
  Value Of(const std::vector<AttrValue>& elements) {
    return FromAttribute(Attr(elements));
  }
  AttrValue Attr(const std::vector<AttrValue>& elements) {
    std::string& bytes = texts_.emplace_back();
    for (const AttrValue& element : elements) {
      std::string message;
      model::AppendAnyValue(element, &message);
      wire::ProtoWriter(bytes).Bytes(1, message);
    }
    return {AttrType::kArray, 0, bytes};
  }

 private:
  std::list<std::string> texts_;
};

// Which of = != < <= > >= hold, as text.
std::string Holding(const Value& a, const Value& b) {
  std::string out;
  for (const BinaryOp op : kComparisons) {
    if (!Compare(op, a, b)) continue;
    if (!out.empty()) out += ' ';
    out += traceql::Symbol(op);
  }
  return out;
}

std::string Shown(const Value& value) {
  return std::string(traceql::TypeName(value.type)) + " " +
         traceql::ToString(ToStatic(value));
}

std::string Calculated(BinaryOp op, const Value& a, const Value& b) {
  bool by_zero = false;
  const Value value = Calculate(op, a, b, &by_zero);
  return by_zero ? "by zero, " + Shown(value) : Shown(value);
}

TEST(Compare, OrdersIntsAgainstFloatsWithoutRoundingEither) {
  const int64_t odd = (int64_t{1} << 53) + 1;
  const Value near = Value::Float(9007199254740992.0);
  EXPECT_EQ(Holding(Value::Int(odd), near), "!= > >=");
  EXPECT_EQ(Holding(near, Value::Int(odd)), "!= < <=");
  EXPECT_EQ(Holding(Value::Int(odd - 1), near), "= <= >=");
  EXPECT_EQ(Holding(Value::Int(kMax), Value::Float(9223372036854775808.0)),
            "!= < <=");
  EXPECT_EQ(Holding(Value::Int(kMin), Value::Float(-9223372036854775808.0)),
            "= <= >=");
  EXPECT_EQ(Holding(Value::Int(-1), Value::Float(-1.5)), "!= > >=");
  EXPECT_EQ(Holding(Value::Int(0), Value::Float(-0.0)), "= <= >=");
  EXPECT_EQ(Holding(Value::Int(kMax), Value::Float(INFINITY)), "!= < <=");
}

TEST(Compare, TakesDurationsAsNanoseconds) {
  EXPECT_EQ(Holding(Value::Duration(2), Value::Int(2)), "= <= >=");
  EXPECT_EQ(Holding(Value::Duration(2), Value::Float(1.5)), "!= > >=");
  EXPECT_EQ(Holding(Value::Duration(-1), Value::Duration(1)), "!= < <=");
}

TEST(Compare, FindsNanUnequalAndUnordered) {
  EXPECT_EQ(Holding(Value::Float(kNan), Value::Float(kNan)), "!=");
  EXPECT_EQ(Holding(Value::Float(kNan), Value::Int(1)), "!=");
  EXPECT_EQ(Holding(Value::Int(1), Value::Float(kNan)), "!=");
}

TEST(Compare, IsFalseForNilAndAcrossTypes) {
  const Value nil;
  EXPECT_EQ(Holding(nil, nil), "");
  EXPECT_EQ(Holding(nil, Value::Int(1)), "");
  EXPECT_EQ(Holding(Value::Text("1"), Value::Int(1)), "");
  EXPECT_EQ(Holding(Value::Bool(true), Value::Text("true")), "");
  EXPECT_EQ(Holding(Value::Status(2), Value::Int(2)), "");
  EXPECT_EQ(Holding(Value::Status(2), Value::Kind(2)), "");
}

TEST(Compare, OrdersTextsByBytesAndOtherWordsNotAtAll) {
  EXPECT_EQ(Holding(Value::Text("B"), Value::Text("a")), "!= < <=");
  EXPECT_EQ(Holding(Value::Text("\xc3\xa9"), Value::Text("z")), "!= > >=");
  EXPECT_EQ(Holding(Value::Text(""), Value::Text("")), "= <= >=");
  EXPECT_EQ(Holding(Value::Bool(false), Value::Bool(true)), "!=");
  EXPECT_EQ(Holding(Value::Status(1), Value::Status(1)), "=");
  EXPECT_EQ(Holding(Value::Kind(1), Value::Kind(2)), "!=");
}

TEST(Compare, AnyElementOfAnArrayCountsAndAllMustDiffer) {
  Arrays arrays;
  const Value tags =
      arrays.Of({AttrValue::String("a"), AttrValue::String("b")});
  EXPECT_EQ(Holding(tags, Value::Text("a")), "= <= > >=");
  EXPECT_EQ(Holding(tags, Value::Text("c")), "!= < <=");
  EXPECT_EQ(Holding(Value::Text("c"), tags), "!= > >=");
  EXPECT_EQ(Holding(tags, Value::Int(1)), "");
  EXPECT_EQ(Holding(tags, Value()), "");
  EXPECT_EQ(Holding(tags, tags), "");
}

TEST(Compare, ArrayOfSeveralTypesComparesTheElementsThatCan) {
  Arrays arrays;
  const Value mixed = arrays.Of(
      {AttrValue::String("a"), AttrValue::Int(1), AttrValue::Double(2.5)});
  EXPECT_EQ(Holding(mixed, Value::Int(1)), "= <= > >=");
  EXPECT_EQ(Holding(mixed, Value::Int(7)), "!= < <=");
  EXPECT_EQ(Holding(mixed, Value::Bool(true)), "");
}

TEST(Compare, EmptyArrayMatchesNothing) {
  Arrays arrays;
  const Value empty = arrays.Of({});
  EXPECT_FALSE(empty.nil());
  EXPECT_EQ(Holding(empty, Value::Text("a")), "");
}

TEST(FromAttribute, ArrayOfOneScalarIsTheScalar) {
  Arrays arrays;
  EXPECT_EQ(Shown(arrays.Of({AttrValue::Int(7)})), "int 7");
  EXPECT_EQ(Shown(arrays.Of({AttrValue::String("x")})), "string \"x\"");
}

TEST(FromAttribute, EmptyValueIsNil) { EXPECT_TRUE(FromAttribute({}).nil()); }

TEST(FromAttribute, WhatHasNoTypeEqualsNothingButIsThere) {
  Arrays arrays;
  const AttrValue inner = arrays.Attr({AttrValue::Int(1)});
  const Value values[] = {
      FromAttribute(AttrValue::Bytes("a")),
      FromAttribute({AttrType::kKvList, 0, ""}),
      arrays.Of({inner}),
      arrays.Of({AttrValue::Int(1), inner}),
      arrays.Of({AttrValue()}),
      arrays.Of({AttrValue::Int(1), AttrValue()}),
      FromAttribute({AttrType::kArray, 0, "\x0a\x7f"}),
  };
  for (const Value& value : values) {
    EXPECT_EQ(value.type, Type::kAttribute);
    EXPECT_EQ(Holding(value, value), "");
    EXPECT_EQ(Holding(value, Value::Text("a")), "");
    EXPECT_TRUE(SameValue(value, value));
  }
  EXPECT_EQ(ToStatic(values[0]), Static(std::string("YQ==")));
  EXPECT_EQ(ToStatic(values[3]), Static(std::string("[1,[1]]")));
}

TEST(ToStatic, KeepsTheTypeOfWhatFromStaticReads) {
  const Static statics[] = {
      Static(),
      Static(int64_t{-5}),
      Static(1.5),
      Static(std::string("a")),
      Static(true),
      Static(std::chrono::nanoseconds(3)),
      Static(model::StatusCode::kError),
      Static(model::SpanKind::kConsumer),
  };
  for (const Static& s : statics) EXPECT_EQ(ToStatic(FromStatic(s)), s);
  EXPECT_TRUE(FromStatic(Static(std::vector<int64_t>{1, 2})).nil());
}

TEST(ToStatic, ArraysOfOneTypeAreArraysOthersText) {
  Arrays arrays;
  const auto shown = [&](const std::vector<AttrValue>& elements) {
    return traceql::ToString(ToStatic(arrays.Of(elements)));
  };
  EXPECT_EQ(shown({AttrValue::Int(1), AttrValue::Int(2)}), "[1, 2]");
  EXPECT_EQ(shown({AttrValue::Double(1), AttrValue::Double(.5)}), "[1.0, 0.5]");
  EXPECT_EQ(shown({AttrValue::Bool(true), AttrValue::Bool(false)}),
            "[true, false]");
  EXPECT_EQ(ToStatic(arrays.Of({})), Static(std::vector<std::string>{}));
  EXPECT_EQ(ToStatic(arrays.Of({AttrValue::Int(1), AttrValue::String("a")})),
            Static(std::string("[1,\"a\"]")));
}

TEST(Regex, MatchesTheWholeTextAndNewlines) {
  const auto regex = Regex::Compile("a.b|c");
  ASSERT_TRUE(regex);
  EXPECT_TRUE(regex->Matches("a\nb"));
  EXPECT_TRUE(regex->Matches("c"));
  EXPECT_FALSE(regex->Matches("xa\nb"));
  EXPECT_FALSE(regex->Matches("cc"));
  EXPECT_TRUE(Regex::Compile("(?i)get")->Matches("GET"));
  EXPECT_FALSE(Regex::Compile("["));
  EXPECT_FALSE(Regex::Compile("\\pL{100}"));
}

TEST(Match, TakesTextsAlone) {
  const auto digits = Regex::Compile("[0-9]+");
  ASSERT_TRUE(digits);
  const auto match = [&](BinaryOp op, const Value& v) {
    return Match(op, v, *digits);
  };
  EXPECT_TRUE(match(BinaryOp::kRegex, Value::Text("17")));
  EXPECT_TRUE(match(BinaryOp::kNotRegex, Value::Text("x17")));
  for (const Value& v : {Value(), Value::Int(17), Value::Status(1)}) {
    EXPECT_FALSE(match(BinaryOp::kRegex, v));
    EXPECT_FALSE(match(BinaryOp::kNotRegex, v));
  }
}

TEST(Match, AnyElementOrNone) {
  Arrays arrays;
  const auto regex = Regex::Compile("a.*");
  const Value tags =
      arrays.Of({AttrValue::String("ab"), AttrValue::String("b")});
  const Value others =
      arrays.Of({AttrValue::String("x"), AttrValue::String("b")});
  const Value ints = arrays.Of({AttrValue::Int(1), AttrValue::Int(2)});
  EXPECT_TRUE(Match(BinaryOp::kRegex, tags, *regex));
  EXPECT_FALSE(Match(BinaryOp::kNotRegex, tags, *regex));
  EXPECT_FALSE(Match(BinaryOp::kRegex, others, *regex));
  EXPECT_TRUE(Match(BinaryOp::kNotRegex, others, *regex));
  EXPECT_FALSE(Match(BinaryOp::kNotRegex, ints, *regex));
  EXPECT_FALSE(Match(BinaryOp::kNotRegex, arrays.Of({}), *regex));
}

TEST(Calculate, IntsStayIntsAndWrap) {
  const auto of = [](BinaryOp op, int64_t a, int64_t b) {
    return Calculated(op, Value::Int(a), Value::Int(b));
  };
  EXPECT_EQ(of(BinaryOp::kDiv, 7, 2), "int 3");
  EXPECT_EQ(of(BinaryOp::kDiv, -7, 2), "int -3");
  EXPECT_EQ(of(BinaryOp::kMod, -7, 2), "int -1");
  EXPECT_EQ(of(BinaryOp::kMod, 7, -2), "int 1");
  EXPECT_EQ(Calculate(BinaryOp::kAdd, Value::Int(kMax), Value::Int(1), nullptr)
                .AsInt(),
            kMin);
  EXPECT_EQ(Calculate(BinaryOp::kDiv, Value::Int(kMin), Value::Int(-1), nullptr)
                .AsInt(),
            kMin);
  EXPECT_EQ(of(BinaryOp::kMod, kMin, -1), "int 0");
}

TEST(Calculate, PowerOfIntsIsAnIntWhereItFits) {
  const auto of = [](int64_t a, int64_t b) {
    return Calculated(BinaryOp::kPow, Value::Int(a), Value::Int(b));
  };
  EXPECT_EQ(of(3, 2), "int 9");
  EXPECT_EQ(of(-2, 3), "int -8");
  EXPECT_EQ(of(0, 0), "int 1");
  EXPECT_EQ(of(-1, kMax), "int -1");
  EXPECT_EQ(of(2, 62), "int 4611686018427387904");
  EXPECT_EQ(of(2, -1), "float 0.5");
  EXPECT_EQ(of(2, 64), "float 1.8446744073709552e+19");
  EXPECT_EQ(
      Calculate(BinaryOp::kPow, Value::Int(-2), Value::Int(63), nullptr).type,
      Type::kInt);
}

TEST(Calculate, FloatMakesItFloat) {
  EXPECT_EQ(Calculated(BinaryOp::kAdd, Value::Int(1), Value::Float(.5)),
            "float 1.5");
  EXPECT_EQ(Calculated(BinaryOp::kMod, Value::Float(-7.5), Value::Int(2)),
            "float -1.5");
  EXPECT_EQ(Calculated(BinaryOp::kMul, Value::Duration(10), Value::Float(.5)),
            "float 5.0");
  bool by_zero = false;
  const Value infinite =
      Calculate(BinaryOp::kDiv, Value::Float(1), Value::Int(0), &by_zero);
  EXPECT_EQ(infinite.AsFloat(), INFINITY);
  EXPECT_FALSE(by_zero);
}

TEST(Calculate, DurationsAddUpToDurations) {
  const Value second = Value::Duration(1'000'000'000);
  EXPECT_EQ(Calculated(BinaryOp::kAdd, second, second), "duration 2s");
  EXPECT_EQ(Calculated(BinaryOp::kSub, second, Value::Int(1)),
            "duration 999.999999ms");
  EXPECT_EQ(Calculated(BinaryOp::kDiv, second, second), "int 1");
  EXPECT_EQ(Calculated(BinaryOp::kMul, second, Value::Int(2)),
            "int 2000000000");
}

TEST(Calculate, DivisionByIntZeroIsTold) {
  EXPECT_EQ(Calculated(BinaryOp::kDiv, Value::Int(1), Value::Int(0)),
            "by zero, nil nil");
  EXPECT_EQ(Calculated(BinaryOp::kMod, Value::Duration(1), Value::Int(0)),
            "by zero, nil nil");
  EXPECT_EQ(Calculated(BinaryOp::kDiv, Value(), Value::Int(0)), "nil nil");
}

TEST(Calculate, NeedsTwoNumbers) {
  Arrays arrays;
  const Value ints = arrays.Of({AttrValue::Int(1), AttrValue::Int(2)});
  for (const Value& v : {Value(), Value::Text("1"), Value::Bool(true), ints}) {
    EXPECT_EQ(Calculated(BinaryOp::kAdd, v, Value::Int(1)), "nil nil");
    EXPECT_TRUE(Negate(v).nil());
  }
}

TEST(Negate, KeepsTheType) {
  EXPECT_EQ(Shown(Negate(Value::Int(5))), "int -5");
  EXPECT_EQ(Shown(Negate(Value::Float(.5))), "float -0.5");
  EXPECT_EQ(Shown(Negate(Value::Duration(5))), "duration -5ns");
  EXPECT_EQ(Negate(Value::Int(kMin)).AsInt(), kMin);
}

TEST(SameValue, TellsTypesApartAndFloatsByValue) {
  EXPECT_FALSE(SameValue(Value::Int(1), Value::Float(1)));
  EXPECT_FALSE(SameValue(Value(), Value::Text("")));
  EXPECT_FALSE(SameValue(Value::Text("a"), Value::Text("b")));
  const Value pairs[][2] = {
      {Value::Float(0.0), Value::Float(-0.0)},
      {Value::Float(kNan), Value::Float(-kNan)},
      {Value::Text("a"), Value::Text("a")},
      {Value(), Value()},
  };
  for (const auto& [a, b] : pairs) {
    EXPECT_TRUE(SameValue(a, b));
    EXPECT_EQ(HashOf(a), HashOf(b));
  }
}

TEST(Order, GoesByTypeThenContentNanFirst) {
  const std::vector<Static> ordered = {
      Static(),
      Static(int64_t{-1}),
      Static(int64_t{3}),
      Static(kNan),
      Static(-INFINITY),
      Static(0.5),
      Static(std::string("")),
      Static(std::string("a")),
      Static(std::string("b")),
      Static(false),
      Static(true),
      Static(std::vector<int64_t>{1}),
      Static(std::vector<int64_t>{1, 2}),
      Static(std::vector<int64_t>{2}),
      Static(std::vector<bool>{false}),
      Static(std::vector<bool>{true}),
  };
  for (size_t i = 0; i < ordered.size(); ++i) {
    for (size_t j = 0; j < ordered.size(); ++j) {
      EXPECT_EQ(Order(ordered[i], ordered[j]) < 0, i < j) << i << ' ' << j;
      EXPECT_EQ(Order(ordered[i], ordered[j]) > 0, i > j) << i << ' ' << j;
    }
  }
}

}  // namespace
}  // namespace khtrace::query
