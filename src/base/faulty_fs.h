// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/fs.h"
#include "base/mutex.h"

namespace khtrace {

// Which call fails, and how.
struct Fault {
  // Counted from 1 over all mutating calls since construction.
  uint64_t at_call = 0;
  Code code = Code::kUnavailable;
  // The disk died: every later mutating call fails as well.
  bool all_afterwards = false;
  // If the call is an Append, half of its bytes (rounded down) are written
  // before it fails.
  bool tear_append = false;
};

// An Fs for tests that passes everything on to `base`, and can fail the n-th
// mutating call and lose power. Thread-safe; calls run one at a time.
//
// Mutating calls are Create, Append, Sync, Close, Rename, Remove, Link,
// SyncDir and MakeDirs. Reads and Lock are never failed. A failed call has no
// effect (but see tear_append).
//
// A test that wants every failure runs its scenario once, reads
// mutating_calls(), then runs it again for each n up to that with
// InjectFault({.at_call = n}).
//
// The power cut keeps two views of every file that was touched through this
// object: what is on the disk, and what a reader sees.
// - Append reaches the disk with the file's next successful Sync.
// - A name (Create, Rename, Remove, Link) reaches the disk with the next
//   successful SyncDir of the directory that holds the name; a Rename over
//   two directories needs both.
// - Create over an existing file empties the file on the disk at once.
// - MakeDirs and Remove of a directory reach it at once, but a file that is
//   still on the disk brings its directory back. Rename of a directory is
//   refused with kUnimplemented.
// - Files never touched through this object are on the disk.
// Nothing reaches the disk on its own: real disks may keep more.
// Paths name files uniquely: no "..", no symbolic links, no "//".
// Contents are kept in memory.
class FaultyFs : public Fs {
 public:
  // `base` must outlive this object and every file opened through it.
  explicit FaultyFs(Fs& base);
  ~FaultyFs() override;

  uint64_t mutating_calls() const KHTRACE_EXCLUDES(mu_);
  // Replaces the previous fault.
  void InjectFault(const Fault& fault) KHTRACE_EXCLUDES(mu_);
  void ClearFault() KHTRACE_EXCLUDES(mu_);

  // Power is cut and comes back: `base` shows what was on the disk, and files
  // opened before fail every further call. Faults are cleared. An error is
  // one of `base`. Mapped files from before keep their bytes.
  Status DropUnsynced() KHTRACE_EXCLUDES(mu_);

  Result<std::unique_ptr<WritableFile>> Create(
      const std::string& path) override;
  Result<std::shared_ptr<const MappedFile>> Map(
      const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& dir) override;
  Result<uint64_t> FileSize(const std::string& path) override;
  bool Exists(const std::string& path) override;
  Status MakeDirs(const std::string& dir) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status Link(const std::string& from, const std::string& to) override;
  Status SyncDir(const std::string& dir) override;
  Result<FsSpace> Space(const std::string& dir) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;

 private:
  class File;
  // A file without its names.
  struct Inode {
    std::string content;
    size_t synced_bytes = 0;  // how much of `content` is on the disk
  };
  // Path -> file. An absent path has no file.
  using Names = std::map<std::string, std::shared_ptr<Inode>>;

  // Counts a mutating call; its error if it is to fail.
  Status CountCall(std::string_view what, const std::string& path)
      KHTRACE_REQUIRES(mu_);
  bool Tears() const KHTRACE_REQUIRES(mu_);
  bool IsDirectory(const std::string& path) KHTRACE_REQUIRES(mu_);
  // Takes a file that `base` had before us into both views.
  Status Track(const std::string& path) KHTRACE_REQUIRES(mu_);
  Status Restore(const std::string& path) KHTRACE_REQUIRES(mu_);

  Fs& base_;
  mutable Mutex mu_;
  Fault fault_ KHTRACE_GUARDED_BY(mu_);
  uint64_t calls_ KHTRACE_GUARDED_BY(mu_) = 0;
  uint64_t power_cuts_ KHTRACE_GUARDED_BY(mu_) = 0;
  std::set<std::string> tracked_ KHTRACE_GUARDED_BY(mu_);
  Names seen_ KHTRACE_GUARDED_BY(mu_);
  Names on_disk_ KHTRACE_GUARDED_BY(mu_);
};

}  // namespace khtrace
