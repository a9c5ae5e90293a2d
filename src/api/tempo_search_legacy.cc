// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "api/logfmt.h"
#include "api/tempo_search.h"
#include "base/text.h"
#include "traceql/attribute.h"

// The search of before TraceQL, as TraceQL: one span that has every tag, in a
// trace that takes as long as asked for.

namespace khtrace::api {
namespace {

using traceql::Attribute;
using traceql::AttributeScope;
using traceql::Static;

Attribute IntrinsicOf(traceql::Intrinsic intrinsic) {
  Attribute attribute;
  attribute.intrinsic = intrinsic;
  return attribute;
}

Attribute AttributeOf(AttributeScope scope, std::string_view name) {
  Attribute attribute;
  attribute.scope = scope;
  attribute.name = name;
  return attribute;
}

std::string Equal(const Attribute& attribute, Static value) {
  return fmt::format("{} = {}", ToString(attribute), ToString(value));
}

// Tags are texts; what is stored may be a number or a boolean.
std::string AttributeIs(std::string_view key, const std::string& value) {
  const Attribute attribute = AttributeOf(AttributeScope::kAny, key);
  const std::string text = Equal(attribute, Static(value));
  if (value == "true" || value == "false") {
    return fmt::format("({} || {})", text,
                       Equal(attribute, Static(value == "true")));
  }
  int64_t number = 0;
  const char* end = value.data() + value.size();
  const auto [stopped, error] = std::from_chars(value.data(), end, number);
  if (error != std::errc() || stopped != end) return text;
  return fmt::format("({} || {})", text, Equal(attribute, Static(number)));
}

Status AddDuration(std::string_view name, std::string_view op,
                   std::string_view text, std::vector<std::string>* all) {
  if (text.empty()) return {};
  const auto duration = ParseGoDuration(text);
  if (!duration) {
    return Error{Code::kInvalidArgument,
                 fmt::format("invalid {}: time: invalid duration \"{}\"", name,
                             SanitizeUtf8(text))};
  }
  all->push_back(
      fmt::format("traceDuration {} {}", op, ToString(Static(*duration))));
  return {};
}

}  // namespace

std::string TagToTraceQl(const std::string& key, const std::string& value) {
  using traceql::Intrinsic;
  const auto is = [&value](Intrinsic intrinsic) {
    return Equal(IntrinsicOf(intrinsic), Static(value));
  };
  if (key == "name") return is(Intrinsic::kName);
  if (key == "root.name") return is(Intrinsic::kRootName);
  if (key == "root.service.name") return is(Intrinsic::kRootServiceName);
  if (key == "service.name") {
    return Equal(AttributeOf(AttributeScope::kResource, key), Static(value));
  }
  if (key == "status.code" || (key == "error" && value == "true")) {
    for (const std::string_view status : {"unset", "ok", "error"}) {
      if (value == status) return fmt::format("status = {}", status);
    }
    if (key == "error") return "status = error";
  }
  return AttributeIs(key, value);
}

Result<std::string> LegacyToTraceQl(std::string_view tags,
                                    std::string_view min_duration,
                                    std::string_view max_duration) {
  std::vector<std::string> all;
  auto pairs = ParseLogfmt(tags);
  if (!pairs) return std::move(pairs).error().With("invalid tags");
  for (const auto& [key, value] : *pairs)
    all.push_back(TagToTraceQl(key, value));
  RETURN_IF_ERROR(AddDuration("minDuration", ">=", min_duration, &all));
  RETURN_IF_ERROR(AddDuration("maxDuration", "<=", max_duration, &all));
  return fmt::format("{{ {} }}", fmt::join(all, " && "));
}

}  // namespace khtrace::api
