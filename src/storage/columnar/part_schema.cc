// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_schema.h"

#include <array>

namespace khtrace::storage::columnar {
namespace {

using F = ColumnField;

constexpr std::array kSpanFields = {
    F::kShape,         F::kSpanId,       F::kParent,
    F::kParentId,      F::kStart,        F::kDuration,
    F::kEndBefore,     F::kKind,         F::kStatus,
    F::kFlags,         F::kName,         F::kStatusMessage,
    F::kTraceState,    F::kScope,        F::kDroppedAttributes,
    F::kDroppedEvents, F::kDroppedLinks, F::kEvents,
    F::kLinks,         F::kOverlap,      F::kCritical};
constexpr std::array kEventFields = {F::kShape, F::kTime, F::kName,
                                     F::kDroppedAttributes};
constexpr std::array kLinkFields = {
    F::kShape,      F::kTraceIdHigh, F::kTraceIdLow,       F::kSpanId,
    F::kTraceState, F::kFlags,       F::kDroppedAttributes};
constexpr std::array kScopeFields = {F::kShape,     F::kResource,
                                     F::kName,      F::kVersion,
                                     F::kSchemaUrl, F::kDroppedAttributes};
constexpr std::array kResourceFields = {F::kShape, F::kSchemaUrl,
                                        F::kEntityRefs, F::kDroppedAttributes};
constexpr std::array kTraceFields = {
    F::kTraceIdHigh, F::kTraceIdLow, F::kTraceStart, F::kTraceDuration,
    F::kSpans,       F::kEvents,     F::kLinks,      F::kErrors,
    F::kRoot,        F::kName,       F::kScope};

constexpr std::array<std::string_view, kTables + 1> kTableNames = {
    "?", "span", "event", "link", "scope", "resource", "trace"};
constexpr std::array<std::string_view, kColumnFields> kFieldNames = {
    "attribute",      "shape",         "span_id",      "parent",
    "parent_id",      "start",         "duration",     "end_before",
    "kind",           "status",        "flags",        "name",
    "status_message", "trace_state",   "scope",        "dropped_attributes",
    "dropped_events", "dropped_links", "events",       "links",
    "time",           "trace_id_high", "trace_id_low", "version",
    "schema_url",     "resource",      "entity_refs",  "trace_start",
    "trace_duration", "spans",         "errors",       "root",
    "overlap",        "critical"};
constexpr std::array<std::string_view, 8> kTypeNames = {
    "empty", "string", "bool", "int", "double", "array", "kvlist", "bytes"};

}  // namespace

std::span<const ColumnField> FieldsOf(Table table) {
  switch (table) {
    case Table::kSpan:
      return kSpanFields;
    case Table::kEvent:
      return kEventFields;
    case Table::kLink:
      return kLinkFields;
    case Table::kScope:
      return kScopeFields;
    case Table::kResource:
      return kResourceFields;
    case Table::kTrace:
      return kTraceFields;
  }
  return {};
}

bool IsTextField(ColumnField field) {
  switch (field) {
    case F::kName:
    case F::kStatusMessage:
    case F::kTraceState:
    case F::kVersion:
    case F::kSchemaUrl:
    case F::kEntityRefs:
      return true;
    default:
      return false;
  }
}

std::string_view TableName(Table table) {
  return kTableNames[static_cast<size_t>(table)];
}
std::string_view FieldName(ColumnField field) {
  return kFieldNames[static_cast<size_t>(field)];
}
std::string_view ColumnTypeName(ColumnType type) {
  if (type == kMixedType) return "mixed";
  return type < kTypeNames.size() ? kTypeNames[type] : "?";
}

}  // namespace khtrace::storage::columnar
