// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/split_traces.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <iterator>

namespace khtrace::storage::columnar {
namespace {

using model::TraceId;

Status FindPlaces(const RequestContext& context, const TraceId& id,
                  const PartList& parts, QueryLosses* losses,
                  std::vector<PartPlace>* places) {
  places->clear();
  for (const auto& part : parts) {
    auto place = part->FindPlace(context, id);
    if (!place) {
      RETURN_IF_ERROR(losses->Excuse(*part, std::move(place).error()));
    } else if (*place) {
      places->push_back({part.get(), **place});
    }
  }
  return {};
}

template <typename Time>
auto TimesOf(const SplitTrace& trace, const Time& time) {
  std::pair<UnixNanos, UnixNanos> range{UnixNanos::Max(), UnixNanos{0}};
  for (const PartPlace& place : trace.places) {
    const UnixNanos own = time(place.part->info());
    range.first = std::min(range.first, own);
    range.second = std::max(range.second, own);
  }
  return range;
}

SplitTraces::SplitTraceList ListOf(
    const std::map<TraceId, std::vector<PartPlace>>& split) {
  SplitTraces::SplitTraceList list;
  list.reserve(split.size());
  for (const auto& [id, places] : split) list.push_back({id, places});
  std::stable_sort(list.begin(), list.end(),
                   [](const SplitTrace& a, const SplitTrace& b) {
                     return a.latest_start() > b.latest_start();
                   });
  return list;
}

// The hashes that more than one of the sorted lists have. Bucket by bucket, so
// that what is compared stays in the cache however many lists there are: one
// list against each other takes the square of their number.
std::vector<uint64_t> InSeveral(
    const std::vector<const std::vector<uint64_t>*>& lists) {
  constexpr unsigned kBucketBits = 12;
  std::vector<size_t> at(lists.size());
  std::vector<uint64_t> bucket;
  std::vector<uint64_t> shared;
  for (uint64_t b = 0; b < (uint64_t{1} << kBucketBits); ++b) {
    bucket.clear();
    for (size_t i = 0; i < lists.size(); ++i) {
      const std::vector<uint64_t>& list = *lists[i];
      while (at[i] < list.size() && list[at[i]] >> (64 - kBucketBits) == b) {
        bucket.push_back(list[at[i]++]);
      }
    }
    std::sort(bucket.begin(), bucket.end());
    for (size_t i = 1; i < bucket.size(); ++i) {
      const bool known = !shared.empty() && shared.back() == bucket[i];
      if (bucket[i] == bucket[i - 1] && !known) shared.push_back(bucket[i]);
    }
  }
  return shared;
}

}  // namespace

UnixNanos SplitTrace::first_start() const {
  return TimesOf(*this, [](const auto& i) { return i.min_start; }).first;
}
UnixNanos SplitTrace::latest_start() const {
  return TimesOf(*this, [](const auto& i) { return i.max_start; }).first;
}
UnixNanos SplitTrace::last_start() const {
  return TimesOf(*this, [](const auto& i) { return i.max_start; }).second;
}
UnixNanos SplitTrace::last_end() const {
  // Which may be before the span's own start.
  return TimesOf(*this,
                 [](const auto& i) { return std::max(i.max_start, i.max_end); })
      .second;
}

void SplitTraces::DropGone(const PartList& parts) {
  std::set<const Part*> there;
  for (const auto& part : parts) there.insert(part.get());
  // The same address may be another part by now.
  std::erase_if(known_, [&](const auto& known) {
    return !there.contains(known.first) || known.second.part.expired();
  });
  for (auto at = split_.begin(); at != split_.end();) {
    std::vector<PartPlace> left;
    for (const PartPlace& place : at->second) {
      if (known_.contains(place.part)) left.push_back(place);
    }
    at->second = std::move(left);
    at = at->second.size() < 2 ? split_.erase(at) : std::next(at);
  }
}

Result<SplitTraces::Hashes> SplitTraces::ReadHashes(
    const RequestContext& context, const PartList& fresh, QueryLosses* losses) {
  for (const auto& part : fresh) {
    Hashes hashes;
    hashes.reserve(part->info().trace_count);
    RETURN_IF_ERROR(losses->Excuse(
        *part, part->ForEachTrace(context, [&](const TraceId& id, UnixNanos) {
          hashes.push_back(model::TraceIdHash{}(id));
        })));
    std::sort(hashes.begin(), hashes.end());
    known_[part.get()] = {part, std::move(hashes)};
  }
  Hashes shared;
  if (fresh.size() == 1) {
    const Hashes& own = known_[fresh[0].get()].hashes;
    for (const auto& [other, known] : known_) {
      if (other == fresh[0].get()) continue;
      std::set_intersection(own.begin(), own.end(), known.hashes.begin(),
                            known.hashes.end(), std::back_inserter(shared));
    }
    std::sort(shared.begin(), shared.end());
    return shared;
  }
  std::vector<const Hashes*> lists;
  for (const auto& [part, known] : known_) lists.push_back(&known.hashes);
  return InSeveral(lists);
}

Status SplitTraces::AddShared(const RequestContext& context, const Part& part,
                              const Hashes& shared, const PartList& parts,
                              QueryLosses* losses) {
  const Hashes& own = known_[&part].hashes;
  Hashes here;
  std::set_intersection(own.begin(), own.end(), shared.begin(), shared.end(),
                        std::back_inserter(here));
  if (here.empty()) return {};
  std::vector<TraceId> ids;
  RETURN_IF_ERROR(losses->Excuse(
      part, part.ForEachTrace(context, [&](const TraceId& id, UnixNanos) {
        if (std::binary_search(here.begin(), here.end(),
                               model::TraceIdHash{}(id))) {
          ids.push_back(id);
        }
      })));
  std::vector<PartPlace> places;
  for (const TraceId& id : ids) {
    // Known to be split, perhaps without this part's piece of it.
    const auto known = split_.find(id);
    const bool has_this =
        known != split_.end() &&
        std::any_of(known->second.begin(), known->second.end(),
                    [&](const PartPlace& p) { return p.part == &part; });
    if (has_this) continue;
    RETURN_IF_ERROR(context.Check());
    RETURN_IF_ERROR(FindPlaces(context, id, parts, losses, &places));
    if (places.size() > 1) split_[id] = places;
  }
  return {};
}

Status SplitTraces::Update(const RequestContext& context, const PartList& parts,
                           QueryLosses* losses) {
  DropGone(parts);
  PartList fresh;
  for (const auto& part : parts) {
    if (!known_.contains(part.get())) fresh.push_back(part);
  }
  if (fresh.empty()) return {};
  Result<Hashes> shared = ReadHashes(context, fresh, losses);
  Status added = shared ? Status() : Status(std::move(shared).error());
  for (size_t i = 0; added && i < fresh.size(); ++i) {
    added = AddShared(context, *fresh[i], *shared, parts, losses);
  }
  // Half known is not known.
  if (!added) {
    for (const auto& part : fresh) known_.erase(part.get());
  }
  return added;
}

Result<std::shared_ptr<const SplitTraces::SplitTraceList>> SplitTraces::InParts(
    const RequestContext& context, const std::shared_ptr<const PartList>& parts,
    QueryLosses* losses) {
  MutexLock lock(mu_);
  if (list_ == nullptr || listed_.lock() != parts) {
    RETURN_IF_ERROR(Update(context, *parts, losses));
    list_ = std::make_shared<const SplitTraceList>(ListOf(split_));
    listed_ = parts;
    whole_.clear();
    whole_bytes_ = 0;
  }
  return list_;
}

std::shared_ptr<const WholeTraces> SplitTraces::FindWhole(
    const std::shared_ptr<const SplitTraceList>& list, size_t begin) {
  MutexLock lock(mu_);
  if (list != list_) return nullptr;
  const auto found = whole_.find(begin);
  return found == whole_.end() ? nullptr : found->second;
}

void SplitTraces::KeepWhole(const std::shared_ptr<const SplitTraceList>& list,
                            size_t begin,
                            std::shared_ptr<const WholeTraces> traces) {
  size_t bytes = traces->rows.size() * sizeof(model::RowRef);
  for (const model::SpanBatchPtr& batch : traces->batches) {
    bytes += batch->MemoryBytes();
  }
  MutexLock lock(mu_);
  if (list != list_ || whole_bytes_ + bytes > kMaxWholeBytes) return;
  if (whole_.emplace(begin, std::move(traces)).second) whole_bytes_ += bytes;
}

Result<SplitTraces::SplitTraceList> SplitTraces::InHeads(
    const RequestContext& context, const std::shared_ptr<const PartList>& parts,
    const std::vector<HeadView>& heads, QueryLosses* losses) {
  MutexLock lock(mu_);
  std::erase_if(heads_, [](const auto& h) { return h.second.head.expired(); });
  if (heads_of_.lock() != parts || heads_.empty()) {
    heads_of_ = parts;
    heads_.clear();
    in_heads_.clear();
  }
  if (parts->empty()) return SplitTraceList();
  boost::unordered_flat_set<TraceId, model::TraceIdHash> seen;
  std::vector<PartPlace> places;
  for (const HeadView& head : heads) {
    HeadProgress& progress = heads_[head.generation.get()];
    progress.head = head.generation;
    std::vector<model::SpanBatchPtr> fresh;
    size_t number = 0;
    head.ForEach([&](const HeadBatch& entry) {
      if (number++ >= progress.batches) fresh.push_back(entry.batch);
    });
    for (const model::SpanBatchPtr& batch : fresh) {
      for (const TraceId& id : batch->spans().trace_id) {
        if (!seen.insert(id).second || in_heads_.contains(id)) continue;
        RETURN_IF_ERROR(FindPlaces(context, id, *parts, losses, &places));
        if (!places.empty()) in_heads_[id] = places;
      }
      ++progress.batches;
    }
  }
  return ListOf(in_heads_);
}

}  // namespace khtrace::storage::columnar
