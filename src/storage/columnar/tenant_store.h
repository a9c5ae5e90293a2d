// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "storage/columnar/aggregate_cache.h"
#include "storage/columnar/damage_log.h"
#include "storage/columnar/head.h"
#include "storage/columnar/io_pacer.h"
#include "storage/columnar/part.h"
#include "storage/columnar/store_context.h"
#include "storage/columnar/wal_writer.h"
#include "storage/trace_store.h"

namespace khtrace::storage::columnar {

class HeadAggregates;
class SplitTraces;

// Everything a tenant had stored at one moment: each span is in a part or in
// a head (in both for none). Oldest first. Immutable; stays readable whatever
// the store does next.
struct TenantView {
  std::shared_ptr<const PartList> parts;
  std::vector<HeadView> heads;
  // Outlives the view; nullptr if there are no parts.
  DamageLog* damage = nullptr;
  // What is known of the parts' aggregates; nullptr if there are no parts.
  std::shared_ptr<AggregateCache> aggregates;
  // Which traces are split; nullptr if there are no parts.
  std::shared_ptr<SplitTraces> splits = nullptr;
  // What is known of the heads' aggregates; nullptr if there are no heads.
  std::shared_ptr<HeadAggregates> head_aggregates = nullptr;
};

// One tenant's spans: log, head and parts, and the way of a span through
// them. Thread-safe.
//
// Write: compact, encode, log, head, acknowledge. A head that is full or old
// is cut: a new generation takes over, the old one stays searchable until
// its part is in its place, and then the log's segments up to it go. Small
// parts are merged; retention drops the oldest.
class TenantStore {
 public:
  // Opens or makes `dir`, reads the parts and replays the log behind them.
  // Damaged parts and log frames are logged, counted and left out.
  // kUnimplemented: something was written by a newer version.
  // `context` outlives the store.
  static Result<std::unique_ptr<TenantStore>> Open(StoreContext& context,
                                                   const std::string& dir);
  ~TenantStore();

  // TraceWriter::Write for this tenant.
  void Write(const model::SpanBatch& batch, TraceWriter::Done done);
  TenantView View() const KHTRACE_EXCLUDES(mu_);
  StoreStats Stats() const;

  // Writes all that is in memory into a part and waits for it.
  Status Flush() KHTRACE_EXCLUDES(mu_);
  // Cuts a head that is old, tries flushes again that failed, syncs the log
  // in interval mode, and drops parts by retention.
  void RunMaintenance() KHTRACE_EXCLUDES(mu_);
  // Starts to flush, whatever the head's size, unless a flush just failed.
  void StartFlush() KHTRACE_EXCLUDES(mu_);
  uint64_t active_bytes() const KHTRACE_EXCLUDES(mu_);
  const std::shared_ptr<AggregateCache>& aggregates() const {
    return aggregates_;
  }

  // Merges what is worth it, once. False: nothing is. kCancelled: the pacer
  // was stopped; nothing has changed. Others: tried again after a pause. One
  // call at a time.
  Result<bool> MergeSome(IoPacer& pacer) KHTRACE_EXCLUDES(mu_);

  // The part that retention drops next, or nullptr.
  std::shared_ptr<const Part> OldestPart() const KHTRACE_EXCLUDES(mu_);
  // Drops it to make room on the disk. False: it is in use or gone.
  bool DropForRoom(const std::shared_ptr<const Part>& part)
      KHTRACE_EXCLUDES(mu_);
  uint64_t PartBytes() const KHTRACE_EXCLUDES(mu_);

  // Flushes and closes the log. What a failing flush leaves in memory is in
  // the log, and comes back with Open.
  Status Close();

 private:
  // A cut generation and the last frame in it (or before it).
  struct Sealed {
    std::shared_ptr<HeadGeneration> generation;
    uint64_t wal_end = 0;
  };

  TenantStore(StoreContext& context, std::string dir);
  Status Recover();
  Status OpenParts();
  void RemoveReplaced();
  Status ReplayLog(WalReplay* replay);
  uint64_t FlushedSequence() const;

  // Counts memory for spans, or says whose limit that would exceed.
  Status Hold(uint64_t bytes);
  void Release(uint64_t bytes);
  // At most every ten seconds: a full disk would fill the log as well.
  void LogRefusal(const Error& error);
  void Insert(HeadBatch batch, uint64_t sequence) KHTRACE_EXCLUDES(mu_);
  bool IsRipe(const HeadGeneration& head) const KHTRACE_REQUIRES(mu_);
  void Cut() KHTRACE_REQUIRES(mu_);
  // Becomes the one that flushes. False: somebody else is, or nothing to do.
  bool ClaimFlush() KHTRACE_REQUIRES(mu_);
  Status FlushSealed() KHTRACE_EXCLUDES(mu_);
  Status FlushOne(const Sealed& sealed);

  PartList ClaimMerge() KHTRACE_EXCLUDES(mu_);
  Result<bool> Merge(PartList inputs, IoPacer& pacer) KHTRACE_EXCLUDES(mu_);
  Result<size_t> ReadInputs(const PartList& inputs, IoPacer& pacer,
                            std::vector<model::SpanBatchPtr>* batches);
  Result<std::shared_ptr<const Part>> WriteMerged(
      const std::string& path, std::span<const model::SpanBatchPtr> batches,
      const PartMeta& meta, IoPacer& pacer);
  void ReplaceParts(const PartList& inputs,
                    const std::shared_ptr<const Part>& by)
      KHTRACE_EXCLUDES(mu_);

  void DropParts() KHTRACE_EXCLUDES(mu_);
  void Unlist(const PartList& gone) KHTRACE_REQUIRES(mu_);
  void Discard(const PartList& parts, std::string_view why,
               std::atomic<uint64_t>* count);
  bool RemoveFile(const std::string& path);
  void RemoveFiles(const PartList& parts);
  std::string PartsDir() const { return dir_ + "/parts"; }
  std::string WalDir() const { return dir_ + "/wal"; }

  StoreContext& context_;
  const std::string dir_;
  const TenantLimits limits_;
  const uint64_t head_max_bytes_;
  std::atomic<uint64_t> held_bytes_{0};  // its share of counters.head_bytes
  const std::shared_ptr<AggregateCache> aggregates_;
  const std::shared_ptr<SplitTraces> splits_;
  const std::shared_ptr<HeadAggregates> head_aggregates_;
  uint64_t newest_name_ = 0;  // of all part files; only while opening
  std::unique_ptr<WalWriter> wal_;

  std::atomic<int64_t> next_refusal_log_ns_{0};  // Clock::Monotonic

  mutable Mutex mu_;
  CondVar flushed_;
  std::shared_ptr<const PartList> parts_ KHTRACE_GUARDED_BY(mu_);
  std::vector<Sealed> sealed_ KHTRACE_GUARDED_BY(mu_);
  std::shared_ptr<HeadGeneration> active_ KHTRACE_GUARDED_BY(mu_);
  uint64_t last_sequence_ KHTRACE_GUARDED_BY(mu_) = 0;  // in a head or part
  bool flushing_ KHTRACE_GUARDED_BY(mu_) = false;
  std::chrono::nanoseconds flush_after_ KHTRACE_GUARDED_BY(mu_){0};
  PartList claimed_ KHTRACE_GUARDED_BY(mu_);  // by the merge that runs
  std::set<std::string> merge_barred_ KHTRACE_GUARDED_BY(mu_);  // too large
  std::chrono::nanoseconds merge_after_ KHTRACE_GUARDED_BY(mu_){0};
};

}  // namespace khtrace::storage::columnar
