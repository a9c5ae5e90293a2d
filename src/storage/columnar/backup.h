// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.h"
#include "base/fs.h"

// Copies of a data directory: docs/format/backup.md. Free functions, any
// thread.

namespace khtrace::storage::columnar {

// Bytes behind us and in all (0: not known); called after each file.
using BackupProgress = std::function<void(uint64_t done, uint64_t total)>;

struct BackupReport {
  std::string path;  // of the backup
  uint64_t files = 0;
  uint64_t bytes = 0;         // in all files
  uint64_t linked_bytes = 0;  // of them, linked: they take no room of their own
};

// Backs up the data directory `dir` into a new directory below `destination`
// (made if missing), named by the time. A server may be using `dir`.
// kNotFound, kFailedPrecondition: `dir` is no data directory.
// kAlreadyExists: there is a backup of this second. Others: the file system's;
// what was written is removed as far as possible.
Result<BackupReport> BackUpDirectory(Fs& fs, const Clock& clock,
                                     const std::string& dir,
                                     const std::string& destination,
                                     const BackupProgress& progress = {});

// Makes `dir`, which must be missing or empty, the data directory that the
// backup `path` holds. Every file's checksum is compared on the way; damage
// that was in the data directory already comes back (VerifyDirectory finds
// it).
// kNotFound: no whole backup at `path`. kDataLoss: a file is missing, damaged
// or not in the manifest; names it. kUnimplemented: of a newer version.
// kFailedPrecondition: `dir` is not empty. After an error `dir` is no data
// directory, and can be deleted.
Result<BackupReport> RestoreDirectory(Fs& fs, const std::string& path,
                                      const std::string& dir,
                                      const BackupProgress& progress = {});

}  // namespace khtrace::storage::columnar
