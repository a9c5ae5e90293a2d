// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "model/attr_value.h"
#include "storage/columnar/encoding_bytes.h"
#include "storage/columnar/part_schema.h"

// From the dense values of an attribute column to the rows that have them.

namespace khtrace::storage::columnar {

// Which rows of a row group have a value in one column, and how many.
struct RowMap {
  std::span<const uint64_t> shapes;     // by row
  std::span<const uint32_t> values_of;  // by shape

  size_t rows() const { return shapes.size(); }

  // Whether all shapes are known and name `values` values.
  bool Fits(uint64_t values) const {
    uint64_t total = 0;
    for (const uint64_t shape : shapes) {
      if (shape >= values_of.size()) return false;
      total += values_of[shape];
    }
    return total == values;
  }

  template <typename Visit>  // void(size_t row, size_t value)
  void ForEach(const Visit& visit) const {
    size_t value = 0;
    for (size_t row = 0; row < shapes.size(); ++row) {
      const uint32_t count = values_of[shapes[row]];
      for (uint32_t i = 0; i < count; ++i) visit(row, value++);
    }
  }

  // Of a column with one value a row at most; 0 where there is none.
  void Spread(std::vector<uint64_t>& values, std::vector<uint64_t>* out,
              std::vector<uint8_t>* present) const {
    values.push_back(0);  // read, and not used, behind the last one
    out->resize(rows());
    present->resize(rows());
    size_t value = 0;
    for (size_t row = 0; row < rows(); ++row) {
      const uint64_t has = values_of[shapes[row]] != 0;
      (*out)[row] = values[value] & (0 - has);
      (*present)[row] = static_cast<uint8_t>(has);
      value += has;
    }
  }
  // Value v becomes code v + 1.
  void SpreadCodes(std::vector<uint64_t>& values,
                   std::vector<uint32_t>* codes) const {
    values.push_back(0);
    codes->resize(rows());
    size_t value = 0;
    for (size_t row = 0; row < rows(); ++row) {
      const uint64_t has = values_of[shapes[row]] != 0;
      (*codes)[row] = static_cast<uint32_t>((values[value] + 1) & (0 - has));
      value += has;
    }
  }
};

// A text of a mixed column.
struct MixedValue {
  std::string_view key;
  model::AttrValue value;
};
// False: malformed.
inline bool ReadMixedValue(std::string_view text, MixedValue* out) {
  ByteReader reader(text);
  out->key = reader.Text();
  const uint8_t type = reader.U8();
  out->value = {static_cast<model::AttrType>(type), 0, {}};
  if (IsTextType(type)) {
    out->value.bytes = reader.Rest();
  } else if (out->value.type != model::AttrType::kEmpty) {
    out->value.bits = reader.U64();
  }
  if (out->value.type == model::AttrType::kInt) {
    out->value.bits = BiasInt(out->value.bits);
  }
  return reader.ok() && type <= TypeOf(model::AttrType::kBytes);
}

}  // namespace khtrace::storage::columnar
