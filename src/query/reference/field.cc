// SPDX-License-Identifier: Apache-2.0
#include "query/reference/field.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "traceql/checker.h"
#include "traceql/printer.h"

namespace khtrace::query::reference {
namespace {

using model::AttrRange;
using model::SpanBatch;
using traceql::Attribute;
using traceql::AttributeScope;
using traceql::BinaryOp;
using traceql::FieldBinary;
using traceql::FieldExpr;
using traceql::FieldUnary;
using traceql::Intrinsic;
using traceql::Static;
using traceql::Type;
using traceql::UnaryOp;

bool OfEvent(const Attribute& a) {
  return a.scope == AttributeScope::kEvent ||
         a.intrinsic == Intrinsic::kEventName ||
         a.intrinsic == Intrinsic::kEventTimeSinceStart;
}

bool OfLink(const Attribute& a) {
  return a.scope == AttributeScope::kLink ||
         a.intrinsic == Intrinsic::kLinkTraceId ||
         a.intrinsic == Intrinsic::kLinkSpanId;
}

template <typename Test>
bool AnyAttribute(const FieldExpr& expr, const Test& test) {
  if (const auto* attribute = std::get_if<Attribute>(&expr.node)) {
    return test(*attribute);
  }
  if (const auto* unary = std::get_if<FieldUnary>(&expr.node)) {
    return AnyAttribute(*unary->operand, test);
  }
  if (const auto* binary = std::get_if<FieldBinary>(&expr.node)) {
    return AnyAttribute(*binary->left, test) ||
           AnyAttribute(*binary->right, test);
  }
  return false;
}

bool IsTrue(const Value& value) {
  return value.type == Type::kBool && value.bits != 0;
}

// "trace:id op literal": leading zeros of both do not count.
bool ComparesTraceId(const FieldExpr& left, const FieldExpr& right) {
  const auto* attribute = std::get_if<Attribute>(&left.node);
  return attribute != nullptr && attribute->intrinsic == Intrinsic::kTraceId &&
         std::holds_alternative<Static>(right.node);
}

Value WithoutLeadingZeros(Value value) {
  if (value.type != Type::kString) return value;
  value.text.remove_prefix(
      std::min(value.text.find_first_not_of('0'), value.text.size()));
  return value;
}

// Durations are signed in TraceQL; what does not fit is the longest one.
Value DurationOf(uint64_t nanos) {
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  return Value::Duration(static_cast<int64_t>(std::min(nanos, kMax)));
}

Error ByZero(const FieldExpr& expr) {
  return Error{Code::kInvalidArgument,
               "division by zero in " + traceql::Print(expr)};
}

Value TextOrNil(std::string_view text) {
  return text.empty() ? Value() : Value::Text(text);
}

}  // namespace

bool MentionsEvents(const FieldExpr& expr) {
  return AnyAttribute(expr, OfEvent);
}

bool MentionsLinks(const FieldExpr& expr) { return AnyAttribute(expr, OfLink); }

// Calls visit(binding) until it returns false.
template <typename Visit>
void FieldEvaluator::ForEachBinding(const Trace& trace, uint32_t row,
                                    bool events, bool links,
                                    const Visit& visit) {
  const auto candidates = [](bool mentioned, AttrRange range) {
    std::vector<uint32_t> out;
    for (uint32_t i = range.begin; mentioned && i < range.end; ++i) {
      out.push_back(i);
    }
    if (out.empty()) out.push_back(Trace::kNoRow);
    return out;
  };
  uint32_t count = 0;
  for (const uint32_t event :
       candidates(events, trace.batch().EventRange(row))) {
    for (const uint32_t link :
         candidates(links, trace.batch().LinkRange(row))) {
      if (++count > kMaxBindings) return;
      if (!visit(Binding{&trace, row, event, link})) return;
    }
  }
}

Result<bool> FieldEvaluator::Holds(const Trace& trace, uint32_t row,
                                   const FieldExpr& condition) {
  bool holds = false;
  const FieldExpr* by_zero = nullptr;
  ForEachBinding(trace, row, MentionsEvents(condition),
                 MentionsLinks(condition), [&](const Binding& at) {
                   const Outcome outcome = Of(condition, at);
                   if (by_zero == nullptr) by_zero = outcome.by_zero;
                   holds = outcome.by_zero == nullptr && IsTrue(outcome.value);
                   return !holds;
                 });
  if (!holds && by_zero != nullptr) return ByZero(*by_zero);
  return holds;
}

Result<Value> FieldEvaluator::Evaluate(const Trace& trace, uint32_t row,
                                       const FieldExpr& expr) {
  if (traceql::ImpliedType(expr) == Type::kBool) {
    ASSIGN_OR_RETURN(const bool holds, Holds(trace, row, expr));
    return Value::Bool(holds);
  }
  Outcome first;
  ForEachBinding(trace, row, MentionsEvents(expr), MentionsLinks(expr),
                 [&](const Binding& at) {
                   first = Of(expr, at);
                   return first.value.nil() && first.by_zero == nullptr;
                 });
  if (first.by_zero != nullptr) return ByZero(*first.by_zero);
  return first.value;
}

Value FieldEvaluator::Evaluate(const Trace& trace, uint32_t row,
                               const Attribute& attribute) {
  Value value;
  ForEachBinding(trace, row, OfEvent(attribute), OfLink(attribute),
                 [&](const Binding& at) {
                   value = Lookup(attribute, at);
                   return value.nil();
                 });
  return value;
}

FieldEvaluator::Outcome FieldEvaluator::Of(const FieldExpr& expr,
                                           const Binding& at) {
  if (const auto* literal = std::get_if<Static>(&expr.node)) {
    return {FromStatic(*literal)};
  }
  if (const auto* attribute = std::get_if<Attribute>(&expr.node)) {
    return {Lookup(*attribute, at)};
  }
  if (const auto* unary = std::get_if<FieldUnary>(&expr.node)) {
    return OfUnary(*unary, at);
  }
  return OfBinary(expr, std::get<FieldBinary>(expr.node), at);
}

FieldEvaluator::Outcome FieldEvaluator::OfUnary(const FieldUnary& unary,
                                                const Binding& at) {
  const Outcome outcome = Of(*unary.operand, at);
  if (outcome.by_zero != nullptr) return outcome;
  const Value& operand = outcome.value;
  const auto* literal = std::get_if<Static>(&unary.operand->node);
  const bool nil_itself = literal != nullptr && literal->type() == Type::kNil;
  switch (unary.op) {
    case UnaryOp::kNegate:
      return {Negate(operand)};
    case UnaryOp::kNot:
      if (operand.type != Type::kBool) return {};
      return {Value::Bool(operand.bits == 0)};
    case UnaryOp::kExists:
      return {Value::Bool(!operand.nil() && !nil_itself)};
    case UnaryOp::kNotExists:
      return {Value::Bool(operand.nil() && !nil_itself)};
  }
  return {};
}

FieldEvaluator::Outcome FieldEvaluator::OfBinary(const FieldExpr& expr,
                                                 const FieldBinary& binary,
                                                 const Binding& at) {
  const Outcome left = Of(*binary.left, at);
  const Outcome right = Of(*binary.right, at);
  if (binary.op == BinaryOp::kAnd || binary.op == BinaryOp::kOr) {
    const bool decides = binary.op == BinaryOp::kOr;
    for (const Outcome* side : {&left, &right}) {
      if (side->by_zero == nullptr && IsTrue(side->value) == decides) {
        return {Value::Bool(decides)};
      }
    }
    if (left.by_zero != nullptr) return left;
    if (right.by_zero != nullptr) return right;
    return {Value::Bool(!decides)};
  }
  if (left.by_zero != nullptr) return left;
  if (right.by_zero != nullptr) return right;
  if (binary.op == BinaryOp::kRegex || binary.op == BinaryOp::kNotRegex) {
    return {Value::Bool(Match(binary.op, left.value, RegexOf(binary)))};
  }
  if (traceql::IsArithmetic(binary.op)) {
    bool by_zero = false;
    const Value value = Calculate(binary.op, left.value, right.value, &by_zero);
    return {value, by_zero ? &expr : nullptr};
  }
  const bool equality =
      binary.op == BinaryOp::kEqual || binary.op == BinaryOp::kNotEqual;
  if (equality && (ComparesTraceId(*binary.left, *binary.right) ||
                   ComparesTraceId(*binary.right, *binary.left))) {
    return {Value::Bool(Compare(binary.op, WithoutLeadingZeros(left.value),
                                WithoutLeadingZeros(right.value)))};
  }
  return {Value::Bool(Compare(binary.op, left.value, right.value))};
}

const Regex& FieldEvaluator::RegexOf(const FieldBinary& binary) {
  const auto found = regexes_.find(&binary);
  if (found != regexes_.end()) return found->second;
  const auto& literal = std::get<Static>(binary.right->node);
  // The checker let the query pass, so this compiles.
  auto regex = Regex::Compile(std::get<std::string>(literal.value));
  return regexes_.emplace(&binary, *regex).first->second;
}

Value FieldEvaluator::Lookup(const Attribute& attribute, const Binding& at) {
  if (!attribute.parent) return LookupScoped(attribute, at);
  const uint32_t parent = at.trace->parent(at.row);
  if (parent == Trace::kNoRow) return {};
  return LookupScoped(attribute,
                      {at.trace, parent, Trace::kNoRow, Trace::kNoRow});
}

Value FieldEvaluator::LookupScoped(const Attribute& attribute,
                                   const Binding& at) {
  if (attribute.intrinsic != Intrinsic::kNone) {
    return LookupIntrinsic(attribute.intrinsic, at);
  }
  const SpanBatch& batch = at.trace->batch();
  std::vector<AttrRange> owners;
  const auto scope = attribute.scope;
  const auto wants = [scope](AttributeScope one) {
    return scope == AttributeScope::kAny || scope == one;
  };
  if (wants(AttributeScope::kSpan)) {
    owners.push_back(batch.spans().attributes[at.row]);
  }
  if (wants(AttributeScope::kResource)) {
    owners.push_back(batch.ResourceOf(at.row).attributes);
  }
  if (wants(AttributeScope::kInstrumentation)) {
    owners.push_back(batch.ScopeOf(at.row).attributes);
  }
  if (scope == AttributeScope::kEvent && at.event != Trace::kNoRow) {
    owners.push_back(batch.events().attributes[at.event]);
  }
  if (scope == AttributeScope::kLink && at.link != Trace::kNoRow) {
    owners.push_back(batch.links().attributes[at.link]);
  }
  for (const AttrRange owner : owners) {
    const model::Attr* attr = batch.Find(owner, attribute.name);
    if (attr != nullptr) return FromAttribute(batch.Value(*attr));
  }
  return {};
}

Value FieldEvaluator::LookupIntrinsic(Intrinsic intrinsic, const Binding& at) {
  const Trace& trace = *at.trace;
  const SpanBatch& batch = trace.batch();
  const uint32_t row = at.row;
  const bool rooted = trace.first_root() != Trace::kNoRow;
  switch (intrinsic) {
    case Intrinsic::kName:
      return Value::Text(batch.String(batch.spans().name[row]));
    case Intrinsic::kDuration:
      return DurationOf(batch.DurationNanos(row));
    case Intrinsic::kStatus:
      return Value::Status(static_cast<uint64_t>(batch.spans().status[row]));
    case Intrinsic::kStatusMessage:
      return Value::Text(batch.String(batch.spans().status_message[row]));
    case Intrinsic::kKind:
      return Value::Kind(static_cast<uint64_t>(batch.spans().kind[row]));
    case Intrinsic::kSpanId:
      return Value::Text(trace.span_id(row));
    case Intrinsic::kParentId:
      return TextOrNil(trace.parent_id(row));
    case Intrinsic::kChildCount:
      return Value::Int(trace.child_count(row));
    case Intrinsic::kSelfDuration:
      return DurationOf(trace.self_time(row));
    case Intrinsic::kCriticalDuration:
      return DurationOf(trace.critical_time(row));
    case Intrinsic::kNestedSetLeft:
      return Value::Int(trace.left(row));
    case Intrinsic::kNestedSetRight:
      return Value::Int(trace.right(row));
    case Intrinsic::kNestedSetParent:
      return Value::Int(trace.nested_parent(row));
    case Intrinsic::kRootName:
      if (!rooted) return Value::Text("");
      return Value::Text(batch.String(batch.spans().name[trace.first_root()]));
    case Intrinsic::kRootServiceName:
      if (!rooted) return Value::Text("");
      return Value::Text(batch.ServiceName(trace.first_root()));
    case Intrinsic::kTraceDuration:
      return DurationOf(trace.duration());
    case Intrinsic::kTraceId:
      return Value::Text(trace.id());
    case Intrinsic::kTraceSpanCount:
      return Value::Int(trace.size());
    case Intrinsic::kTraceErrorCount:
      return Value::Int(trace.error_count());
    case Intrinsic::kEventName:
      if (at.event == Trace::kNoRow) return {};
      return Value::Text(batch.String(batch.events().name[at.event]));
    case Intrinsic::kEventTimeSinceStart:
      if (at.event == Trace::kNoRow) return {};
      return Value::Duration(static_cast<int64_t>(
          batch.events().time[at.event].ns - trace.start(row)));
    case Intrinsic::kLinkTraceId:
      if (at.link == Trace::kNoRow) return {};
      return Value::Text(trace.link_trace_id(at.link));
    case Intrinsic::kLinkSpanId:
      if (at.link == Trace::kNoRow) return {};
      return Value::Text(trace.link_span_id(at.link));
    case Intrinsic::kInstrumentationName:
      return TextOrNil(batch.String(batch.ScopeOf(row).name));
    case Intrinsic::kInstrumentationVersion:
      return TextOrNil(batch.String(batch.ScopeOf(row).version));
    case Intrinsic::kPerfCategory: {
      const uint32_t category = trace.JudgementOf(row).category;
      if (category == SpanJudge::kNoCategory) return {};
      return Value::Text(trace.judge()->categories()[category]);
    }
    case Intrinsic::kPerfGrade: {
      const auto bands = trace.JudgementOf(row).bands;
      if (!bands) return {};
      return Value::Text(
          kGradeNames[GradeOf(batch.DurationNanos(row), *bands)]);
    }
    case Intrinsic::kNone:
    case Intrinsic::kParent:
      break;
  }
  return {};
}

}  // namespace khtrace::query::reference
