// SPDX-License-Identifier: Apache-2.0
// Opening a tenant: what lies in its parts, and behind them in the log.
#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "storage/columnar/part_name.h"
#include "storage/columnar/tenant_store.h"
#include "storage/columnar/wal_reader.h"

namespace khtrace::storage::columnar {
Result<std::unique_ptr<TenantStore>> TenantStore::Open(StoreContext& context,
                                                       const std::string& dir) {
  std::unique_ptr<TenantStore> store(new TenantStore(context, dir));
  RETURN_IF_ERROR(store->Recover());
  return store;
}

Status TenantStore::Recover() {
  for (const std::string& dir : {PartsDir(), WalDir()}) {
    if (!context_.fs.Exists(dir)) RETURN_IF_ERROR(context_.fs.MakeDirs(dir));
  }
  RETURN_IF_ERROR(OpenParts());
  RemoveReplaced();
  WalReplay replay;
  RETURN_IF_ERROR(ReplayLog(&replay));
  wal_ = std::make_unique<WalWriter>(context_.fs, context_.executors.commit,
                                     WalDir(), context_.options.wal, replay,
                                     context_.counters.wal);
  const uint64_t flushed = FlushedSequence();
  if (flushed > 0) wal_->Truncate(flushed);
  return {};
}

Status TenantStore::OpenParts() {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   context_.fs.List(PartsDir()));
  auto parts = std::make_shared<PartList>();
  for (const std::string& name : names) {
    const std::string path = PartsDir() + "/" + name;
    if (name.ends_with(kTemporarySuffix)) {
      const Status removed = context_.fs.Remove(path);
      if (!removed) log::Warning("{}", removed.error().message);
      continue;
    }
    if (!name.ends_with(kPartSuffix)) continue;
    auto part = Part::Open(context_.fs, path);
    newest_name_ = std::max(newest_name_, SequenceOf(name));
    if (part) {
      parts->push_back(*std::move(part));
    } else if (part.error().code == Code::kDataLoss) {
      ++context_.counters.parts_unreadable;
      log::Error("a part is left out: {}", part.error().message);
    } else {
      return std::move(part).error();
    }
  }
  MutexLock lock(mu_);
  parts_ = std::move(parts);
  return {};
}

// A crash between writing a merged part and deleting its sources.
void TenantStore::RemoveReplaced() {
  MutexLock lock(mu_);
  std::set<std::string> replaced;
  for (const auto& part : *parts_) {
    for (const std::string& name : part->info().meta.replaces) {
      replaced.insert(PartsDir() + "/" + name);
    }
  }
  if (replaced.empty()) return;
  auto kept = std::make_shared<PartList>();
  for (const auto& part : *parts_) {
    if (replaced.count(part->path()) == 0) {
      kept->push_back(part);
    } else if (const Status removed = context_.fs.Remove(part->path());
               !removed) {
      log::Warning("{}", removed.error().message);
    }
  }
  parts_ = std::move(kept);
}

uint64_t TenantStore::FlushedSequence() const {
  MutexLock lock(mu_);
  uint64_t flushed = 0;
  for (const auto& part : *parts_) {
    flushed = std::max(flushed, part->info().meta.wal_end);
  }
  return flushed;
}

Status TenantStore::ReplayLog(WalReplay* replay) {
  const auto began = context_.clock.Monotonic();
  uint64_t spans = 0;
  ASSIGN_OR_RETURN(
      *replay,
      ReplayWal(context_.fs, WalDir(), FlushedSequence(),
                [&](uint64_t sequence, model::SpanBatchPtr batch) -> Status {
                  spans += batch->row_count();
                  HeadBatch entry(std::move(batch));
                  context_.counters.head_bytes += entry.bytes;
                  held_bytes_ += entry.bytes;
                  Insert(std::move(entry), sequence);
                  return {};
                }));
  // A part that is left out keeps its name.
  replay->next_sequence = std::max(replay->next_sequence, newest_name_ + 1);
  {
    MutexLock lock(mu_);
    last_sequence_ = replay->next_sequence - 1;
  }
  for (const WalDamage& damage : replay->damage) {
    ++context_.counters.wal_damage;
    log::Error("log damage in {} at byte {}: {}", damage.file, damage.offset,
               damage.what);
  }
  if (replay->torn_bytes > 0) {
    log::Warning(
        "{}: the log ends in {} bytes that are no whole frame and were left "
        "out; after a crash this is a write that nobody was told of, "
        "otherwise the file was damaged",
        dir_, replay->torn_bytes);
  }
  context_.counters.recovered_spans += spans;
  if (spans > 0) {
    log::Info("{}: {} spans read back from the log in {}", dir_, spans,
              FormatDurationShort(context_.clock.Monotonic() - began));
  }
  return {};
}

}  // namespace khtrace::storage::columnar
