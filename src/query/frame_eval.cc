// SPDX-License-Identifier: Apache-2.0
#include "query/frame_eval.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>

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

// What is cheap and excludes much, first.
int CostOf(const Expr& expr) {
  if (expr.bound()) return 9;
  switch (expr.kind) {
    case Kind::kTruth:
      return 0;
    case Kind::kTest: {
      const bool column = expr.leaf.kind == LeafKind::kColumn ||
                          expr.leaf.kind == LeafKind::kAnyAttribute;
      const bool equal = expr.predicate.kind == Predicate::Kind::kCompare &&
                         expr.predicate.op == BinaryOp::kEqual;
      if (!column || expr.leaf.parent) return 6;
      if (expr.leaf.kind == LeafKind::kAnyAttribute) return equal ? 3 : 5;
      return equal ? 1 : 2;
    }
    case Kind::kTraceIdIs:
      return 1;
    case Kind::kAnd:
    case Kind::kOr:
    case Kind::kNot:
      return 5;
    default:
      return 7;
  }
}

// The integers that can hold, for zone maps; nothing: any can.
std::optional<std::pair<int64_t, int64_t>> RangeOf(const Predicate& predicate) {
  constexpr int64_t kLow = std::numeric_limits<int64_t>::min();
  constexpr int64_t kHigh = std::numeric_limits<int64_t>::max();
  const Value& literal = predicate.literal;
  const bool whole =
      literal.type == Type::kInt || literal.type == Type::kDuration ||
      literal.type == Type::kStatus || literal.type == Type::kKind;
  if (predicate.kind != Predicate::Kind::kCompare || !whole) return {};
  const int64_t n = literal.AsInt();
  switch (predicate.op) {
    case BinaryOp::kEqual:
      return std::pair(n, n);
    case BinaryOp::kLess:
    case BinaryOp::kLessEqual:
      return std::pair(kLow, n);
    case BinaryOp::kGreater:
    case BinaryOp::kGreaterEqual:
      return std::pair(n, kHigh);
    default:
      return {};
  }
}

}  // namespace

bool AnySet(const Mask& mask) {
  return std::find(mask.begin(), mask.end(), 1) != mask.end();
}

const PredicateTables::Table& PredicateTables::Get(
    const Expr& test, const std::shared_ptr<const FrameDictionary>& of) {
  std::unique_ptr<Table>& table = tables_[{&test, of.get()}];
  if (table) return *table;
  table = std::make_unique<Table>();
  table->dictionary = of;
  table->holds.resize(of->values.size());
  for (size_t i = 0; i < of->values.size(); ++i) {
    const Value value =
        of->present[i] != 0 ? FromAttribute(of->values[i]) : Value();
    table->holds[i] = test.predicate.Holds(value);
    table->any |= table->holds[i] != 0;
  }
  return *table;
}

Status FrameEval::LoadColumn(uint32_t index) {
  if (columns_.size() <= index) columns_.resize(index + 1);
  if (columns_[index] != nullptr) return {};
  ASSIGN_OR_RETURN(columns_[index], frame_.Column(index));
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

Result<bool> FrameEval::MayHold(const Expr& expr) {
  switch (expr.kind) {
    case Kind::kAnd:
      for (const Expr& child : expr.children) {
        ASSIGN_OR_RETURN(const bool may, MayHold(child));
        if (!may) return false;
      }
      return true;
    case Kind::kOr:
      for (const Expr& child : expr.children) {
        ASSIGN_OR_RETURN(const bool may, MayHold(child));
        if (may) return true;
      }
      return false;
    case Kind::kTruth:
      return expr.literal.type == Type::kBool && expr.literal.bits != 0;
    case Kind::kTest:
      break;
    default:
      return true;
  }
  const Predicate& predicate = expr.predicate;
  const bool column = expr.leaf.kind == LeafKind::kColumn ||
                      expr.leaf.kind == LeafKind::kEvent ||
                      expr.leaf.kind == LeafKind::kAnyAttribute;
  if (!column || predicate.kind != Predicate::Kind::kCompare) return true;
  const size_t count = expr.leaf.kind == LeafKind::kAnyAttribute ? 3 : 1;
  const auto range = RangeOf(predicate);
  const bool text = predicate.op == BinaryOp::kEqual &&
                    predicate.literal.type == Type::kString;
  if (!range && !text) return true;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t index = expr.leaf.columns[i];
    ASSIGN_OR_RETURN(
        const bool may,
        text ? frame_.MayHaveText(index, predicate.literal.text)
             : frame_.MayHaveInt(index, range->first, range->second));
    if (may) return true;
  }
  return false;
}

Status FrameEval::Filter(const Expr& expr, Mask* mask) {
  if (!AnySet(*mask)) return {};
  if (expr.bound() && expr.kind != Kind::kAnd) return FilterRows(expr, mask);
  switch (expr.kind) {
    case Kind::kTruth:
      if (expr.literal.type != Type::kBool || expr.literal.bits == 0) {
        std::fill(mask->begin(), mask->end(), 0);
      }
      return {};
    case Kind::kAnd:
      return FilterAnd(expr, mask);
    case Kind::kOr:
      return FilterOr(expr, mask);
    case Kind::kNot: {
      Mask inner = *mask;
      RETURN_IF_ERROR(Filter(expr.children[0], &inner));
      for (size_t i = 0; i < mask->size(); ++i) (*mask)[i] &= inner[i] ^ 1;
      return {};
    }
    case Kind::kTest:
      if (!expr.leaf.parent && expr.leaf.kind == LeafKind::kColumn) {
        return FilterTest(expr, mask);
      }
      if (!expr.leaf.parent && expr.leaf.kind == LeafKind::kAnyAttribute) {
        return FilterAny(expr, mask);
      }
      return FilterRows(expr, mask);
    case Kind::kTraceIdIs:
      return FilterTraceId(expr, mask);
    default:
      return FilterRows(expr, mask);
  }
}

// The parts that look at events and links hold of one event and one link
// together; the others are tested for all rows at once.
Status FrameEval::FilterAnd(const Expr& expr, Mask* mask) {
  std::vector<const Expr*> order;
  bool bound = false;
  for (const Expr& child : expr.children) {
    bound |= child.bound();
    if (!child.bound()) order.push_back(&child);
  }
  std::stable_sort(
      order.begin(), order.end(),
      [](const Expr* a, const Expr* b) { return CostOf(*a) < CostOf(*b); });
  for (const Expr* child : order) {
    RETURN_IF_ERROR(Filter(*child, mask));
    if (!AnySet(*mask)) return {};
  }
  return bound ? FilterRows(expr, mask) : Status();
}

Status FrameEval::FilterOr(const Expr& expr, Mask* mask) {
  Mask open = *mask;  // not yet known to hold
  Mask out(mask->size());
  for (const Expr& child : expr.children) {
    Mask holds = open;
    RETURN_IF_ERROR(Filter(child, &holds));
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] |= holds[i];
      open[i] &= holds[i] ^ 1;
    }
  }
  *mask = std::move(out);
  return {};
}

void FrameEval::TestInts(const Expr& test, const FrameColumn& column,
                         Mask* holds) {
  const Value& literal = test.predicate.literal;
  const Type type = test.leaf.type;
  const bool enumerated = type == Type::kStatus || type == Type::kKind;
  const bool whole = enumerated ? literal.type == type
                                : literal.type == Type::kInt ||
                                      literal.type == Type::kDuration;
  const std::vector<uint64_t>& bits = column.bits;
  if (test.predicate.kind != Predicate::Kind::kCompare || !whole) {
    for (uint32_t row = 0; row < bits.size(); ++row) {
      (*holds)[row] = test.predicate.Holds(FromColumn(column, type, row));
    }
    return;
  }
  const int64_t n = literal.AsInt();
  const auto compare = [&](auto op) {
    for (size_t row = 0; row < bits.size(); ++row) {
      (*holds)[row] = op(static_cast<int64_t>(bits[row]), n);
    }
    if (column.present.empty()) return;
    for (size_t row = 0; row < bits.size(); ++row) {
      (*holds)[row] &= column.present[row];
    }
  };
  switch (test.predicate.op) {
    case BinaryOp::kEqual:
      return compare(std::equal_to<>());
    case BinaryOp::kNotEqual:
      return compare(std::not_equal_to<>());
    case BinaryOp::kLess:
      return compare(std::less<>());
    case BinaryOp::kLessEqual:
      return compare(std::less_equal<>());
    case BinaryOp::kGreater:
      return compare(std::greater<>());
    default:
      return compare(std::greater_equal<>());
  }
}

// Whether the predicate holds of each row's value (or of nil), and which rows
// have one.
void FrameEval::TestColumn(const Expr& test, const FrameColumn& column,
                           Mask* holds, Mask* present) {
  const size_t rows = frame_.span_count();
  holds->assign(rows, 0);
  const auto keep_present = [&](auto of) {
    if (present == nullptr) return;
    present->resize(rows);
    for (size_t row = 0; row < rows; ++row) (*present)[row] = of(row);
  };
  switch (column.form) {
    case Form::kAbsent:
      std::fill(holds->begin(), holds->end(), test.predicate.Holds(Value()));
      return keep_present([](size_t) -> uint8_t { return 0; });
    case Form::kCodes: {
      const PredicateTables::Table& table =
          tables_.Get(test, column.dictionary);
      const std::vector<uint8_t>& there = column.dictionary->present;
      if (table.any) {
        for (size_t row = 0; row < rows; ++row) {
          (*holds)[row] = table.holds[column.codes[row]];
        }
      }
      return keep_present([&](size_t row) { return there[column.codes[row]]; });
    }
    case Form::kInts:
      TestInts(test, column, holds);
      break;
    case Form::kDoubles:
    case Form::kValues:
      for (uint32_t row = 0; row < rows; ++row) {
        (*holds)[row] =
            test.predicate.Holds(FromColumn(column, test.leaf.type, row));
      }
      break;
  }
  keep_present([&](size_t row) -> uint8_t {
    return column.present.empty() ? 1 : column.present[row];
  });
}

Status FrameEval::FilterTest(const Expr& test, Mask* mask) {
  RETURN_IF_ERROR(Load(test.leaf));
  const FrameColumn& column = *columns_[test.leaf.columns[0]];
  if (column.form == Form::kCodes) {
    const PredicateTables::Table& table = tables_.Get(test, column.dictionary);
    if (!table.any) {
      std::fill(mask->begin(), mask->end(), 0);
      return {};
    }
    for (size_t row = 0; row < mask->size(); ++row) {
      (*mask)[row] &= table.holds[column.codes[row]];
    }
    return {};
  }
  Mask holds;
  TestColumn(test, column, &holds, nullptr);
  for (size_t row = 0; row < mask->size(); ++row) (*mask)[row] &= holds[row];
  return {};
}

// The first of span, resource and scope that has the key decides.
Status FrameEval::FilterAny(const Expr& test, Mask* mask) {
  RETURN_IF_ERROR(Load(test.leaf));
  Mask out;
  Mask holds;
  Mask present;
  TestColumn(test, *columns_[test.leaf.columns[2]], &out, nullptr);
  for (const size_t i : {1, 0}) {
    const FrameColumn& column = *columns_[test.leaf.columns[i]];
    if (column.form == Form::kAbsent) continue;
    TestColumn(test, column, &holds, &present);
    for (size_t row = 0; row < out.size(); ++row) {
      out[row] = present[row] != 0 ? holds[row] : out[row];
    }
  }
  for (size_t row = 0; row < mask->size(); ++row) (*mask)[row] &= out[row];
  return {};
}

Status FrameEval::FilterTraceId(const Expr& expr, Mask* mask) {
  RETURN_IF_ERROR(Load(expr));
  const storage::FrameTraces& traces = tree_.traces();
  for (uint32_t t = 0; t < tree_.trace_count(); ++t) {
    const bool equal = expr.trace_id && (*ids_)[t] == *expr.trace_id;
    if (equal == (expr.op == BinaryOp::kEqual)) continue;
    std::fill(mask->begin() + traces.first_rows[t],
              mask->begin() + traces.first_rows[t + 1], 0);
  }
  return {};
}

Status FrameEval::FilterRows(const Expr& expr, Mask* mask) {
  RETURN_IF_ERROR(Load(expr));
  for (uint32_t row = 0; row < mask->size(); ++row) {
    if ((*mask)[row] != 0) (*mask)[row] = HoldsForSome(expr, row);
  }
  return TakeError();
}

Status FrameEval::TakeError() {
  const Expr* expr = std::exchange(divided_by_zero_, nullptr);
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
      if (visit(Binding{event, link}) || ++tried == kMaxBindings) return;
    } while (link != Binding::kNone && ++link < links.second);
  } while (event != Binding::kNone && ++event < events.second);
}

bool FrameEval::HoldsForSome(const Expr& truth, uint32_t row) {
  if (!truth.bound()) return Truth(truth, row, {});
  bool holds = false;
  ForEachBinding(truth, row, [&](Binding binding) {
    holds = Truth(truth, row, binding);
    return holds;
  });
  return holds;
}

Value FrameEval::ValueOf(const Expr& expr, uint32_t row) {
  if (!expr.bound()) return Evaluate(expr, row, {});
  Value value;
  ForEachBinding(expr, row, [&](Binding binding) {
    value = Evaluate(expr, row, binding);
    return !value.nil();
  });
  return value;
}

void FrameEval::ForEachValue(const Expr& expr, uint32_t row,
                             const std::function<void(const Value&)>& visit) {
  ForEachBinding(expr, row, [&](Binding binding) {
    visit(Evaluate(expr, row, binding));
    return false;
  });
}

bool FrameEval::Truth(const Expr& expr, uint32_t row, Binding binding) {
  const auto holds = [&](const Expr& child) {
    return Truth(child, row, binding);
  };
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
      return std::all_of(expr.children.begin(), expr.children.end(), holds);
    case Kind::kOr:
      return std::any_of(expr.children.begin(), expr.children.end(), holds);
    case Kind::kNot:
      return !holds(expr.children[0]);
    case Kind::kNotValue: {
      const Value value = Evaluate(expr.children[0], row, binding);
      return value.type == Type::kBool && value.bits == 0;
    }
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
    case Kind::kArithmetic: {
      bool by_zero = false;
      const Value value =
          Calculate(expr.op, Evaluate(expr.children[0], row, binding),
                    Evaluate(expr.children[1], row, binding), &by_zero);
      if (by_zero && divided_by_zero_ == nullptr) divided_by_zero_ = &expr;
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
