// SPDX-License-Identifier: Apache-2.0
#include "alerting/kept_column.h"

#include <algorithm>
#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/hash.h"
#include "model/attr_value.h"

namespace khtrace::alerting {
namespace {

using model::AttrType;
using model::AttrValue;
using storage::FrameColumn;
using storage::FrameDictionary;
using Form = FrameColumn::Form;

// Codes are given up for columns with more distinct values than that, or than
// a quarter of their rows: the table would cost more than it saves.
constexpr size_t kFewValues = 1024;

struct AttrHash {
  size_t operator()(const AttrValue& value) const {
    return Mix64(value.bits ^ (static_cast<uint64_t>(value.type) << 56)) ^
           TableHash(value.bytes);
  }
};

bool IsPresent(const FrameColumn& column, uint32_t row) {
  return column.present.empty() || column.present[row] != 0;
}

// The value of a row that is no code; nullopt: none.
std::optional<AttrValue> ValueAt(const FrameColumn& column, uint32_t row) {
  switch (column.form) {
    case Form::kAbsent:
      return std::nullopt;
    case Form::kCodes: {
      const uint32_t code = column.codes[row];
      if (column.dictionary->present[code] == 0) return std::nullopt;
      return column.dictionary->values[code];
    }
    case Form::kInts:
      if (!IsPresent(column, row)) return std::nullopt;
      return AttrValue::Int(static_cast<int64_t>(column.bits[row]));
    case Form::kDoubles:
      if (!IsPresent(column, row)) return std::nullopt;
      return AttrValue{AttrType::kDouble, column.bits[row], {}};
    case Form::kValues:
      if (!IsPresent(column, row)) return std::nullopt;
      return column.values[row];
  }
  return std::nullopt;
}

class Encoder {
 public:
  explicit Encoder(size_t max_values) : max_values_(max_values) {
    dictionary_->values.emplace_back();
    dictionary_->present.push_back(0);
  }

  // False: there are too many values.
  bool Add(const ColumnPiece& piece, uint32_t* codes) {
    if (piece.column->form == Form::kCodes) return AddCodes(piece, codes);
    for (uint32_t i = 0; i < piece.count; ++i) {
      const auto value = ValueAt(*piece.column, piece.begin + i);
      codes[i] = value ? CodeOf(*value) : kNoValue;
    }
    return dictionary_->values.size() <= max_values_;
  }

  std::shared_ptr<const FrameDictionary> Take() {
    return std::move(dictionary_);
  }

 private:
  static constexpr uint32_t kNoValue = 0;
  static constexpr uint32_t kUnknown = UINT32_MAX;

  bool AddCodes(const ColumnPiece& piece, uint32_t* codes) {
    const FrameDictionary& from = *piece.column->dictionary;
    std::vector<uint32_t>& known = of_dictionary_[&from];
    known.resize(from.values.size(), kUnknown);
    for (uint32_t i = 0; i < piece.count; ++i) {
      const uint32_t code = piece.column->codes[piece.begin + i];
      if (known[code] == kUnknown) {
        known[code] =
            from.present[code] != 0 ? CodeOf(from.values[code]) : kNoValue;
      }
      codes[i] = known[code];
    }
    return dictionary_->values.size() <= max_values_;
  }

  uint32_t CodeOf(const AttrValue& value) {
    // A batch has each text once: mostly the place says which one it is.
    Seen* seen = nullptr;
    if (value.type == AttrType::kString) {
      const auto place = reinterpret_cast<uintptr_t>(value.bytes.data());
      seen = &seen_[Mix64(place) % seen_.size()];
      if (seen->data == value.bytes.data() &&
          seen->size == value.bytes.size()) {
        return seen->code;
      }
    }
    const auto fresh = static_cast<uint32_t>(dictionary_->values.size());
    const auto [at, added] = codes_.try_emplace(value, fresh);
    if (added) {
      dictionary_->values.push_back(value);
      dictionary_->present.push_back(1);
    }
    if (seen != nullptr) {
      *seen = {value.bytes.data(), value.bytes.size(), at->second};
    }
    return at->second;
  }

  struct Seen {
    const char* data = nullptr;
    size_t size = SIZE_MAX;
    uint32_t code = 0;
  };

  const size_t max_values_;
  std::shared_ptr<FrameDictionary> dictionary_ =
      std::make_shared<FrameDictionary>();
  boost::unordered_flat_map<AttrValue, uint32_t, AttrHash> codes_;
  std::map<const FrameDictionary*, std::vector<uint32_t>> of_dictionary_;
  std::array<Seen, 1024> seen_;
};

std::optional<FrameColumn> JoinAsCodes(const std::vector<ColumnPiece>& pieces,
                                       uint32_t rows) {
  FrameColumn out;
  out.form = Form::kCodes;
  out.codes.resize(rows);
  Encoder encoder(std::max<size_t>(kFewValues, rows / 4));
  for (const ColumnPiece& piece : pieces) {
    if (!encoder.Add(piece, out.codes.data() + piece.to)) return std::nullopt;
  }
  out.dictionary = encoder.Take();
  return out;
}

FrameColumn JoinAsValues(const std::vector<ColumnPiece>& pieces,
                         uint32_t rows) {
  FrameColumn out;
  out.form = Form::kValues;
  out.values.resize(rows);
  out.present.resize(rows);
  for (const ColumnPiece& piece : pieces) {
    for (uint32_t i = 0; i < piece.count; ++i) {
      const auto value = ValueAt(*piece.column, piece.begin + i);
      if (!value) continue;
      out.values[piece.to + i] = *value;
      out.present[piece.to + i] = 1;
    }
  }
  return out;
}

// `form`: kInts or kDoubles, which all pieces have that have any value.
FrameColumn JoinBits(Form form, const std::vector<ColumnPiece>& pieces,
                     uint32_t rows) {
  FrameColumn out;
  out.form = form;
  out.bits.resize(rows);
  const bool gaps =
      std::any_of(pieces.begin(), pieces.end(), [](const ColumnPiece& piece) {
        return piece.column->form == Form::kAbsent ||
               !piece.column->present.empty();
      });
  if (gaps) out.present.resize(rows);
  for (const ColumnPiece& piece : pieces) {
    if (piece.column->form == Form::kAbsent) continue;
    const auto first = piece.column->bits.begin() + piece.begin;
    std::copy(first, first + piece.count, out.bits.begin() + piece.to);
    if (!gaps) continue;
    for (uint32_t i = 0; i < piece.count; ++i) {
      out.present[piece.to + i] = IsPresent(*piece.column, piece.begin + i);
    }
  }
  return out;
}

template <typename T>
std::vector<T> Cut(const std::vector<T>& values, uint32_t begin, uint32_t end) {
  if (values.empty()) return {};
  return std::vector<T>(values.begin() + begin, values.begin() + end);
}

}  // namespace

FrameColumn JoinColumns(const std::vector<ColumnPiece>& pieces, uint32_t rows) {
  bool only_ints = true;
  bool only_doubles = true;
  bool any = false;
  for (const ColumnPiece& piece : pieces) {
    const Form form = piece.column->form;
    if (form == Form::kAbsent || piece.count == 0) continue;
    any = true;
    only_ints &= form == Form::kInts;
    only_doubles &= form == Form::kDoubles;
  }
  if (!any) return {};
  if (only_ints) return JoinBits(Form::kInts, pieces, rows);
  if (only_doubles) return JoinBits(Form::kDoubles, pieces, rows);
  if (auto codes = JoinAsCodes(pieces, rows)) return *std::move(codes);
  return JoinAsValues(pieces, rows);
}

FrameColumn CutColumn(const FrameColumn& column, uint32_t begin, uint32_t end) {
  FrameColumn out;
  out.form = column.form;
  out.codes = Cut(column.codes, begin, end);
  out.dictionary = column.dictionary;
  out.bits = Cut(column.bits, begin, end);
  out.values = Cut(column.values, begin, end);
  out.present = Cut(column.present, begin, end);
  return out;
}

}  // namespace khtrace::alerting
