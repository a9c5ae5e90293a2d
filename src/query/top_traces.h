// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/mutex.h"
#include "query/search.h"
#include "query/search_order.h"

namespace khtrace::query {

// A trace of an answer and the bytes it takes, more or less.
struct SizedHit {
  TraceHit hit;
  size_t bytes = 0;
};

// The first `limit` traces of an order, out of all that are added. One for all
// threads of a search: it is asked once a unit, and so the bound is that of
// all, and what is kept is within `max_bytes` however many threads there are.
// Over that the limit falls: what is left is still the first of all.
class TopTraces {
 public:
  // `limit` > 0.
  TopTraces(TraceOrder order, size_t limit, size_t max_bytes)
      : order_(order), max_bytes_(max_bytes), limit_(limit) {}

  const TraceOrder& order() const { return order_; }
  // `found` in order. `cut`: others that come behind the last of them were
  // left out for lack of memory.
  void Add(std::vector<SizedHit> found, bool cut) KHTRACE_EXCLUDES(mu_);
  // What comes behind this one is not among the first; nothing: anything may
  // be.
  std::optional<TraceRank> bound() const KHTRACE_EXCLUDES(mu_);
  size_t limit() const KHTRACE_EXCLUDES(mu_);
  // Something that may fit was not looked at, because it comes behind.
  void NoteMore() KHTRACE_EXCLUDES(mu_);

  // Those from the `skip`-th on that start after `settled`, in order.
  std::vector<TraceHit> Settled(size_t skip, UnixNanos settled)
      KHTRACE_EXCLUDES(mu_);

  struct Page {
    std::vector<TraceHit> traces;
    bool more = false;       // perhaps some fit that are behind these
    bool truncated = false;  // the limit fell
  };
  Page Take() KHTRACE_EXCLUDES(mu_);

 private:
  struct Kept {
    TraceRank rank;
    SizedHit found;
  };

  // Sorted again when so large a share of them is new. Larger: a nearer bound,
  // but more sorting: of all of them, each time.
  static constexpr size_t kSortShare = 8;

  void Sort() KHTRACE_REQUIRES(mu_);
  void CutBehind(const TraceRank& last) KHTRACE_REQUIRES(mu_);
  void Shrink(size_t limit) KHTRACE_REQUIRES(mu_);
  void FitMemory() KHTRACE_REQUIRES(mu_);

  const TraceOrder order_;
  const size_t max_bytes_;
  mutable Mutex mu_;
  size_t limit_ KHTRACE_GUARDED_BY(mu_);
  size_t bytes_ KHTRACE_GUARDED_BY(mu_) = 0;
  std::vector<Kept> kept_ KHTRACE_GUARDED_BY(mu_);
  size_t unsorted_ KHTRACE_GUARDED_BY(mu_) = 0;  // the last so many of kept_
  std::optional<TraceRank> bound_ KHTRACE_GUARDED_BY(mu_);
  bool more_ KHTRACE_GUARDED_BY(mu_) = false;
  bool truncated_ KHTRACE_GUARDED_BY(mu_) = false;
};

}  // namespace khtrace::query
