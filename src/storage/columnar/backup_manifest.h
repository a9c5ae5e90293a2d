// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace khtrace::storage::columnar {

struct BackupFile {
  std::string path;  // below the backup
  uint64_t bytes = 0;
  uint64_t hash = 0;  // Hash64 of the content
};

// The file BACKUP of docs/format/backup.md. Plain data.
struct BackupManifest {
  UnixNanos created;
  std::vector<BackupFile> files;  // sorted by path

  std::string ToText() const;
  // kDataLoss: malformed, cut off, or a path that leads elsewhere.
  // kUnimplemented: a newer version.
  static Result<BackupManifest> Parse(std::string_view text);

  const BackupFile* Find(std::string_view path) const;
};

}  // namespace khtrace::storage::columnar
