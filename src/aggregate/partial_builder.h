// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "aggregate/latency_histogram.h"
#include "aggregate/partial.h"
#include "aggregate/trace_view.h"
#include "model/span_batch.h"

namespace khtrace::aggregate {

// A small cache from a code of a batch to a number, so that a text is hashed
// once a batch and not once a span. Confined to one thread.
class BatchMemo {
 public:
  template <typename Make>  // uint32_t()
  uint32_t Get(const model::SpanBatch* batch, uint32_t code, const Make& make) {
    const uint64_t place = reinterpret_cast<uintptr_t>(batch) >> 4;
    Entry& entry =
        entries_[((place + code) * 0x9e3779b97f4a7c15ull) >> (64 - kBits)];
    if (entry.batch != batch || entry.code != code) {
      entry = {batch, code, make()};
    }
    return entry.number;
  }
  void Clear() { entries_.assign(entries_.size(), {}); }

 private:
  // 16 bytes each. More: fewer texts hashed again where batches are many.
  static constexpr int kBits = 12;
  struct Entry {
    const model::SpanBatch* batch = nullptr;
    uint32_t code = 0;
    uint32_t number = 0;
  };
  std::vector<Entry> entries_ = std::vector<Entry>(size_t{1} << kBits);
};

// Aggregates traces, one after the other. What is counted under which key:
// partial_rows.h. What it costs: docs/performance.md. Confined to one thread.
class PartialBuilder {
 public:
  // The batches of `trace` stay until Take() or ForgetBatches().
  void AddTrace(const TraceView& trace);
  void ForgetBatches();
  // All traces since the last Take().
  Partial Take();

 private:
  // Attributes that are looked for; kNoKey: any other.
  enum KnownKey : uint32_t {
    kDbSystemName,
    kDbSystem,
    kMessagingSystem,
    kMessagingDestination,
    kPeerService,
    kServerAddress,
    kNetPeerName,
    kExceptionType,
    kExceptionMessage,
    kExceptionStacktrace,
    kErrorType,
    kSamplingRatio,
    kKnownKeys,
    kNoKey = kKnownKeys,
  };
  // What is known of a key.
  struct KnownAs {
    uint8_t key = kNoKey;
    Trait trait = Trait::kNone;
    bool matters() const { return key != kNoKey || trait != Trait::kNone; }
  };
  static constexpr uint32_t kNoCode = UINT32_MAX;
  // The codes of their texts in a batch; kNoCode without one.
  using KnownTexts = std::array<model::StringCode, kKnownKeys>;

  struct EdgeSums {
    uint64_t calls = 0;
    uint64_t caller_errors = 0;
    uint64_t callee_errors = 0;
    HistogramPool::Id caller = 0;
    HistogramPool::Id callee = 0;
  };
  struct RedSums {
    HistogramPool::Id durations = 0;
    uint64_t unsampled = 0;
    Slowest slowest;
    Sampled sampled;
  };
  struct CriticalSums {
    uint64_t nanos = 0;
    uint64_t traces = 0;
    uint64_t last_trace = 0;
  };
  // An outgoing span among its siblings.
  struct Attempt {
    TextId service;
    TextId operation;
    Target target;
    uint32_t row = 0;

    auto key() const {
      return std::tuple(service, operation, target.type, target.name,
                        target.address);
    }
  };

  TextId TextOf(const model::SpanBatch& batch, model::StringCode code);
  TextId MessageOf(const model::SpanBatch& batch, model::StringCode code);
  // Position in frames_.
  uint32_t FramesOf(const model::SpanBatch& batch, model::StringCode code);
  // By the batch's key codes.
  const std::vector<KnownAs>& KeysOf(const model::SpanBatch& batch);
  KnownTexts FindTexts(const model::SpanBatch& batch, model::AttrRange range);

  void ReadRows(const TraceView& trace);
  template <typename Key>
  uint32_t Bucket(uint32_t row) const {
    return BucketOf({trace_->starts[row]}, Key::kMinutes);
  }
  uint64_t Duration(uint32_t row) const {
    const uint64_t start = trace_->starts[row];
    const uint64_t end = trace_->ends[row];
    return end > start ? end - start : 0;
  }
  void AddRed();
  uint64_t UnsampledBy(const model::SpanBatch& batch,
                       model::StringCode trace_state);
  // Adds what attributes say of the trait and of spans that were not sampled.
  void ReadAttributes(const model::RowRef& ref, Trait* trait,
                      uint64_t* unsampled);
  void AddCritical();
  // partial_builder_edges.cc
  void AddEdges();
  EdgeSums& Edge(const EdgeKey& key);
  Target TargetOf(const model::RowRef& ref);
  void AddRetries();
  void AddRetriesBelow(uint32_t parent);
  void AddCalls(std::span<const Attempt> attempts);
  void AddCall(std::span<const Attempt> attempts, Target target);
  // partial_builder_errors.cc
  void AddErrors();
  // Fills failed_below_ if anything failed.
  bool FindOrigins();
  bool AddExceptions(uint32_t row);
  void AddError(uint32_t row, ErrorKey key);

  Partial partial_;
  HistogramPool histograms_;
  boost::unordered_flat_map<RedKey, RedSums, KeyHash> red_;
  boost::unordered_flat_map<EdgeKey, EdgeSums, KeyHash> edges_;
  boost::unordered_flat_map<CriticalKey, CriticalSums, KeyHash> critical_;
  uint64_t traces_ = 0;

  BatchMemo texts_;
  BatchMemo services_;
  boost::unordered_flat_map<const model::SpanBatch*, std::vector<KnownAs>>
      keys_;
  BatchMemo trace_states_;
  std::vector<uint64_t> unsampled_;  // trace_states_ has positions in it
  BatchMemo messages_;
  BatchMemo frame_numbers_;
  std::vector<std::pair<TextId, uint32_t>> frames_;

  // The trace that is being added, by row.
  const TraceView* trace_ = nullptr;
  std::vector<TextId> service_;
  std::vector<TextId> name_;
  std::vector<model::SpanKind> kind_;
  std::vector<uint8_t> failed_;
  std::vector<uint8_t> failed_below_;
  std::vector<uint32_t> callee_;  // a client's first callee, or kNoRow
  bool has_outgoing_ = false;
  std::vector<uint8_t> looked_below_;
  std::vector<Attempt> attempts_;
};

// The aggregates of all traces in `batches`, each put together from all of
// them. Of equal spans the first one counts.
Partial AggregateBatches(std::span<const model::SpanBatchPtr> batches);

}  // namespace khtrace::aggregate
