// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "storage/columnar/part_frame_impl.h"

// The half of PartFrame that reads attributes.

namespace khtrace::storage::columnar {

using model::AttrType;
using model::AttrValue;
using Form = FrameColumn::Form;

// Values lie dense: which row each belongs to follows from the rows' shapes.
Result<RowMap> PartFrame::MapRows(Table table, uint32_t column) {
  Ints& codes = shapes_[static_cast<size_t>(table)];
  if (codes.empty()) {
    RETURN_IF_ERROR(Read(table, F::kShape, &codes));
  }
  ASSIGN_OR_RETURN(const TableShapes* shapes, file_.Shapes(table));
  const RowMap map{codes, part_.ValuesOf(*shapes, column)};
  if (!map.Fits(file_.column(column).chunks[group_].values)) {
    return file_.Locate({Code::kDataLoss, "shapes and values do not agree"},
                        column, group_);
  }
  return map;
}

Status PartFrame::MakeAttribute(size_t index, FrameColumn* out) {
  const PartFrames::Source& source = part_.sources_[index];
  const auto has_values = [&](uint32_t column) {
    return file_.column(column).chunks[group_].values > 0;
  };
  if (std::none_of(source.columns.begin(), source.columns.end(), has_values)) {
    return {};
  }
  if (source.columns.size() > 1 || source.mixed) {
    return MakeManyColumns(source, part_.request_->columns[index].key, out);
  }
  ASSIGN_OR_RETURN(const RowMap map,
                   MapRows(source.table, source.columns.front()));
  return MakeOneColumn(source, map, out);
}

Status PartFrame::MakeOneColumn(const PartFrames::Source& source,
                                const RowMap& map, FrameColumn* out) {
  const uint32_t number = source.columns.front();
  const struct Column& column = file_.column(number);
  const auto type = static_cast<AttrType>(column.type);
  if (column.is_text() && column.dictionary_size == 0) {
    out->form = Form::kValues;
    out->values.resize(map.rows());
    out->present.resize(map.rows());
    return AddValues(number, column.key, map, out);
  }
  Ints values;
  if (column.has_payload()) {
    RETURN_IF_ERROR(Read(number, &values));
  } else {
    values.resize(column.chunks[group_].values);
  }
  if (type == AttrType::kInt || type == AttrType::kDouble) {
    out->form = type == AttrType::kInt ? Form::kInts : Form::kDoubles;
    if (type == AttrType::kInt) {
      for (uint64_t& value : values) value = BiasInt(value);
    }
    map.Spread(values, &out->bits, &out->present);
    return {};
  }
  if (type == AttrType::kBool) {
    for (uint64_t& value : values) value = value != 0;
  }
  out->form = Form::kCodes;
  ASSIGN_OR_RETURN(out->dictionary, part_.Dictionary(source, true));
  map.SpreadCodes(values, &out->codes);
  return {};
}

Status PartFrame::MakeManyColumns(const PartFrames::Source& source,
                                  std::string_view key, FrameColumn* out) {
  out->form = Form::kValues;
  for (const uint32_t number : source.columns) {
    if (file_.column(number).chunks[group_].values == 0) continue;
    ASSIGN_OR_RETURN(const RowMap map, MapRows(source.table, number));
    out->values.resize(map.rows());
    out->present.resize(map.rows());
    RETURN_IF_ERROR(file_.column(number).type == kMixedType
                        ? AddMixed(number, key, map, out)
                        : AddValues(number, key, map, out));
  }
  return {};
}

// Of a column of one key and type.
Status PartFrame::AddValues(uint32_t number, std::string_view,
                            const RowMap& map, FrameColumn* out) {
  const struct Column& column = file_.column(number);
  const auto type = static_cast<AttrType>(column.type);
  const uint32_t count = column.chunks[group_].values;
  const auto put = [out](size_t row, const AttrValue& value) {
    out->values[row] = value;
    out->present[row] = 1;
  };
  if (column.is_text() && column.dictionary_size == 0) {
    bytes_ += column.chunks[group_].page.length;
    DecodedTexts& decoded = texts_.emplace_back();
    RETURN_IF_ERROR(file_.ReadTexts(number, group_, 0, count, &decoded));
    map.ForEach([&](size_t row, size_t i) {
      put(row, {type, 0, decoded.texts[i]});
    });
    return {};
  }
  Ints values(count);
  if (column.has_payload()) RETURN_IF_ERROR(Read(number, &values));
  if (column.is_text()) {
    ASSIGN_OR_RETURN(const DecodedTexts* texts, file_.Dictionary(number));
    map.ForEach([&](size_t row, size_t i) {
      put(row, {type, 0, texts->texts[values[i]]});
    });
    return {};
  }
  map.ForEach([&](size_t row, size_t i) {
    const uint64_t bits = type == AttrType::kInt    ? BiasInt(values[i])
                          : type == AttrType::kBool ? values[i] != 0
                                                    : values[i];
    put(row, {type, bits, {}});
  });
  return {};
}

Status PartFrame::AddMixed(uint32_t number, std::string_view key,
                           const RowMap& map, FrameColumn* out) {
  const Chunk& chunk = file_.column(number).chunks[group_];
  bytes_ += chunk.page.length;
  DecodedTexts& decoded = texts_.emplace_back();
  RETURN_IF_ERROR(file_.ReadTexts(number, group_, 0, chunk.values, &decoded));
  bool fine = true;
  map.ForEach([&](size_t row, size_t i) {
    MixedValue mixed;
    fine &= ReadMixedValue(decoded.texts[i], &mixed);
    if (!fine || mixed.key != key) return;
    out->values[row] = mixed.value;
    out->present[row] = 1;
  });
  if (fine) return {};
  return file_.Locate({Code::kDataLoss, "malformed mixed value"}, number,
                      group_);
}

}  // namespace khtrace::storage::columnar
