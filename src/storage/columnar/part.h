// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aggregate/partial.h"
#include "base/fs.h"
#include "base/request_context.h"
#include "model/span_batch.h"
#include "storage/trace_store.h"

// One immutable part file. Layout: docs/format/part.md.

namespace khtrace::storage::columnar {

class PartFrames;

// What a part says of itself beside its spans.
struct PartMeta {
  // Every WAL frame with a sequence up to this one is in this part or an
  // older one: recovery starts after the largest of all parts.
  uint64_t wal_end = 0;
  // When the spans were cut from the head (a merge: the newest of its parts).
  // 0: not known.
  UnixNanos written{0};
  // File names (without directory) of the parts that this one replaces, when
  // it is a merge. Found beside it after a crash, they are deleted.
  std::vector<std::string> replaces;
  // Level of merging: 0 = cut from the head.
  uint32_t level = 0;
};

struct PartInfo {
  PartMeta meta;
  uint64_t span_count = 0;
  uint64_t trace_count = 0;
  UnixNanos min_start;
  UnixNanos max_start;
  UnixNanos max_end;
  uint64_t file_bytes = 0;

  // What retention goes by: arrival, since the times in spans are whatever a
  // service's clock said.
  UnixNanos RetentionTime() const {
    return meta.written.ns != 0 ? meta.written : max_start;
  }
};

// One column as `khtrace inspect` shows it.
struct ColumnInfo {
  std::string table;     // "span", "event", "link", "scope", "resource", …
  std::string name;      // "duration", or an attribute key
  std::string type;      // "string", "int", …
  std::string encoding;  // "dictionary+bitpack", …
  uint64_t bytes = 0;    // on disk, dictionary and filters included
  uint64_t values = 0;   // present
};

// A trace within a part.
struct TracePlace {
  uint32_t group = 0;
  uint32_t trace = 0;  // within the row group
};

// What a part knows of each span of a trace beside what was sent; by row of
// the trace's batch. Defined in docs/format/part.md, "Computed values".
struct ComputedSpans {
  std::vector<uint32_t> parent;  // its row, UINT32_MAX without one
  std::vector<uint32_t> child_count;
  std::vector<uint32_t> nested_left;
  std::vector<uint32_t> nested_right;
  std::vector<uint64_t> self_nanos;
  std::vector<uint64_t> critical_nanos;  // on the trace's critical path
};

struct PartWriteOptions {
  // Spans per row group (ends at a trace's end, so groups differ a little).
  // Larger: better compression; smaller: finer pruning, less to decode for
  // one trace. 64 Ki: reference figures in docs/performance.md.
  uint32_t row_group_spans = 64 * 1024;
  // zstd level of what goes through zstd. Larger: slower cut, smaller file.
  int zstd_level = 3;
  // Whether the aggregates of the part's traces are written with it.
  bool aggregates = true;
};

// Writes all rows of `batches` as one part: sorted by trace start and trace,
// spans by start; a span that occurs several times (same trace id, span id,
// kind, start) once. Written to `path` + ".tmp", synced, renamed, directory
// synced. At least one row. The errors are the file system's; after one the
// temporary file is gone (if the disk allows), and `path` may be there whole.
Result<PartInfo> WritePart(Fs& fs, const std::string& path,
                           std::span<const model::SpanBatchPtr> batches,
                           const PartMeta& meta,
                           const PartWriteOptions& options = {});

// How far a check of a part's checksums has come.
struct ScrubProgress {
  size_t next_page = 0;
  uint64_t bytes = 0;  // read
  bool done = false;
};

// An open part. Immutable, thread-safe. Damage is found page by page: a call
// that needs a corrupt page answers kDataLoss naming file, column and page;
// others go on. A call that collects or visits gives what is readable before
// it answers kDataLoss: a corrupt page costs one row group, a corrupt
// dictionary the answers that need its column.
class Part {
 public:
  // kDataLoss: not a part, truncated, or a corrupt footer.
  // kUnimplemented: a format version newer than ours; says which.
  static Result<std::shared_ptr<const Part>> Open(Fs& fs,
                                                  const std::string& path);
  virtual ~Part() = default;

  virtual const PartInfo& info() const = 0;
  virtual const std::string& path() const = 0;

  // The trace's spans in this part, or nullptr. A corrupt trace index makes
  // it slower, no more.
  virtual Result<model::SpanBatchPtr> GetTrace(
      const RequestContext& context, const model::TraceId& id) const = 0;
  // Of the spans of GetTrace(id), or nothing. Of the trace as this part has
  // it: one that is split over parts has other values as a whole.
  virtual Result<std::optional<ComputedSpans>> GetComputed(
      const RequestContext& context, const model::TraceId& id) const = 0;
  virtual Status CollectServices(std::set<std::string>* services) const = 0;
  virtual Status CollectOperations(std::string_view service,
                                   std::set<Operation>* operations) const = 0;
  // Where GetTrace(id) finds it, or nothing.
  virtual Result<std::optional<TracePlace>> FindPlace(
      const RequestContext& context, const model::TraceId& id) const = 0;
  // Its spans as columns; what is returned does not outlive the part.
  virtual Result<std::shared_ptr<const PartFrames>> OpenFrames(
      std::shared_ptr<const FrameRequest> request) const = 0;
  // Keys of attributes, of every span here.
  virtual Status CollectKeys(AttributeKeys* keys) const = 0;
  // Each trace's id and the start of its first span, in the part's order.
  virtual Status ForEachTrace(
      const RequestContext& context,
      const std::function<void(const model::TraceId&, UnixNanos start)>& visit)
      const = 0;
  // The aggregates written with the part, what of them `options` wants; nothing
  // where there are none, or only ones of a newer version. kDataLoss: corrupt;
  // ForEachBatch may still have all they are of.
  virtual Result<std::optional<aggregate::Partial>> ReadAggregates(
      const aggregate::MergeOptions& options) const = 0;
  // All spans in the part's order, in batches of some thousand rows that end
  // where a trace ends. An error of `visit` ends it.
  virtual Status ForEachBatch(
      const RequestContext& context,
      const std::function<Status(const model::SpanBatchPtr&)>& visit) const = 0;
  // Reads every page and checks every checksum and count. Names the first
  // damage.
  virtual Status Verify() const = 0;
  // Checks the checksums of pages from progress->next_page on, in the order of
  // the file, until `max_bytes` or a little more were read; then those of
  // footer and trailer. Appends every damage found.
  virtual void Scrub(uint64_t max_bytes, ScrubProgress* progress,
                     std::vector<Error>* damage) const = 0;
  virtual std::vector<ColumnInfo> Columns() const = 0;
};

using PartList = std::vector<std::shared_ptr<const Part>>;

}  // namespace khtrace::storage::columnar
