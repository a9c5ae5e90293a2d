// SPDX-License-Identifier: Apache-2.0
#include "query/tags.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "query/judging.h"
#include "query/metrics_fold.h"
#include "query/scan_units.h"
#include "query/spansets.h"

namespace khtrace::query {
namespace {

using storage::FrameColumn;
using traceql::Static;

// A value's elements, or itself.
template <typename Visit>
void ForEachElement(const Static& value, const Visit& visit) {
  std::visit(
      [&](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::vector<bool>>) {
          for (const bool element : v) visit(Static(element));
        } else if constexpr (std::is_same_v<T, std::vector<int64_t>> ||
                             std::is_same_v<T, std::vector<double>> ||
                             std::is_same_v<T, std::vector<std::string>>) {
          for (const auto& element : v) visit(Static(element));
        } else {
          visit(value);
        }
      },
      value.value);
}

struct Plan {
  std::optional<Expr> filter;
  Expr value;
};

class Worker : public UnitWorker {
 public:
  Worker(const Plan& plan, const RequestContext& context)
      : plan_(plan), context_(context) {}

  bool Wants(UnixNanos) override { return !full(); }
  Result<bool> Known(const std::string&) override { return false; }
  Status Visit(storage::TraceFrame& frame, const std::string&) override;

  const ValueNumbers& values() const { return values_; }
  // More are not looked for.
  bool full() const { return values_.MemoryBytes() >= kMaxBytes; }

 private:
  void AddCodes(const FrameColumn& column, const Mask& rows);

  // Of distinct values that one thread remembers.
  static constexpr size_t kMaxBytes = 64u << 20;

  const Plan& plan_;
  const RequestContext& context_;
  PredicateTables tables_;
  ValueNumbers values_;
  // Codes of the dictionary seen last that are in values_.
  std::shared_ptr<const storage::FrameDictionary> dictionary_;
  std::vector<uint8_t> seen_;
};

void Worker::AddCodes(const FrameColumn& column, const Mask& rows) {
  if (dictionary_ != column.dictionary) {
    dictionary_ = column.dictionary;
    seen_.assign(dictionary_->values.size(), 0);
  }
  for (size_t row = 0; row < rows.size(); ++row) {
    const uint32_t code = column.codes[row];
    if (rows[row] == 0 || seen_[code] != 0) continue;
    seen_[code] = 1;
    if (dictionary_->present[code] == 0) continue;
    values_.Add(FromAttribute(dictionary_->values[code]));
  }
}

Status Worker::Visit(storage::TraceFrame& frame, const std::string&) {
  FrameEval eval(frame, tables_, context_);
  if (plan_.filter) {
    ASSIGN_OR_RETURN(const bool may, eval.MayHold(*plan_.filter));
    if (!may) return {};
  }
  ASSIGN_OR_RETURN(Spansets sets, AllSpans(eval));
  if (plan_.filter) RETURN_IF_ERROR(eval.Filter(*plan_.filter, &sets.rows));
  if (!AnySet(sets.rows)) return {};
  RETURN_IF_ERROR(eval.Load(plan_.value));
  if (const FrameColumn* column = eval.ColumnOf(plan_.value.leaf)) {
    if (column->form == FrameColumn::Form::kAbsent) return {};
    if (column->form == FrameColumn::Form::kCodes) {
      AddCodes(*column, sets.rows);
      return {};
    }
  }
  for (uint32_t row = 0; row < sets.rows.size(); ++row) {
    if (sets.rows[row] == 0) continue;
    eval.ForEachValue(plan_.value, row, [&](const Value& value) {
      if (!value.nil()) values_.Add(value);
    });
  }
  return eval.TakeError();
}

size_t BytesOf(const Static& value) {
  const auto* text = std::get_if<std::string>(&value.value);
  return text != nullptr ? text->size() : sizeof(uint64_t);
}

}  // namespace

Result<TagValues> FindTagValues(storage::TraceReader& reader,
                                const RequestContext& context,
                                const TagValuesRequest& request) {
  ColumnSet columns;
  Plan plan;
  const bool judged = IsJudgement(request.attribute) ||
                      (request.filter && MentionsJudgement(*request.filter));
  if (judged && request.judge != nullptr) {
    ASSIGN_OR_RETURN(const storage::AttributeKeys keys,
                     reader.Keys(context, UnixNanos{0}, UnixNanos::Max()));
    AddJudging(*request.judge, keys.span, &columns);
  }
  if (request.filter != nullptr) {
    ASSIGN_OR_RETURN(plan.filter, MakeCondition(*request.filter, &columns));
  }
  const traceql::FieldExpr wanted{request.attribute, {}};
  ASSIGN_OR_RETURN(plan.value, MakeValue(wanted, &columns));
  ASSIGN_OR_RETURN(
      const std::unique_ptr<storage::FrameScan> scan,
      reader.Scan(context, {columns.keys(), request.start, request.end}));
  std::vector<std::unique_ptr<Worker>> workers(
      MaxWorkers(*scan, request.helpers));
  TagValues result;
  Status loss;
  RETURN_IF_ERROR(VisitUnits(
      *scan, context, request.helpers,
      [&](size_t number) -> UnitWorker& {
        workers[number] = std::make_unique<Worker>(plan, context);
        return *workers[number];
      },
      &result.stats, &loss));
  for (const std::unique_ptr<Worker>& worker : workers) {
    if (!worker) continue;
    result.truncated |= worker->full();
    for (uint32_t i = 0; i < worker->values().size(); ++i) {
      ForEachElement(
          ToStatic(worker->values().value(i)),
          [&](const Static& element) { result.values.push_back(element); });
    }
  }
  if (result.values.empty() && !loss) return std::move(loss).error();
  const auto less = [](const Static& a, const Static& b) {
    return Order(a, b) < 0;
  };
  std::sort(result.values.begin(), result.values.end(), less);
  result.values.erase(std::unique(result.values.begin(), result.values.end(),
                                  [](const Static& a, const Static& b) {
                                    return Order(a, b) == 0;
                                  }),
                      result.values.end());
  size_t bytes = 0;
  size_t count = 0;
  while (count < result.values.size() &&
         (request.limit == 0 || count < request.limit)) {
    bytes += BytesOf(result.values[count]);
    if (request.max_bytes != 0 && bytes > request.max_bytes) break;
    ++count;
  }
  result.truncated |= count < result.values.size();
  result.values.resize(count);
  return result;
}

}  // namespace khtrace::query
