// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "aggregate/partial.h"
#include "base/mutex.h"
#include "storage/columnar/part.h"

namespace khtrace::storage::columnar {

// What queries found out about the aggregates of a tenant's parts, so that the
// next one need not. Holds no part open. Thread-safe.
class AggregateCache {
 public:
  using PartialPtr = std::shared_ptr<const aggregate::Partial>;
  using PartListPtr = std::shared_ptr<const PartList>;

  // Buckets are brought together to hours for what asks for no less: a tenth
  // of the rows.
  static constexpr uint32_t kHour = 60;
  static_assert(kHour % aggregate::kMaxBucketMinutes == 0);

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

 private:
  // Bytes of parts' own aggregates. Larger: fewer of them read again. A day of
  // a million spans an hour takes some 100 MiB by hours.
  static constexpr size_t kMaxBytes = 192 << 20;

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

  void MakeRoom(const Key& newest) KHTRACE_REQUIRES(mu_);

  Mutex mu_;
  std::map<Key, Entry> entries_ KHTRACE_GUARDED_BY(mu_);
  size_t bytes_ KHTRACE_GUARDED_BY(mu_) = 0;
  uint64_t evictions_ KHTRACE_GUARDED_BY(mu_) = 0;
  std::weak_ptr<const PartList> corrected_ KHTRACE_GUARDED_BY(mu_);
  Correction correction_ KHTRACE_GUARDED_BY(mu_);
};

}  // namespace khtrace::storage::columnar
