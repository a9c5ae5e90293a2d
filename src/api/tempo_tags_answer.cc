// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>
#include <variant>

#include "api/tempo_common.h"
#include "api/tempo_tags.h"

namespace khtrace::api {
namespace {

using storage::AttributeKeys;
using traceql::Attribute;
using traceql::Intrinsic;
using traceql::Static;
using traceql::Type;

// Tempo's list. Our own intrinsics are left out: Grafana's editor marks what it
// does not know as a mistake.
constexpr std::array<std::string_view, 25> kIntrinsics = {
    "duration",
    "event:name",
    "event:timeSinceStart",
    "instrumentation:name",
    "instrumentation:version",
    "kind",
    "link:spanID",
    "link:traceID",
    "name",
    "rootName",
    "rootServiceName",
    "span:duration",
    "span:id",
    "span:kind",
    "span:name",
    "span:parentID",
    "span:status",
    "span:statusMessage",
    "status",
    "statusMessage",
    "trace:duration",
    "trace:id",
    "trace:rootName",
    "trace:rootService",
    "traceDuration",
};

struct ScopeKeys {
  std::string_view name;
  const AttributeKeys::Keys* keys;
};

// Those that `scope` asks for, in Tempo's order.
std::vector<ScopeKeys> Chosen(const AttributeKeys& keys,
                              std::string_view scope) {
  std::vector<ScopeKeys> chosen;
  for (const ScopeKeys& one :
       {ScopeKeys{"resource", &keys.resource}, ScopeKeys{"span", &keys.span},
        ScopeKeys{"event", &keys.event}, ScopeKeys{"link", &keys.link},
        ScopeKeys{"instrumentation", &keys.instrumentation}}) {
    if (scope.empty() || scope == "none" || scope == one.name) {
      chosen.push_back(one);
    }
  }
  return chosen;
}

// At most `limit` of them, without the empty name, which nobody can ask for.
template <typename Names>
std::vector<std::string_view> Cut(const Names& names, size_t limit) {
  std::vector<std::string_view> cut;
  for (const std::string_view name : names) {
    if (limit != 0 && cut.size() == limit) break;
    if (!name.empty()) cut.push_back(name);
  }
  return cut;
}

void WriteTexts(std::span<const std::string_view> texts, wire::JsonWriter* w) {
  w->BeginArray();
  for (const std::string_view text : texts) w->String(text);
  w->EndArray();
}

void WriteEmptyMetrics(wire::JsonWriter* w) {
  w->Key("metrics");
  w->BeginObject();
  w->EndObject();
}

template <typename T>
query::TagValues Words(std::initializer_list<T> values) {
  query::TagValues words;
  for (const T value : values) words.values.push_back(Static(value));
  return words;
}

std::set<std::string> Texts(const query::TagValues& values) {
  std::set<std::string> texts;
  for (const Static& value : values.values) texts.insert(TagValueText(value));
  return texts;
}

}  // namespace

std::string_view TagValueType(const Static& value) {
  switch (value.type()) {
    case Type::kInt:
      return "int";
    case Type::kFloat:
      return "float";
    case Type::kBool:
      return "bool";
    case Type::kDuration:
      return "duration";
    case Type::kStatus:
    case Type::kKind:
      return "keyword";
    default:
      return "string";
  }
}

std::string TagValueText(const Static& value) {
  if (const auto* text = std::get_if<std::string>(&value.value)) return *text;
  return traceql::ToString(value);
}

std::vector<TagScope> ListTagScopes(const AttributeKeys& keys,
                                    std::string_view scope, size_t limit) {
  std::vector<TagScope> scopes;
  for (const ScopeKeys& one : Chosen(keys, scope)) {
    auto tags = Cut(*one.keys, limit);
    if (!tags.empty()) scopes.push_back({one.name, std::move(tags)});
  }
  if (scope.empty() || scope == "none" || scope == "intrinsic") {
    scopes.push_back({"intrinsic", Cut(kIntrinsics, limit)});
  }
  return scopes;
}

std::vector<std::string_view> ListTagNames(const AttributeKeys& keys,
                                           std::string_view scope,
                                           size_t limit) {
  if (scope == "intrinsic") return Cut(kIntrinsics, limit);
  std::set<std::string_view> names;
  for (const ScopeKeys& one : Chosen(keys, scope)) {
    names.insert(one.keys->begin(), one.keys->end());
  }
  return Cut(names, limit);
}

std::string TagScopesJson(std::span<const TagScope> scopes) {
  std::string body;
  wire::JsonWriter w(&body);
  w.BeginObject();
  w.Key("scopes");
  w.BeginArray();
  for (const TagScope& scope : scopes) {
    w.BeginObject();
    w.Key("name");
    w.String(scope.name);
    w.Key("tags");
    WriteTexts(scope.tags, &w);
    w.EndObject();
  }
  w.EndArray();
  WriteEmptyMetrics(&w);
  w.EndObject();
  return body;
}

std::string TagNamesJson(std::span<const std::string_view> names) {
  std::string body;
  wire::JsonWriter w(&body);
  w.BeginObject();
  w.Key("tagNames");
  WriteTexts(names, &w);
  WriteEmptyMetrics(&w);
  w.EndObject();
  return body;
}

std::string TagValuesV2Json(const query::TagValues& values) {
  std::string body;
  wire::JsonWriter w(&body);
  w.BeginObject();
  w.Key("tagValues");
  w.BeginArray();
  for (const Static& value : values.values) {
    w.BeginObject();
    w.Key("type");
    w.String(TagValueType(value));
    w.Key("value");
    w.String(TagValueText(value));
    w.EndObject();
  }
  w.EndArray();
  w.Key("metrics");
  WriteStats(values.stats, &w);
  w.EndObject();
  return body;
}

std::string TagValuesJson(const query::TagValues& values) {
  std::string body;
  wire::JsonWriter w(&body);
  w.BeginObject();
  w.Key("tagValues");
  w.BeginArray();
  for (const std::string& text : Texts(values)) w.String(text);
  w.EndArray();
  w.Key("metrics");
  WriteStats(values.stats, &w);
  w.EndObject();
  return body;
}

std::string TagValuesLlmJson(const query::TagValues& values) {
  std::map<std::string_view, std::vector<const Static*>> by_type;
  for (const Static& value : values.values) {
    by_type[TagValueType(value)].push_back(&value);
  }
  std::string body;
  wire::JsonWriter w(&body);
  w.BeginObject();
  w.Key("tagValues");
  w.BeginObject();
  for (const auto& [type, of_type] : by_type) {
    w.Key(type);
    w.BeginArray();
    for (const Static* value : of_type) w.String(TagValueText(*value));
    w.EndArray();
  }
  w.EndObject();
  w.Key("metrics");
  WriteStats(values.stats, &w);
  w.EndObject();
  return body;
}

std::optional<query::TagValues> ValuesByDefinition(const Attribute& attribute) {
  using Status = model::StatusCode;
  using Kind = model::SpanKind;
  switch (attribute.intrinsic) {
    case Intrinsic::kNone:
    case Intrinsic::kName:
    case Intrinsic::kStatusMessage:
    case Intrinsic::kRootName:
    case Intrinsic::kRootServiceName:
    case Intrinsic::kEventName:
    case Intrinsic::kInstrumentationName:
    case Intrinsic::kInstrumentationVersion:
    case Intrinsic::kPerfCategory:
      return std::nullopt;
    case Intrinsic::kPerfGrade: {
      query::TagValues grades;
      for (const std::string_view grade : query::kGradeNames) {
        grades.values.emplace_back(std::string(grade));
      }
      return grades;
    }
    case Intrinsic::kStatus:
      return Words({Status::kError, Status::kOk, Status::kUnset});
    case Intrinsic::kKind:
      return Words({Kind::kClient, Kind::kConsumer, Kind::kInternal,
                    Kind::kProducer, Kind::kServer, Kind::kUnspecified});
    default:
      return query::TagValues();
  }
}

}  // namespace khtrace::api
