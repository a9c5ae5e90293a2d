// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mutex.h"

namespace khtrace::storage::columnar {

// Holds a job of the background to a rate, and ends it when the store closes.
// Thread-safe.
class IoPacer {
 public:
  // `clock` outlives the pacer. 0 bytes a second: no limit.
  IoPacer(const Clock& clock, uint64_t bytes_per_second)
      : clock_(clock), bytes_per_second_(bytes_per_second) {}

  // Returns when `bytes` more may be read or written. kCancelled after Stop().
  Status Spend(uint64_t bytes) KHTRACE_EXCLUDES(mu_);
  // For good; wakes who waits.
  void Stop() KHTRACE_EXCLUDES(mu_);
  std::stop_token stop_token() const { return stop_.get_token(); }

 private:
  const Clock& clock_;
  const uint64_t bytes_per_second_;
  std::stop_source stop_;
  Mutex mu_;
  CondVar stopped_;
  // When everything spent so far is paid for.
  std::chrono::nanoseconds paid_ KHTRACE_GUARDED_BY(mu_){0};
};

// `fs` with every Append of a file paid for. Thread-safe. Borrows both.
class PacedFs : public Fs {
 public:
  PacedFs(Fs& fs, IoPacer& pacer) : fs_(fs), pacer_(pacer) {}

  Result<std::unique_ptr<WritableFile>> Create(
      const std::string& path) override;
  Result<std::shared_ptr<const MappedFile>> Map(
      const std::string& path) override {
    return fs_.Map(path);
  }
  Result<std::vector<std::string>> List(const std::string& dir) override {
    return fs_.List(dir);
  }
  Result<uint64_t> FileSize(const std::string& path) override {
    return fs_.FileSize(path);
  }
  bool Exists(const std::string& path) override { return fs_.Exists(path); }
  Status MakeDirs(const std::string& dir) override { return fs_.MakeDirs(dir); }
  Status Rename(const std::string& from, const std::string& to) override {
    return fs_.Rename(from, to);
  }
  Status Remove(const std::string& path) override { return fs_.Remove(path); }
  Status Link(const std::string& from, const std::string& to) override {
    return fs_.Link(from, to);
  }
  Status SyncDir(const std::string& dir) override { return fs_.SyncDir(dir); }
  Result<FsSpace> Space(const std::string& dir) override {
    return fs_.Space(dir);
  }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    return fs_.Lock(path);
  }

 private:
  Fs& fs_;
  IoPacer& pacer_;
};

}  // namespace khtrace::storage::columnar
