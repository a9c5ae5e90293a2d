// SPDX-License-Identifier: Apache-2.0
#include "query/tag_names.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "query/judging.h"
#include "query/scan_units.h"
#include "query/spansets.h"

namespace khtrace::query {
namespace {

using storage::AttributeKeys;
using storage::FrameColumn;
using storage::FrameField;
using Keys = AttributeKeys::Keys;

struct Candidate {
  FrameField field = FrameField::kSpanAttribute;
  const std::string* key = nullptr;
  uint32_t column = 0;
};

struct Plan {
  std::optional<Expr> filter;
  std::vector<Candidate> candidates;
  // By candidate: some span that fits has it.
  mutable std::vector<std::atomic<bool>> found;

  explicit Plan(size_t count) : found(count) {}
};

class Worker : public UnitWorker {
 public:
  Worker(const Plan& plan, const RequestContext& context)
      : plan_(plan), context_(context) {}

  bool Wants(UnixNanos) override {
    return std::any_of(plan_.found.begin(), plan_.found.end(),
                       [](const std::atomic<bool>& found) { return !found; });
  }
  Result<bool> Known(const std::string&) override { return false; }
  Status Visit(storage::TraceFrame& frame, const std::string&) override;

 private:
  const Plan& plan_;
  const RequestContext& context_;
  PredicateTables tables_;
};

bool IsPresent(const FrameColumn& column, size_t at) {
  if (column.form == FrameColumn::Form::kCodes) {
    return column.dictionary->present[column.codes[at]] != 0;
  }
  return column.present.empty() || column.present[at] != 0;
}

// Whether a span in `rows`, or one of its events (links), has a value.
// `ends`: where each row's events end; nullptr: values are of spans.
bool AnyPresent(const FrameColumn& column, const Mask& rows,
                const std::vector<uint32_t>* ends) {
  if (column.form == FrameColumn::Form::kAbsent) return false;
  uint32_t begin = 0;
  for (uint32_t row = 0; row < rows.size(); ++row) {
    if (ends == nullptr) {
      if (rows[row] != 0 && IsPresent(column, row)) return true;
      continue;
    }
    const uint32_t end = (*ends)[row];
    for (uint32_t i = begin; rows[row] != 0 && i < end; ++i) {
      if (IsPresent(column, i)) return true;
    }
    begin = end;
  }
  return false;
}

Status Worker::Visit(storage::TraceFrame& frame, const std::string&) {
  FrameEval eval(frame, tables_, context_);
  ASSIGN_OR_RETURN(const bool may, eval.MayHold(*plan_.filter));
  if (!may) return {};
  ASSIGN_OR_RETURN(Spansets sets, AllSpans(eval));
  RETURN_IF_ERROR(eval.Filter(*plan_.filter, &sets.rows));
  if (!AnySet(sets.rows)) return {};
  for (size_t i = 0; i < plan_.candidates.size(); ++i) {
    if (plan_.found[i]) continue;
    RETURN_IF_ERROR(context_.Check());
    const Candidate& candidate = plan_.candidates[i];
    const std::vector<uint32_t>* ends = nullptr;
    if (candidate.field == FrameField::kEventAttribute) {
      ASSIGN_OR_RETURN(ends, frame.EventEnds());
    } else if (candidate.field == FrameField::kLinkAttribute) {
      ASSIGN_OR_RETURN(ends, frame.LinkEnds());
    }
    ASSIGN_OR_RETURN(const FrameColumn* column, frame.Column(candidate.column));
    if (AnyPresent(*column, sets.rows, ends)) plan_.found[i] = true;
    // The filter is done: whatever it has read may go.
    frame.Forget(candidate.column);
  }
  return {};
}

Keys& KeysOf(FrameField field, AttributeKeys* keys) {
  switch (field) {
    case FrameField::kResourceAttribute:
      return keys->resource;
    case FrameField::kEventAttribute:
      return keys->event;
    case FrameField::kLinkAttribute:
      return keys->link;
    case FrameField::kScopeAttribute:
      return keys->instrumentation;
    default:
      return keys->span;
  }
}

constexpr FrameField kFields[] = {
    FrameField::kResourceAttribute, FrameField::kSpanAttribute,
    FrameField::kEventAttribute, FrameField::kLinkAttribute,
    FrameField::kScopeAttribute};

AttributeKeys FoundOf(const Plan& plan) {
  AttributeKeys keys;
  for (size_t i = 0; i < plan.candidates.size(); ++i) {
    if (!plan.found[i]) continue;
    const Candidate& candidate = plan.candidates[i];
    KeysOf(candidate.field, &keys).insert(*candidate.key);
  }
  return keys;
}

}  // namespace

Result<TagNames> FindTagNames(storage::TraceReader& reader,
                              const RequestContext& context,
                              const TagNamesRequest& request) {
  ASSIGN_OR_RETURN(AttributeKeys known,
                   reader.Keys(context, request.start, request.end));
  std::vector<Candidate> candidates;
  ColumnSet columns;
  for (const FrameField field : kFields) {
    for (const std::string& key : KeysOf(field, &known)) {
      candidates.push_back({field, &key, columns.Add(field, key)});
    }
  }
  Plan plan(candidates.size());
  plan.candidates = std::move(candidates);
  if (request.judge != nullptr && MentionsJudgement(*request.filter)) {
    ASSIGN_OR_RETURN(const AttributeKeys all,
                     reader.Keys(context, UnixNanos{0}, UnixNanos::Max()));
    AddJudging(*request.judge, all.span, &columns);
  }
  ASSIGN_OR_RETURN(plan.filter, MakeCondition(*request.filter, &columns));
  ASSIGN_OR_RETURN(
      const std::unique_ptr<storage::FrameScan> scan,
      reader.Scan(context, {columns.keys(), request.start, request.end}));
  std::vector<std::unique_ptr<Worker>> workers(
      MaxWorkers(*scan, request.helpers));
  ScanProgress progress;
  if (request.progress != nullptr) {
    progress.every = request.progress->every;
    progress.tell = [&](const QueryStats& stats, UnixNanos) {
      request.progress->tell(FoundOf(plan), stats);
    };
  }
  TagNames result;
  Status loss;
  RETURN_IF_ERROR(VisitUnits(
      *scan, context, request.helpers,
      [&](size_t number) -> UnitWorker& {
        workers[number] = std::make_unique<Worker>(plan, context);
        return *workers[number];
      },
      &result.stats, &loss, request.progress ? &progress : nullptr));
  result.keys = FoundOf(plan);
  if (result.keys == AttributeKeys() && !loss) return std::move(loss).error();
  return result;
}

}  // namespace khtrace::query
