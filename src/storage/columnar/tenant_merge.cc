// SPDX-License-Identifier: Apache-2.0
// Many small parts become one: docs/adr/0008-one-merge-a-span.md. The new
// part names those that it replaces, so that opening after a crash deletes
// what is left of them (docs/format/data-directory.md).
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "storage/columnar/part_name.h"
#include "storage/columnar/tenant_store.h"

namespace khtrace::storage::columnar {
namespace {

// A merge that failed is tried again after this long. Smaller: more work for
// nothing on a disk that stays full.
constexpr std::chrono::seconds kRetry{60};

uint64_t BytesOf(const PartList& parts) {
  uint64_t bytes = 0;
  for (const auto& part : parts) bytes += part->info().file_bytes;
  return bytes;
}

uint64_t SpansOf(const PartList& parts) {
  uint64_t spans = 0;
  for (const auto& part : parts) spans += part->info().span_count;
  return spans;
}

}  // namespace

Result<bool> TenantStore::MergeSome(IoPacer& pacer) {
  PartList inputs = ClaimMerge();
  if (inputs.empty()) return false;
  Result<bool> merged = Merge(std::move(inputs), pacer);
  MutexLock lock(mu_);
  claimed_.clear();
  if (!merged && merged.error().code != Code::kCancelled) {
    ++context_.counters.merge_failures;
    merge_after_ = context_.clock.Monotonic() + kRetry;
  }
  return merged;
}

PartList TenantStore::ClaimMerge() {
  MutexLock lock(mu_);
  if (context_.clock.Monotonic() < merge_after_) return {};
  std::vector<MergeCandidate> candidates;
  for (const auto& part : *parts_) {
    candidates.push_back(
        {&part->info(), merge_barred_.contains(part->path()) ||
                            context_.damage.IsDamaged(part->path())});
  }
  PartList inputs;
  for (const size_t i :
       PickMerge(candidates, context_.options.merge, limits_.retention)) {
    inputs.push_back((*parts_)[i]);
  }
  claimed_ = inputs;
  return inputs;
}

Result<bool> TenantStore::Merge(PartList inputs, IoPacer& pacer) {
  const auto began = context_.clock.Monotonic();
  // The inputs go only when the merged part is there.
  ASSIGN_OR_RETURN(const FsSpace space, context_.fs.Space(PartsDir()));
  if (space.free_bytes < BytesOf(inputs) + context_.options.head_max_bytes) {
    return Error{
        Code::kResourceExhausted,
        fmt::format("cannot merge: {} bytes are free on the disk of "
                    "{}, {} are needed",
                    space.free_bytes, PartsDir(),
                    BytesOf(inputs) + context_.options.head_max_bytes)};
  }
  std::vector<model::SpanBatchPtr> batches;
  ASSIGN_OR_RETURN(const size_t count, ReadInputs(inputs, pacer, &batches));
  if (count < inputs.size()) {
    MutexLock lock(mu_);
    merge_barred_.insert(inputs[count]->path());
  }
  inputs.resize(count);
  if (count < 2) return false;

  PartMeta meta;
  for (const auto& part : inputs) {
    const PartMeta& input = part->info().meta;
    meta.wal_end = std::max(meta.wal_end, input.wal_end);
    meta.written = std::max(meta.written, input.written);
    meta.level = std::max(meta.level, input.level + 1);
    meta.replaces.emplace_back(FileNameOf(part->path()));
  }
  const std::string path =
      PartsDir() + "/" + PartFileName(meta.wal_end, meta.level);
  ASSIGN_OR_RETURN(const std::shared_ptr<const Part> part,
                   WriteMerged(path, batches, meta, pacer));
  batches.clear();
  ReplaceParts(inputs, part);
  RemoveFiles(inputs);

  StoreCounters& counters = context_.counters;
  const PartInfo& info = part->info();
  const uint64_t duplicates = SpansOf(inputs) - info.span_count;
  ++counters.merges;
  counters.merged_parts += inputs.size();
  counters.merged_spans += info.span_count;
  counters.merge_duplicates += duplicates;
  counters.merge_read_bytes += BytesOf(inputs);
  counters.merge_written_bytes += info.file_bytes;
  log::Info(
      "{}: merged {} parts of {} into one of {} with {} spans; {} duplicates "
      "gone; {}",
      path, inputs.size(), FormatByteSize(BytesOf(inputs)),
      FormatByteSize(info.file_bytes), info.span_count, duplicates,
      FormatDurationShort(context_.clock.Monotonic() - began));
  return true;
}

// How many of the inputs fit into memory, from the first on.
Result<size_t> TenantStore::ReadInputs(
    const PartList& inputs, IoPacer& pacer,
    std::vector<model::SpanBatchPtr>* batches) {
  RequestContext context;
  context.clock = &context_.clock;
  context.stop = pacer.stop_token();
  uint64_t memory = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const PartInfo& info = inputs[i]->info();
    const size_t whole = batches->size();
    bool full = false;
    Status read = inputs[i]->ForEachBatch(
        context, [&](const model::SpanBatchPtr& batch) -> Status {
          memory += batch->MemoryBytes();
          full = memory > context_.options.merge.max_memory_bytes;
          if (full) return Error{Code::kResourceExhausted, "merge memory"};
          batches->push_back(batch);
          return pacer.Spend(info.file_bytes * batch->row_count() /
                             info.span_count);
        });
    if (full) {
      batches->resize(whole);
      return i;
    }
    if (!read && read.error().code == Code::kDataLoss) {
      // Left as it is from now on: what of it is readable stays so.
      context_.damage.Note(inputs[i]->path(), read.error());
    }
    if (!read) return std::move(read).error().With("cannot merge");
  }
  return inputs.size();
}

Result<std::shared_ptr<const Part>> TenantStore::WriteMerged(
    const std::string& path, std::span<const model::SpanBatchPtr> batches,
    const PartMeta& meta, IoPacer& pacer) {
  PacedFs paced(context_.fs, pacer);
  const auto written =
      WritePart(paced, path, batches, meta, context_.options.part);
  Result<std::shared_ptr<const Part>> part =
      written ? Part::Open(context_.fs, path) : Error(written.error());
  if (!part) {
    // Its inputs go on without it: beside a later merge of them it would
    // hold their spans twice.
    if (context_.fs.Exists(path)) (void)context_.fs.Remove(path);
    return std::move(part).error().With("cannot merge");
  }
  return part;
}

void TenantStore::ReplaceParts(const PartList& inputs,
                               const std::shared_ptr<const Part>& by) {
  MutexLock lock(mu_);
  auto parts = std::make_shared<PartList>(*parts_);
  std::erase_if(*parts, [&](const auto& part) {
    return std::find(inputs.begin(), inputs.end(), part) != inputs.end();
  });
  // In the order of names, as after the next start.
  const auto at = std::upper_bound(
      parts->begin(), parts->end(), by,
      [](const auto& a, const auto& b) { return a->path() < b->path(); });
  parts->insert(at, by);
  parts_ = std::move(parts);
}

}  // namespace khtrace::storage::columnar
