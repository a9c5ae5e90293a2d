// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/encoding_int_plan.h"

#include <array>
#include <bit>

#include "storage/columnar/encoding_bits.h"

namespace khtrace::storage::columnar {
namespace {

// An exception costs its position beside its bits.
constexpr unsigned kMaxExceptions = 255;

// What is compiled twice: for every machine, and with AVX2's instructions,
// where counting bits takes one cycle instead of four and four values are
// compared at once. Results are the same.
#define KHTRACE_INLINE inline __attribute__((always_inline))
#if defined(__x86_64__)
#define KHTRACE_AVX2 __attribute__((target("avx2,bmi,lzcnt")))
#endif

// How many values of a block need each number of bits. Four counts side by
// side: neighbours often need as many bits, and one counter would wait for
// itself.
KHTRACE_INLINE std::array<uint16_t, 65> CountWidths(
    std::span<const uint64_t> block, uint64_t base) {
  std::array<std::array<uint16_t, 65>, 4> counts{};
  size_t i = 0;
  for (; i + 4 <= block.size(); i += 4) {
    for (size_t j = 0; j < 4; ++j) {
      ++counts[j][static_cast<size_t>(std::bit_width(block[i + j] - base))];
    }
  }
  for (; i < block.size(); ++i) {
    ++counts[0][static_cast<size_t>(std::bit_width(block[i] - base))];
  }
  for (size_t width = 0; width <= 64; ++width) {
    counts[0][width] += static_cast<uint16_t>(
        counts[1][width] + counts[2][width] + counts[3][width]);
  }
  return counts[0];
}

// Finds the width at which low bits plus exceptions are smallest.
KHTRACE_INLINE void PlanPatches(std::span<const uint64_t> block,
                                BlockPlan* plan) {
  plan->patched_width = plan->width;
  plan->patched_bytes =
      static_cast<uint32_t>(PackedBytes(block.size(), plan->width));
  if (plan->width == 0) return;
  const std::array<uint16_t, 65> with_width = CountWidths(block, plan->base);
  unsigned exceptions = 0;
  for (int width = plan->width - 1; width >= 0; --width) {
    exceptions += with_width[width + 1];
    if (exceptions > kMaxExceptions || exceptions > block.size() / 4) break;
    const unsigned high = plan->width - width;
    const auto bytes =
        static_cast<uint32_t>(PackedBytes(block.size(), width) + exceptions +
                              PackedBytes(exceptions, high));
    if (bytes >= plan->patched_bytes) continue;
    plan->patched_bytes = bytes;
    plan->patched_width = static_cast<uint8_t>(width);
    plan->exceptions = static_cast<uint8_t>(exceptions);
    plan->exception_width = static_cast<uint8_t>(high);
  }
}

// Blocks' bases and widths; and greatest values, of all.
KHTRACE_INLINE uint64_t PlanBlocks(std::span<const uint64_t> values,
                                   bool patches,
                                   std::vector<BlockPlan>* blocks) {
  uint64_t greatest = 0;
  for (size_t b = 0; b < blocks->size(); ++b) {
    const auto block = values.subspan(
        b * kIntBlock,
        std::min<size_t>(kIntBlock, values.size() - b * kIntBlock));
    uint64_t low = block[0];
    uint64_t high = block[0];
    for (const uint64_t v : block) {
      low = std::min(low, v);
      high = std::max(high, v);
    }
    BlockPlan& plan = (*blocks)[b];
    plan.base = low;
    plan.width = static_cast<uint8_t>(std::bit_width(high - low));
    if (patches) PlanPatches(block, &plan);
    greatest = std::max(greatest, high);
  }
  return greatest;
}

#ifdef KHTRACE_AVX2
KHTRACE_AVX2 uint64_t PlanBlocksAvx2(std::span<const uint64_t> values,
                                     bool patches,
                                     std::vector<BlockPlan>* blocks) {
  return PlanBlocks(values, patches, blocks);
}
#endif

}  // namespace

uint64_t PlanBlocksAnywhere(std::span<const uint64_t> values, bool patches,
                            std::vector<BlockPlan>* blocks) {
  return PlanBlocks(values, patches, blocks);
}

BlockPlanner FastestBlockPlanner() {
#ifdef KHTRACE_AVX2
  // What has AVX2 has the others.
  if (__builtin_cpu_supports("avx2")) return PlanBlocksAvx2;
#endif
  return PlanBlocksAnywhere;
}

PagePlan PlanPage(std::span<const uint64_t> values, bool patches) {
  static const BlockPlanner plan_blocks = FastestBlockPlanner();
  PagePlan page;
  page.blocks.resize(BlockCount(values.size()));
  page.greatest = plan_blocks(values, patches, &page.blocks);
  uint64_t smallest = UINT64_MAX;
  uint64_t greatest = 0;
  for (size_t b = 0; b < page.blocks.size(); ++b) {
    const BlockPlan& plan = page.blocks[b];
    const size_t n = std::min<size_t>(kIntBlock, values.size() - b * kIntBlock);
    page.packed_bytes += 1 + PackedBytes(n, plan.width);
    if (patches) page.patched_bytes += 3 + plan.patched_bytes;
    smallest = std::min(smallest, plan.base);
    greatest = std::max(greatest, plan.base);
  }
  page.base = smallest;
  page.base_width = static_cast<unsigned>(std::bit_width(greatest - smallest));
  const size_t rest =
      9 + PackedBytes(page.blocks.size(), page.base_width) + kPackedSlack;
  page.packed_bytes += rest;
  page.patched_bytes += rest;
  return page;
}

}  // namespace khtrace::storage::columnar
