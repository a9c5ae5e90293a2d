// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "storage/columnar/part.h"

// Which parts are worth merging: docs/adr/0008-one-merge-a-span.md. Pure.

namespace khtrace::storage::columnar {

struct MergeOptions {
  // Spans of a merged part, at most; a part with half of them is left alone.
  // Larger: fewer parts, more memory and more work lost by a crash. 0: no
  // merging.
  uint64_t max_spans = 1 << 20;
  // Parts that do not make half of `max_spans` are merged once there are so
  // many. Smaller: fewer files, smaller ones. 2 at least.
  uint32_t min_parts = 16;
  // Of the spans that a merge holds in memory, some 300 bytes each; what it
  // builds from them comes to not quite half as much again. A merge that meets
  // the limit takes fewer parts.
  uint64_t max_memory_bytes = 192 << 20;
  // Read and written, together. Smaller: a merge takes longer and is felt
  // less. 0: no limit.
  uint64_t bytes_per_second = 32 << 20;
};

struct MergeCandidate {
  const PartInfo* info = nullptr;
  bool barred = false;  // damaged, or in use by another job
};

// Positions in `parts` of those to merge into one, ascending; none: nothing
// is worth it. They are small, were not merged before, and arrived at about
// the same time: retention, which drops a part when its newest span is old,
// keeps no span for more than an eighth longer. `retention` 0: no age.
std::vector<size_t> PickMerge(std::span<const MergeCandidate> parts,
                              const MergeOptions& options,
                              std::chrono::seconds retention);

}  // namespace khtrace::storage::columnar
