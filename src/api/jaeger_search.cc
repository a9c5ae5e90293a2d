// SPDX-License-Identifier: Apache-2.0
#include "api/jaeger_search.h"

#include <array>
#include <utility>

namespace khtrace::api {
namespace {

using model::SpanKind;
using model::StatusCode;
using query::SpanCondition;
using Of = query::SpanCondition::Of;

constexpr std::array<std::pair<std::string_view, SpanKind>, 6> kKinds{{
    {"", SpanKind::kUnspecified},
    {"internal", SpanKind::kInternal},
    {"server", SpanKind::kServer},
    {"client", SpanKind::kClient},
    {"producer", SpanKind::kProducer},
    {"consumer", SpanKind::kConsumer},
}};

SpanCondition TextIs(Of of, std::string_view text) {
  SpanCondition condition;
  condition.of = of;
  condition.text = text;
  return condition;
}

SpanCondition NumberIs(Of of, uint64_t number) {
  SpanCondition condition;
  condition.of = of;
  condition.number = number;
  return condition;
}

SpanCondition StatusIs(Of of, StatusCode status) {
  return NumberIs(of, static_cast<uint64_t>(status));
}

SpanCondition TagIs(const std::string& key, const std::string& value) {
  if (key == "error" && value == "true") {
    return StatusIs(Of::kStatus, StatusCode::kError);
  }
  if (key == "error" && value == "false") {
    return StatusIs(Of::kNotStatus, StatusCode::kError);
  }
  if (key == "otel.status_code" && value == "ERROR") {
    return StatusIs(Of::kStatus, StatusCode::kError);
  }
  if (key == "otel.status_code" && value == "OK") {
    return StatusIs(Of::kStatus, StatusCode::kOk);
  }
  if (const auto kind = JaegerKind(value); key == "span.kind" && kind) {
    return NumberIs(Of::kKind, static_cast<uint64_t>(*kind));
  }
  SpanCondition condition = TextIs(Of::kTag, value);
  condition.key = key;
  return condition;
}

}  // namespace

query::FindRequest ToFindRequest(const JaegerSearch& search,
                                 Executor* helpers) {
  query::FindRequest request;
  request.limit = static_cast<size_t>(search.limit);
  request.helpers = helpers;
  request.spans.start = search.start;
  request.spans.end = search.end;
  std::vector<SpanCondition>& conditions = request.spans.all;
  if (!search.service.empty()) {
    conditions.push_back(TextIs(Of::kService, search.service));
  }
  if (!search.operation.empty() && search.operation != "all") {
    conditions.push_back(TextIs(Of::kName, search.operation));
  }
  for (const auto& [key, value] : search.tags) {
    conditions.push_back(TagIs(key, value));
  }
  if (search.min_duration) {
    conditions.push_back(NumberIs(
        Of::kMinDuration, static_cast<uint64_t>(search.min_duration->count())));
  }
  if (search.max_duration) {
    conditions.push_back(NumberIs(
        Of::kMaxDuration, static_cast<uint64_t>(search.max_duration->count())));
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
