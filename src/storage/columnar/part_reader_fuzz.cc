// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "storage/columnar/encoding_bytes.h"
#include "storage/columnar/part_testing.h"

// Any bytes as a part. Most of what a fuzzer makes fails a checksum, so the
// checksums of trailer and footer are put right first; those of pages stay
// as a fuzzer cannot reach far behind them otherwise: see kTrustPages.

namespace {

using khtrace::Hash64;
namespace columnar = khtrace::storage::columnar;

std::string WithTrailer(std::string file) {
  constexpr size_t kTrailer = 40;
  if (file.size() < kTrailer + 8) return file;
  const std::string_view view = file;
  const size_t at = file.size() - kTrailer;
  const uint64_t offset = columnar::LoadU64(file.data() + at);
  const uint32_t length = columnar::LoadU32(file.data() + at + 8);
  std::string checksums;
  columnar::ByteWriter writer(checksums);
  if (offset <= at && length == at - offset) {
    std::string footer_checksum;
    columnar::ByteWriter(footer_checksum)
        .U64(Hash64(view.substr(offset, length)));
    file.replace(at + 16, 8, footer_checksum);
  }
  writer.U64(Hash64(std::string_view(file).substr(at, 24)));
  file.replace(at + 24, 8, checksums);
  file.replace(at + 32, 8, "KHTPTEND");
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  columnar::BytesFsForTesting fs;
  fs.files["p"] =
      WithTrailer(std::string(reinterpret_cast<const char*>(data), size));
  const auto part = columnar::Part::Open(fs, "p");
  if (part) (void)columnar::AskEverythingForTesting(**part);
  return 0;
}
