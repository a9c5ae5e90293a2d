// SPDX-License-Identifier: Apache-2.0
#include "query/top_traces.h"

#include <algorithm>
#include <utility>

namespace khtrace::query {

void TopTraces::Add(std::vector<SizedHit> found, bool cut) {
  if (found.empty()) return;
  MutexLock lock(mu_);
  const TraceRank last = order_.RankOf(found.back().hit);
  for (SizedHit& one : found) {
    bytes_ += one.bytes;
    const TraceRank rank = order_.RankOf(one.hit);
    kept_.push_back({rank, std::move(one)});
  }
  unsorted_ += found.size();
  if (cut) {
    CutBehind(last);
  } else if (bytes_ <= max_bytes_ &&
             (kept_.size() < limit_ || unsorted_ < limit_ / kSortShare)) {
    return;  // there is no bound yet, or hardly a nearer one
  }
  Sort();
  Shrink(limit_);
  FitMemory();
  if (kept_.size() == limit_) bound_ = kept_.back().rank;
}

void TopTraces::Sort() {
  if (unsorted_ == 0) return;
  std::sort(kept_.begin(), kept_.end(), [&](const Kept& a, const Kept& b) {
    return order_.Before(a.rank, b.rank);
  });
  unsorted_ = 0;
}

void TopTraces::CutBehind(const TraceRank& last) {
  Sort();
  const auto behind = std::partition_point(
      kept_.begin(), kept_.end(),
      [&](const Kept& k) { return !order_.Before(last, k.rank); });
  const auto first = static_cast<size_t>(behind - kept_.begin());
  if (first < limit_) truncated_ = true;
  limit_ = std::min(limit_, first);
  more_ = true;
}

void TopTraces::Shrink(size_t limit) {
  if (kept_.size() <= limit) return;
  for (size_t i = limit; i < kept_.size(); ++i) bytes_ -= kept_[i].found.bytes;
  kept_.resize(limit);
  more_ = true;
}

// The first trace stays, however large.
void TopTraces::FitMemory() {
  if (bytes_ <= max_bytes_) return;
  size_t bytes = 0;
  size_t fit = 0;
  while (fit < kept_.size() && bytes + kept_[fit].found.bytes <= max_bytes_) {
    bytes += kept_[fit++].found.bytes;
  }
  fit = std::max<size_t>(fit, 1);
  if (fit >= kept_.size()) return;
  limit_ = fit;
  truncated_ = true;
  Shrink(fit);
}

std::optional<TraceRank> TopTraces::bound() const {
  MutexLock lock(mu_);
  return bound_;
}

size_t TopTraces::limit() const {
  MutexLock lock(mu_);
  return limit_;
}

void TopTraces::NoteMore() {
  MutexLock lock(mu_);
  more_ = true;
}

std::vector<TraceHit> TopTraces::Settled(size_t skip, UnixNanos settled) {
  MutexLock lock(mu_);
  Sort();
  Shrink(limit_);
  std::vector<TraceHit> hits;
  for (size_t i = skip; i < kept_.size(); ++i) {
    if (kept_[i].found.hit.start <= settled) break;
    hits.push_back(kept_[i].found.hit);
  }
  return hits;
}

TopTraces::Page TopTraces::Take() {
  MutexLock lock(mu_);
  Sort();
  Shrink(limit_);
  Page page;
  page.more = more_;
  page.truncated = truncated_;
  for (Kept& kept : kept_) page.traces.push_back(std::move(kept.found.hit));
  return page;
}

}  // namespace khtrace::query
