// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "model/attr_value.h"

// The tables and fields of a part (docs/format/part.md, "Fields"). All
// numbers are on disk: never reuse one.

namespace khtrace::storage::columnar {

inline constexpr uint32_t kPartVersion = 1;
inline constexpr std::string_view kPartMagic{"KHTPART\x01", 8};
inline constexpr std::string_view kPartEndMagic{"KHTPTEND", 8};
inline constexpr size_t kPartTrailerBytes = 40;

enum class Table : uint8_t {
  kSpan = 1,
  kEvent = 2,
  kLink = 3,
  kScope = 4,
  kResource = 5,
  kTrace = 6,
};
inline constexpr size_t kTables = 6;

enum class ColumnField : uint8_t {
  kAttribute = 0,  // named by key and type
  kShape = 1,
  kSpanId = 2,
  kParent = 3,
  kParentId = 4,
  kStart = 5,
  kDuration = 6,
  kEndBefore = 7,
  kKind = 8,
  kStatus = 9,
  kFlags = 10,
  kName = 11,
  kStatusMessage = 12,
  kTraceState = 13,
  kScope = 14,
  kDroppedAttributes = 15,
  kDroppedEvents = 16,
  kDroppedLinks = 17,
  kEvents = 18,
  kLinks = 19,
  kTime = 20,
  kTraceIdHigh = 21,
  kTraceIdLow = 22,
  kVersion = 23,
  kSchemaUrl = 24,
  kResource = 25,
  kEntityRefs = 26,
  kTraceStart = 27,
  kTraceDuration = 28,
  kSpans = 29,
  kErrors = 30,
  kRoot = 31,
  kOverlap = 32,
  kCritical = 33,
};
inline constexpr size_t kColumnFields = 34;

// Pages about the whole part, each there or not.
enum class SectionKind : uint8_t {
  kAggregates = 1,  // docs/format/partial.md
};

// model::AttrType's numbers, and one more.
using ColumnType = uint8_t;
inline constexpr ColumnType kMixedType = 255;
inline constexpr ColumnType TypeOf(model::AttrType type) {
  return static_cast<ColumnType>(type);
}
// Holds texts (the other types hold integers, kEmpty nothing).
inline bool IsTextType(ColumnType type) {
  return type == TypeOf(model::AttrType::kString) ||
         type == TypeOf(model::AttrType::kArray) ||
         type == TypeOf(model::AttrType::kKvList) ||
         type == TypeOf(model::AttrType::kBytes) || type == kMixedType;
}

// The fields that every part has for `table`, in the order of the file.
std::span<const ColumnField> FieldsOf(Table table);
bool IsTextField(ColumnField field);
// "span", "duration", "key-value list" and so on.
std::string_view TableName(Table table);
std::string_view FieldName(ColumnField field);
std::string_view ColumnTypeName(ColumnType type);

// Integer columns of attributes keep order under unsigned comparison.
inline uint64_t BiasInt(uint64_t bits) { return bits ^ (uint64_t{1} << 63); }

// A parent's code: see the field's row in docs/format/part.md.
inline constexpr uint64_t kNoParent = 0;
inline constexpr uint64_t kUnknownParent = 1;
inline constexpr uint64_t kFirstParentDistance = 2;

}  // namespace khtrace::storage::columnar
