// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace khtrace {

// A file that is written once, from its start. Confined to one thread at a
// time. Closed (without sync) by its destructor.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  // Appends all of `bytes`. After an error the file's tail is undefined.
  // kResourceExhausted when the disk (or a quota) is full.
  virtual Status Append(std::span<const std::byte> bytes) = 0;
  // Returns once every appended byte would survive a power cut.
  virtual Status Sync() = 0;
  virtual Status Close() = 0;
};

// A file's bytes, mapped. Immutable, thread-safe; `bytes` stays valid for the
// lifetime of this object, also after the file was unlinked.
class MappedFile {
 public:
  virtual ~MappedFile() = default;
  virtual std::span<const std::byte> bytes() const = 0;
  // What was read so far need not stay in this process's memory. The bytes
  // remain valid: whoever reads them next fetches them again.
  virtual void Release() const {}
};

// Held while this object lives; released by the destructor or process death.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct FsSpace {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;  // available to this user
};

// The seam to the operating system's files, so that tests inject faults and a
// simulator can replace the disk. Thread-safe. Paths are UTF-8 and are quoted
// in every error message. Codes: kNotFound, kAlreadyExists,
// kPermissionDenied, kResourceExhausted (no space), kUnavailable (any other
// I/O error).
class Fs {
 public:
  virtual ~Fs() = default;

  // Creates `path`, truncating what is there.
  virtual Result<std::unique_ptr<WritableFile>> Create(
      const std::string& path) = 0;
  virtual Result<std::shared_ptr<const MappedFile>> Map(
      const std::string& path) = 0;
  // Names (not paths) of the directory's entries, sorted.
  virtual Result<std::vector<std::string>> List(const std::string& dir) = 0;
  virtual Result<uint64_t> FileSize(const std::string& path) = 0;
  virtual bool Exists(const std::string& path) = 0;
  // Makes `dir` and its parents, durably (no SyncDir needed); fine if it is
  // there.
  virtual Status MakeDirs(const std::string& dir) = 0;
  // Atomically replaces `to`. Durable only after SyncDir of the directory.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  // A file or an empty directory. Mapped files stay readable.
  virtual Status Remove(const std::string& path) = 0;
  // A second name for the same file; kAlreadyExists if `to` is taken.
  virtual Status Link(const std::string& from, const std::string& to) = 0;
  virtual Status SyncDir(const std::string& dir) = 0;
  virtual Result<FsSpace> Space(const std::string& dir) = 0;
  // Takes an exclusive advisory lock on `path` (made if missing) and writes
  // our process id into it. kFailedPrecondition, with the holder's process
  // id in the message, if another process has it.
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;

  static Fs& Real();
};

// Whole-file helpers over any Fs.
Result<std::string> ReadFile(Fs& fs, const std::string& path);
// Writes beside, syncs, renames into place and syncs the directory: after a
// crash the file has either the old or the new content.
Status WriteFileAtomically(Fs& fs, const std::string& path,
                           std::string_view content);

}  // namespace khtrace
