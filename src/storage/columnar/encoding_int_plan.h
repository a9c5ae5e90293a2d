// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "storage/columnar/encoding_int.h"

// How a page of integers is cut into blocks of few bits (docs/format/part.md,
// "Integers"), before anything is written.

namespace khtrace::storage::columnar {

inline uint32_t BlockCount(size_t values) {
  return static_cast<uint32_t>((values + kIntBlock - 1) / kIntBlock);
}

struct BlockPlan {
  uint64_t base = 0;
  uint8_t width = 0;  // without exceptions
  uint8_t patched_width = 0;
  uint8_t exceptions = 0;
  uint8_t exception_width = 0;
  uint32_t patched_bytes = 0;

  bool operator==(const BlockPlan&) const = default;
};

struct PagePlan {
  std::vector<BlockPlan> blocks;
  uint64_t base = 0;
  uint64_t greatest = 0;  // of all values
  unsigned base_width = 0;
  size_t packed_bytes = 0;
  size_t patched_bytes = 0;
};

// With `patches`, exceptions are weighed as well. `values`: not none.
PagePlan PlanPage(std::span<const uint64_t> values, bool patches);

// The blocks alone, without what a page adds up; returns the greatest value.
// `blocks` has BlockCount(values.size()) of them. PlanPage takes the fastest
// that the machine has.
using BlockPlanner = uint64_t (*)(std::span<const uint64_t> values,
                                  bool patches, std::vector<BlockPlan>* blocks);
uint64_t PlanBlocksAnywhere(std::span<const uint64_t> values, bool patches,
                            std::vector<BlockPlan>* blocks);
BlockPlanner FastestBlockPlanner();

}  // namespace khtrace::storage::columnar
