// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "storage/columnar/encoding_bytes.h"
#include "storage/columnar/part_assembler.h"

// The half of BatchAssembler that reads texts and attributes.

namespace khtrace::storage::columnar {
namespace {

using model::AttrRange;
using model::AttrType;
using model::StringCode;

// What a batch can address.
constexpr size_t kMaxTextBytes = size_t{1} << 31;
constexpr uint64_t kMaxAttributes = uint64_t{1} << 28;
// 0 is the empty text's.
constexpr StringCode kNotYet = 0;

Error TooLarge() {
  return {Code::kResourceExhausted,
          "the spans of one trace exceed what a batch can hold"};
}

}  // namespace

StringCode BatchAssembler::AddText(std::string_view text) {
  if (text.empty()) return 0;
  data_.strings.push_back({static_cast<uint32_t>(data_.text.size()),
                           static_cast<uint32_t>(text.size())});
  data_.text.append(text);
  return static_cast<StringCode>(data_.strings.size() - 1);
}

model::KeyCode BatchAssembler::KeyOf(std::string_view key) {
  const auto [it, inserted] =
      keys_.try_emplace(key, static_cast<model::KeyCode>(data_.keys.size()));
  if (inserted) data_.keys.push_back(AddText(key));
  return it->second;
}

Status BatchAssembler::ReadTextCodes(uint32_t number, size_t group,
                                     uint32_t first, uint32_t n,
                                     std::vector<uint64_t>* out) {
  out->clear();
  if (n == 0) return {};
  const Column& column = file_.column(number);
  if (column.dictionary_size == 0) {
    DecodedTexts decoded;
    RETURN_IF_ERROR(file_.ReadTexts(number, group, first, n, &decoded));
    std::string_view previous;
    StringCode code = 0;
    for (const std::string_view text : decoded.texts) {
      // Spans of a trace often repeat a text.
      if (text != previous) code = AddText(text);
      previous = text;
      out->push_back(code);
      if (data_.text.size() > kMaxTextBytes) return TooLarge();
    }
    return {};
  }
  ASSIGN_OR_RETURN(const DecodedTexts* dictionary, file_.Dictionary(number));
  RETURN_IF_ERROR(file_.ReadInts(number, group, first, n, out));
  const auto code_of = [&](uint64_t position, StringCode& known) {
    if (known == kNotYet) known = AddText(dictionary->texts[position]);
    return known;
  };
  if (n >= column.dictionary_size / 8) {
    std::vector<StringCode> codes(column.dictionary_size, kNotYet);
    for (uint64_t& value : *out) value = code_of(value, codes[value]);
  } else {
    boost::unordered_flat_map<uint64_t, StringCode> codes;
    for (uint64_t& value : *out) value = code_of(value, codes[value]);
  }
  return data_.text.size() > kMaxTextBytes ? Status(TooLarge()) : Status();
}

// Finds where in their chunks the values of `rows` lie: behind those of all
// earlier rows of the row group. `codes` are the shapes of rows [0, end).
Status BatchAssembler::LocateValues(const Rows& rows, const TableShapes& shapes,
                                    std::span<const uint64_t> codes) {
  std::vector<uint32_t> before(shapes.count());
  std::vector<uint32_t> within(shapes.count());
  for (uint32_t i = 0; i < rows.first; ++i) ++before[codes[i]];
  for (uint32_t i = rows.first; i < codes.size(); ++i) ++within[codes[i]];
  uint64_t total = 0;
  for (size_t s = 0; s < shapes.count(); ++s) {
    total += uint64_t{within[s]} * shapes.Shape(s).size();
    if (within[s] == 0) continue;
    for (const uint32_t column : shapes.Shape(s)) {
      if (!Wants(column)) continue;
      Values& values = values_[column];
      if (values.count == 0) involved_.push_back(column);
      values.count += within[s];
    }
  }
  if (total > kMaxAttributes) return TooLarge();
  for (size_t s = 0; s < shapes.count(); ++s) {
    if (before[s] == 0) continue;
    for (const uint32_t column : shapes.Shape(s)) {
      values_[column].first += before[s];
    }
  }
  for (const uint32_t column : involved_) {
    const Values& values = values_[column];
    if (uint64_t{values.first} + values.count >
        file_.column(column).chunks[rows.group].values) {
      return file_.Locate({Code::kDataLoss, "fewer values than shapes name"},
                          column, rows.group);
    }
  }
  return {};
}

Status BatchAssembler::ReadMixed(uint32_t number, size_t group,
                                 Values* values) {
  DecodedTexts& decoded = held_.emplace_back();
  RETURN_IF_ERROR(
      file_.ReadTexts(number, group, values->first, values->count, &decoded));
  for (const std::string_view text : decoded.texts) {
    ByteReader reader(text);
    const std::string_view key = reader.Text();
    const uint8_t type = reader.U8();
    const auto attr_type = static_cast<AttrType>(type);
    uint64_t payload = 0;
    if (IsTextType(type)) {
      payload = AddText(reader.Rest());
    } else if (attr_type != AttrType::kEmpty) {
      payload = reader.U64();
    }
    if (attr_type == AttrType::kInt) payload = BiasInt(payload);
    if (!reader.ok() || type > TypeOf(AttrType::kBytes)) {
      return file_.Locate({Code::kDataLoss, "malformed mixed value"}, number,
                          group);
    }
    values->payloads.push_back(mixed_.size());
    mixed_.push_back({KeyOf(key), attr_type, payload});
    if (data_.text.size() > kMaxTextBytes) return TooLarge();
  }
  return {};
}

Status BatchAssembler::ReadValues(uint32_t number, size_t group) {
  const Column& column = file_.column(number);
  Values& values = values_[number];
  if (column.type == kMixedType) return ReadMixed(number, group, &values);
  values.key = KeyOf(column.key);
  if (column.is_text()) {
    return ReadTextCodes(number, group, values.first, values.count,
                         &values.payloads);
  }
  if (!column.has_payload()) {
    values.payloads.assign(values.count, 0);
    return {};
  }
  RETURN_IF_ERROR(file_.ReadInts(number, group, values.first, values.count,
                                 &values.payloads));
  if (column.type == TypeOf(AttrType::kInt)) {
    for (uint64_t& payload : values.payloads) payload = BiasInt(payload);
  } else if (column.type == TypeOf(AttrType::kBool)) {
    for (uint64_t& payload : values.payloads) payload = payload != 0;
  }
  return {};
}

void BatchAssembler::AddValue(const Column& column, Values* values) {
  const uint64_t payload = values->payloads[values->next++];
  if (column.type == kMixedType) {
    data_.attributes.push_back(mixed_[payload]);
  } else {
    data_.attributes.push_back(
        {values->key, static_cast<AttrType>(column.type), payload});
  }
}

Status BatchAssembler::ReadAttributes(const Rows& rows,
                                      std::vector<AttrRange>* out) {
  ASSIGN_OR_RETURN(const TableShapes* shapes, file_.Shapes(rows.table));
  std::vector<uint64_t> codes;
  RETURN_IF_ERROR(file_.ReadInts(file_.Field(rows.table, ColumnField::kShape),
                                 rows.group, 0, rows.first + rows.n, &codes));
  for (const uint64_t code : codes) {
    if (code >= shapes->count()) {
      return Damaged(rows.table, ColumnField::kShape, rows.group,
                     "no such shape");
    }
  }
  RETURN_IF_ERROR(LocateValues(rows, *shapes, codes));
  for (const uint32_t number : involved_) {
    RETURN_IF_ERROR(ReadValues(number, rows.group));
  }
  out->clear();
  out->reserve(rows.n);
  for (uint32_t i = rows.first; i < codes.size(); ++i) {
    const auto begin = static_cast<uint32_t>(data_.attributes.size());
    for (const uint32_t number : shapes->Shape(codes[i])) {
      if (Wants(number)) AddValue(file_.column(number), &values_[number]);
    }
    out->push_back({begin, static_cast<uint32_t>(data_.attributes.size())});
  }
  // values_[].first was counted up for columns outside the range as well.
  for (Values& values : values_) {
    values.first = values.count = values.next = 0;
    values.payloads.clear();
  }
  involved_.clear();
  return {};
}

}  // namespace khtrace::storage::columnar
