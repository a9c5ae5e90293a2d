// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "base/mutex.h"
#include "base/result.h"

namespace khtrace::storage::columnar {

// What of the parts was found damaged since the store was opened, by queries,
// merges and the scrub. Each place is named once in the program's log.
// Thread-safe.
class DamageLog {
 public:
  // `damage` names page and part; `part` is the part's path.
  void Note(const std::string& part, const Error& damage) KHTRACE_EXCLUDES(mu_);
  bool IsDamaged(const std::string& part) const KHTRACE_EXCLUDES(mu_);
  // Its file was deleted.
  void Forget(const std::string& part) KHTRACE_EXCLUDES(mu_);

  // Distinct ones, ever.
  uint64_t places() const KHTRACE_EXCLUDES(mu_);
  // Damaged and still there.
  uint64_t parts() const KHTRACE_EXCLUDES(mu_);
  // How often damage was met: by how much answers fell short.
  uint64_t encounters() const KHTRACE_EXCLUDES(mu_);

 private:
  mutable Mutex mu_;
  std::map<std::string, std::set<std::string>> by_part_ KHTRACE_GUARDED_BY(mu_);
  uint64_t places_ KHTRACE_GUARDED_BY(mu_) = 0;
  uint64_t encounters_ KHTRACE_GUARDED_BY(mu_) = 0;
};

}  // namespace khtrace::storage::columnar
