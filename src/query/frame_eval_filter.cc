// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>

#include "query/frame_eval.h"

// The half of FrameEval that tests all rows at once.

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
  if (expr.by_row()) return 9;
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

// A test of a value that each event (each link) has in a column.
bool IsEventTest(const Expr& expr) {
  return expr.kind == Kind::kTest && !expr.can_fail &&
         (expr.leaf.kind == LeafKind::kEvent ||
          expr.leaf.kind == LeafKind::kLink);
}

bool IsAmong(const Mask* among, uint32_t row) {
  return among == nullptr || (*among)[row] != 0;
}

// What attributes are stored as; of a value that is there.
model::AttrValue StoredAt(const FrameColumn& column, uint32_t row) {
  if (column.form == Form::kValues) return column.values[row];
  return {model::AttrType::kDouble, column.bits[row], {}};
}

// What booleans, floats and empty values look like. Floats: nearly.
bool IsShownScalar(std::string_view text) {
  constexpr std::string_view kOfFloats = "0123456789+-.einfa";
  return text == "true" || text == "false" ||
         text.find_first_not_of(kOfFloats) == std::string_view::npos;
}

// What arrays, key-value lists and bytes (as Base64) look like.
bool IsShownStructure(std::string_view text) {
  if (text.starts_with('[') || text.starts_with('{')) return true;
  if (text.size() % 4 != 0) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
  });
}

}  // namespace

bool AnySet(const Mask& mask) { return AnySet(mask, 0, mask.size()); }

bool AnySet(const Mask& mask, size_t begin, size_t end) {
  return begin < end &&
         std::memchr(mask.data() + begin, 1, end - begin) != nullptr;
}

const PredicateTables::Table& PredicateTables::Get(
    const Expr& test, const std::shared_ptr<const FrameDictionary>& of) {
  std::unique_ptr<Table>& table = tables_[{&test, of.get()}];
  if (table) return *table;
  table = std::make_unique<Table>();
  table->dictionary = of;
  table->holds.resize(of->values.size());
  for (size_t i = 0; i < of->values.size(); ++i) {
    table->holds[i] = of->present[i] != 0 ? test.predicate.Holds(of->values[i])
                                          : test.predicate.HoldsOfNothing();
    table->any |= table->holds[i] != 0;
  }
  return *table;
}

uint64_t CountSet(const Mask& mask) {
  return static_cast<uint64_t>(std::count(mask.begin(), mask.end(), 1));
}

FilterMethod MethodOf(const Expr& expr) {
  const bool logic = expr.kind == Kind::kAnd || expr.kind == Kind::kOr;
  if (IsEventTest(expr)) return FilterMethod::kEvents;
  if (expr.by_row() && !logic) return FilterMethod::kRows;
  switch (expr.kind) {
    case Kind::kTruth:
      return FilterMethod::kConstant;
    case Kind::kAnd:
      return FilterMethod::kAll;
    case Kind::kOr:
      return FilterMethod::kAny;
    case Kind::kNot:
      return FilterMethod::kNot;
    case Kind::kTraceIdIs:
      return FilterMethod::kTraceIds;
    case Kind::kTest:
      if (expr.leaf.parent) return FilterMethod::kRows;
      if (expr.leaf.kind == LeafKind::kColumn || expr.leaf.judged()) {
        return FilterMethod::kColumn;
      }
      if (expr.leaf.kind == LeafKind::kAnyAttribute) {
        return FilterMethod::kColumns;
      }
      return FilterMethod::kRows;
    default:
      return FilterMethod::kRows;
  }
}

bool TogetherByRow(const Expr& all) {
  return all.can_fail ||
         std::count_if(all.children.begin(), all.children.end(),
                       [](const Expr& child) { return child.bound(); }) > 1;
}

std::vector<const Expr*> OrderOfConditions(const Expr& all) {
  const bool together = TogetherByRow(all);
  std::vector<const Expr*> order;
  for (const Expr& child : all.children) {
    if (!together || !child.by_row()) order.push_back(&child);
  }
  std::stable_sort(
      order.begin(), order.end(),
      [](const Expr* a, const Expr* b) { return CostOf(*a) < CostOf(*b); });
  return order;
}

Pruning PruningOf(const Expr& expr) {
  const bool column = expr.leaf.kind == LeafKind::kColumn ||
                      expr.leaf.kind == LeafKind::kEvent ||
                      expr.leaf.kind == LeafKind::kAnyAttribute;
  const Predicate& predicate = expr.predicate;
  if (expr.kind == Kind::kTest && predicate.kind == Predicate::Kind::kShown) {
    return Pruning::kShown;
  }
  if (expr.kind != Kind::kTest || !column ||
      predicate.kind != Predicate::Kind::kCompare) {
    return Pruning::kNone;
  }
  if (RangeOf(predicate)) return Pruning::kZone;
  const bool text = predicate.op == BinaryOp::kEqual &&
                    predicate.literal.type == Type::kString;
  return text ? Pruning::kText : Pruning::kNone;
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
    case Kind::kTest: {
      ASSIGN_OR_RETURN(const bool may, MayHoldTest(expr));
      if (!may && profile_ != nullptr) ++profile_->Of(&expr).pruned;
      return may;
    }
    default:
      return true;
  }
}

// Whether some value of the column may be shown as the text.
Result<bool> FrameEval::MayShow(const Predicate& shown, uint32_t index) {
  const std::string_view text = shown.literal.text;
  ASSIGN_OR_RETURN(const bool as_text, frame_.MayHaveText(index, text));
  if (as_text) return true;
  if (shown.shown_int) {
    // True as well for what is neither an integer nor a text.
    return frame_.MayHaveInt(index, *shown.shown_int, *shown.shown_int);
  }
  return IsShownScalar(text) || IsShownStructure(text);
}

Result<bool> FrameEval::MayHoldTest(const Expr& expr) {
  const Pruning pruning = PruningOf(expr);
  if (pruning == Pruning::kNone) return true;
  const Predicate& predicate = expr.predicate;
  const auto range = RangeOf(predicate);
  const size_t count = expr.leaf.kind == LeafKind::kAnyAttribute ? 3 : 1;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t index = expr.leaf.columns[i];
    ASSIGN_OR_RETURN(
        const bool may,
        pruning == Pruning::kShown ? MayShow(predicate, index)
        : pruning == Pruning::kText
            ? frame_.MayHaveText(index, predicate.literal.text)
            : frame_.MayHaveInt(index, range->first, range->second));
    if (may) return true;
  }
  return false;
}

Status FrameEval::Filter(const Expr& expr, Mask* mask) {
  if (!AnySet(*mask)) return {};
  if (profile_ == nullptr) return FilterNode(expr, mask);
  const Stopwatch watch;
  const uint64_t rows_in = CountSet(*mask);
  RETURN_IF_ERROR(FilterNode(expr, mask));
  OperatorCounts& counts = profile_->Of(&expr);
  ++counts.units;
  counts.rows_in += rows_in;
  counts.rows_out += CountSet(*mask);
  counts.nanos += watch.Nanos();
  return {};
}

Status FrameEval::FilterNode(const Expr& expr, Mask* mask) {
  switch (MethodOf(expr)) {
    case FilterMethod::kConstant:
      if (expr.literal.type != Type::kBool || expr.literal.bits == 0) {
        std::fill(mask->begin(), mask->end(), 0);
      }
      return {};
    case FilterMethod::kAll:
      return FilterAnd(expr, mask);
    case FilterMethod::kAny:
      return FilterOr(expr, mask);
    case FilterMethod::kNot: {
      Mask inner = *mask;
      RETURN_IF_ERROR(Filter(expr.children[0], &inner));
      for (size_t i = 0; i < mask->size(); ++i) (*mask)[i] &= inner[i] ^ 1;
      return {};
    }
    case FilterMethod::kColumn:
      return FilterTest(expr, mask);
    case FilterMethod::kColumns:
      return FilterAny(expr, mask);
    case FilterMethod::kTraceIds:
      return FilterTraceId(expr, mask);
    case FilterMethod::kEvents:
      return FilterEvents(expr, mask);
    case FilterMethod::kRows:
      break;
  }
  return FilterRows(expr, mask);
}

// Parts that look at events and links hold of one event and one link together;
// one alone, and the others, are tested for all rows at once.
Status FrameEval::FilterAnd(const Expr& expr, Mask* mask) {
  for (const Expr* child : OrderOfConditions(expr)) {
    RETURN_IF_ERROR(Filter(*child, mask));
    if (!AnySet(*mask)) return {};
  }
  return TogetherByRow(expr) ? FilterRows(expr, mask) : Status();
}

Status FrameEval::FilterOr(const Expr& expr, Mask* mask) {
  Mask open = *mask;  // not yet known to hold
  Mask out(mask->size());
  const auto add = [&](const Mask& holds) {
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] |= holds[i];
      open[i] &= holds[i] ^ 1;
    }
  };
  // Where none divides, each child may find its own event.
  for (const Expr& child : expr.children) {
    if (expr.can_fail && child.by_row()) continue;
    // Another child kept the unit: this one's columns need not be read.
    if (child.kind == Kind::kTest) {
      ASSIGN_OR_RETURN(const bool may, MayHoldTest(child));
      if (!may) continue;
    }
    Mask holds = open;
    RETURN_IF_ERROR(Filter(child, &holds));
    add(holds);
  }
  if (expr.can_fail) {
    Mask holds = open;
    RETURN_IF_ERROR(FilterRows(expr, &holds));
    add(holds);
  }
  *mask = std::move(out);
  return {};
}

void FrameEval::TestInts(const Expr& test, const FrameColumn& column,
                         const Mask* among, Mask* holds) {
  if (test.predicate.kind == Predicate::Kind::kShown) {
    const std::optional<int64_t>& wanted = test.predicate.shown_int;
    for (size_t row = 0; wanted && row < column.bits.size(); ++row) {
      const bool there = column.present.empty() || column.present[row] != 0;
      (*holds)[row] =
          there && static_cast<int64_t>(column.bits[row]) == *wanted;
    }
    return;
  }
  const Value& literal = test.predicate.literal;
  const Type type = test.leaf.type;
  const bool enumerated = type == Type::kStatus || type == Type::kKind;
  const bool whole = enumerated ? literal.type == type
                                : literal.type == Type::kInt ||
                                      literal.type == Type::kDuration;
  const std::vector<uint64_t>& bits = column.bits;
  if (test.predicate.kind != Predicate::Kind::kCompare || !whole) {
    for (uint32_t row = 0; row < bits.size(); ++row) {
      if (!IsAmong(among, row)) continue;
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
// have one. What is slower than a comparison is done for the rows in `among`
// alone (nullptr: all); of others nothing is said.
void FrameEval::TestColumn(const Expr& test, const FrameColumn& column,
                           size_t rows, const Mask* among, Mask* holds,
                           Mask* present) {
  holds->assign(rows, 0);
  const auto keep_present = [&](auto of) {
    if (present == nullptr) return;
    present->resize(rows);
    for (size_t row = 0; row < rows; ++row) (*present)[row] = of(row);
  };
  switch (column.form) {
    case Form::kAbsent:
      std::fill(holds->begin(), holds->end(), test.predicate.HoldsOfNothing());
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
      TestInts(test, column, among, holds);
      break;
    case Form::kDoubles:
    case Form::kValues:
      for (uint32_t row = 0; row < rows; ++row) {
        if (!IsAmong(among, row)) continue;
        const bool there = column.present.empty() || column.present[row] != 0;
        (*holds)[row] = there ? test.predicate.Holds(StoredAt(column, row))
                              : test.predicate.HoldsOfNothing();
      }
      break;
  }
  keep_present([&](size_t row) -> uint8_t {
    return column.present.empty() ? 1 : column.present[row];
  });
}

// Texts that are in few rows are looked for, not read. False: to be read.
Result<bool> FrameEval::FilterByText(const Expr& test, Mask* mask) {
  const uint32_t index = test.leaf.columns[0];
  const Pruning pruning = PruningOf(test);
  if (pruning != Pruning::kText && pruning != Pruning::kShown) return false;
  if (columns_.size() > index && columns_[index] != nullptr) return false;
  const Stopwatch watch;
  const uint64_t before = frame_.bytes_read();
  ASSIGN_OR_RETURN(const std::optional<std::vector<uint32_t>> rows,
                   frame_.RowsWithText(index, test.predicate.literal.text));
  if (!rows) return false;
  Mask holds(mask->size());
  for (const uint32_t row : *rows) holds[row] = (*mask)[row];
  *mask = std::move(holds);
  if (profile_ == nullptr) return true;
  ColumnCounts& counts = profile_->OfColumn(index);
  ++counts.units;
  counts.bytes += frame_.bytes_read() - before;
  counts.nanos += watch.Nanos();
  return true;
}

Status FrameEval::FilterTest(const Expr& test, Mask* mask) {
  ASSIGN_OR_RETURN(const bool done, FilterByText(test, mask));
  if (done) return {};
  RETURN_IF_ERROR(Load(test.leaf));
  const FrameColumn& column = *ColumnOf(test.leaf);
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
  TestColumn(test, column, mask->size(), mask, &holds, nullptr);
  for (size_t row = 0; row < mask->size(); ++row) (*mask)[row] &= holds[row];
  return {};
}

// The first of span, resource and scope that has the key decides.
Status FrameEval::FilterAny(const Expr& test, Mask* mask) {
  RETURN_IF_ERROR(Load(test.leaf));
  Mask out;
  Mask holds;
  Mask present;
  TestColumn(test, *columns_[test.leaf.columns[2]], mask->size(), mask, &out,
             nullptr);
  for (const size_t i : {1, 0}) {
    const FrameColumn& column = *columns_[test.leaf.columns[i]];
    if (column.form == Form::kAbsent) continue;
    TestColumn(test, column, mask->size(), mask, &holds, &present);
    for (size_t row = 0; row < out.size(); ++row) {
      out[row] = present[row] != 0 ? holds[row] : out[row];
    }
  }
  for (size_t row = 0; row < mask->size(); ++row) (*mask)[row] &= out[row];
  return {};
}

// A span without event is asked about none.
Status FrameEval::FilterEvents(const Expr& test, Mask* mask) {
  RETURN_IF_ERROR(Load(test.leaf));
  const std::vector<uint32_t>& ends =
      test.leaf.of_event() ? *event_ends_ : *link_ends_;
  const FrameColumn& column = *columns_[test.leaf.columns[0]];
  const uint8_t of_none = test.predicate.HoldsOfNothing();
  // Those of the rows that are left, where each costs something.
  Mask among;
  const bool some = column.form == Form::kValues;
  if (some) among.resize(ends.empty() ? 0 : ends.back());
  for (size_t row = 0; some && row < mask->size(); ++row) {
    if ((*mask)[row] == 0) continue;
    std::fill(among.begin() + (row == 0 ? 0 : ends[row - 1]),
              among.begin() + ends[row], 1);
  }
  Mask holds;
  TestColumn(test, column, ends.empty() ? 0 : ends.back(),
             some ? &among : nullptr, &holds, nullptr);
  uint32_t begin = 0;
  for (size_t row = 0; row < mask->size(); ++row) {
    const uint32_t end = ends[row];
    (*mask)[row] &= begin == end ? of_none : AnySet(holds, begin, end);
    begin = end;
  }
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

}  // namespace khtrace::query
