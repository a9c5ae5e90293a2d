// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "model/testing.h"
#include "storage/columnar/wal_format.h"

// The bytes of a segment file: whatever they are, reading is safe.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace khtrace::storage::columnar;  // NOLINT: a fuzz target
  std::string_view file(reinterpret_cast<const char*>(data), size);
  (void)DecodeWalHeader(file);
  file.remove_prefix(std::min(file.size(), kWalHeaderBytes));
  while (const std::optional<WalFrameView> frame = ParseWalFrame(file)) {
    if (auto batch = DecodeWalFrame(*frame)) {
      khtrace::model::DescribeBatch(*batch);
    }
    file.remove_prefix(frame->bytes());
  }
  return 0;
}
