// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "model/span_batch.h"

// The newest spans, in memory, as the compact batches they arrived in.

namespace khtrace::storage::columnar {

// Answers "is this trace certainly not in the batch" from about a byte a
// span. Immutable.
class TraceIdFilter {
 public:
  TraceIdFilter() = default;
  explicit TraceIdFilter(const std::vector<model::TraceId>& ids);
  bool MayContain(const model::TraceId& id) const;
  size_t bytes() const { return words_.size() * sizeof(uint64_t); }

 private:
  // Each id sets three bits of one word.
  std::vector<uint64_t> words_;  // a power of two of them
};

// A batch with what lets a query skip it. Immutable once in a generation.
struct HeadBatch {
  HeadBatch() = default;
  explicit HeadBatch(model::SpanBatchPtr batch);

  model::SpanBatchPtr batch;
  TraceIdFilter filter;
  UnixNanos min_start = UnixNanos::Max();
  UnixNanos max_start;
  size_t bytes = 0;  // of memory
};

// The batches between two cuts, only ever appended to. One thread at a time
// appends; a reader that learnt size() from it (by a lock or otherwise in
// order) may read entries below that size at any time.
class HeadGeneration {
 public:
  // `now` is Clock::Monotonic().
  void Append(HeadBatch batch, std::chrono::nanoseconds now);
  size_t size() const { return size_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t span_count() const { return span_count_; }
  // When the first batch came.
  std::chrono::nanoseconds born() const { return born_; }
  // When the last one did.
  std::chrono::nanoseconds touched() const { return touched_; }

  template <typename Visit>  // void(const HeadBatch&)
  void ForEach(size_t count, const Visit& visit) const {
    const Block* block = &first_;
    for (size_t i = 0; i < count; ++i) {
      if (i > 0 && i % kBlock == 0) block = block->next.get();
      visit(block->entries[i % kBlock]);
    }
  }

 private:
  // Blocks never move, so a reader needs no lock while batches come in.
  static constexpr size_t kBlock = 64;
  struct Block {
    std::array<HeadBatch, kBlock> entries;
    std::unique_ptr<Block> next;
  };

  std::chrono::nanoseconds born_{0};
  std::chrono::nanoseconds touched_{0};
  Block first_;
  Block* last_ = &first_;
  size_t size_ = 0;
  uint64_t bytes_ = 0;
  uint64_t span_count_ = 0;
};

// A generation as it was at one moment. Cheap to copy.
struct HeadView {
  std::shared_ptr<const HeadGeneration> generation;
  size_t count = 0;

  template <typename Visit>
  void ForEach(const Visit& visit) const {
    generation->ForEach(count, visit);
  }
};

}  // namespace khtrace::storage::columnar
