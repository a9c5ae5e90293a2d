// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/fs.h"
#include "base/mutex.h"
#include "storage/columnar/wal_format.h"
#include "storage/columnar/wal_reader.h"

namespace khtrace::storage::columnar {

// When an acknowledged frame is safe from a power cut. From kill -9 it always
// is.
enum class WalSync : uint8_t {
  kBatch,     // before it is acknowledged
  kInterval,  // at the next WalWriter::Sync()
  kNone,      // when the system gets to it
};

struct WalOptions {
  WalSync sync = WalSync::kBatch;
  // A segment is finished at this size. Smaller: space comes back sooner
  // after a flush; larger: fewer files.
  uint64_t segment_bytes = 64 << 20;
  // Frames that wait or are being written. Full: Append refuses. Larger
  // rides out slower disks with more memory.
  uint64_t queue_bytes = 64 << 20;
};

// What the log did, for metrics. Thread-safe.
struct WalCounters {
  std::atomic<uint64_t> frames{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> syncs{0};
  std::atomic<uint64_t> failures{0};  // groups refused
};

// Appends frames to the log in one directory, with group commit: whoever
// comes while a write is running waits in a queue, and one write and one sync
// carry the whole queue next. Thread-safe.
//
// After any failure nothing of the group is acknowledged, and the segment is
// not written to again: the next group starts a new one, whose header says
// where the good bytes of the old one end. So a full disk heals by itself:
// every later group tries again.
class WalWriter {
 public:
  // The sequence of the frame, or why it was refused: kResourceExhausted
  // (queue or disk full), kUnavailable (I/O error), kFailedPrecondition
  // (closed). Called once, in order of sequences, with no lock held.
  using Done = std::function<void(Result<uint64_t>)>;

  // Continues behind `replay` of the same directory. `commit` runs the
  // writes, one at a time; it and `fs` outlive the writer. Writes nothing yet.
  WalWriter(Fs& fs, Executor& commit, std::string dir,
            const WalOptions& options, const WalReplay& replay,
            WalCounters& counters);
  // Close() must have been called.
  ~WalWriter();

  void Append(WalFrame frame, Done done) KHTRACE_EXCLUDES(mu_);
  // Makes everything acknowledged so far durable, soon.
  void Sync() KHTRACE_EXCLUDES(mu_);
  // Deletes, soon, every segment that holds no frame above `sequence`.
  void Truncate(uint64_t sequence) KHTRACE_EXCLUDES(mu_);
  // On disk.
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // Waits for everything in the queue, syncs and closes. Appends that come
  // later are refused. Twice is fine.
  Status Close() KHTRACE_EXCLUDES(mu_);

 private:
  struct Waiting {
    WalFrame frame;
    Done done;
  };
  using Group = std::deque<Waiting>;

  // Makes sure that a job will look at the queue. True: the caller posts it.
  bool Claim() KHTRACE_REQUIRES(mu_);
  void PostJob();
  void RunJob() KHTRACE_EXCLUDES(mu_);
  Group TakeGroup() KHTRACE_REQUIRES(mu_);

  // The following belong to the job, of which there is one at a time.
  void Commit(Group group);
  Status Write(const Group& group);
  Status OpenSegment();
  // Ends the current segment; `trusted`: its frames were all acknowledged.
  void Seal();
  void Abandon();
  void SyncNow();
  void DeleteUpTo(uint64_t sequence);

  Fs& fs_;
  Executor& commit_;
  const std::string dir_;
  const WalOptions options_;
  WalCounters& counters_;
  std::atomic<uint64_t> bytes_{0};

  // Confined to the job.
  std::unique_ptr<WritableFile> file_;
  WalSegment current_;  // of file_
  std::vector<WalSegment> sealed_;
  WalHeader next_header_;  // of the segment to come
  bool unsynced_ = false;
  std::string buffer_;

  Mutex mu_;
  CondVar idle_;
  Group queue_ KHTRACE_GUARDED_BY(mu_);
  uint64_t queued_bytes_ KHTRACE_GUARDED_BY(mu_) = 0;
  uint64_t truncate_to_ KHTRACE_GUARDED_BY(mu_) = 0;
  bool sync_asked_ KHTRACE_GUARDED_BY(mu_) = false;
  bool truncate_asked_ KHTRACE_GUARDED_BY(mu_) = false;
  bool running_ KHTRACE_GUARDED_BY(mu_) = false;
  bool closed_ KHTRACE_GUARDED_BY(mu_) = false;
};

}  // namespace khtrace::storage::columnar
