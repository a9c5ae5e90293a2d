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

  // A part's own aggregates, or nullptr.
  PartialPtr Find(const Part& part) KHTRACE_EXCLUDES(mu_);
  void Keep(const std::shared_ptr<const Part>& part, PartialPtr own)
      KHTRACE_EXCLUDES(mu_);

  // What has to be added to the parts' own aggregates because of traces that
  // lie in several of them; nullptr if it is not known for this very list.
  PartialPtr FindCorrection(const PartListPtr& parts) KHTRACE_EXCLUDES(mu_);
  void KeepCorrection(const PartListPtr& parts, PartialPtr correction)
      KHTRACE_EXCLUDES(mu_);

 private:
  // Bytes of parts' own aggregates. Larger: fewer of them read again.
  static constexpr size_t kMaxBytes = 64 << 20;

  struct Entry {
    std::weak_ptr<const Part> part;
    PartialPtr own;
    size_t bytes = 0;
    uint64_t used = 0;
  };

  Mutex mu_;
  std::map<std::string, Entry> entries_ KHTRACE_GUARDED_BY(mu_);  // by path
  size_t bytes_ KHTRACE_GUARDED_BY(mu_) = 0;
  uint64_t uses_ KHTRACE_GUARDED_BY(mu_) = 0;
  std::weak_ptr<const PartList> corrected_ KHTRACE_GUARDED_BY(mu_);
  PartialPtr correction_ KHTRACE_GUARDED_BY(mu_);
};

}  // namespace khtrace::storage::columnar
