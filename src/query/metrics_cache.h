// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"

namespace khtrace::query {

class MetricsFold;

// What units of storage that never change contributed to metrics queries, so
// that the same query again need not read them. The oldest in use go first.
// Thread-safe.
class MetricsCache {
 public:
  // The folds of a query's functions over one unit.
  using Folds = std::vector<std::shared_ptr<const MetricsFold>>;

  // Larger: more queries are answered again without reading.
  explicit MetricsCache(size_t max_bytes = 64u << 20) : max_bytes_(max_bytes) {}

  // Empty if it is not known.
  Folds Find(const std::string& key) KHTRACE_EXCLUDES(mu_);
  void Keep(const std::string& key, Folds folds) KHTRACE_EXCLUDES(mu_);

 private:
  struct Entry {
    std::string key;
    Folds folds;
    size_t bytes = 0;
  };
  using Entries = std::list<Entry>;  // last used first

  const size_t max_bytes_;
  Mutex mu_;
  Entries entries_ KHTRACE_GUARDED_BY(mu_);
  std::map<std::string, Entries::iterator> by_key_ KHTRACE_GUARDED_BY(mu_);
  size_t bytes_ KHTRACE_GUARDED_BY(mu_) = 0;
};

}  // namespace khtrace::query
