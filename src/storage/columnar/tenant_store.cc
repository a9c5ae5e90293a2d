// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/tenant_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "model/span_batch_builder.h"
#include "storage/columnar/head_aggregates.h"
#include "storage/columnar/part_name.h"
#include "storage/columnar/split_traces.h"
#include "storage/columnar/wal_format.h"

namespace khtrace::storage::columnar {
namespace {

// How long a head that is old waits for a pause. Larger: fewer traces are cut
// through, a longer log.
constexpr std::chrono::minutes kPatience{1};

// A flush that failed is tried again after this long. Smaller: sooner out of
// trouble, more work for nothing while the disk stays full.
constexpr std::chrono::seconds kFlushRetry{5};

}  // namespace

TenantStore::TenantStore(StoreContext& context, std::string dir)
    : context_(context),
      dir_(std::move(dir)),
      limits_(context.options.LimitsOf(
          std::string_view(dir_).substr(dir_.rfind('/') + 1))),
      head_max_bytes_(limits_.max_memory_bytes == 0
                          ? context.options.head_max_bytes
                          : std::min(context.options.head_max_bytes,
                                     limits_.max_memory_bytes / 2)),
      aggregates_(std::make_shared<AggregateCache>(
          AggregateCache::Limits::Of(context.options.aggregate_cache_bytes))),
      splits_(std::make_shared<SplitTraces>()),
      head_aggregates_(std::make_shared<HeadAggregates>()),
      parts_(std::make_shared<const PartList>()),
      active_(std::make_shared<HeadGeneration>()) {}

TenantStore::~TenantStore() {
  uint64_t held = active_->bytes();
  for (const Sealed& sealed : sealed_) held += sealed.generation->bytes();
  Release(held);
}

Status TenantStore::Hold(uint64_t bytes) {
  const uint64_t all = context_.counters.head_bytes.fetch_add(bytes);
  const uint64_t own = held_bytes_.fetch_add(bytes);
  const uint64_t limit = 2 * context_.options.head_max_bytes;
  const uint64_t own_limit = limits_.max_memory_bytes;
  if (all + bytes > limit) {
    Release(bytes);
    return Error{Code::kResourceExhausted,
                 fmt::format("spans in memory wait for the disk: {} bytes "
                             "held, limit {}",
                             all, limit)};
  }
  if (own_limit != 0 && own + bytes > own_limit) {
    Release(bytes);
    return Error{
        Code::kResourceExhausted,
        fmt::format("this tenant's spans in memory wait for the disk: {} bytes "
                    "held, its limit is {}",
                    own, own_limit)};
  }
  return {};
}

void TenantStore::Release(uint64_t bytes) {
  context_.counters.head_bytes -= bytes;
  held_bytes_ -= bytes;
}

void TenantStore::Write(const model::SpanBatch& batch, TraceWriter::Done done) {
  if (batch.empty()) return done({});
  auto compact =
      std::make_shared<const model::SpanBatch>(model::Compact(batch));
  HeadBatch entry(compact);
  if (Status room = Hold(entry.bytes); !room) {
    ++context_.counters.batches_refused;
    return done(std::move(room));
  }
  const auto refuse = [this, bytes = entry.bytes](
                          const TraceWriter::Done& answer, Error error) {
    Release(bytes);
    ++context_.counters.batches_refused;
    answer(std::move(error));
  };
  auto frame = EncodeWalFrame(*compact);
  if (!frame) return refuse(done, std::move(frame).error());
  wal_->Append(*std::move(frame),
               [this, refuse, entry = std::move(entry),
                done = std::move(done)](Result<uint64_t> sequence) mutable {
                 if (!sequence) {
                   LogRefusal(sequence.error());
                   return refuse(done, std::move(sequence).error());
                 }
                 const uint32_t spans = entry.batch->row_count();
                 Insert(std::move(entry), *sequence);
                 context_.counters.spans_written += spans;
                 done({});
               });
}

void TenantStore::LogRefusal(const Error& error) {
  constexpr std::chrono::nanoseconds kEvery = std::chrono::seconds(10);
  const int64_t now = context_.clock.Monotonic().count();
  int64_t next = next_refusal_log_ns_;
  if (now < next || !next_refusal_log_ns_.compare_exchange_strong(
                        next, now + kEvery.count())) {
    return;
  }
  log::Error("{}: spans are refused until this is over: {}", dir_,
             error.message);
}

// Called in the order of sequences: the log's contract.
void TenantStore::Insert(HeadBatch batch, uint64_t sequence) {
  bool post = false;
  {
    MutexLock lock(mu_);
    active_->Append(std::move(batch), context_.clock.Monotonic());
    last_sequence_ = sequence;
    if (active_->bytes() >= head_max_bytes_ && sealed_.empty()) {
      Cut();
      // wal_ is missing only during recovery: then maintenance flushes.
      post = wal_ != nullptr && ClaimFlush();
    }
  }
  if (post) {
    context_.executors.background.Post([this] {
      const Status flushed = FlushSealed();
      if (!flushed) log::Error("{}", flushed.error().message);
    });
  }
}

void TenantStore::Cut() {
  if (active_->size() == 0) return;
  sealed_.push_back({std::move(active_), last_sequence_});
  active_ = std::make_shared<HeadGeneration>();
}

bool TenantStore::ClaimFlush() {
  if (flushing_ || sealed_.empty()) return false;
  flushing_ = true;
  return true;
}

void TenantStore::StartFlush() {
  bool post = false;
  {
    MutexLock lock(mu_);
    if (context_.clock.Monotonic() < flush_after_) return;
    if (sealed_.empty()) Cut();
    post = ClaimFlush();
  }
  if (!post) return;
  context_.executors.background.Post([this] {
    const Status flushed = FlushSealed();
    if (!flushed) log::Error("{}", flushed.error().message);
  });
}

Status TenantStore::Flush() {
  {
    MutexLock lock(mu_);
    while (flushing_) flushed_.Wait(mu_);
    Cut();
    if (!ClaimFlush()) return {};
  }
  return FlushSealed();
}

// By the one who claimed it. Ends the claim.
Status TenantStore::FlushSealed() {
  Status status;
  for (;;) {
    Sealed oldest;
    {
      MutexLock lock(mu_);
      if (!status || sealed_.empty()) {
        if (!status) flush_after_ = context_.clock.Monotonic() + kFlushRetry;
        flushing_ = false;
        flushed_.NotifyAll();
        return status;
      }
      oldest = sealed_.front();
    }
    status = FlushOne(oldest);
    if (!status) ++context_.counters.flush_failures;
  }
}

Status TenantStore::FlushOne(const Sealed& sealed) {
  const auto began = context_.clock.Monotonic();
  std::vector<model::SpanBatchPtr> batches;
  batches.reserve(sealed.generation->size());
  sealed.generation->ForEach(
      sealed.generation->size(),
      [&](const HeadBatch& entry) { batches.push_back(entry.batch); });
  const std::string path = PartsDir() + "/" + PartFileName(sealed.wal_end, 0);
  PartMeta meta;
  meta.wal_end = sealed.wal_end;
  meta.written = context_.clock.Now();
  auto written =
      WritePart(context_.fs, path, batches, meta, context_.options.part);
  if (!written) return std::move(written).error().With("cannot flush");
  auto part = Part::Open(context_.fs, path);
  if (!part) return std::move(part).error().With("cannot read a new part");
  {
    MutexLock lock(mu_);
    auto parts = std::make_shared<PartList>(*parts_);
    parts->push_back(*std::move(part));
    parts_ = std::move(parts);
    sealed_.erase(sealed_.begin());
  }
  StoreCounters& counters = context_.counters;
  Release(sealed.generation->bytes());
  counters.flushed_spans += sealed.generation->span_count();
  counters.flushed_bytes += written->file_bytes;
  ++counters.flushes;
  log::Info("{}: flushed {} spans, {}; {}", path, written->span_count,
            FormatByteSize(written->file_bytes),
            FormatDurationShort(context_.clock.Monotonic() - began));
  wal_->Truncate(sealed.wal_end);
  return {};
}

// Old, and in a pause if there is one (docs/adr/0009-heads-are-cut-whole.md).
bool TenantStore::IsRipe(const HeadGeneration& head) const {
  const StoreOptions& options = context_.options;
  const auto now = context_.clock.Monotonic();
  const auto overdue = now - head.born() - options.head_max_age;
  return head.size() > 0 && overdue.count() >= 0 &&
         (overdue >= kPatience || now - head.touched() >= options.trace_idle);
}

void TenantStore::RunMaintenance() {
  if (context_.options.wal.sync == WalSync::kInterval) wal_->Sync();
  bool flush = false;
  {
    MutexLock lock(mu_);
    flush = !sealed_.empty() || IsRipe(*active_);
  }
  if (flush) StartFlush();
  DropParts();
}

TenantView TenantStore::View() const {
  TenantView view;
  view.damage = &context_.damage;
  view.aggregates = aggregates_;
  view.splits = splits_;
  view.head_aggregates = head_aggregates_;
  MutexLock lock(mu_);
  view.parts = parts_;
  for (const Sealed& sealed : sealed_) {
    view.heads.push_back({sealed.generation, sealed.generation->size()});
  }
  view.heads.push_back({active_, active_->size()});
  return view;
}

uint64_t TenantStore::active_bytes() const {
  MutexLock lock(mu_);
  return active_->bytes();
}

StoreStats TenantStore::Stats() const {
  const TenantView view = View();
  StoreStats stats;
  const auto cover = [&stats](UnixNanos min, UnixNanos max) {
    stats.oldest = std::min(stats.oldest.value_or(min), min);
    stats.newest = std::max(stats.newest.value_or(max), max);
  };
  for (const auto& part : *view.parts) {
    const PartInfo& info = part->info();
    stats.spans += info.span_count;
    stats.disk_bytes += info.file_bytes;
    cover(info.min_start, info.max_start);
  }
  for (const HeadView& head : view.heads) {
    head.ForEach([&](const HeadBatch& entry) {
      stats.head_spans += entry.batch->row_count();
      stats.head_bytes += entry.bytes;
      cover(entry.min_start, entry.max_start);
    });
  }
  stats.parts = view.parts->size();
  stats.spans += stats.head_spans;
  stats.wal_bytes = wal_->bytes();
  stats.disk_bytes += stats.wal_bytes;
  return stats;
}

Status TenantStore::Close() {
  const Status flushed = Flush();
  RETURN_IF_ERROR(wal_->Close());
  return flushed;
}

}  // namespace khtrace::storage::columnar
