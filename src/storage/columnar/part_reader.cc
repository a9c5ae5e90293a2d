// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <mutex>
#include <optional>

#include "storage/columnar/part_assembler.h"
#include "storage/columnar/part_computed.h"
#include "storage/columnar/part_file.h"
#include "storage/columnar/part_frame.h"
#include "storage/columnar/part_keys.h"

namespace khtrace::storage::columnar {
namespace {

using F = ColumnField;

// Spans of a batch that ForEachBatch gives, at most, unless one trace has
// more. Larger: fewer blocks inflated twice; smaller: less memory.
constexpr uint32_t kBatchSpans = 8192;

class MappedPart : public Part {
 public:
  explicit MappedPart(std::unique_ptr<PartFile> file)
      : file_(std::move(file)) {}

  const PartInfo& info() const override { return file_->footer().info; }
  const std::string& path() const override { return file_->path(); }
  Result<model::SpanBatchPtr> GetTrace(const RequestContext& context,
                                       const model::TraceId& id) const override;
  Result<std::optional<ComputedSpans>> GetComputed(
      const RequestContext& context, const model::TraceId& id) const override;
  Result<std::optional<TracePlace>> FindPlace(
      const RequestContext& context, const model::TraceId& id) const override;
  Result<std::shared_ptr<const PartFrames>> OpenFrames(
      std::shared_ptr<const FrameRequest> request) const override;
  Status CollectServices(std::set<std::string>* services) const override;
  Status CollectOperations(std::string_view service,
                           std::set<Operation>* operations) const override;
  Status CollectKeys(AttributeKeys* keys) const override {
    return CollectPartKeys(*file_, keys);
  }
  Result<std::optional<aggregate::Partial>> ReadAggregates(
      const aggregate::MergeOptions& options) const override {
    return file_->ReadAggregates(options);
  }
  Status ForEachBatch(const RequestContext& context,
                      const std::function<Status(const model::SpanBatchPtr&)>&
                          visit) const override;
  Status ForEachTrace(
      const RequestContext& context,
      const std::function<void(const model::TraceId&, UnixNanos start)>& visit)
      const override;
  Status Verify() const override;
  void Scrub(uint64_t max_bytes, ScrubProgress* progress,
             std::vector<Error>* damage) const override {
    file_->Scrub(max_bytes, progress, damage);
  }
  std::vector<ColumnInfo> Columns() const override;

 private:
  // One span for each scope, of that scope: what conditions on scopes and
  // resources are tested on, and what traces take their scopes from.
  Result<const model::SpanBatch*> Scopes() const;
  Result<model::SpanBatchPtr> ReadScopes() const;
  // The trace's place, if `ordinal` has this id.
  Result<std::optional<TraceRange>> Locate(const model::TraceId& id,
                                           uint32_t ordinal) const;
  Result<std::optional<TraceRange>> FindTrace(const RequestContext& context,
                                              const model::TraceId& id) const;
  // Rows of `field` that traces [0, trace) of a row group have; *own are the
  // trace's.
  Status SumBefore(ColumnField field, size_t group, uint32_t trace,
                   uint32_t* before, uint32_t* own) const;
  // Where the trace may be: few ordinals.
  Status FindCandidates(const model::TraceId& id,
                        std::vector<uint32_t>* candidates) const;
  // Calls visit(group) for each row group; what is damaged is passed over
  // and told at the end.
  template <typename Visit>  // Status(size_t group)
  Status ForEachGroup(const Visit& visit) const;
  Status CollectGroupOperations(size_t group,
                                const std::vector<uint8_t>& wanted,
                                std::set<Operation>* operations) const;
  Status VisitGroup(
      const RequestContext& context, size_t group,
      const std::function<Status(const model::SpanBatchPtr&)>& visit) const;

  const std::unique_ptr<PartFile> file_;
  mutable std::once_flag scopes_once_;
  mutable std::optional<Result<model::SpanBatchPtr>> scopes_;
};

Result<model::SpanBatchPtr> MappedPart::ReadScopes() const {
  ASSIGN_OR_RETURN(const model::SpanBatchPtr scopes,
                   BatchAssembler(*file_).AssembleScopes());
  model::SpanBatchData data = scopes->data();
  const size_t n = data.scopes.size();
  model::SpanColumns& s = data.spans;
  s.trace_id.resize(n);
  s.span_id.resize(n);
  s.parent_span_id.resize(n);
  s.start.resize(n);
  s.end.resize(n);
  s.name.resize(n);
  s.trace_state.resize(n);
  s.status_message.resize(n);
  s.kind.resize(n);
  s.status.resize(n);
  s.flags.resize(n);
  s.dropped_attributes.resize(n);
  s.dropped_events.resize(n);
  s.dropped_links.resize(n);
  s.attributes.resize(n);
  s.events_end.resize(n);
  s.links_end.resize(n);
  for (uint32_t i = 0; i < n; ++i) s.scope.push_back(i);
  return std::make_shared<const model::SpanBatch>(std::move(data));
}

Result<const model::SpanBatch*> MappedPart::Scopes() const {
  std::call_once(scopes_once_, [&] { scopes_ = ReadScopes(); });
  if (!scopes_->has_value()) return Error(scopes_->error());
  return (**scopes_).get();
}

Status MappedPart::SumBefore(ColumnField field, size_t group, uint32_t trace,
                             uint32_t* before, uint32_t* own) const {
  const uint32_t column = file_->Field(Table::kTrace, field);
  std::vector<uint64_t> counts;
  RETURN_IF_ERROR(file_->ReadInts(column, group, 0, trace + 1, &counts));
  const RowGroup& rows = file_->footer().groups[group];
  const uint64_t limit = field == F::kSpans    ? rows.spans
                         : field == F::kEvents ? rows.events
                                               : rows.links;
  uint64_t sum = 0;
  for (const uint64_t count : counts) {
    if (count > limit - sum) {
      return file_->Locate({Code::kDataLoss, "more rows than the row group"},
                           column, group);
    }
    sum += count;
  }
  *own = static_cast<uint32_t>(counts.back());
  *before = static_cast<uint32_t>(sum) - *own;
  return {};
}

Result<std::optional<TraceRange>> MappedPart::Locate(const model::TraceId& id,
                                                     uint32_t ordinal) const {
  const std::vector<uint64_t>& first = file_->first_traces();
  TraceRange range;
  range.group = static_cast<size_t>(
      std::upper_bound(first.begin(), first.end(), ordinal) - first.begin() -
      1);
  range.first_trace = static_cast<uint32_t>(ordinal - first[range.group]);
  range.traces = 1;
  std::vector<uint64_t> high;
  std::vector<uint64_t> low;
  RETURN_IF_ERROR(file_->ReadInts(file_->Field(Table::kTrace, F::kTraceIdLow),
                                  range.group, range.first_trace, 1, &low));
  if (low[0] != id.low) return std::optional<TraceRange>();
  RETURN_IF_ERROR(file_->ReadInts(file_->Field(Table::kTrace, F::kTraceIdHigh),
                                  range.group, range.first_trace, 1, &high));
  if (high[0] != id.high) return std::optional<TraceRange>();
  RETURN_IF_ERROR(SumBefore(F::kSpans, range.group, range.first_trace,
                            &range.first_span, &range.spans));
  RETURN_IF_ERROR(SumBefore(F::kEvents, range.group, range.first_trace,
                            &range.first_event, &range.events));
  RETURN_IF_ERROR(SumBefore(F::kLinks, range.group, range.first_trace,
                            &range.first_link, &range.links));
  return std::optional<TraceRange>(range);
}

template <typename Visit>
Status MappedPart::ForEachGroup(const Visit& visit) const {
  Status loss;
  for (size_t g = 0; g < file_->footer().groups.size(); ++g) {
    Status visited = visit(g);
    if (visited) continue;
    if (visited.error().code != Code::kDataLoss) return visited;
    if (loss) loss = std::move(visited);
  }
  return loss;
}

Status MappedPart::FindCandidates(const model::TraceId& id,
                                  std::vector<uint32_t>* candidates) const {
  Result<TraceIndex> index = file_->Index();
  Status found =
      index ? index->Candidates(id, candidates) : Status(index.error());
  if (found || found.error().code != Code::kDataLoss) return found;
  // The ids are in a column as well.
  candidates->clear();
  return ForEachGroup([&](size_t g) -> Status {
    std::vector<uint64_t> low;
    RETURN_IF_ERROR(file_->ReadInts(file_->Field(Table::kTrace, F::kTraceIdLow),
                                    g, 0, file_->footer().groups[g].traces,
                                    &low));
    for (uint32_t t = 0; t < low.size(); ++t) {
      if (low[t] != id.low) continue;
      candidates->push_back(
          static_cast<uint32_t>(file_->first_traces()[g] + t));
    }
    return {};
  });
}

Result<std::optional<TraceRange>> MappedPart::FindTrace(
    const RequestContext& context, const model::TraceId& id) const {
  RETURN_IF_ERROR(context.Check());
  std::vector<uint32_t> candidates;
  Status loss = FindCandidates(id, &candidates);
  if (!loss && loss.error().code != Code::kDataLoss) {
    return std::move(loss).error();
  }
  for (const uint32_t ordinal : candidates) {
    Result<std::optional<TraceRange>> range = Locate(id, ordinal);
    if (!range) {
      // Perhaps of another trace, whose id is damaged.
      loss = std::move(range).error();
      continue;
    }
    if (*range) return range;
  }
  if (!loss) return std::move(loss).error();
  return std::optional<TraceRange>();
}

Result<model::SpanBatchPtr> MappedPart::GetTrace(
    const RequestContext& context, const model::TraceId& id) const {
  ASSIGN_OR_RETURN(const std::optional<TraceRange> range,
                   FindTrace(context, id));
  if (!range) return model::SpanBatchPtr();
  ASSIGN_OR_RETURN(const model::SpanBatch* scopes, Scopes());
  return BatchAssembler(*file_).Assemble(*range, *scopes);
}

Result<std::optional<ComputedSpans>> MappedPart::GetComputed(
    const RequestContext& context, const model::TraceId& id) const {
  ASSIGN_OR_RETURN(const std::optional<TraceRange> range,
                   FindTrace(context, id));
  if (!range) return std::optional<ComputedSpans>();
  ASSIGN_OR_RETURN(
      ComputedSpans computed,
      ReadComputed(*file_, range->group, range->first_span, range->spans));
  return std::optional<ComputedSpans>(std::move(computed));
}

Result<std::optional<TracePlace>> MappedPart::FindPlace(
    const RequestContext& context, const model::TraceId& id) const {
  ASSIGN_OR_RETURN(const std::optional<TraceRange> range,
                   FindTrace(context, id));
  if (!range) return std::optional<TracePlace>();
  return std::optional<TracePlace>(
      TracePlace{static_cast<uint32_t>(range->group), range->first_trace});
}

Result<std::shared_ptr<const PartFrames>> MappedPart::OpenFrames(
    std::shared_ptr<const FrameRequest> request) const {
  ASSIGN_OR_RETURN(const model::SpanBatch* scopes, Scopes());
  return std::make_shared<const PartFrames>(*file_, *scopes,
                                            std::move(request));
}

Status MappedPart::CollectServices(std::set<std::string>* services) const {
  ASSIGN_OR_RETURN(const model::SpanBatch* scopes, Scopes());
  for (model::RowIndex s = 0; s < scopes->row_count(); ++s) {
    const std::string_view name = scopes->ServiceName(s);
    if (!name.empty()) services->emplace(name);
  }
  return {};
}

Status MappedPart::CollectOperations(std::string_view service,
                                     std::set<Operation>* operations) const {
  ASSIGN_OR_RETURN(const model::SpanBatch* scopes, Scopes());
  std::vector<uint8_t> wanted(scopes->row_count());
  for (model::RowIndex s = 0; s < scopes->row_count(); ++s) {
    wanted[s] = scopes->ServiceName(s) == service;
  }
  if (std::find(wanted.begin(), wanted.end(), 1) == wanted.end()) return {};
  return ForEachGroup([&](size_t group) {
    return CollectGroupOperations(group, wanted, operations);
  });
}

// `wanted`: for each scope whether it is of the service.
Status MappedPart::CollectGroupOperations(
    size_t group, const std::vector<uint8_t>& wanted,
    std::set<Operation>* operations) const {
  const uint32_t name_column = file_->Field(Table::kSpan, F::kName);
  const bool has_dictionary = file_->column(name_column).dictionary_size > 0;
  const uint32_t n = file_->footer().groups[group].spans;
  std::vector<uint64_t> scope;
  std::vector<uint64_t> kinds;
  std::vector<uint64_t> names;
  DecodedTexts texts;
  RETURN_IF_ERROR(file_->ReadInts(file_->Field(Table::kSpan, F::kScope), group,
                                  0, n, &scope));
  RETURN_IF_ERROR(file_->ReadInts(file_->Field(Table::kSpan, F::kKind), group,
                                  0, n, &kinds));
  RETURN_IF_ERROR(has_dictionary
                      ? file_->ReadInts(name_column, group, 0, n, &names)
                      : file_->ReadTexts(name_column, group, 0, n, &texts));
  // (name, kind); the names are dictionary positions where there is one.
  std::set<std::pair<uint64_t, uint64_t>> found;
  for (uint32_t i = 0; i < n; ++i) {
    if (scope[i] >= wanted.size() || wanted[scope[i]] == 0) continue;
    if (has_dictionary) {
      found.insert({names[i], kinds[i]});
    } else {
      operations->insert({std::string(texts.texts[i]),
                          static_cast<model::SpanKind>(kinds[i])});
    }
  }
  if (!has_dictionary) return {};
  ASSIGN_OR_RETURN(const DecodedTexts* dictionary,
                   file_->Dictionary(name_column));
  for (const auto& [name, kind] : found) {
    operations->insert({std::string(dictionary->texts[name]),
                        static_cast<model::SpanKind>(kind)});
  }
  return {};
}

Status MappedPart::ForEachTrace(
    const RequestContext& context,
    const std::function<void(const model::TraceId&, UnixNanos start)>& visit)
    const {
  return ForEachGroup([&](size_t group) -> Status {
    RETURN_IF_ERROR(context.Check());
    const uint32_t n = file_->footer().groups[group].traces;
    std::vector<uint64_t> high;
    std::vector<uint64_t> low;
    std::vector<uint64_t> starts;
    const auto read = [&](ColumnField field, std::vector<uint64_t>* out) {
      return file_->ReadInts(file_->Field(Table::kTrace, field), group, 0, n,
                             out);
    };
    RETURN_IF_ERROR(read(F::kTraceIdHigh, &high));
    RETURN_IF_ERROR(read(F::kTraceIdLow, &low));
    RETURN_IF_ERROR(read(F::kTraceStart, &starts));
    for (uint32_t t = 0; t < n; ++t) visit({high[t], low[t]}, {starts[t]});
    return {};
  });
}

Status MappedPart::VisitGroup(
    const RequestContext& context, size_t group,
    const std::function<Status(const model::SpanBatchPtr&)>& visit) const {
  ASSIGN_OR_RETURN(const model::SpanBatch* scopes, Scopes());
  const RowGroup& rows = file_->footer().groups[group];
  std::vector<uint64_t> spans;
  std::vector<uint64_t> events;
  std::vector<uint64_t> links;
  const auto read = [&](ColumnField field, std::vector<uint64_t>* out) {
    return file_->ReadInts(file_->Field(Table::kTrace, field), group, 0,
                           rows.traces, out);
  };
  RETURN_IF_ERROR(read(F::kSpans, &spans));
  RETURN_IF_ERROR(read(F::kEvents, &events));
  RETURN_IF_ERROR(read(F::kLinks, &links));
  const auto damaged = [&] {
    return file_->Locate({Code::kDataLoss, "traces and row group do not agree"},
                         file_->Field(Table::kTrace, F::kSpans), group);
  };
  TraceRange range;
  range.group = group;
  for (uint32_t t = 0; t < rows.traces; ++t) {
    if (spans[t] > rows.spans - range.first_span - range.spans ||
        events[t] > rows.events - range.first_event - range.events ||
        links[t] > rows.links - range.first_link - range.links) {
      return damaged();
    }
    ++range.traces;
    range.spans += static_cast<uint32_t>(spans[t]);
    range.events += static_cast<uint32_t>(events[t]);
    range.links += static_cast<uint32_t>(links[t]);
    const bool last = t + 1 == rows.traces;
    if (!last && range.spans + spans[t + 1] <= kBatchSpans) continue;
    RETURN_IF_ERROR(context.Check());
    ASSIGN_OR_RETURN(const model::SpanBatchPtr batch,
                     BatchAssembler(*file_).Assemble(range, *scopes));
    RETURN_IF_ERROR(visit(batch));
    range = {group, t + 1,
             0,     range.first_span + range.spans,
             0,     range.first_event + range.events,
             0,     range.first_link + range.links,
             0};
  }
  if (range.first_span != rows.spans || range.first_event != rows.events ||
      range.first_link != rows.links) {
    return damaged();
  }
  return {};
}

Status MappedPart::ForEachBatch(
    const RequestContext& context,
    const std::function<Status(const model::SpanBatchPtr&)>& visit) const {
  return ForEachGroup(
      [&](size_t group) { return VisitGroup(context, group, visit); });
}

Status MappedPart::Verify() const {
  RETURN_IF_ERROR(file_->VerifyChecksums());
  if (auto aggregates = ReadAggregates({}); !aggregates) {
    return std::move(aggregates).error();
  }
  return ForEachBatch({}, [](const model::SpanBatchPtr&) { return Status(); });
}

std::vector<ColumnInfo> MappedPart::Columns() const {
  std::vector<ColumnInfo> infos;
  for (const Column& column : file_->footer().columns) {
    ColumnInfo info;
    info.table = TableName(column.table);
    info.name = column.is_attribute() ? std::string_view(column.key)
                                      : FieldName(column.field);
    info.type = ColumnTypeName(column.type);
    if (column.dictionary_size > 0) {
      info.encoding = "dictionary";
      info.bytes += column.dictionary.length;
    }
    // Chunks may differ: the encoding that most bytes have is named.
    std::map<Encoding, uint64_t> sizes;
    for (const Chunk& chunk : column.chunks) {
      info.values += chunk.values;
      info.bytes += chunk.page.length + chunk.filter.length;
      if (chunk.page.length > 0) {
        sizes[chunk.page.encoding] += chunk.page.length;
      }
    }
    const auto largest = std::max_element(
        sizes.begin(), sizes.end(),
        [](const auto& a, const auto& b) { return a.second < b.second; });
    if (largest != sizes.end()) {
      if (!info.encoding.empty()) info.encoding += "+";
      info.encoding += EncodingName(largest->first);
    }
    infos.push_back(std::move(info));
  }
  const Footer& footer = file_->footer();
  infos.push_back({"trace", "index", "index",
                   std::string(EncodingName(footer.trace_index.encoding)),
                   footer.trace_index.length, footer.info.trace_count});
  infos.push_back({"part", "shapes", "lists",
                   std::string(EncodingName(footer.shapes.encoding)),
                   footer.shapes.length, 0});
  for (const Section& section : footer.sections) {
    const bool known = section.kind == SectionKind::kAggregates;
    infos.push_back({"part", known ? "aggregates" : "unknown section", "tables",
                     std::string(EncodingName(section.page.encoding)),
                     section.page.length, 0});
  }
  return infos;
}

}  // namespace

Result<std::shared_ptr<const Part>> Part::Open(Fs& fs,
                                               const std::string& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<PartFile> file, PartFile::Open(fs, path));
  return std::shared_ptr<const Part>(
      std::make_shared<const MappedPart>(std::move(file)));
}

}  // namespace khtrace::storage::columnar
