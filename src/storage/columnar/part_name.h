// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

// Names of part files: docs/format/data-directory.md.

namespace khtrace::storage::columnar {

inline constexpr std::string_view kPartSuffix = ".part";
inline constexpr std::string_view kTemporarySuffix = ".tmp";

// Named by the last log frame inside: larger names are newer.
inline std::string PartFileName(uint64_t wal_end, uint32_t level) {
  return fmt::format("{:020}-{}{}", wal_end, level, kPartSuffix);
}

// The number that a part's name begins with; 0 for other names.
inline uint64_t SequenceOf(std::string_view name) {
  uint64_t sequence = 0;
  std::from_chars(name.data(), name.data() + name.size(), sequence);
  return sequence;
}

inline std::string_view FileNameOf(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace khtrace::storage::columnar
