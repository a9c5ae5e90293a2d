// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "storage/columnar/backup_manifest.h"

// A manifest, whatever its bytes: read safely, and written again the same
// once read.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using khtrace::storage::columnar::BackupManifest;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto manifest = BackupManifest::Parse(text)) {
    KHTRACE_CHECK(BackupManifest::Parse(manifest->ToText()));
  }
  return 0;
}
