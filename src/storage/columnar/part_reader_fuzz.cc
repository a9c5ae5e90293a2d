// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "storage/columnar/encoding_bytes.h"
#include "storage/columnar/part_footer.h"
#include "storage/columnar/part_testing.h"

// Any bytes as a part. A fuzzer cannot guess checksums, so those of pages,
// footer and trailer are put right first: what is tested is that nothing
// behind them is trusted either.

namespace khtrace::storage::columnar {
namespace {

void Sign(std::string_view file, PageRef* page) {
  page->checksum = Hash64(file.substr(page->offset, page->length));
}

void SignPages(std::string_view file, Footer* footer) {
  Sign(file, &footer->trace_index);
  Sign(file, &footer->shapes);
  for (Section& section : footer->sections) Sign(file, &section.page);
  for (Column& column : footer->columns) {
    if (column.dictionary_size > 0) Sign(file, &column.dictionary);
    for (Chunk& chunk : column.chunks) {
      if (chunk.page.offset > 0) Sign(file, &chunk.page);
      if (chunk.has_filter) Sign(file, &chunk.filter);
    }
  }
}

// `bytes` with right checksums, if its footer can be found and parsed.
std::string WithChecksums(const std::string& bytes) {
  if (bytes.size() < kPartTrailerBytes + kPartMagic.size()) return bytes;
  const size_t trailer = bytes.size() - kPartTrailerBytes;
  const uint64_t offset = LoadU64(bytes.data() + trailer);
  if (offset > trailer) return bytes;
  const std::string_view view = bytes;
  auto footer = ParseFooter(view.substr(offset, trailer - offset), offset);
  if (!footer) return bytes;
  SignPages(view, &*footer);
  std::string file(kPartMagic);
  file.append(view.substr(file.size(), offset - file.size()));
  AppendFooter(*footer, &file);
  const std::string footer_bytes = file.substr(offset);
  std::string end;
  ByteWriter writer(end);
  writer.U64(offset);
  writer.U32(static_cast<uint32_t>(footer_bytes.size()));
  writer.U32(kPartVersion);
  writer.U64(Hash64(footer_bytes));
  writer.U64(Hash64(end));
  end.append(kPartEndMagic);
  return file + end;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  BytesFsForTesting fs;
  fs.files["p"] =
      WithChecksums(std::string(reinterpret_cast<const char*>(data), size));
  const auto part = Part::Open(fs, "p");
  if (part) (void)AskEverythingForTesting(**part);
  return 0;
}

}  // namespace khtrace::storage::columnar
