// SPDX-License-Identifier: Apache-2.0
#include "query/span_conditions.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "query/spansets.h"

namespace khtrace::query {
namespace {

using storage::FrameField;
using traceql::BinaryOp;
using traceql::Type;
using Of = SpanCondition::Of;

Expr ColumnTest(ColumnSet* columns, FrameField field, Type type, BinaryOp op,
                const Value& literal) {
  Expr test;
  test.kind = Expr::Kind::kTest;
  test.leaf.type = type;
  test.leaf.columns[0] = columns->Add(field);
  test.predicate.kind = Predicate::Kind::kCompare;
  test.predicate.op = op;
  test.predicate.literal = literal;
  return test;
}

Expr ShownTest(ColumnSet* columns, FrameField field,
               const SpanCondition& condition) {
  Expr test;
  test.kind = Expr::Kind::kTest;
  test.leaf.columns[0] = columns->Add(field, condition.key);
  if (field == FrameField::kEventAttribute) {
    test.leaf.kind = Leaf::Kind::kEvent;
  }
  if (field == FrameField::kLinkAttribute) test.leaf.kind = Leaf::Kind::kLink;
  test.events = test.leaf.of_event();
  test.links = test.leaf.of_link();
  test.predicate = Predicate::Shown(condition.text);
  return test;
}

// The events and links of its tests are not told to the node itself: each test
// finds its own, whatever else is asked.
Expr TagTest(const SpanCondition& condition, ColumnSet* columns) {
  Expr any;
  any.kind = Expr::Kind::kOr;
  for (const FrameField field :
       {FrameField::kSpanAttribute, FrameField::kResourceAttribute,
        FrameField::kScopeAttribute, FrameField::kEventAttribute,
        FrameField::kLinkAttribute}) {
    any.children.push_back(ShownTest(columns, field, condition));
  }
  return any;
}

// Columns of times are signed.
Value Whole(uint64_t number) {
  return Value::Int(static_cast<int64_t>(
      std::min<uint64_t>(number, std::numeric_limits<int64_t>::max())));
}

// The column is signed: durations of centuries, which broken clocks make, are
// below zero there and yet the longest. Among themselves they are in order.
Expr DurationTest(const SpanCondition& condition, ColumnSet* columns) {
  const bool least = condition.of == Of::kMinDuration;
  const auto nanos = static_cast<int64_t>(condition.number);
  const auto test = [&](BinaryOp op, int64_t than) {
    return ColumnTest(columns, FrameField::kDuration, Type::kDuration, op,
                      Value::Int(than));
  };
  Expr both;
  both.kind = least == (nanos >= 0) ? Expr::Kind::kOr : Expr::Kind::kAnd;
  both.children.push_back(
      test(least ? BinaryOp::kGreaterEqual : BinaryOp::kLessEqual, nanos));
  both.children.push_back(
      test(least ? BinaryOp::kLess : BinaryOp::kGreaterEqual, 0));
  return both;
}

Expr TestOf(const SpanCondition& condition, ColumnSet* columns) {
  const auto test = [&](FrameField field, Type type, BinaryOp op,
                        const Value& literal) {
    return ColumnTest(columns, field, type, op, literal);
  };
  switch (condition.of) {
    case Of::kService: {
      Expr expr;
      expr.kind = Expr::Kind::kTest;
      expr.leaf.columns[0] =
          columns->Add(FrameField::kResourceAttribute, "service.name");
      expr.predicate.kind = Predicate::Kind::kCompare;
      expr.predicate.literal = Value::Text(condition.text);
      return expr;
    }
    case Of::kName:
      return test(FrameField::kName, Type::kString, BinaryOp::kEqual,
                  Value::Text(condition.text));
    case Of::kMinDuration:
    case Of::kMaxDuration:
      return DurationTest(condition, columns);
    case Of::kKind:
      return test(FrameField::kKind, Type::kKind, BinaryOp::kEqual,
                  Value::Kind(condition.number));
    case Of::kStatus:
    case Of::kNotStatus:
      return test(
          FrameField::kStatus, Type::kStatus,
          condition.of == Of::kStatus ? BinaryOp::kEqual : BinaryOp::kNotEqual,
          Value::Status(condition.number));
    case Of::kTag:
      break;
  }
  return TagTest(condition, columns);
}

}  // namespace

SpansetPlan MakeFilter(const SpanConditions& conditions, ColumnSet* columns) {
  Expr all;
  all.kind = Expr::Kind::kAnd;
  for (const SpanCondition& condition : conditions.all) {
    all.children.push_back(TestOf(condition, columns));
  }
  const auto add_start = [&](BinaryOp op, UnixNanos time) {
    all.children.push_back(ColumnTest(columns, FrameField::kStart, Type::kInt,
                                      op, Whole(time.ns)));
  };
  const bool ends = conditions.end != UnixNanos::Max();
  if (ends) add_start(BinaryOp::kLessEqual, conditions.end);
  // Starts after 2262 look negative, and lie behind every end.
  if (ends || conditions.start.ns > 0) {
    add_start(BinaryOp::kGreaterEqual, conditions.start);
  }
  SpansetPlan plan;
  plan.filter = std::move(all);
  return plan;
}

}  // namespace khtrace::query
