// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace khtrace::storage::columnar {

// How the bytes of a page are laid out (docs/format/part.md). The numbers are
// on disk: never reuse one.
enum class Encoding : uint8_t {
  kConstant = 1,
  kPacked = 2,
  kPlain = 3,
  kIndexed = 4,
  kTransposed = 5,
  kPatched = 6,
  kTextBlocks = 16,
  kFrontCoded = 17,
  kFrontCodedZstd = 18,
  kVarints = 19,
  kVarintsZstd = 20,
  kTemplates = 21,
  kFilter = 32,
  kTraceIndex = 48,
};

// "bitpack" and so on, as `khtrace inspect` shows it; "unknown" for others.
std::string_view EncodingName(Encoding encoding);

}  // namespace khtrace::storage::columnar
