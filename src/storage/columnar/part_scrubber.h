// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <deque>
#include <memory>

#include "storage/columnar/disk_room.h"
#include "storage/columnar/store_context.h"

namespace khtrace::storage::columnar {

// Reads every part of every tenant once in StoreOptions::scrub_interval and
// checks the checksums, a little at a time. What is corrupt is noted in the
// DamageLog; everything else of the part goes on being read. It sees what the
// kernel has in its cache where that is newer than the disk. Confined to one
// thread at a time.
class PartScrubber {
 public:
  // `context` outlives it.
  explicit PartScrubber(StoreContext& context);

  // Reads as much as the rate has allowed since the last call, or less.
  void Step(const TenantList& tenants);

 private:
  void Begin(const TenantList& tenants);
  void Finish();
  // False: the part is gone.
  bool Check(uint64_t max_bytes);

  StoreContext& context_;
  std::chrono::nanoseconds last_step_;
  std::chrono::nanoseconds next_round_;
  std::chrono::nanoseconds began_{0};
  // Of this round. Weak: retention is not held up.
  std::deque<std::weak_ptr<const Part>> parts_;
  ScrubProgress progress_;  // in the first of them
  uint64_t round_parts_ = 0;
  uint64_t round_bytes_ = 0;
  uint64_t round_damage_ = 0;
};

}  // namespace khtrace::storage::columnar
