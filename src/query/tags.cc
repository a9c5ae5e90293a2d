// SPDX-License-Identifier: Apache-2.0
#include "query/tags.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/mutex.h"
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

struct Less {
  bool operator()(const Static& a, const Static& b) const {
    return Order(a, b) < 0;
  }
};

size_t BytesOf(const Static& value) {
  const auto* text = std::get_if<std::string>(&value.value);
  return text != nullptr ? text->size() : sizeof(uint64_t);
}

// What an answer may still have.
struct Room {
  size_t values = SIZE_MAX;
  size_t bytes = SIZE_MAX;

  explicit Room(const TagValuesRequest& request) {
    if (request.limit != 0) values = request.limit;
    if (request.max_bytes != 0) bytes = request.max_bytes;
  }
  // False: there is no room for it.
  bool Take(const Static& value) {
    if (values == 0 || BytesOf(value) > bytes) return false;
    --values;
    bytes -= BytesOf(value);
    return true;
  }
};

// What threads have found so far, for progress: when it was told, they bring
// what came since, each after its unit.
class SoFar {
 public:
  explicit SoFar(const TagValuesRequest& request)
      : progress_(*request.progress), room_(request) {}

  // `next`: the first number the worker has not brought; `brought`: how often
  // it did.
  void Bring(const ValueNumbers& values, uint32_t* next, size_t* brought)
      KHTRACE_EXCLUDES(mu_);
  void Tell(const QueryStats& stats) KHTRACE_EXCLUDES(mu_);
  // Takes out what was told; what may be added to it.
  Room Finish(std::vector<Static>* values) KHTRACE_EXCLUDES(mu_);

 private:
  const TagValuesProgress& progress_;
  std::atomic<size_t> asked_{0};
  Mutex mu_;
  std::set<Static, Less> known_ KHTRACE_GUARDED_BY(mu_);
  std::vector<Static> waiting_ KHTRACE_GUARDED_BY(mu_);  // of them, to be told
  std::set<Static, Less> told_ KHTRACE_GUARDED_BY(mu_);
  Room room_ KHTRACE_GUARDED_BY(mu_);
  bool full_ KHTRACE_GUARDED_BY(mu_) = false;
};

void SoFar::Bring(const ValueNumbers& values, uint32_t* next, size_t* brought) {
  const size_t asked = asked_.load(std::memory_order_relaxed);
  if (asked == *brought) return;
  *brought = asked;
  std::vector<Static> found;
  for (; *next < values.size(); ++*next) {
    ForEachElement(ToStatic(values.value(*next)),
                   [&](const Static& element) { found.push_back(element); });
  }
  MutexLock lock(mu_);
  if (full_) return;
  for (Static& value : found) {
    if (known_.insert(value).second) waiting_.push_back(std::move(value));
  }
}

void SoFar::Tell(const QueryStats& stats) {
  std::vector<Static> found;
  size_t fit = 0;
  {
    MutexLock lock(mu_);
    found = std::exchange(waiting_, {});
    std::sort(found.begin(), found.end(), Less());
    Room room = room_;
    while (fit < found.size() && room.Take(found[fit])) ++fit;
    full_ = fit < found.size();
  }
  const size_t told = progress_.tell(std::span(found).first(fit), stats);
  asked_.fetch_add(1, std::memory_order_relaxed);
  MutexLock lock(mu_);
  for (size_t i = 0; i < told; ++i) {
    static_cast<void>(room_.Take(found[i]));
    told_.insert(found[i]);
  }
  waiting_.insert(waiting_.end(), found.begin() + static_cast<ptrdiff_t>(told),
                  found.end());
}

Room SoFar::Finish(std::vector<Static>* values) {
  MutexLock lock(mu_);
  std::vector<Static> rest;
  std::set_difference(std::make_move_iterator(values->begin()),
                      std::make_move_iterator(values->end()), told_.begin(),
                      told_.end(), std::back_inserter(rest), Less());
  *values = std::move(rest);
  return room_;
}

struct Plan {
  std::optional<Expr> filter;
  Expr value;
};

class Worker : public UnitWorker {
 public:
  // `so_far`: nullptr without progress.
  Worker(const Plan& plan, const RequestContext& context, SoFar* so_far)
      : plan_(plan), context_(context), so_far_(so_far) {}

  bool Wants(UnixNanos) override { return !full(); }
  Result<bool> Known(const std::string&) override { return false; }
  Status Visit(storage::TraceFrame& frame, const std::string&) override {
    RETURN_IF_ERROR(Gather(frame));
    if (so_far_ != nullptr) so_far_->Bring(values_, &next_, &brought_);
    return {};
  }

  const ValueNumbers& values() const { return values_; }
  // More are not looked for.
  bool full() const { return values_.MemoryBytes() >= kMaxBytes; }

 private:
  Status Gather(storage::TraceFrame& frame);
  void AddCodes(const FrameColumn& column, const Mask& rows);

  // Of distinct values that one thread remembers.
  static constexpr size_t kMaxBytes = 64u << 20;

  const Plan& plan_;
  const RequestContext& context_;
  SoFar* const so_far_;
  uint32_t next_ = 0;  // of values_, for so_far_
  size_t brought_ = 0;
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

Status Worker::Gather(storage::TraceFrame& frame) {
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

Result<Plan> MakePlan(storage::TraceReader& reader,
                      const RequestContext& context,
                      const TagValuesRequest& request, ColumnSet* columns) {
  Plan plan;
  const bool judged = IsJudgement(request.attribute) ||
                      (request.filter && MentionsJudgement(*request.filter));
  if (judged && request.judge != nullptr) {
    ASSIGN_OR_RETURN(const storage::AttributeKeys keys,
                     reader.Keys(context, UnixNanos{0}, UnixNanos::Max()));
    AddJudging(*request.judge, keys.span, columns);
  }
  if (request.filter != nullptr) {
    ASSIGN_OR_RETURN(plan.filter, MakeCondition(*request.filter, columns));
  }
  const traceql::FieldExpr wanted{request.attribute, {}};
  ASSIGN_OR_RETURN(plan.value, MakeValue(wanted, columns));
  return plan;
}

using Workers = std::vector<std::unique_ptr<Worker>>;

// Distinct, sorted.
std::vector<Static> ValuesOf(const Workers& workers) {
  std::vector<Static> values;
  for (const std::unique_ptr<Worker>& worker : workers) {
    for (uint32_t i = 0; worker && i < worker->values().size(); ++i) {
      ForEachElement(ToStatic(worker->values().value(i)),
                     [&](const Static& element) { values.push_back(element); });
    }
  }
  std::sort(values.begin(), values.end(), Less());
  values.erase(std::unique(values.begin(), values.end(),
                           [](const Static& a, const Static& b) {
                             return Order(a, b) == 0;
                           }),
               values.end());
  return values;
}

}  // namespace

Result<TagValues> FindTagValues(storage::TraceReader& reader,
                                const RequestContext& context,
                                const TagValuesRequest& request) {
  ColumnSet columns;
  ASSIGN_OR_RETURN(const Plan plan,
                   MakePlan(reader, context, request, &columns));
  ASSIGN_OR_RETURN(
      const std::unique_ptr<storage::FrameScan> scan,
      reader.Scan(context, {columns.keys(), request.start, request.end}));
  std::optional<SoFar> so_far;
  ScanProgress progress;
  if (request.progress != nullptr) {
    so_far.emplace(request);
    progress.every = request.progress->every;
    progress.tell = [&so_far](const QueryStats& stats, UnixNanos) {
      so_far->Tell(stats);
    };
  }
  Workers workers(MaxWorkers(*scan, request.helpers));
  TagValues result;
  Status loss;
  RETURN_IF_ERROR(VisitUnits(
      *scan, context, request.helpers,
      [&](size_t number) -> UnitWorker& {
        workers[number] = std::make_unique<Worker>(plan, context,
                                                   so_far ? &*so_far : nullptr);
        return *workers[number];
      },
      &result.stats, &loss, so_far ? &progress : nullptr));
  result.values = ValuesOf(workers);
  if (result.values.empty() && !loss) return std::move(loss).error();
  result.truncated =
      std::any_of(workers.begin(), workers.end(),
                  [](const auto& worker) { return worker && worker->full(); });
  Room room = so_far ? so_far->Finish(&result.values) : Room(request);
  size_t count = 0;
  while (count < result.values.size() && room.Take(result.values[count])) {
    ++count;
  }
  result.truncated |= count < result.values.size();
  result.values.resize(count);
  return result;
}

}  // namespace khtrace::query
