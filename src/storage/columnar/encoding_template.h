// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "storage/columnar/encoding_text.h"

// Pages of texts that differ in their numbers alone, such as cache keys, paths
// and addresses: a list of templates, for each value its template's position,
// and the numbers as integers (docs/format/part.md, "Texts").

namespace khtrace::storage::columnar {

// A page's texts take at most so many bytes together, so that a small damaged
// page cannot ask for much memory.
inline constexpr uint64_t kMaxTemplateTextBytes = uint64_t{1} << 25;

// Whether a page of `texts` (not empty) is likely smaller with templates than
// in blocks, by trying both on some of them.
bool TemplatesPay(std::span<const std::string_view> texts);
// Appends `texts`, whose Hash64 are `hashes`. False, and nothing appended:
// too many templates or bytes.
bool EncodeTemplates(std::span<const std::string_view> texts,
                     std::span<const uint64_t> hashes, int zstd_level,
                     std::string* out);
// As DecodeTextBlocks.
Status DecodeTemplates(std::string_view page, uint32_t count, uint32_t begin,
                       uint32_t n, DecodedTexts* out);

// Texts [begin, begin + n) of a page in any of the text encodings.
Status DecodeTexts(Encoding encoding, std::string_view page, uint32_t count,
                   uint32_t begin, uint32_t n, DecodedTexts* out);

// The positions of the values that equal `text`, ascending, without making the
// others where the encoding allows it. Replaces `out`; errors as above.
Status FindText(Encoding encoding, std::string_view page, uint32_t count,
                std::string_view text, std::vector<uint32_t>* out);

}  // namespace khtrace::storage::columnar
