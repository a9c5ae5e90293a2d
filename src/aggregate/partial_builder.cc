// SPDX-License-Identifier: Apache-2.0
#include "aggregate/partial_builder.h"

#include <algorithm>
#include <bit>

#include "aggregate/error_text.h"
#include "aggregate/span_traits.h"

namespace khtrace::aggregate {

using model::RowRef;
using model::SpanBatch;

TextId PartialBuilder::TextOf(const SpanBatch& batch, model::StringCode code) {
  return {texts_.Get(
      &batch, code, [&] { return partial_.Intern(batch.String(code)).value; })};
}

TextId PartialBuilder::MessageOf(const SpanBatch& batch,
                                 model::StringCode code) {
  return {messages_.Get(&batch, code, [&] {
    return partial_.Intern(NormaliseMessage(batch.String(code))).value;
  })};
}

uint32_t PartialBuilder::FramesOf(const SpanBatch& batch,
                                  model::StringCode code) {
  return frame_numbers_.Get(&batch, code, [&] {
    const Frames frames = OwnFrames(batch.String(code));
    frames_.push_back({partial_.Intern(frames.top), frames.hash});
    return static_cast<uint32_t>(frames_.size() - 1);
  });
}

const std::vector<PartialBuilder::KnownAs>& PartialBuilder::KeysOf(
    const SpanBatch& batch) {
  static constexpr std::array<std::string_view, kKnownKeys> kNames = {
      "db.system.name",    "db.system",
      "messaging.system",  "messaging.destination.name",
      "peer.service",      "server.address",
      "net.peer.name",     "exception.type",
      "exception.message", "exception.stacktrace",
      "error.type",        "sampling.ratio"};
  std::vector<KnownAs>& keys = keys_[&batch];
  for (auto code = static_cast<model::KeyCode>(keys.size());
       code < batch.key_count(); ++code) {
    const auto name = std::find(kNames.begin(), kNames.end(), batch.Key(code));
    keys.push_back({static_cast<uint8_t>(name - kNames.begin()),
                    TraitOfKey(batch.Key(code))});
  }
  return keys;
}

PartialBuilder::KnownTexts PartialBuilder::FindTexts(const SpanBatch& batch,
                                                     model::AttrRange range) {
  KnownTexts found;
  found.fill(kNoCode);
  if (range.size() == 0) return found;
  const std::vector<KnownAs>& keys = KeysOf(batch);
  for (const model::Attr& attr : batch.Attributes(range)) {
    const uint8_t key = keys[attr.key].key;
    if (key == kNoKey || attr.type != model::AttrType::kString) continue;
    found[key] = static_cast<model::StringCode>(attr.payload);
  }
  return found;
}

void PartialBuilder::ReadRows(const TraceView& trace) {
  const size_t n = trace.rows.size();
  trace_ = &trace;
  ++traces_;
  service_.resize(n);
  name_.resize(n);
  kind_.resize(n);
  failed_.resize(n);
  has_outgoing_ = false;
  for (size_t i = 0; i < n; ++i) {
    const SpanBatch& batch = *trace.rows[i].batch;
    const model::RowIndex row = trace.rows[i].row;
    const model::SpanColumns& spans = batch.spans();
    name_[i] = TextOf(batch, spans.name[row]);
    service_[i] = {services_.Get(&batch, spans.scope[row], [&] {
      return partial_.Intern(batch.ServiceName(row)).value;
    })};
    kind_[i] = spans.kind[row];
    failed_[i] = spans.status[row] == model::StatusCode::kError;
    has_outgoing_ |= kind_[i] == model::SpanKind::kClient ||
                     kind_[i] == model::SpanKind::kProducer;
  }
}

void PartialBuilder::AddTrace(const TraceView& trace) {
  ReadRows(trace);
  AddRed();
  AddCritical();
  AddEdges();
  AddRetries();
  AddErrors();
}

uint64_t PartialBuilder::UnsampledBy(const SpanBatch& batch,
                                     model::StringCode trace_state) {
  return unsampled_[trace_states_.Get(&batch, trace_state, [&] {
    const auto probability = SamplingProbability(batch.String(trace_state));
    unsampled_.push_back(probability ? UnsampledOf(*probability) : 0);
    return static_cast<uint32_t>(unsampled_.size() - 1);
  })];
}

void PartialBuilder::ReadAttributes(const RowRef& ref, Trait* trait,
                                    uint64_t* unsampled) {
  const SpanBatch& batch = *ref.batch;
  const model::AttrRange range = batch.spans().attributes[ref.row];
  if (range.size() == 0) return;
  const std::vector<KnownAs>& keys = KeysOf(batch);
  for (const model::Attr& attr : batch.Attributes(range)) {
    const KnownAs known = keys[attr.key];
    if (!known.matters()) continue;
    if (known.trait != Trait::kNone &&
        (*trait == Trait::kNone || known.trait < *trait)) {
      *trait = known.trait;
    }
    if (known.key == kSamplingRatio && attr.type == model::AttrType::kDouble &&
        *unsampled == 0) {
      *unsampled = UnsampledOf(std::bit_cast<double>(attr.payload));
    }
  }
}

void PartialBuilder::AddRed() {
  for (uint32_t i = 0; i < trace_->rows.size(); ++i) {
    const RowRef& ref = trace_->rows[i];
    const model::SpanColumns& spans = ref.batch->spans();
    Trait trait = Trait::kNone;
    uint64_t unsampled = UnsampledBy(*ref.batch, spans.trace_state[ref.row]);
    ReadAttributes(ref, &trait, &unsampled);
    const RedKey key{service_[i],
                     name_[i],
                     static_cast<uint8_t>(kind_[i]),
                     static_cast<uint8_t>(spans.status[ref.row]),
                     trait,
                     Bucket<RedKey>(i)};
    const auto [row, added] = red_.try_emplace(key);
    RedSums& sums = row->second;
    if (added) sums.durations = histograms_.New();
    const uint64_t duration = Duration(i);
    histograms_.Add(sums.durations, duration);
    sums.unsampled += unsampled;
    const Slowest slowest{duration, trace_->id};
    if (slowest.Before(sums.slowest)) sums.slowest = slowest;
    const Sampled sampled{duration, trace_->id};
    if (sampled.Before(sums.sampled)) sums.sampled = sampled;
  }
}

void PartialBuilder::AddCritical() {
  const uint32_t root = trace_->root;
  if (root == kNoRow) return;
  CriticalKey key{
      service_[root], name_[root], {}, {}, Bucket<CriticalKey>(root)};
  for (uint32_t i = 0; i < trace_->rows.size(); ++i) {
    if (trace_->critical[i] == 0) continue;
    key.service = service_[i];
    key.operation = name_[i];
    CriticalSums& sums = critical_[key];
    sums.nanos += trace_->critical[i];
    sums.traces += sums.last_trace != traces_;
    sums.last_trace = traces_;
  }
}

void PartialBuilder::ForgetBatches() {
  for (BatchMemo* memo :
       {&texts_, &services_, &messages_, &frame_numbers_, &trace_states_}) {
    memo->Clear();
  }
  keys_.clear();
}

Partial PartialBuilder::Take() {
  const std::vector<LatencyHistogram> histograms = histograms_.Take();
  for (const auto& [key, sums] : red_) {
    RedCell& cell = partial_.red[key];
    cell.durations.Merge(histograms[sums.durations]);
    cell.unsampled += sums.unsampled;
    cell.slowest = sums.slowest;
    cell.sampled = sums.sampled;
  }
  for (const auto& [key, sums] : edges_) {
    EdgeCell& cell = partial_.edges[key];
    cell.calls += sums.calls;
    cell.caller_errors += sums.caller_errors;
    cell.callee_errors += sums.callee_errors;
    cell.caller.Merge(histograms[sums.caller]);
    cell.callee.Merge(histograms[sums.callee]);
  }
  for (const auto& [key, sums] : critical_) {
    partial_.critical[key] = {sums.nanos, sums.traces};
  }
  red_.clear();
  edges_.clear();
  critical_.clear();
  frames_.clear();
  unsampled_.clear();
  ForgetBatches();
  return std::exchange(partial_, Partial());
}

Partial AggregateBatches(std::span<const model::SpanBatchPtr> batches) {
  std::vector<RowRef> rows;
  for (const model::SpanBatchPtr& batch : batches) {
    for (model::RowIndex row = 0; row < batch->row_count(); ++row) {
      rows.push_back({batch.get(), row});
    }
  }
  const auto trace_of = [](const RowRef& ref) -> const model::TraceId& {
    return ref.batch->spans().trace_id[ref.row];
  };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const RowRef& a, const RowRef& b) {
                     return trace_of(a) < trace_of(b);
                   });
  PartialBuilder builder;
  TraceLinker linker;
  for (auto begin = rows.begin(); begin != rows.end();) {
    const auto end = std::find_if(begin, rows.end(), [&](const RowRef& ref) {
      return trace_of(ref) != trace_of(*begin);
    });
    builder.AddTrace(linker.Link({begin, end}));
    begin = end;
  }
  return builder.Take();
}

}  // namespace khtrace::aggregate
