// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "aggregate/partial.h"
#include "base/mutex.h"
#include "storage/columnar/part.h"

namespace khtrace::storage::columnar {

// What queries found out about the aggregates of a tenant's parts, so that the
// next one need not. Holds no part open. Tenants share the memory by
// AggregateBudget. Thread-safe.
class AggregateCache {
 public:
  using PartialPtr = std::shared_ptr<const aggregate::Partial>;
  using PartListPtr = std::shared_ptr<const PartList>;

  // Buckets are brought together to hours for what asks for no less: a tenth
  // of the rows.
  static constexpr uint32_t kHour = 60;
  static_assert(kHour % aggregate::kMaxBucketMinutes == 0);

  // Bytes of what is kept.
  struct Limits {
    // Of parts' own aggregates. Larger: fewer of them read again. A day of a
    // million spans an hour takes some 100 MiB by hours.
    size_t of_parts = 192 << 20;
    // Of sums. Larger: dashboards of more windows at a time need not add up
    // everything again. The errors of a day may take 20 MiB.
    size_t of_sums = 96 << 20;

    // Of `bytes` for both.
    static constexpr Limits Of(size_t bytes) {
      return {bytes / 3 * 2, bytes / 3};
    }
  };
  explicit AggregateCache(const Limits& limits) : limits_(limits) {}
  AggregateCache() : AggregateCache(Limits()) {}

  // Which of a part's aggregates, in steps of so many minutes.
  struct Grain {
    uint32_t kinds = aggregate::kAllKinds;
    uint32_t step_minutes = 1;
    auto operator<=>(const Grain&) const = default;
  };

  // A part's own aggregates, or nullptr.
  PartialPtr Find(const Part& part, const Grain& grain) KHTRACE_EXCLUDES(mu_);
  void Keep(const std::shared_ptr<const Part>& part, const Grain& grain,
            PartialPtr own) KHTRACE_EXCLUDES(mu_);

  // The sum of some parts' own aggregates, as a request wanted it, and the
  // parts that are still to be added; nullptr and all of them if there is none
  // that is of no other parts.
  struct Sum {
    PartialPtr of_known;
    PartList missing;
  };
  Sum FindSum(const aggregate::MergeOptions& wanted, const PartList& parts)
      KHTRACE_EXCLUDES(mu_);
  // `sum` is of all `parts`.
  void KeepSum(const aggregate::MergeOptions& wanted, const PartList& parts,
               PartialPtr sum) KHTRACE_EXCLUDES(mu_);

  // What has to be added to the parts' own aggregates because of traces that
  // lie in several of them, as it is and by hours; nullptr if it is not known
  // for this very list.
  struct Correction {
    PartialPtr exact;
    PartialPtr hours;
  };
  Correction FindCorrection(const PartListPtr& parts) KHTRACE_EXCLUDES(mu_);
  void KeepCorrection(const PartListPtr& parts, Correction correction)
      KHTRACE_EXCLUDES(mu_);

  // From now on. What is over them goes, but for the newest sum.
  void SetLimits(const Limits& limits) KHTRACE_EXCLUDES(mu_);
  void Clear() KHTRACE_EXCLUDES(mu_);
  struct Usage {
    size_t bytes = 0;
    uint64_t uses = 0;  // questions so far
  };
  Usage usage() const KHTRACE_EXCLUDES(mu_);

 private:
  // Kinds, first and last minute, step.
  using Wanted = std::tuple<uint32_t, uint32_t, uint32_t, uint32_t>;
  struct KeptSum {
    std::vector<std::weak_ptr<const Part>> parts;
    PartialPtr sum;
    size_t bytes = 0;
    uint64_t used = 0;  // the greatest: last
  };
  struct Key {
    std::string path;
    Grain grain;
    auto operator<=>(const Key&) const = default;
  };
  struct Entry {
    std::weak_ptr<const Part> part;
    PartialPtr own;
    size_t bytes = 0;
  };

  // `newest` stays; nullptr: none has to.
  void MakeRoom(const Key* newest) KHTRACE_REQUIRES(mu_);
  void DropOldSums() KHTRACE_REQUIRES(mu_);

  mutable Mutex mu_;
  Limits limits_ KHTRACE_GUARDED_BY(mu_);
  uint64_t uses_ KHTRACE_GUARDED_BY(mu_) = 0;
  std::map<Key, Entry> entries_ KHTRACE_GUARDED_BY(mu_);
  size_t bytes_ KHTRACE_GUARDED_BY(mu_) = 0;
  uint64_t evictions_ KHTRACE_GUARDED_BY(mu_) = 0;
  std::map<Wanted, KeptSum> sums_ KHTRACE_GUARDED_BY(mu_);
  size_t sum_bytes_ KHTRACE_GUARDED_BY(mu_) = 0;
  uint64_t sum_uses_ KHTRACE_GUARDED_BY(mu_) = 0;
  std::weak_ptr<const PartList> corrected_ KHTRACE_GUARDED_BY(mu_);
  Correction correction_ KHTRACE_GUARDED_BY(mu_);
};

}  // namespace khtrace::storage::columnar
