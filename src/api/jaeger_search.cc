// SPDX-License-Identifier: Apache-2.0
#include "api/jaeger_search.h"

#include <array>
#include <utility>

namespace khtrace::api {
namespace {

using model::SpanKind;
using model::StatusCode;
using storage::Compare;
using storage::Condition;
using storage::Field;

constexpr std::array<std::pair<std::string_view, SpanKind>, 6> kKinds{{
    {"", SpanKind::kUnspecified},
    {"internal", SpanKind::kInternal},
    {"server", SpanKind::kServer},
    {"client", SpanKind::kClient},
    {"producer", SpanKind::kProducer},
    {"consumer", SpanKind::kConsumer},
}};

Condition TextIs(Field field, std::string_view text) {
  Condition condition;
  condition.field = field;
  condition.text = text;
  return condition;
}

Condition NumberIs(Field field, Compare compare, uint64_t number) {
  Condition condition;
  condition.field = field;
  condition.compare = compare;
  condition.integer = number;
  return condition;
}

Condition StatusIs(Compare compare, StatusCode status) {
  return NumberIs(Field::kStatus, compare, static_cast<uint64_t>(status));
}

Condition TagIs(const std::string& key, const std::string& value) {
  if (key == "error" && value == "true") {
    return StatusIs(Compare::kEqual, StatusCode::kError);
  }
  if (key == "error" && value == "false") {
    return StatusIs(Compare::kNotEqual, StatusCode::kError);
  }
  if (key == "otel.status_code" && value == "ERROR") {
    return StatusIs(Compare::kEqual, StatusCode::kError);
  }
  if (key == "otel.status_code" && value == "OK") {
    return StatusIs(Compare::kEqual, StatusCode::kOk);
  }
  if (const auto kind = JaegerKind(value); key == "span.kind" && kind) {
    return NumberIs(Field::kKind, Compare::kEqual,
                    static_cast<uint64_t>(*kind));
  }
  Condition condition = TextIs(Field::kAttribute, value);
  condition.key = key;
  return condition;
}

}  // namespace

storage::ScanRequest ToScanRequest(const JaegerSearch& search) {
  storage::ScanRequest request;
  request.start = search.start;
  request.end = search.end;
  request.limit = static_cast<size_t>(search.limit);
  std::vector<Condition>& conditions = request.conditions;
  if (!search.service.empty()) {
    conditions.push_back(TextIs(Field::kService, search.service));
  }
  if (!search.operation.empty() && search.operation != "all") {
    conditions.push_back(TextIs(Field::kName, search.operation));
  }
  for (const auto& [key, value] : search.tags) {
    conditions.push_back(TagIs(key, value));
  }
  if (search.min_duration) {
    conditions.push_back(
        NumberIs(Field::kDuration, Compare::kGreaterEqual,
                 static_cast<uint64_t>(search.min_duration->count())));
  }
  if (search.max_duration) {
    conditions.push_back(
        NumberIs(Field::kDuration, Compare::kLessEqual,
                 static_cast<uint64_t>(search.max_duration->count())));
  }
  return request;
}

std::string_view JaegerKindName(SpanKind kind) {
  for (const auto& [name, known] : kKinds) {
    if (known == kind) return name;
  }
  return "";
}

std::optional<SpanKind> JaegerKind(std::string_view name) {
  if (name == "unspecified") return SpanKind::kUnspecified;
  for (const auto& [known, kind] : kKinds) {
    if (known == name) return kind;
  }
  return std::nullopt;
}

}  // namespace khtrace::api
