// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "model/attr_value.h"

// The numbers of docs/format/wal.md, section "Batch", that its encoder and
// decoder share.

namespace khtrace::storage::columnar {

inline constexpr uint64_t kBatchVersion = 1;

// How a span's trace id is told.
inline constexpr uint64_t kTraceSame = 0;  // as the previous span's
inline constexpr uint64_t kTraceNew = 1;   // 16 bytes follow
inline constexpr uint64_t kTraceSeen = 2;  // + distance from the newest seen

// How a span's parent is told.
inline constexpr uint64_t kParentNone = 0;
inline constexpr uint64_t kParentElsewhere = 1;  // 8 bytes follow
inline constexpr uint64_t kParentRow = 2;        // + zigzag(its row - this row)

// A column of numbers or texts.
inline constexpr uint64_t kColumnConstant = 0;  // texts: all empty
inline constexpr uint64_t kColumnPlain = 1;

inline uint64_t KeyAndType(uint32_t key, model::AttrType type) {
  return uint64_t{key} << 3 | static_cast<uint64_t>(type);
}

}  // namespace khtrace::storage::columnar
