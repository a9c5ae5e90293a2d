// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_writer.h"

#include "base/hash.h"
#include "storage/columnar/encoding_bytes.h"
#include "storage/columnar/encoding_text.h"
#include "storage/columnar/part_builder_aggregates.h"
#include "storage/columnar/part_trace_index.h"

// file := "KHTPART" 0x01 · pages · footer · trailer (docs/format/part.md)

namespace khtrace::storage::columnar {
namespace {

// Of the section of aggregates: larger ones are left out. On the corpus of
// docs/performance.md it takes 1.2 bytes a span.
constexpr uint64_t kMaxAggregateBytes = 64 * 1024;
constexpr uint64_t kMaxAggregateBytesPerSpan = 4;

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// footer_offset u64 · footer_length u32 · version u32 · footer_checksum u64 ·
// trailer_checksum u64 · "KHTPTEND"
std::string MakeTrailer(uint64_t footer_offset, std::string_view footer) {
  std::string trailer;
  ByteWriter writer(trailer);
  writer.U64(footer_offset);
  writer.U32(static_cast<uint32_t>(footer.size()));
  writer.U32(kPartVersion);
  writer.U64(Hash64(footer));
  writer.U64(Hash64(trailer));
  trailer.append(kPartEndMagic);
  return trailer;
}

Result<PartInfo> WriteFile(Fs& fs, const std::string& path,
                           std::span<const model::SpanBatchPtr> batches,
                           const PartMeta& meta,
                           const PartWriteOptions& options) {
  ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, fs.Create(path));
  PageSink sink(*file, options.zstd_level);
  const PartInfo info = PartBuilder(batches, sink, options).Write(meta);
  RETURN_IF_ERROR(sink.Flush());
  RETURN_IF_ERROR(file->Sync());
  RETURN_IF_ERROR(file->Close());
  return info;
}

}  // namespace

PartBuilder::PartBuilder(std::span<const model::SpanBatchPtr> batches,
                         PageSink& sink, const PartWriteOptions& options)
    : batches_(batches),
      sink_(sink),
      options_(options),
      codes_(batches.size()) {
  for (size_t t = 1; t <= kTables; ++t) {
    const auto table = static_cast<Table>(t);
    if (table != Table::kTrace) attributes_.emplace_back(table);
    for (const ColumnField field : FieldsOf(table)) {
      fields_[t][static_cast<size_t>(field)] =
          std::make_unique<ColumnBuilder>(table, field);
    }
  }
  if (options.aggregates) aggregates_ = std::make_unique<Aggregates>(*this);
}

PartBuilder::~PartBuilder() = default;

void PartBuilder::FinishChunks(Table table) {
  for (const ColumnField field : FieldsOf(table)) {
    Field(table, field).FinishChunk(sink_, batches_);
  }
  if (table == Table::kTrace) return;
  for (auto& column : Attributes(table).columns()) {
    column->FinishChunk(sink_, batches_);
  }
}

PageRef PartBuilder::WriteShapes() {
  // Attribute columns follow all field columns in the footer's list.
  size_t first = 0;
  for (size_t t = 1; t <= kTables; ++t) {
    first += FieldsOf(static_cast<Table>(t)).size();
  }
  std::string raw;
  ByteWriter writer(raw);
  for (AttributeTable& table : attributes_) {
    writer.Varint(table.shapes().size());
    for (const std::vector<uint32_t>& shape : table.shapes()) {
      writer.Varint(shape.size());
      for (const uint32_t position : shape) writer.Varint(first + position);
    }
    first += table.columns().size();
  }
  std::string page;
  const Encoding encoding =
      EncodeBytes(raw, Encoding::kVarints, Encoding::kVarintsZstd,
                  sink_.zstd_level(), &page);
  return sink_.Append(encoding, page);
}

PageRef PartBuilder::WriteTraceIndex() {
  std::vector<model::TraceId> ids;
  ids.reserve(order_.traces.size());
  for (const TraceSlice& trace : order_.traces) ids.push_back(trace.id);
  std::string page;
  EncodeTraceIndex(ids, &page);
  return sink_.Append(Encoding::kTraceIndex, page);
}

void PartBuilder::WriteAggregates() {
  if (aggregates_ == nullptr) return;
  const std::string raw = aggregates_->Take().Serialise();
  std::string page;
  const Encoding encoding =
      EncodeBytes(raw, Encoding::kVarints, Encoding::kVarintsZstd,
                  sink_.zstd_level(), &page);
  // Names that are all different make aggregates as large as the spans: then
  // they are better computed when they are asked for.
  if (page.size() > kMaxAggregateBytes +
                        kMaxAggregateBytesPerSpan * footer_.info.span_count) {
    return;
  }
  footer_.sections.push_back(
      {SectionKind::kAggregates, sink_.Append(encoding, page)});
}

void PartBuilder::TakeColumns() {
  for (size_t t = 1; t <= kTables; ++t) {
    for (const ColumnField field : FieldsOf(static_cast<Table>(t))) {
      footer_.columns.push_back(fields_[t][static_cast<size_t>(field)]->Take());
    }
  }
  for (AttributeTable& table : attributes_) {
    for (auto& column : table.columns()) {
      footer_.columns.push_back(column->Take());
    }
  }
}

PartInfo PartBuilder::Write(const PartMeta& meta) {
  sink_.AppendRaw(kPartMagic);
  order_ = OrderRows(batches_);
  FindShapes();
  for (uint32_t b = 0; b < batches_.size(); ++b) InternBatch(b);
  InternRootNames();
  for (const Table table : {Table::kSpan, Table::kEvent, Table::kLink}) {
    Attributes(table).FinishInterning();
  }

  footer_.info.meta = meta;
  footer_.info.span_count = order_.rows.size();
  footer_.info.trace_count = order_.traces.size();
  footer_.info.min_start = {order_.traces.front().start};
  const std::span<const TraceSlice> traces = order_.traces;
  size_t first = 0;
  size_t spans = 0;
  for (size_t t = 0; t < traces.size(); ++t) {
    if (spans > 0 && spans + traces[t].count > options_.row_group_spans) {
      AddGroup(traces.subspan(first, t - first));
      first = t;
      spans = 0;
    }
    spans += traces[t].count;
  }
  AddGroup(traces.subspan(first));
  AddScopesAndResources();
  footer_.scopes = static_cast<uint32_t>(scopes_.rows.size());
  footer_.resources = static_cast<uint32_t>(resources_.rows.size());
  footer_.shapes = WriteShapes();
  footer_.trace_index = WriteTraceIndex();
  WriteAggregates();
  TakeColumns();

  const uint64_t footer_offset = sink_.offset();
  std::string footer;
  AppendFooter(footer_, &footer);
  sink_.AppendRaw(footer);
  sink_.AppendRaw(MakeTrailer(footer_offset, footer));
  footer_.info.file_bytes = sink_.offset();
  return footer_.info;
}

Result<PartInfo> WritePart(Fs& fs, const std::string& path,
                           std::span<const model::SpanBatchPtr> batches,
                           const PartMeta& meta,
                           const PartWriteOptions& options) {
  size_t rows = 0;
  for (const auto& batch : batches) rows += batch->row_count();
  KHTRACE_CHECK(rows > 0);
  const std::string temporary = path + ".tmp";
  Result<PartInfo> info = WriteFile(fs, temporary, batches, meta, options);
  Status placed = info ? fs.Rename(temporary, path) : Status(info.error());
  if (!placed) {
    // On a full disk the half part would keep the room that is missing.
    (void)fs.Remove(temporary);
    return std::move(placed).error();
  }
  RETURN_IF_ERROR(fs.SyncDir(DirectoryOf(path)));
  return info;
}

}  // namespace khtrace::storage::columnar
