// SPDX-License-Identifier: Apache-2.0
#include "storage/scan_request.h"

#include <algorithm>

namespace khtrace::storage {
namespace {

using model::Attr;
using model::AttrRange;
using model::AttrType;
using model::AttrValue;
using model::RowIndex;
using model::SpanBatch;

template <typename T>
bool Holds(Compare compare, const T& left, const T& right) {
  switch (compare) {
    case Compare::kEqual:
      return left == right;
    case Compare::kNotEqual:
      return left != right;
    case Compare::kLess:
      return left < right;
    case Compare::kLessEqual:
      return left <= right;
    case Compare::kGreater:
      return left > right;
    case Compare::kGreaterEqual:
      return left >= right;
    case Compare::kExists:
      return true;
  }
  return false;
}

bool HoldsText(Compare compare, std::string_view left, std::string_view right) {
  if (compare == Compare::kExists) return true;
  if (compare == Compare::kEqual) return left == right;
  return compare == Compare::kNotEqual && left != right;
}

bool ValueHolds(const Condition& condition, const AttrValue& value) {
  switch (condition.compare) {
    case Compare::kExists:
      return true;
    case Compare::kEqual:
    case Compare::kNotEqual:
      return HoldsText(condition.compare, ToDisplayString(value),
                       condition.text);
    default:
      break;
  }
  if (value.type == AttrType::kInt) {
    return Holds(condition.compare, static_cast<double>(value.AsInt()),
                 condition.number);
  }
  return value.type == AttrType::kDouble &&
         Holds(condition.compare, value.AsDouble(), condition.number);
}

bool AnyHolds(const Condition& condition, const SpanBatch& batch,
              AttrRange range) {
  const Attr* attr = batch.Find(range, condition.key);
  return attr != nullptr && ValueHolds(condition, batch.Value(*attr));
}

bool AnyChildHolds(const Condition& condition, const SpanBatch& batch,
                   const std::vector<AttrRange>& attributes, AttrRange rows) {
  return std::any_of(
      attributes.begin() + rows.begin, attributes.begin() + rows.end,
      [&](AttrRange range) { return AnyHolds(condition, batch, range); });
}

bool AnywhereHolds(const Condition& condition, const SpanBatch& batch,
                   RowIndex row) {
  return AnyHolds(condition, batch, batch.spans().attributes[row]) ||
         AnyHolds(condition, batch, batch.ResourceOf(row).attributes) ||
         AnyHolds(condition, batch, batch.ScopeOf(row).attributes) ||
         AnyChildHolds(condition, batch, batch.events().attributes,
                       batch.EventRange(row)) ||
         AnyChildHolds(condition, batch, batch.links().attributes,
                       batch.LinkRange(row));
}

}  // namespace

bool Matches(const Condition& condition, const SpanBatch& batch, RowIndex row) {
  const model::SpanColumns& spans = batch.spans();
  switch (condition.field) {
    case Field::kService:
      return HoldsText(condition.compare, batch.ServiceName(row),
                       condition.text);
    case Field::kName:
      return HoldsText(condition.compare, batch.String(spans.name[row]),
                       condition.text);
    case Field::kDuration:
      return Holds(condition.compare, batch.DurationNanos(row),
                   condition.integer);
    case Field::kKind:
      return Holds(condition.compare, static_cast<uint64_t>(spans.kind[row]),
                   condition.integer);
    case Field::kStatus:
      return Holds(condition.compare, static_cast<uint64_t>(spans.status[row]),
                   condition.integer);
    case Field::kAttribute:
      return AnywhereHolds(condition, batch, row);
    case Field::kSpanAttribute:
      return AnyHolds(condition, batch, spans.attributes[row]);
    case Field::kResourceAttribute:
      return AnyHolds(condition, batch, batch.ResourceOf(row).attributes);
  }
  return false;
}

bool Matches(const ScanRequest& request, const SpanBatch& batch, RowIndex row) {
  const UnixNanos start = batch.spans().start[row];
  return start >= request.start && start <= request.end &&
         std::all_of(request.conditions.begin(), request.conditions.end(),
                     [&](const Condition& condition) {
                       return Matches(condition, batch, row);
                     });
}

}  // namespace khtrace::storage
