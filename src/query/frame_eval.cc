// SPDX-License-Identifier: Apache-2.0
#include "query/frame_eval.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "query/judging.h"
#include "traceql/printer.h"

namespace khtrace::query {
namespace {

using storage::FrameColumn;
using storage::FrameDictionary;
using traceql::BinaryOp;
using traceql::Type;
using Form = FrameColumn::Form;
using LeafKind = Leaf::Kind;
using Kind = Expr::Kind;

}  // namespace

Status FrameEval::LoadColumn(uint32_t index) {
  if (columns_.size() <= index) columns_.resize(index + 1);
  if (columns_[index] != nullptr) return {};
  if (profile_ == nullptr) {
    ASSIGN_OR_RETURN(columns_[index], frame_.Column(index));
    return {};
  }
  const Stopwatch watch;
  const uint64_t before = frame_.bytes_read();
  ASSIGN_OR_RETURN(columns_[index], frame_.Column(index));
  ColumnCounts& counts = profile_->OfColumn(index);
  ++counts.units;
  counts.bytes += frame_.bytes_read() - before;
  counts.nanos += watch.Nanos();
  return {};
}

Status FrameEval::Load(const Leaf& leaf) {
  if (leaf.parent) RETURN_IF_ERROR(tree_.Load());
  switch (leaf.kind) {
    case LeafKind::kColumn:
    case LeafKind::kHexId:
      return LoadColumn(leaf.columns[0]);
    case LeafKind::kAnyAttribute:
      for (const uint32_t index : leaf.columns) {
        RETURN_IF_ERROR(LoadColumn(index));
      }
      return {};
    case LeafKind::kCategory:
    case LeafKind::kGrade:
      return LoadJudged(leaf);
    case LeafKind::kEventTime:
      RETURN_IF_ERROR(LoadColumn(leaf.columns[1]));
      [[fallthrough]];
    case LeafKind::kEvent: {
      ASSIGN_OR_RETURN(event_ends_, frame_.EventEnds());
      return LoadColumn(leaf.columns[0]);
    }
    case LeafKind::kLink:
    case LeafKind::kLinkHexId: {
      ASSIGN_OR_RETURN(link_ends_, frame_.LinkEnds());
      return LoadColumn(leaf.columns[0]);
    }
    case LeafKind::kTraceId: {
      ASSIGN_OR_RETURN(ids_, frame_.TraceIds());
      return tree_.Load();
    }
    case LeafKind::kSelfDuration:
    case LeafKind::kCriticalDuration:
      RETURN_IF_ERROR(LoadColumn(leaf.columns[1]));
      [[fallthrough]];
    case LeafKind::kErrorCount:
    case LeafKind::kRootName:
    case LeafKind::kRootService:
      RETURN_IF_ERROR(LoadColumn(leaf.columns[0]));
      return tree_.Load();
    default:
      return tree_.Load();
  }
}

void FrameEval::Forget(const Leaf& leaf) {
  const size_t used = leaf.kind == LeafKind::kAnyAttribute ? 3
                      : leaf.kind == LeafKind::kColumn     ? 1
                                                           : 0;
  for (size_t i = 0; i < used; ++i) {
    const uint32_t index = leaf.columns[i];
    if (index >= columns_.size() || columns_[index] == nullptr) continue;
    columns_[index] = nullptr;
    frame_.Forget(index);
  }
}

Status FrameEval::Load(const Expr& expr) {
  if (expr.kind == Kind::kLeaf || expr.kind == Kind::kTest) {
    return Load(expr.leaf);
  }
  if (expr.kind == Kind::kTraceIdIs) {
    RETURN_IF_ERROR(tree_.Load());
    ASSIGN_OR_RETURN(ids_, frame_.TraceIds());
  }
  for (const Expr& child : expr.children) RETURN_IF_ERROR(Load(child));
  return {};
}

bool FrameEval::GoOn() {
  constexpr uint64_t kStepsBetween = 1 << 14;
  if (++steps_ % kStepsBetween == 0 && stopped_) stopped_ = context_.Check();
  return stopped_.has_value();
}

Status FrameEval::TakeError() {
  if (!stopped_) return std::exchange(stopped_, Status());
  const Expr* expr = std::exchange(failed_, nullptr);
  if (expr == nullptr) return {};
  return Error{
      Code::kInvalidArgument,
      fmt::format("division by zero in {}",
                  expr->source == nullptr ? std::string("the query")
                                          : traceql::Print(*expr->source))};
}

template <typename Visit>
void FrameEval::ForEachBinding(const Expr& expr, uint32_t row,
                               const Visit& visit) {
  const auto range = [row](bool wanted, const std::vector<uint32_t>* ends) {
    std::pair<uint32_t, uint32_t> none{Binding::kNone, Binding::kNone};
    if (!wanted || ends == nullptr) return none;
    const uint32_t begin = row == 0 ? 0 : (*ends)[row - 1];
    return begin == (*ends)[row] ? none : std::pair(begin, (*ends)[row]);
  };
  const auto events = range(expr.events, event_ends_);
  const auto links = range(expr.links, link_ends_);
  uint64_t tried = 0;
  uint32_t event = events.first;
  do {
    uint32_t link = links.first;
    do {
      if (!GoOn() || visit(Binding{event, link}) || ++tried == kMaxBindings) {
        return;
      }
    } while (link != Binding::kNone && ++link < links.second);
  } while (event != Binding::kNone && ++event < events.second);
}

// A division by zero counts only if nothing else decides.
bool FrameEval::HoldsForSome(const Expr& truth, uint32_t row) {
  bool holds = false;
  const Expr* by_zero = nullptr;
  ForEachBinding(truth, row, [&](Binding binding) {
    by_zero_ = nullptr;
    holds = Truth(truth, row, binding) && by_zero_ == nullptr;
    if (by_zero == nullptr) by_zero = by_zero_;
    return holds;
  });
  if (!holds && by_zero != nullptr && failed_ == nullptr) failed_ = by_zero;
  return holds;
}

Value FrameEval::ValueOf(const Expr& expr, uint32_t row) {
  if (expr.is_truth()) return Value::Bool(HoldsForSome(expr, row));
  Value value;
  by_zero_ = nullptr;
  ForEachBinding(expr, row, [&](Binding binding) {
    value = Evaluate(expr, row, binding);
    return !value.nil() || by_zero_ != nullptr;
  });
  if (by_zero_ != nullptr && failed_ == nullptr) failed_ = by_zero_;
  return value;
}

void FrameEval::ForEachValue(const Expr& expr, uint32_t row,
                             const std::function<void(const Value&)>& visit) {
  ForEachBinding(expr, row, [&](Binding binding) {
    visit(Evaluate(expr, row, binding));
    return false;
  });
}

// What one child decides, the others' divisions by zero do not change.
bool FrameEval::Logic(const Expr& expr, uint32_t row, Binding binding) {
  const Expr* const before = std::exchange(by_zero_, nullptr);
  const bool decides = expr.kind == Kind::kOr;
  const Expr* by_zero = nullptr;
  bool decided = false;
  for (const Expr& child : expr.children) {
    by_zero_ = nullptr;
    const bool holds = Truth(child, row, binding);
    if (by_zero_ == nullptr && holds == decides) {
      decided = true;
      break;
    }
    if (by_zero == nullptr) by_zero = by_zero_;
  }
  by_zero_ = decided ? nullptr : by_zero;
  if (before != nullptr) by_zero_ = before;
  return decided == decides;
}

bool FrameEval::Truth(const Expr& expr, uint32_t row, Binding binding) {
  switch (expr.kind) {
    case Kind::kTest:
      return expr.predicate.Holds(ValueOf(expr.leaf, row, binding));
    case Kind::kTraceIdIs: {
      const bool equal =
          expr.trace_id && (*ids_)[tree_.trace_of(row)] == *expr.trace_id;
      return equal == (expr.op == BinaryOp::kEqual);
    }
    case Kind::kCompare:
      return Compare(expr.op, Evaluate(expr.children[0], row, binding),
                     Evaluate(expr.children[1], row, binding));
    case Kind::kMatch:
    case Kind::kIsTrue:
      return expr.predicate.Holds(Evaluate(expr.children[0], row, binding));
    case Kind::kExists:
      return !Evaluate(expr.children[0], row, binding).nil();
    case Kind::kNotExists:
      return Evaluate(expr.children[0], row, binding).nil();
    case Kind::kAnd:
    case Kind::kOr:
      return Logic(expr, row, binding);
    case Kind::kNot:
      return !Truth(expr.children[0], row, binding);
    case Kind::kTruth:
      return expr.literal.type == Type::kBool && expr.literal.bits != 0;
    default: {
      const Value value = Evaluate(expr, row, binding);
      return value.type == Type::kBool && value.bits != 0;
    }
  }
}

Value FrameEval::Evaluate(const Expr& expr, uint32_t row, Binding binding) {
  switch (expr.kind) {
    case Kind::kLiteral:
      return expr.literal;
    case Kind::kLeaf:
      return ValueOf(expr.leaf, row, binding);
    case Kind::kNegate:
      return Negate(Evaluate(expr.children[0], row, binding));
    case Kind::kNotValue: {
      const Value value = Evaluate(expr.children[0], row, binding);
      return value.type == Type::kBool ? Value::Bool(value.bits == 0) : Value();
    }
    case Kind::kArithmetic: {
      bool by_zero = false;
      const Value value =
          Calculate(expr.op, Evaluate(expr.children[0], row, binding),
                    Evaluate(expr.children[1], row, binding), &by_zero);
      if (by_zero && by_zero_ == nullptr) by_zero_ = &expr;
      return value;
    }
    default:
      return Value::Bool(Truth(expr, row, binding));
  }
}

Value FrameEval::FromColumn(const FrameColumn& column, Type type,
                            uint32_t row) const {
  const bool present = column.present.empty() || column.present[row] != 0;
  switch (column.form) {
    case Form::kAbsent:
      return {};
    case Form::kCodes: {
      const uint32_t code = column.codes[row];
      if (column.dictionary->present[code] == 0) return {};
      return FromAttribute(column.dictionary->values[code]);
    }
    case Form::kInts:
      if (!present) return {};
      if (type == Type::kDuration) {
        return Value::Duration(static_cast<int64_t>(column.bits[row]));
      }
      if (type == Type::kStatus) return Value::Status(column.bits[row]);
      if (type == Type::kKind) return Value::Kind(column.bits[row]);
      return Value::Int(static_cast<int64_t>(column.bits[row]));
    case Form::kDoubles:
      if (!present) return {};
      return FromAttribute({model::AttrType::kDouble, column.bits[row], {}});
    case Form::kValues:
      return present ? FromAttribute(column.values[row]) : Value();
  }
  return {};
}

std::string_view FrameEval::HexOf(uint64_t id) {
  std::unique_ptr<std::string>& text = hex_[id];
  if (!text) text = std::make_unique<std::string>(model::SpanId{id}.ToHex());
  return *text;
}

Value FrameEval::ValueOf(const Leaf& leaf, uint32_t row, Binding binding) {
  if (leaf.parent) {
    row = tree_.parent(row);
    if (row == FrameTree::kNone) return {};
  }
  const FrameColumn* column =
      leaf.columns[0] < columns_.size() ? columns_[leaf.columns[0]] : nullptr;
  switch (leaf.kind) {
    case LeafKind::kColumn:
      return FromColumn(*column, leaf.type, row);
    case LeafKind::kAnyAttribute:
      for (const uint32_t index : leaf.columns) {
        const FrameColumn& c = *columns_[index];
        const bool present =
            c.form == Form::kCodes
                ? c.dictionary->present[c.codes[row]] != 0
                : c.form != Form::kAbsent &&
                      (c.present.empty() || c.present[row] != 0);
        if (present) return FromColumn(c, leaf.type, row);
      }
      return {};
    case LeafKind::kHexId: {
      const Value id = FromColumn(*column, Type::kInt, row);
      return id.nil() ? id : Value::Text(HexOf(id.bits));
    }
    case LeafKind::kEvent:
      if (binding.event == Binding::kNone) return {};
      return FromColumn(*column, leaf.type, binding.event);
    case LeafKind::kEventTime: {
      if (binding.event == Binding::kNone) return {};
      const Value time = FromColumn(*column, Type::kInt, binding.event);
      const uint64_t start = columns_[leaf.columns[1]]->bits[row];
      return Value::Duration(static_cast<int64_t>(time.bits - start));
    }
    case LeafKind::kLink:
      if (binding.link == Binding::kNone) return {};
      return FromColumn(*column, leaf.type, binding.link);
    case LeafKind::kLinkHexId:
      if (binding.link == Binding::kNone) return {};
      return Value::Text(
          HexOf(FromColumn(*column, Type::kInt, binding.link).bits));
    case LeafKind::kCategory:
      return FromColumn(judged_->categories, leaf.type, row);
    case LeafKind::kGrade:
      return FromColumn(judged_->grades, leaf.type, row);
    case LeafKind::kChildCount:
      return Value::Int(tree_.child_count(row));
    case LeafKind::kNestedSetLeft:
      return Value::Int(tree_.nested_left(row));
    case LeafKind::kNestedSetRight:
      return Value::Int(tree_.nested_right(row));
    case LeafKind::kNestedSetParent:
      return Value::Int(tree_.nested_parent(row));
    case LeafKind::kSelfDuration:
      return Value::Duration(static_cast<int64_t>(
          tree_.self_time(row, column->bits, columns_[leaf.columns[1]]->bits)));
    case LeafKind::kCriticalDuration:
      return Value::Duration(static_cast<int64_t>(tree_.critical_time(
          row, column->bits, columns_[leaf.columns[1]]->bits)));
    default:
      return OfTrace(leaf, row);
  }
}

Value FrameEval::OfTrace(const Leaf& leaf, uint32_t row) {
  const uint32_t trace = tree_.trace_of(row);
  const storage::FrameTraces& traces = tree_.traces();
  const uint32_t first = traces.first_rows[trace];
  const uint32_t end = traces.first_rows[trace + 1];
  switch (leaf.kind) {
    case LeafKind::kTraceDuration:
      return Value::Duration(static_cast<int64_t>(traces.durations[trace]));
    case LeafKind::kTraceId: {
      std::unique_ptr<std::string>& text = trace_hex_[trace];
      if (!text) text = std::make_unique<std::string>((*ids_)[trace].ToHex());
      return Value::Text(*text);
    }
    case LeafKind::kSpanCount:
      return Value::Int(end - first);
    case LeafKind::kErrorCount: {
      if (error_counts_.empty()) error_counts_.assign(tree_.trace_count(), -1);
      int64_t& count = error_counts_[trace];
      if (count < 0) {
        const std::vector<uint64_t>& status = columns_[leaf.columns[0]]->bits;
        count = std::count(status.begin() + first, status.begin() + end,
                           static_cast<uint64_t>(model::StatusCode::kError));
      }
      return Value::Int(count);
    }
    default: {
      const uint32_t root = tree_.root_of(trace);
      if (root == FrameTree::kNone) return Value::Text("");
      const Value value =
          FromColumn(*columns_[leaf.columns[0]], Type::kString, root);
      return value.nil() ? Value::Text("") : value;
    }
  }
}

}  // namespace khtrace::query
