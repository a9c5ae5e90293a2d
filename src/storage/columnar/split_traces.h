// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "base/mutex.h"
#include "base/request_context.h"
#include "model/span_batch_builder.h"
#include "storage/columnar/head.h"
#include "storage/columnar/part.h"
#include "storage/columnar/query_losses.h"

namespace khtrace::storage::columnar {

// Where a trace is whole or in part.
struct PartPlace {
  const Part* part = nullptr;
  TracePlace place;
};

// A trace that lies in several places: in several parts, or in a head and a
// part.
struct SplitTrace {
  model::TraceId id;
  std::vector<PartPlace> places;  // in parts

  // What the parts' times say of the trace's spans there.
  UnixNanos first_start() const;   // none starts before
  UnixNanos latest_start() const;  // the earliest starts then or before
  UnixNanos last_start() const;    // none starts later
  UnixNanos last_end() const;      // none ends later
};

// Split traces put together.
struct WholeTraces {
  std::vector<model::RowRef> rows;  // as MakeBatchFrame takes them
  std::vector<model::SpanBatchPtr> batches;
};

// Which traces of a tenant are split: found out once and kept up with new
// parts and spans. 8 bytes a trace. Thread-safe.
class SplitTraces {
 public:
  using SplitTraceList = std::vector<SplitTrace>;

  // Of the parts, those in several; by latest_start, the newest first. Ids that
  // cannot be read are noted in `losses` and left out.
  Result<std::shared_ptr<const SplitTraceList>> InParts(
      const RequestContext& context,
      const std::shared_ptr<const PartList>& parts, QueryLosses* losses)
      KHTRACE_EXCLUDES(mu_);

  // Those of the heads that some part has as well, likewise. Perhaps some
  // that came into a head after the view was taken.
  Result<SplitTraceList> InHeads(const RequestContext& context,
                                 const std::shared_ptr<const PartList>& parts,
                                 const std::vector<HeadView>& heads,
                                 QueryLosses* losses) KHTRACE_EXCLUDES(mu_);

  // Traces [begin, end) of those that InParts gave as `list`, kept from an
  // earlier query; nullptr if they are not.
  std::shared_ptr<const WholeTraces> FindWhole(
      const std::shared_ptr<const SplitTraceList>& list, size_t begin)
      KHTRACE_EXCLUDES(mu_);
  void KeepWhole(const std::shared_ptr<const SplitTraceList>& list,
                 size_t begin, std::shared_ptr<const WholeTraces> traces)
      KHTRACE_EXCLUDES(mu_);

 private:
  // Bytes of traces that are kept. Larger: fewer of them put together again.
  static constexpr size_t kMaxWholeBytes = 64 << 20;
  using Hashes = std::vector<uint64_t>;  // sorted
  struct KnownPart {
    std::weak_ptr<const Part> part;
    Hashes hashes;
  };

  Status Update(const RequestContext& context, const PartList& parts,
                QueryLosses* losses) KHTRACE_REQUIRES(mu_);
  // Reads the hashes of parts that are not known yet; those of them that
  // several parts have, sorted.
  Result<Hashes> ReadHashes(const RequestContext& context,
                            const PartList& fresh, QueryLosses* losses)
      KHTRACE_REQUIRES(mu_);
  // Finds the traces of these hashes.
  Status AddShared(const RequestContext& context, const Part& part,
                   const Hashes& shared, const PartList& parts,
                   QueryLosses* losses) KHTRACE_REQUIRES(mu_);
  void DropGone(const PartList& parts) KHTRACE_REQUIRES(mu_);

  Mutex mu_;
  std::map<const Part*, KnownPart> known_ KHTRACE_GUARDED_BY(mu_);
  std::map<model::TraceId, std::vector<PartPlace>> split_
      KHTRACE_GUARDED_BY(mu_);
  std::weak_ptr<const PartList> listed_ KHTRACE_GUARDED_BY(mu_);
  std::shared_ptr<const SplitTraceList> list_ KHTRACE_GUARDED_BY(mu_);

  // Of list_, by their first trace.
  std::map<size_t, std::shared_ptr<const WholeTraces>> whole_
      KHTRACE_GUARDED_BY(mu_);
  size_t whole_bytes_ KHTRACE_GUARDED_BY(mu_) = 0;

  // How much of each head was looked up in which list of parts.
  struct HeadProgress {
    std::weak_ptr<const HeadGeneration> head;
    size_t batches = 0;
  };
  std::weak_ptr<const PartList> heads_of_ KHTRACE_GUARDED_BY(mu_);
  std::map<const HeadGeneration*, HeadProgress> heads_ KHTRACE_GUARDED_BY(mu_);
  std::map<model::TraceId, std::vector<PartPlace>> in_heads_
      KHTRACE_GUARDED_BY(mu_);
};

}  // namespace khtrace::storage::columnar
