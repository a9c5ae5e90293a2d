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
  namespace columnar = khtrace::storage::columnar;
  std::string_view file(reinterpret_cast<const char*>(data), size);
  (void)columnar::DecodeWalHeader(file);
  file.remove_prefix(std::min(file.size(), columnar::kWalHeaderBytes));
  while (const std::optional<columnar::WalFrameView> frame =
             columnar::ParseWalFrame(file)) {
    if (auto batch = columnar::DecodeWalFrame(*frame)) {
      khtrace::model::DescribeBatch(*batch);
    }
    file.remove_prefix(frame->bytes());
  }
  return 0;
}
