// SPDX-License-Identifier: Apache-2.0
#include "analysis/trace_sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "aggregate/span_tree.h"
#include "base/mutex.h"
#include "query/scan_units.h"
#include "query/search.h"
#include "traceql/checker.h"
#include "traceql/parser.h"

namespace khtrace::analysis {
namespace {

using storage::FrameColumn;
using storage::FrameField;
using storage::TraceFrame;

// Places of the columns that are read.
enum : size_t { kName, kStart, kDuration, kService, kSpanId, kFirstKey };

// A trace that was found.
struct Wanted {
  model::TraceId id;
  uint32_t rank = 0;  // in the order of the answer
  UnixNanos start;
  uint64_t duration = 0;
  std::vector<model::SpanId> matched;  // ascending
};

// Codes for texts and operations, the same in all threads.
class Interner {
 public:
  Interner() { texts_.emplace(std::string(), 0); }

  uint32_t Text(std::string_view text) KHTRACE_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    const auto at = texts_.find(text);
    if (at != texts_.end()) return at->second;
    const auto code = static_cast<uint32_t>(texts_.size());
    texts_.emplace(text, code);
    return code;
  }
  uint32_t Operation(uint64_t service_and_name) KHTRACE_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return operations_
        .try_emplace(service_and_name,
                     static_cast<uint32_t>(operations_.size()))
        .first->second;
  }
  void Take(TraceSample* sample) KHTRACE_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    sample->texts.resize(texts_.size());
    for (const auto& [text, code] : texts_) sample->texts[code] = text;
    sample->operations.resize(operations_.size());
    for (const auto& [pair, code] : operations_) {
      sample->operations[code] = {sample->texts[pair >> 32],
                                  sample->texts[pair & UINT32_MAX]};
    }
  }

 private:
  Mutex mu_;
  std::map<std::string, uint32_t, std::less<>> texts_ KHTRACE_GUARDED_BY(mu_);
  boost::unordered_flat_map<uint64_t, uint32_t> operations_
      KHTRACE_GUARDED_BY(mu_);
};

// The texts of one column, as codes.
class TextColumn {
 public:
  // `shared` outlives it.
  explicit TextColumn(Interner& shared) : shared_(shared) {}

  // `column` lives until the next call.
  void Use(const FrameColumn& column) {
    column_ = &column;
    if (column.form != FrameColumn::Form::kCodes ||
        dictionary_ == column.dictionary) {
      return;
    }
    dictionary_ = column.dictionary;
    known_.assign(dictionary_->values.size(), kUnknown);
  }
  uint32_t At(uint32_t row) {
    if (column_->form == FrameColumn::Form::kCodes) {
      const uint32_t code = column_->codes[row];
      if (known_[code] == kUnknown) {
        known_[code] = dictionary_->present[code] == 0
                           ? 0
                           : TextOf(dictionary_->values[code]);
      }
      return known_[code];
    }
    const bool absent =
        column_->form == FrameColumn::Form::kAbsent ||
        (!column_->present.empty() && column_->present[row] == 0);
    if (absent) return 0;
    if (column_->form == FrameColumn::Form::kValues) {
      return TextOf(column_->values[row]);
    }
    const bool integer = column_->form == FrameColumn::Form::kInts;
    return TextOf({integer ? model::AttrType::kInt : model::AttrType::kDouble,
                   column_->bits[row],
                   {}});
  }

 private:
  static constexpr uint32_t kUnknown = UINT32_MAX;

  uint32_t TextOf(const model::AttrValue& value) {
    if (value.type == model::AttrType::kString)
      return shared_.Text(value.bytes);
    return shared_.Text(model::ToDisplayString(value));
  }

  Interner& shared_;
  const FrameColumn* column_ = nullptr;
  std::shared_ptr<const storage::FrameDictionary> dictionary_;
  std::vector<uint32_t> known_;  // by code
};

// Takes the wanted traces out of frames. What it took is `sample`; only spans
// and traces are filled, and `ranks`, one for each trace.
class Taker : public query::UnitWorker {
 public:
  // All outlive it. `wanted`: by trace id.
  Taker(const std::vector<Wanted>& wanted, UnixNanos oldest, size_t keys,
        bool matches, Interner& shared)
      : wanted_(wanted),
        oldest_(oldest),
        keys_(keys),
        matches_(matches),
        shared_(shared),
        texts_(kFirstKey + keys, TextColumn(shared)) {}

  bool Wants(UnixNanos newest_start) override {
    return newest_start >= oldest_;
  }
  Result<bool> Known(const std::string&) override { return false; }
  Status Visit(TraceFrame& frame, const std::string&) override;

  TraceSample sample;
  std::vector<uint32_t> ranks;

 private:
  struct Here {
    uint32_t trace = 0;  // of the frame
    const Wanted* wanted = nullptr;
  };

  Result<std::vector<Here>> Find(TraceFrame& frame) const;
  Status Load(TraceFrame& frame);
  void Take(const Here& here, uint32_t first, uint32_t end);

  const std::vector<Wanted>& wanted_;
  const UnixNanos oldest_;
  const size_t keys_;
  const bool matches_;
  Interner& shared_;
  std::vector<TextColumn> texts_;  // by column
  boost::unordered_flat_map<uint64_t, uint32_t> operations_;
  // Of the frame that is visited.
  const storage::FrameTraces* traces_ = nullptr;
  const std::vector<uint32_t>* parents_ = nullptr;
  const std::vector<uint64_t>* starts_ = nullptr;
  const std::vector<uint64_t>* durations_ = nullptr;
  const std::vector<uint64_t>* span_ids_ = nullptr;
};

Result<std::vector<Taker::Here>> Taker::Find(TraceFrame& frame) const {
  ASSIGN_OR_RETURN(const auto* ids, frame.TraceIds());
  ASSIGN_OR_RETURN(const storage::FrameTraces* traces, frame.Traces());
  const std::vector<uint32_t>& excluded = traces->excluded;
  std::vector<Here> here;
  for (uint32_t t = 0; t < ids->size(); ++t) {
    const auto at = std::lower_bound(
        wanted_.begin(), wanted_.end(), (*ids)[t],
        [](const Wanted& a, const model::TraceId& id) { return a.id < id; });
    if (at == wanted_.end() || at->id != (*ids)[t]) continue;
    if (std::binary_search(excluded.begin(), excluded.end(), t)) continue;
    here.push_back({t, &*at});
  }
  return here;
}

Status Taker::Load(TraceFrame& frame) {
  ASSIGN_OR_RETURN(traces_, frame.Traces());
  ASSIGN_OR_RETURN(parents_, frame.Parents());
  ASSIGN_OR_RETURN(const FrameColumn* starts, frame.Column(kStart));
  ASSIGN_OR_RETURN(const FrameColumn* durations, frame.Column(kDuration));
  starts_ = &starts->bits;
  durations_ = &durations->bits;
  if (matches_) {
    ASSIGN_OR_RETURN(const FrameColumn* span_ids, frame.Column(kSpanId));
    span_ids_ = &span_ids->bits;
  }
  for (size_t column = 0; column < texts_.size(); ++column) {
    if (column != kName && column != kService && column < kFirstKey) continue;
    ASSIGN_OR_RETURN(const FrameColumn* texts, frame.Column(column));
    texts_[column].Use(*texts);
  }
  return {};
}

void Taker::Take(const Here& here, uint32_t first, uint32_t end) {
  TraceSample::Trace trace;
  trace.id = here.wanted->id;
  trace.start = here.wanted->start;
  trace.first = static_cast<uint32_t>(sample.spans.size());
  trace.count = end - first;
  const std::vector<model::SpanId>& matched = here.wanted->matched;
  trace.root = aggregate::kNoRow;
  for (uint32_t row = first; row < end; ++row) {
    TraceSample::Span span;
    span.start = (*starts_)[row];
    span.end = span.start + (*durations_)[row];
    if (span.end < span.start) span.end = UINT64_MAX;
    const uint32_t parent = (*parents_)[row];
    const bool is_root = parent == TraceFrame::kRoot;
    const bool has_parent = !is_root && parent != TraceFrame::kOrphan;
    span.parent = has_parent ? parent - first : aggregate::kNoRow;
    if (is_root && trace.root == aggregate::kNoRow) trace.root = row - first;
    const uint64_t pair =
        uint64_t{texts_[kService].At(row)} << 32 | texts_[kName].At(row);
    const auto [at, added] = operations_.try_emplace(pair);
    if (added) at->second = shared_.Operation(pair);
    span.operation = at->second;
    span.matched = span_ids_ != nullptr &&
                   std::binary_search(matched.begin(), matched.end(),
                                      model::SpanId{(*span_ids_)[row]});
    sample.spans.push_back(span);
    for (size_t key = 0; key < keys_; ++key) {
      sample.resource_texts.push_back(texts_[kFirstKey + key].At(row));
    }
  }
  sample.traces.push_back(trace);
  ranks.push_back(here.wanted->rank);
}

Status Taker::Visit(TraceFrame& frame, const std::string&) {
  ASSIGN_OR_RETURN(const std::vector<Here> found, Find(frame));
  if (found.empty()) return {};
  std::vector<uint32_t> numbers;
  for (const Here& here : found) numbers.push_back(here.trace);
  ASSIGN_OR_RETURN(const auto narrow, frame.Narrow(numbers));
  RETURN_IF_ERROR(Load(narrow ? *narrow : frame));
  for (uint32_t i = 0; i < found.size(); ++i) {
    const uint32_t t = narrow ? i : found[i].trace;
    Take(found[i], traces_->first_rows[t], traces_->first_rows[t + 1]);
  }
  return {};
}

Result<traceql::Query> ReadQuery(const std::string& text) {
  ASSIGN_OR_RETURN(traceql::Query query, traceql::ParseQuery(text));
  RETURN_IF_ERROR(traceql::CheckQuery(query));
  if (query.is_metrics()) {
    return Error{Code::kInvalidArgument, "a metrics query selects no spans"};
  }
  return query;
}

// By trace id. What is over the number of spans is left out, the oldest first.
std::vector<Wanted> ChooseTraces(const query::SearchResult& found,
                                 size_t max_spans, bool* complete) {
  std::vector<Wanted> wanted;
  size_t spans = 0;
  for (const query::TraceHit& hit : found.traces) {
    for (const query::ServiceStats& service : hit.services) {
      spans += service.span_count;
    }
    if (spans > max_spans && !wanted.empty()) {
      *complete = false;
      break;
    }
    Wanted& trace = wanted.emplace_back();
    trace.id = hit.trace_id;
    trace.rank = static_cast<uint32_t>(wanted.size() - 1);
    trace.start = hit.start;
    trace.duration = hit.duration_nanos;
    for (const query::Spanset& set : hit.spansets) {
      for (const query::SpanHit& span : set.spans) {
        trace.matched.push_back(span.span_id);
      }
    }
    std::sort(trace.matched.begin(), trace.matched.end());
  }
  std::sort(wanted.begin(), wanted.end(),
            [](const Wanted& a, const Wanted& b) { return a.id < b.id; });
  return wanted;
}

storage::FrameRequest ScanOf(const SampleRequest& request,
                             const std::vector<Wanted>& wanted) {
  storage::FrameRequest scan;
  scan.columns = {{FrameField::kName, ""},
                  {FrameField::kStart, ""},
                  {FrameField::kDuration, ""},
                  {FrameField::kResourceAttribute, "service.name"},
                  {FrameField::kSpanId, ""}};
  for (const std::string& key : request.resource_keys) {
    scan.columns.push_back({FrameField::kResourceAttribute, key});
  }
  scan.start = UnixNanos::Max();
  scan.end = UnixNanos{0};
  for (const Wanted& trace : wanted) {
    scan.start = std::min(scan.start, trace.start);
    const uint64_t end = trace.start.ns + trace.duration;
    scan.end = std::max(scan.end, UnixNanos{std::max(end, trace.start.ns)});
  }
  return scan;
}

// What the threads took, in the order of the answer.
void Merge(const std::vector<std::unique_ptr<Taker>>& takers, size_t keys,
           TraceSample* sample) {
  struct Place {
    uint32_t rank = 0;
    const Taker* taker = nullptr;
    size_t trace = 0;
  };
  std::vector<Place> places;
  for (const std::unique_ptr<Taker>& taker : takers) {
    if (!taker) continue;
    for (size_t i = 0; i < taker->ranks.size(); ++i) {
      places.push_back({taker->ranks[i], taker.get(), i});
    }
  }
  std::sort(places.begin(), places.end(),
            [](const Place& a, const Place& b) { return a.rank < b.rank; });
  for (const Place& place : places) {
    const TraceSample& from = place.taker->sample;
    TraceSample::Trace trace = from.traces[place.trace];
    const auto first = static_cast<ptrdiff_t>(trace.first);
    const auto count = static_cast<ptrdiff_t>(trace.count);
    trace.first = static_cast<uint32_t>(sample->spans.size());
    sample->traces.push_back(trace);
    sample->spans.insert(sample->spans.end(), from.spans.begin() + first,
                         from.spans.begin() + first + count);
    const auto stride = static_cast<ptrdiff_t>(keys);
    sample->resource_texts.insert(
        sample->resource_texts.end(),
        from.resource_texts.begin() + first * stride,
        from.resource_texts.begin() + (first + count) * stride);
  }
}

}  // namespace

Result<TraceSample> TakeSample(storage::TraceReader& reader,
                               const RequestContext& context,
                               const SampleRequest& request) {
  ASSIGN_OR_RETURN(const traceql::Query query, ReadQuery(request.query));
  query::SearchRequest search;
  search.query = &query;
  search.start = request.window.start;
  search.end = request.window.end;
  search.limit = request.max_traces;
  // Newest first, whatever a hint of the query says.
  search.order = traceql::OrderBy();
  search.spans_per_spanset = std::max<size_t>(request.max_matched, 1);
  search.helpers = request.helpers;
  search.judge = request.judge;
  ASSIGN_OR_RETURN(const query::SearchResult found,
                   query::Search(reader, context, search));
  TraceSample sample;
  sample.resource_keys = request.resource_keys.size();
  sample.complete = found.next.empty() && !found.truncated;
  sample.inspected_spans = found.stats.inspected_spans;
  const std::vector<Wanted> wanted =
      ChooseTraces(found, request.max_spans, &sample.complete);
  Interner shared;
  if (!wanted.empty()) {
    const storage::FrameRequest scan_request = ScanOf(request, wanted);
    ASSIGN_OR_RETURN(const auto scan, reader.Scan(context, scan_request));
    std::vector<std::unique_ptr<Taker>> takers(
        query::MaxWorkers(*scan, request.helpers));
    query::QueryStats stats;
    Status loss;
    RETURN_IF_ERROR(query::VisitUnits(
        *scan, context, request.helpers,
        [&](size_t number) -> query::UnitWorker& {
          takers[number] = std::make_unique<Taker>(
              wanted, scan_request.start, sample.resource_keys,
              request.max_matched > 0, shared);
          return *takers[number];
        },
        &stats, &loss));
    sample.inspected_spans += stats.inspected_spans;
    Merge(takers, sample.resource_keys, &sample);
    if (sample.traces.empty() && !loss) return std::move(loss).error();
  }
  shared.Take(&sample);
  return sample;
}

}  // namespace khtrace::analysis
