// SPDX-License-Identifier: Apache-2.0
// Everything a tenant has, as frames of whole traces: one a row group, without
// the traces that lie elsewhere as well; those are put together, and those of
// the heads brought in order, into frames of their own.
#include <fmt/format.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <map>
#include <span>
#include <tuple>

#include "base/hash.h"
#include "storage/batch_frame.h"
#include "storage/columnar/part_frame.h"
#include "storage/columnar/query_losses.h"
#include "storage/columnar/split_traces.h"
#include "storage/columnar/tenant_query.h"

namespace khtrace::storage::columnar {
namespace {

using model::RowIndex;
using model::RowRef;
using model::SpanBatchPtr;
using model::TraceId;

// Spans of a frame in memory, more or less. Larger: fewer, larger steps of
// work.
constexpr size_t kFrameSpans = 64 * 1024;
// Split traces that one frame puts together.
constexpr size_t kSplitTraces = 256;

using IdSet = boost::unordered_flat_set<TraceId, model::TraceIdHash>;

// The spans of one trace in the heads.
struct HeadTrace {
  UnixNanos start = UnixNanos::Max();
  uint32_t first = 0;  // of its rows
  uint32_t count = 0;
};

class TenantScan : public FrameScan {
 public:
  TenantScan(TenantView view, FrameRequest request)
      : view_(std::move(view)),
        request_(std::make_shared<const FrameRequest>(std::move(request))) {}

  Status Plan(const RequestContext& context);

  size_t unit_count() const override { return units_.size(); }
  UnixNanos newest_start(size_t unit) const override {
    return units_[unit].newest;
  }
  std::string identity(size_t unit) const override;
  ScanSummary summary() const override { return summary_; }
  Result<std::unique_ptr<TraceFrame>> Open(const RequestContext& context,
                                           size_t unit) const override;
  void NoteLoss(size_t unit, const Error& error) const override;

 private:
  enum class Kind : uint8_t { kSplit, kHeadSplit, kHead, kGroup };
  struct Unit {
    UnixNanos newest;
    Kind kind = Kind::kGroup;
    uint32_t part = 0;
    // kGroup: the row group; else [begin, end) of in_parts_, head_split_ or
    // head_traces_.
    uint32_t begin = 0;
    uint32_t end = 0;
    uint64_t excluded_hash = 0;
  };

  Status FindSplit(const RequestContext& context, QueryLosses* losses);
  void PlanSplit(Kind kind, const SplitTraces::SplitTraceList& traces);
  void OrderHeads();
  void PlanHeads();
  Status PlanPart(uint32_t part, QueryLosses* losses);
  Result<std::shared_ptr<const WholeTraces>> PutTogether(
      const RequestContext& context, std::span<const TraceId> ids) const;
  Result<std::unique_ptr<TraceFrame>> OpenSplit(const RequestContext& context,
                                                const Unit& unit) const;
  std::unique_ptr<TraceFrame> OpenHead(const Unit& unit) const;

  const TenantView view_;
  const std::shared_ptr<const FrameRequest> request_;
  std::vector<Unit> units_;
  ScanSummary summary_;
  std::vector<std::shared_ptr<const PartFrames>> parts_;  // nullptr: not needed
  // Traces of a row group that lie elsewhere too.
  std::map<std::pair<const Part*, size_t>, std::vector<uint32_t>> excluded_;
  // Split traces that no head has a part of: their wholes are kept.
  std::shared_ptr<const SplitTraces::SplitTraceList> in_parts_;
  SplitTraces::SplitTraceList head_split_;
  IdSet in_head_too_;
  IdSet split_;
  std::vector<SpanBatchPtr> head_batches_;
  std::vector<RowRef> head_rows_;       // by trace, each trace's in order
  std::vector<HeadTrace> head_traces_;  // newest first
};

Status TenantScan::FindSplit(const RequestContext& context,
                             QueryLosses* losses) {
  if (view_.parts->empty() || view_.splits == nullptr) return {};
  ASSIGN_OR_RETURN(const auto in_parts,
                   view_.splits->InParts(context, view_.parts, losses));
  ASSIGN_OR_RETURN(
      const auto in_heads,
      view_.splits->InHeads(context, view_.parts, view_.heads, losses));
  in_parts_ = in_parts;
  const auto add = [&](const SplitTrace& trace) {
    if (!split_.insert(trace.id).second) return false;
    for (const PartPlace& place : trace.places) {
      excluded_[{place.part, place.place.group}].push_back(place.place.trace);
    }
    return true;
  };
  head_split_ = in_heads;
  for (const SplitTrace& trace : head_split_) {
    add(trace);
    in_head_too_.insert(trace.id);
  }
  for (const SplitTrace& trace : *in_parts_) add(trace);
  summary_.split_traces = split_.size();
  for (auto& [group, traces] : excluded_) {
    std::sort(traces.begin(), traces.end());
  }
  return {};
}

// Brings the rows of the heads together by trace.
void TenantScan::OrderHeads() {
  boost::unordered_flat_map<TraceId, uint32_t, model::TraceIdHash> numbers;
  std::vector<RowRef> rows;
  std::vector<uint32_t> trace_of;
  constexpr uint32_t kElsewhere = UINT32_MAX;
  const auto number_of = [&](const TraceId& id) {
    if (split_.contains(id)) return kElsewhere;
    const auto fresh = static_cast<uint32_t>(head_traces_.size());
    const auto [at, added] = numbers.try_emplace(id, fresh);
    if (added) head_traces_.emplace_back();
    return at->second;
  };
  for (const HeadView& head : view_.heads) {
    head.ForEach([&](const HeadBatch& entry) {
      head_batches_.push_back(entry.batch);
      const std::vector<TraceId>& ids = entry.batch->spans().trace_id;
      uint32_t number = kElsewhere;
      for (RowIndex row = 0; row < ids.size(); ++row) {
        if (row == 0 || ids[row] != ids[row - 1]) number = number_of(ids[row]);
        if (number == kElsewhere) continue;
        rows.push_back({entry.batch.get(), row});
        trace_of.push_back(number);
        ++head_traces_[number].count;
      }
    });
  }
  summary_.head_spans = rows.size();
  uint32_t next = 0;
  for (HeadTrace& trace : head_traces_) {
    trace.first = next;
    next += std::exchange(trace.count, 0);
  }
  head_rows_.resize(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    HeadTrace& trace = head_traces_[trace_of[i]];
    head_rows_[trace.first + trace.count++] = rows[i];
  }
}

auto KeyOf(const RowRef& ref) {
  const model::SpanColumns& spans = ref.batch->spans();
  return std::tuple(spans.start[ref.row], spans.span_id[ref.row],
                    spans.kind[ref.row]);
}

void TenantScan::PlanHeads() {
  OrderHeads();
  for (HeadTrace& trace : head_traces_) {
    const auto begin = head_rows_.begin() + trace.first;
    // Of equal spans the first one that came stays.
    std::stable_sort(
        begin, begin + trace.count,
        [](const RowRef& a, const RowRef& b) { return KeyOf(a) < KeyOf(b); });
    const auto end = std::unique(
        begin, begin + trace.count,
        [](const RowRef& a, const RowRef& b) { return KeyOf(a) == KeyOf(b); });
    trace.count = static_cast<uint32_t>(end - begin);
    trace.start = begin->batch->spans().start[begin->row];
  }
  std::sort(
      head_traces_.begin(), head_traces_.end(),
      [](const HeadTrace& a, const HeadTrace& b) { return a.start > b.start; });
  size_t spans = 0;
  uint32_t begin = 0;
  for (uint32_t i = 0; i < head_traces_.size(); ++i) {
    spans += head_traces_[i].count;
    if (spans < kFrameSpans && i + 1 < head_traces_.size()) continue;
    ++summary_.head_units;
    units_.push_back(
        {head_traces_[begin].start, Kind::kHead, 0, begin, i + 1, 0});
    begin = i + 1;
    spans = 0;
  }
}

Status TenantScan::PlanPart(uint32_t number, QueryLosses* losses) {
  const Part& part = *(*view_.parts)[number];
  const PartInfo& info = part.info();
  // A span may end before it starts.
  if (info.min_start > request_->end ||
      std::max(info.max_start, info.max_end) < request_->start) {
    ++summary_.parts_skipped;
    return {};
  }
  auto frames = part.OpenFrames(request_);
  if (!frames) return losses->Excuse(part, std::move(frames).error());
  parts_[number] = *std::move(frames);
  const std::vector<RowGroup>& groups = parts_[number]->footer().groups;
  for (uint32_t g = 0; g < groups.size(); ++g) {
    if (groups[g].min_start > request_->end.ns ||
        groups[g].max_start < request_->spans_start.ns) {
      ++summary_.groups_skipped;
      continue;
    }
    ++summary_.group_units;
    Unit unit{{groups[g].max_start}, Kind::kGroup, number, g, g + 1, 0};
    const auto excluded = excluded_.find({&part, g});
    if (excluded != excluded_.end()) {
      for (const uint32_t trace : excluded->second) {
        unit.excluded_hash = Mix64(unit.excluded_hash ^ (trace + 1));
      }
    }
    units_.push_back(unit);
  }
  return {};
}

// `traces` come newest first, so that those of a unit are of one time and units
// outside the range are left out.
void TenantScan::PlanSplit(Kind kind,
                           const SplitTraces::SplitTraceList& traces) {
  for (size_t begin = 0; begin < traces.size(); begin += kSplitTraces) {
    const size_t end = std::min(traces.size(), begin + kSplitTraces);
    // Of what a head has as well, it may have more to either side.
    bool wanted = kind == Kind::kHeadSplit;
    for (size_t i = begin; i < end && !wanted; ++i) {
      wanted = traces[i].first_start() <= request_->end &&
               traces[i].last_end() >= request_->start &&
               traces[i].last_start() >= request_->spans_start;
    }
    if (!wanted) continue;
    ++summary_.split_units;
    units_.push_back({traces[begin].latest_start(), kind, 0,
                      static_cast<uint32_t>(begin), static_cast<uint32_t>(end),
                      0});
  }
}

Status TenantScan::Plan(const RequestContext& context) {
  QueryLosses losses(view_);
  RETURN_IF_ERROR(FindSplit(context, &losses));
  if (in_parts_) PlanSplit(Kind::kSplit, *in_parts_);
  PlanSplit(Kind::kHeadSplit, head_split_);
  PlanHeads();
  parts_.resize(view_.parts->size());
  summary_.parts = parts_.size();
  for (uint32_t p = 0; p < parts_.size(); ++p) {
    RETURN_IF_ERROR(context.Check());
    RETURN_IF_ERROR(PlanPart(p, &losses));
  }
  std::stable_sort(
      units_.begin(), units_.end(),
      [](const Unit& a, const Unit& b) { return a.newest > b.newest; });
  if (units_.empty() && losses.first()) return *losses.first();
  return {};
}

std::string TenantScan::identity(size_t number) const {
  const Unit& unit = units_[number];
  if (unit.kind != Kind::kGroup) return {};
  return fmt::format("{}#{}#{:x}", (*view_.parts)[unit.part]->path(),
                     unit.begin, unit.excluded_hash);
}

Result<std::shared_ptr<const WholeTraces>> TenantScan::PutTogether(
    const RequestContext& context, std::span<const TraceId> ids) const {
  auto whole = std::make_shared<WholeTraces>();
  for (const TraceId& id : ids) {
    auto trace = GetTrace(context, view_, id);
    if (!trace) {
      // Gone meanwhile, or in a head only after the view was taken.
      if (trace.error().code == Code::kNotFound) continue;
      return std::move(trace).error();
    }
    for (RowIndex row = 0; row < (*trace)->row_count(); ++row) {
      whole->rows.push_back({trace->get(), row});
    }
    whole->batches.push_back(*std::move(trace));
  }
  return std::shared_ptr<const WholeTraces>(std::move(whole));
}

Result<std::unique_ptr<TraceFrame>> TenantScan::OpenSplit(
    const RequestContext& context, const Unit& unit) const {
  std::vector<TraceId> ids;
  if (unit.kind == Kind::kHeadSplit) {
    for (uint32_t i = unit.begin; i < unit.end; ++i) {
      ids.push_back(head_split_[i].id);
    }
    ASSIGN_OR_RETURN(const auto whole, PutTogether(context, ids));
    return MakeBatchFrame(request_, whole->rows, whole->batches);
  }
  for (uint32_t i = unit.begin; i < unit.end; ++i) {
    const TraceId& id = (*in_parts_)[i].id;
    if (!in_head_too_.contains(id)) ids.push_back(id);
  }
  // Kept only where it does not depend on the heads.
  const bool keeps = ids.size() == unit.end - unit.begin;
  auto whole = keeps ? view_.splits->FindWhole(in_parts_, unit.begin) : nullptr;
  if (whole == nullptr) {
    ASSIGN_OR_RETURN(whole, PutTogether(context, ids));
    if (keeps) view_.splits->KeepWhole(in_parts_, unit.begin, whole);
  }
  return MakeBatchFrame(request_, whole->rows, whole->batches);
}

std::unique_ptr<TraceFrame> TenantScan::OpenHead(const Unit& unit) const {
  std::vector<RowRef> rows;
  for (uint32_t i = unit.begin; i < unit.end; ++i) {
    const HeadTrace& trace = head_traces_[i];
    const auto begin = head_rows_.begin() + trace.first;
    rows.insert(rows.end(), begin, begin + trace.count);
  }
  return MakeBatchFrame(request_, std::move(rows), {});
}

Result<std::unique_ptr<TraceFrame>> TenantScan::Open(
    const RequestContext& context, size_t number) const {
  RETURN_IF_ERROR(context.Check());
  const Unit& unit = units_[number];
  if (unit.kind == Kind::kSplit || unit.kind == Kind::kHeadSplit) {
    return OpenSplit(context, unit);
  }
  if (unit.kind == Kind::kHead) return OpenHead(unit);
  std::vector<uint32_t> excluded;
  const auto known =
      excluded_.find({(*view_.parts)[unit.part].get(), unit.begin});
  if (known != excluded_.end()) excluded = known->second;
  return parts_[unit.part]->Open(unit.begin, std::move(excluded));
}

void TenantScan::NoteLoss(size_t number, const Error& error) const {
  const Unit& unit = units_[number];
  if (unit.kind != Kind::kGroup || view_.damage == nullptr) return;
  view_.damage->Note((*view_.parts)[unit.part]->path(), error);
}

}  // namespace

Result<std::unique_ptr<FrameScan>> Scan(const RequestContext& context,
                                        const TenantView& view,
                                        const FrameRequest& request) {
  auto scan = std::make_unique<TenantScan>(view, request);
  RETURN_IF_ERROR(scan->Plan(context));
  return std::unique_ptr<FrameScan>(std::move(scan));
}

}  // namespace khtrace::storage::columnar
