// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_footer.h"

#include <algorithm>
#include <limits>

#include "storage/columnar/encoding_bytes.h"
#include "storage/columnar/encoding_int.h"

// Layout: docs/format/part.md, "Footer". page_ref := encoding u8 ·
// offset varint · length varint · checksum u64

namespace khtrace::storage::columnar {
namespace {

constexpr uint8_t kHasZone = 1;
constexpr uint8_t kHasFilter = 2;

void WritePage(const PageRef& page, ByteWriter& w) {
  w.U8(static_cast<uint8_t>(page.encoding));
  w.Varint(page.offset);
  w.Varint(page.length);
  w.U64(page.checksum);
}

void WriteColumn(const Column& column, ByteWriter& w) {
  w.U8(static_cast<uint8_t>(column.table));
  w.U8(static_cast<uint8_t>(column.field));
  w.U8(column.type);
  w.Text(column.key);
  w.Varint(column.dictionary_size);
  if (column.dictionary_size > 0) WritePage(column.dictionary, w);
  for (const Chunk& chunk : column.chunks) {
    w.Varint(chunk.values);
    if (chunk.values == 0 || !column.has_payload()) continue;
    WritePage(chunk.page, w);
    w.U8((chunk.has_zone ? kHasZone : 0) | (chunk.has_filter ? kHasFilter : 0));
    if (chunk.has_zone) {
      w.U64(chunk.min);
      w.U64(chunk.max);
    }
    if (chunk.has_filter) WritePage(chunk.filter, w);
  }
}

Error Damaged(std::string_view what) {
  return {Code::kDataLoss, "malformed footer: " + std::string(what)};
}

// Reads one footer. `ok` collects what the numbers say of each other.
class FooterParser {
 public:
  FooterParser(std::string_view bytes, uint64_t pages_end)
      : r_(bytes), pages_end_(pages_end) {}

  Result<Footer> Parse();

 private:
  uint32_t Count() {
    const uint64_t value = r_.Varint();
    if (value > std::numeric_limits<uint32_t>::max()) bad_number_ = true;
    return static_cast<uint32_t>(value);
  }
  PageRef Page();
  void Meta();
  Status Groups();
  Status ReadColumn(Column* column);
  Status ReadChunk(const Column& column, size_t group, Chunk* chunk);
  Status CheckRows(const Column& column, size_t group, const Chunk& chunk);
  Status CheckFields();

  ByteReader r_;
  const uint64_t pages_end_;
  bool bad_number_ = false;
  bool bad_page_ = false;
  Footer footer_;
};

PageRef FooterParser::Page() {
  PageRef page;
  page.encoding = static_cast<Encoding>(r_.U8());
  page.offset = r_.Varint();
  page.length = r_.Varint();
  page.checksum = r_.U64();
  page.number = footer_.page_count++;
  if (page.offset < kPartMagic.size() || page.offset > pages_end_ ||
      page.length > pages_end_ - page.offset) {
    bad_page_ = true;
  }
  return page;
}

void FooterParser::Meta() {
  PartInfo& info = footer_.info;
  info.meta.wal_end = r_.U64();
  info.meta.written.ns = r_.U64();
  info.meta.level = Count();
  const uint64_t replaced = r_.Varint();
  for (uint64_t i = 0; i < replaced && r_.ok(); ++i) {
    info.meta.replaces.emplace_back(r_.Text());
  }
  info.span_count = r_.U64();
  info.trace_count = r_.U64();
  info.min_start = {r_.U64()};
  info.max_start = {r_.U64()};
  info.max_end = {r_.U64()};
}

Status FooterParser::Groups() {
  footer_.resources = Count();
  footer_.scopes = Count();
  const uint64_t count = r_.Varint();
  uint64_t spans = 0;
  uint64_t traces = 0;
  for (uint64_t i = 0; i < count && r_.ok(); ++i) {
    RowGroup& group = footer_.groups.emplace_back();
    group.spans = Count();
    group.traces = Count();
    group.events = Count();
    group.links = Count();
    group.min_start = r_.U64();
    group.max_start = r_.U64();
    if (group.traces == 0 || group.spans < group.traces) {
      return Damaged("an empty row group");
    }
    spans += group.spans;
    traces += group.traces;
  }
  if (!r_.ok() || bad_number_ || spans != footer_.info.span_count ||
      traces != footer_.info.trace_count || spans == 0) {
    return Damaged("row groups");
  }
  return {};
}

// The columns whose bytes bound a table's rows, so that no small file can
// ask for much memory: a row costs at least 1/256 byte in them.
bool BoundsRows(const Column& column) {
  switch (column.table) {
    case Table::kSpan:
      return column.field == ColumnField::kSpanId;
    case Table::kLink:
      return column.field == ColumnField::kSpanId;
    case Table::kEvent:
      return column.field == ColumnField::kTime;
    case Table::kTrace:
      return column.field == ColumnField::kTraceIdLow;
    default:
      return column.field == ColumnField::kShape;
  }
}

Status FooterParser::CheckRows(const Column& column, size_t group,
                               const Chunk& chunk) {
  const uint32_t rows = footer_.Rows(column.table, group);
  const bool partial = (column.is_attribute() && column.type != kMixedType) ||
                       column.field == ColumnField::kParentId ||
                       column.field == ColumnField::kOverlap;
  if (column.type == kMixedType && column.is_attribute()) return {};
  if (partial ? chunk.values > rows : chunk.values != rows) {
    return Damaged("number of values");
  }
  if (BoundsRows(column) && rows / kIntBlock > chunk.page.length) {
    return Damaged("more rows than bytes");
  }
  if (column.table == Table::kSpan && column.field == ColumnField::kSpanId &&
      chunk.page.encoding != Encoding::kPlain) {
    return Damaged("span ids are not plain");
  }
  return {};
}

Status FooterParser::ReadChunk(const Column& column, size_t group,
                               Chunk* chunk) {
  chunk->values = Count();
  if (chunk->values > 0 && column.has_payload()) {
    chunk->page = Page();
    const uint8_t flags = r_.U8();
    chunk->has_zone = (flags & kHasZone) != 0;
    chunk->has_filter = (flags & kHasFilter) != 0;
    if ((flags & ~(kHasZone | kHasFilter)) != 0) return Damaged("flags");
    if (chunk->has_zone) {
      chunk->min = r_.U64();
      chunk->max = r_.U64();
    }
    if (chunk->has_filter) chunk->filter = Page();
  }
  return CheckRows(column, group, *chunk);
}

Status FooterParser::ReadColumn(Column* column) {
  const uint8_t table = r_.U8();
  const uint8_t field = r_.U8();
  column->type = r_.U8();
  column->key = r_.Text();
  if (!r_.ok() || table < 1 || table > kTables || field >= kColumnFields) {
    return Damaged("table or field");
  }
  column->table = static_cast<Table>(table);
  column->field = static_cast<ColumnField>(field);
  const bool known_type = column->type <= TypeOf(model::AttrType::kBytes) ||
                          column->type == kMixedType;
  if (!known_type) return Damaged("type");
  if (!column->is_attribute() &&
      column->type != TypeOf(IsTextField(column->field)
                                 ? model::AttrType::kString
                                 : model::AttrType::kInt)) {
    return Damaged("type of a field");
  }
  column->dictionary_size = Count();
  if (column->dictionary_size > 0) {
    if (!column->is_text()) return Damaged("dictionary of integers");
    column->dictionary = Page();
  }
  const size_t groups = footer_.GroupCount(column->table);
  for (size_t g = 0; g < groups && r_.ok(); ++g) {
    RETURN_IF_ERROR(ReadChunk(*column, g, &column->chunks.emplace_back()));
  }
  return {};
}

Status FooterParser::CheckFields() {
  for (auto& table : footer_.fields) table.fill(kNoColumn);
  for (uint32_t i = 0; i < footer_.columns.size(); ++i) {
    const Column& column = footer_.columns[i];
    if (column.is_attribute()) continue;
    footer_.fields[static_cast<size_t>(column.table)]
                  [static_cast<size_t>(column.field)] = i;
  }
  for (size_t t = 1; t <= kTables; ++t) {
    for (const ColumnField field : FieldsOf(static_cast<Table>(t))) {
      if (footer_.fields[t][static_cast<size_t>(field)] == kNoColumn) {
        return Damaged("a field has no column");
      }
    }
  }
  return {};
}

Result<Footer> FooterParser::Parse() {
  Meta();
  RETURN_IF_ERROR(Groups());
  footer_.trace_index = Page();
  footer_.shapes = Page();
  const uint64_t columns = r_.Varint();
  for (uint64_t i = 0; i < columns && r_.ok(); ++i) {
    RETURN_IF_ERROR(ReadColumn(&footer_.columns.emplace_back()));
  }
  while (r_.ok() && r_.remaining() > 0) {
    const auto kind = static_cast<SectionKind>(r_.U8());
    footer_.sections.push_back({kind, Page()});
  }
  if (!r_.ok()) return Damaged("length");
  if (bad_number_) return Damaged("a count beyond 32 bits");
  if (bad_page_) return Damaged("a page outside the file");
  RETURN_IF_ERROR(CheckFields());
  return std::move(footer_);
}

}  // namespace

uint32_t Footer::Rows(Table table, size_t group) const {
  switch (table) {
    case Table::kSpan:
      return groups[group].spans;
    case Table::kEvent:
      return groups[group].events;
    case Table::kLink:
      return groups[group].links;
    case Table::kTrace:
      return groups[group].traces;
    case Table::kScope:
      return scopes;
    case Table::kResource:
      return resources;
  }
  return 0;
}

void AppendFooter(const Footer& footer, std::string* out) {
  ByteWriter w(*out);
  const PartInfo& info = footer.info;
  w.U64(info.meta.wal_end);
  w.U64(info.meta.written.ns);
  w.Varint(info.meta.level);
  w.Varint(info.meta.replaces.size());
  for (const std::string& name : info.meta.replaces) w.Text(name);
  w.U64(info.span_count);
  w.U64(info.trace_count);
  w.U64(info.min_start.ns);
  w.U64(info.max_start.ns);
  w.U64(info.max_end.ns);
  w.Varint(footer.resources);
  w.Varint(footer.scopes);
  w.Varint(footer.groups.size());
  for (const RowGroup& group : footer.groups) {
    w.Varint(group.spans);
    w.Varint(group.traces);
    w.Varint(group.events);
    w.Varint(group.links);
    w.U64(group.min_start);
    w.U64(group.max_start);
  }
  WritePage(footer.trace_index, w);
  WritePage(footer.shapes, w);
  w.Varint(footer.columns.size());
  for (const Column& column : footer.columns) WriteColumn(column, w);
  for (const Section& section : footer.sections) {
    w.U8(static_cast<uint8_t>(section.kind));
    WritePage(section.page, w);
  }
}

Result<Footer> ParseFooter(std::string_view bytes, uint64_t pages_end) {
  return FooterParser(bytes, pages_end).Parse();
}

}  // namespace khtrace::storage::columnar
