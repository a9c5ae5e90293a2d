// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "storage/columnar/encoding.h"
#include "storage/columnar/part.h"
#include "storage/columnar/part_schema.h"

// The directory at the end of a part: where every page is and what it holds
// (docs/format/part.md, "Footer").

namespace khtrace::storage::columnar {

struct PageRef {
  Encoding encoding = Encoding::kConstant;
  uint64_t offset = 0;
  uint64_t length = 0;
  uint64_t checksum = 0;
  // Position among the footer's pages: not on disk.
  uint32_t number = 0;
};

// A column's values in one row group.
struct Chunk {
  uint32_t values = 0;
  bool has_zone = false;
  bool has_filter = false;
  uint64_t min = 0;  // see the zone's form in docs/format/part.md
  uint64_t max = 0;
  PageRef page;  // unless values is 0 or the type is kEmpty
  PageRef filter;
};

struct Column {
  Table table = Table::kSpan;
  ColumnField field = ColumnField::kAttribute;
  ColumnType type = 0;
  std::string key;
  uint32_t dictionary_size = 0;  // 0: none
  PageRef dictionary;
  std::vector<Chunk> chunks;  // one a row group of the table

  bool is_attribute() const { return field == ColumnField::kAttribute; }
  bool has_payload() const { return type != 0; }
  bool is_text() const { return IsTextType(type); }
};

// A page about the whole part. Kinds that are not known are kept as they are.
struct Section {
  SectionKind kind = SectionKind::kAggregates;
  PageRef page;
};

// Rows of each table in one row group.
struct RowGroup {
  uint32_t spans = 0;
  uint32_t traces = 0;
  uint32_t events = 0;
  uint32_t links = 0;
  uint64_t min_start = 0;
  uint64_t max_start = 0;
};

inline constexpr uint32_t kNoColumn = UINT32_MAX;

struct Footer {
  PartInfo info;
  uint32_t resources = 0;
  uint32_t scopes = 0;
  std::vector<RowGroup> groups;
  PageRef trace_index;
  PageRef shapes;
  std::vector<Column> columns;
  std::vector<Section> sections;

  // Filled by ParseFooter: the position of a field's column.
  std::array<std::array<uint32_t, kColumnFields>, kTables + 1> fields{};
  uint32_t page_count = 0;

  uint32_t FieldColumn(Table table, ColumnField field) const {
    return fields[static_cast<size_t>(table)][static_cast<size_t>(field)];
  }
  // Rows of `table` in `group` (0 for scopes and resources).
  uint32_t Rows(Table table, size_t group) const;
  size_t GroupCount(Table table) const {
    return table == Table::kScope || table == Table::kResource ? 1
                                                               : groups.size();
  }
};

void AppendFooter(const Footer& footer, std::string* out);

// Every count agrees with the others and every page lies within
// [8, pages_end); what the pages hold is checked when they are read.
// kDataLoss otherwise.
Result<Footer> ParseFooter(std::string_view bytes, uint64_t pages_end);

}  // namespace khtrace::storage::columnar
