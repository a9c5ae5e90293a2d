// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/head.h"

#include <algorithm>
#include <utility>

namespace khtrace::storage::columnar {
namespace {

// Ids a 64-bit word. 8 at three bits each: some 2 % false answers, a byte an
// id. Fewer ids: fewer false answers, more memory.
constexpr size_t kIdsPerWord = 8;

uint64_t Bits(uint64_t hash) {
  return uint64_t{1} << (hash & 63) | uint64_t{1} << (hash >> 6 & 63) |
         uint64_t{1} << (hash >> 12 & 63);
}

}  // namespace

TraceIdFilter::TraceIdFilter(const std::vector<model::TraceId>& ids) {
  size_t words = 1;
  while (words * kIdsPerWord < ids.size()) words *= 2;
  words_.assign(words, 0);
  for (const model::TraceId& id : ids) {
    const uint64_t hash = model::TraceIdHash()(id);
    words_[(hash >> 32) & (words - 1)] |= Bits(hash);
  }
}

bool TraceIdFilter::MayContain(const model::TraceId& id) const {
  if (words_.empty()) return false;
  const uint64_t hash = model::TraceIdHash()(id);
  const uint64_t bits = Bits(hash);
  return (words_[(hash >> 32) & (words_.size() - 1)] & bits) == bits;
}

HeadBatch::HeadBatch(model::SpanBatchPtr of)
    : batch(std::move(of)), filter(batch->spans().trace_id) {
  for (const UnixNanos start : batch->spans().start) {
    min_start = std::min(min_start, start);
    max_start = std::max(max_start, start);
  }
  bytes = batch->MemoryBytes() + filter.bytes() + sizeof(HeadBatch);
}

void HeadGeneration::Append(HeadBatch batch, std::chrono::nanoseconds now) {
  if (size_ == 0) born_ = now;
  touched_ = now;
  if (size_ > 0 && size_ % kBlock == 0) {
    last_->next = std::make_unique<Block>();
    last_ = last_->next.get();
  }
  bytes_ += batch.bytes;
  span_count_ += batch.batch->row_count();
  last_->entries[size_ % kBlock] = std::move(batch);
  ++size_;
}

}  // namespace khtrace::storage::columnar
