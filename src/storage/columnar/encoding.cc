// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/encoding.h"

namespace khtrace::storage::columnar {

std::string_view EncodingName(Encoding encoding) {
  switch (encoding) {
    case Encoding::kConstant:
      return "constant";
    case Encoding::kPacked:
      return "bitpack";
    case Encoding::kPlain:
      return "plain";
    case Encoding::kIndexed:
      return "indexed";
    case Encoding::kTransposed:
      return "transposed+zstd";
    case Encoding::kPatched:
      return "patched";
    case Encoding::kTextBlocks:
      return "text+zstd";
    case Encoding::kFrontCoded:
      return "front-coded";
    case Encoding::kFrontCodedZstd:
      return "front-coded+zstd";
    case Encoding::kVarints:
      return "varints";
    case Encoding::kVarintsZstd:
      return "varints+zstd";
    case Encoding::kTemplates:
      return "templates";
    case Encoding::kFilter:
      return "filter";
    case Encoding::kTraceIndex:
      return "trace-index";
  }
  return "unknown";
}

}  // namespace khtrace::storage::columnar
