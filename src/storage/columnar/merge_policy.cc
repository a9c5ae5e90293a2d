// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/merge_policy.h"

#include <algorithm>

namespace khtrace::storage::columnar {
namespace {

// How far apart the newest spans of merged parts may have arrived. Larger:
// fewer parts where little comes in; smaller: parts cover less time, so that a
// search skips more of them.
constexpr std::chrono::hours kMaxSpread{24};

std::chrono::nanoseconds SpreadFor(std::chrono::seconds retention) {
  if (retention.count() <= 0) return kMaxSpread;
  return std::min<std::chrono::nanoseconds>(kMaxSpread, retention / 8);
}

}  // namespace

std::vector<size_t> PickMerge(std::span<const MergeCandidate> parts,
                              const MergeOptions& options,
                              std::chrono::seconds retention) {
  std::vector<size_t> small;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].barred || parts[i].info->meta.level > 0) continue;
    if (parts[i].info->span_count * 2 < options.max_spans) small.push_back(i);
  }
  const auto newest = [&](size_t i) { return parts[i].info->RetentionTime(); };
  std::sort(small.begin(), small.end(), [&](size_t a, size_t b) {
    return newest(a) != newest(b) ? newest(a) < newest(b) : a < b;
  });
  const std::chrono::nanoseconds spread = SpreadFor(retention);
  // Each run of neighbours in time, from the oldest on, as long as it fits.
  for (size_t begin = 0; begin < small.size(); ++begin) {
    const UnixNanos latest = newest(small[begin]).Plus(spread);
    uint64_t spans = 0;
    size_t end = begin;
    while (end < small.size() && newest(small[end]) <= latest) {
      const uint64_t more = parts[small[end]].info->span_count;
      if (spans + more > options.max_spans) break;
      spans += more;
      ++end;
    }
    const size_t count = end - begin;
    if (count >= options.min_parts ||
        (count >= 2 && spans * 2 >= options.max_spans)) {
      std::vector<size_t> picked(small.begin() + static_cast<ptrdiff_t>(begin),
                                 small.begin() + static_cast<ptrdiff_t>(end));
      std::sort(picked.begin(), picked.end());
      return picked;
    }
  }
  return {};
}

}  // namespace khtrace::storage::columnar
