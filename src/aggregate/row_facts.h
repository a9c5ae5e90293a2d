// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "aggregate/known_keys.h"
#include "aggregate/partial.h"
#include "aggregate/span_facts.h"
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

// Reads the facts of traces whose spans are rows of batches. Confined to one
// thread. Each call takes the partial whose texts facts are numbers of.
class RowFacts final : public SpanDetails {
 public:
  // The facts of `trace`, until the next call. Its batches stay until
  // ForgetBatches(), `partial` until the trace was added.
  std::span<const SpanFacts> Read(const TraceView& trace, Partial* partial);
  void ForgetBatches();

  Target TargetOf(uint32_t row) override;
  void AppendExceptions(uint32_t row, std::vector<ErrorFacts>* out) override;
  ErrorFacts ErrorOf(uint32_t row) override;

 private:
  // What is known of a key.
  struct KnownAs {
    KnownKey key = kNoKey;
    Trait trait = Trait::kNone;
    bool matters() const { return key != kNoKey || trait != Trait::kNone; }
  };
  static constexpr uint32_t kNoCode = UINT32_MAX;
  // The codes of their texts in a batch; kNoCode without one.
  using KnownTexts = std::array<model::StringCode, kKnownKeys>;

  TextId TextOf(const model::SpanBatch& batch, model::StringCode code);
  TextId MessageOf(const model::SpanBatch& batch, model::StringCode code);
  // Position in frames_.
  uint32_t FramesOf(const model::SpanBatch& batch, model::StringCode code);
  // By the batch's key codes.
  const std::vector<KnownAs>& KeysOf(const model::SpanBatch& batch);
  KnownTexts FindTexts(const model::SpanBatch& batch, model::AttrRange range);
  uint64_t UnsampledBy(const model::SpanBatch& batch,
                       model::StringCode trace_state);
  // Adds what attributes say of the trait and of spans that were not sampled.
  void ReadAttributes(const model::RowRef& ref, SpanFacts* facts);

  Partial* partial_ = nullptr;
  std::span<const model::RowRef> rows_;
  std::vector<SpanFacts> facts_;

  BatchMemo texts_;
  BatchMemo services_;
  boost::unordered_flat_map<const model::SpanBatch*, std::vector<KnownAs>>
      keys_;
  BatchMemo trace_states_;
  std::vector<uint64_t> unsampled_;  // trace_states_ has positions in it
  BatchMemo messages_;
  BatchMemo frame_numbers_;
  std::vector<std::pair<TextId, uint32_t>> frames_;
};

}  // namespace khtrace::aggregate
