// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/fs.h"
#include "storage/columnar/part.h"
#include "storage/columnar/wal_reader.h"

// The directory that holds a store's files, as docs/format/data-directory.md
// says. Free functions, any thread.

namespace khtrace::storage::columnar {

// Makes `dir` a data directory if it is empty or missing, and locks it.
// kFailedPrecondition: another process has it (names it), or something else
// lies in it. kUnimplemented: a newer version. Others: the file system's.
Result<std::unique_ptr<FileLock>> OpenDataDirectory(Fs& fs,
                                                    const std::string& dir);
// Whether `dir` is one that we can read. Changes nothing. kNotFound,
// kFailedPrecondition, kUnimplemented.
Status CheckDataDirectory(Fs& fs, const std::string& dir);

// Makes `dir`, whatever lies in it, a data directory of our version, durably.
Status WriteDataFormat(Fs& fs, const std::string& dir);

std::string TenantsDir(const std::string& dir);
// Names of the tenants below, sorted.
Result<std::vector<std::string>> ListTenants(Fs& fs, const std::string& dir);

struct PartReport {
  std::string path;
  PartInfo info;
  std::vector<ColumnInfo> columns;
  std::string error;  // why it cannot be opened; then the rest is empty
};

struct TenantReport {
  std::string tenant;
  std::vector<PartReport> parts;
  // Names of files that the next start deletes: half-written parts, and
  // parts that a merged one replaced. No figure below counts them.
  std::vector<std::string> leftovers;
  WalReplay wal;  // segments and damage
  uint64_t part_spans = 0;
  uint64_t part_bytes = 0;
  uint64_t wal_spans = 0;  // behind the parts, duplicates included
  uint64_t wal_bytes = 0;
};

struct DirectoryReport {
  std::vector<TenantReport> tenants;
};

// For `khtrace inspect`: what lies where, without reading pages. May look at
// a directory that a server is using.
Result<DirectoryReport> InspectDirectory(Fs& fs, const std::string& dir);

struct VerifyReport {
  uint64_t parts = 0;
  uint64_t part_spans = 0;
  uint64_t wal_frames = 0;
  uint64_t torn_bytes = 0;        // of unacknowledged writes: no damage
  std::vector<WalDamage> damage;  // parts' as well; offset 0 if unknown
};

// For `khtrace verify`: reads every page and frame and checks every checksum.
// Changes nothing. Damage is in the report; an error is what kept it from
// being looked for.
Result<VerifyReport> VerifyDirectory(Fs& fs, const std::string& dir);

}  // namespace khtrace::storage::columnar
