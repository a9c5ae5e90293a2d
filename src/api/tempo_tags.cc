// SPDX-License-Identifier: Apache-2.0
#include "api/tempo_tags.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "api/params.h"
#include "api/tempo_common.h"
#include "api/tempo_tag_filter.h"
#include "base/text.h"
#include "query/tag_names.h"
#include "traceql/parser.h"

namespace khtrace::api {
namespace {

using net::HttpRequest;
using net::HttpResponse;
using traceql::Attribute;
using traceql::Intrinsic;

constexpr std::array<std::string_view, 8> kScopes = {
    "",      "none", "resource",        "span",
    "event", "link", "instrumentation", "intrinsic"};

Error Bad(std::string message) {
  return {Code::kInvalidArgument, std::move(message)};
}

// What both questions have in common.
struct TagParams {
  UnixNanos start{0};
  UnixNanos end = UnixNanos::Max();
  size_t limit = 0;
};

// Without times: all that is stored.
Result<TagParams> ReadTagParams(const net::QueryParams& query) {
  ParamReader params(query, TempoWording);
  const auto start = params.UnixTime({"start"}, std::chrono::seconds(1));
  const auto end = params.UnixTime({"end"}, std::chrono::seconds(1));
  const int64_t limit =
      params.Integer({"limit"}, 0, 0, std::numeric_limits<uint32_t>::max());
  RETURN_IF_ERROR(params.status());
  TagParams read;
  read.limit = static_cast<size_t>(limit);
  if (start) read.start = *start;
  if (end && end->ns > 0) {
    read.end = end->Plus(std::chrono::seconds(1) - std::chrono::nanoseconds(1));
  }
  if (start && end && *end <= *start) {
    return Bad(fmt::format(
        "http parameter start must be before end. received start={} end={}",
        *params.Text({"start"}), *params.Text({"end"})));
  }
  return read;
}

struct NameQuestion {
  storage::AttributeKeys keys;
  query::QueryStats stats;  // where spans were asked
  std::string scope;
  size_t limit = 0;
};

Result<NameQuestion> AskForNames(const ApiContext& api,
                                 const RequestContext& context,
                                 const HttpRequest& request) {
  NameQuestion question;
  question.scope = request.query.Get("scope").value_or("");
  if (std::find(kScopes.begin(), kScopes.end(), question.scope) ==
      kScopes.end()) {
    return Bad(fmt::format("invalid scope: {}", SanitizeUtf8(question.scope)));
  }
  ASSIGN_OR_RETURN(const TagParams params, ReadTagParams(request.query));
  question.limit = params.limit;
  ASSIGN_OR_RETURN(const std::optional<traceql::FieldExpr> filter,
                   ReadTagFilter(request.query.Get("q").value_or("")));
  // No span tells the intrinsics.
  if (!filter || question.scope == "intrinsic") {
    ASSIGN_OR_RETURN(question.keys,
                     api.reader.Keys(context, params.start, params.end));
    return question;
  }
  query::TagNamesRequest wanted;
  wanted.filter = &*filter;
  wanted.start = params.start;
  wanted.end = params.end;
  wanted.helpers = &api.cpu;
  wanted.judge = api.judge;
  ASSIGN_OR_RETURN(query::TagNames names,
                   query::FindTagNames(api.reader, context, wanted));
  question.keys = std::move(names.keys);
  question.stats = names.stats;
  return question;
}

// The name in "{name}/values".
Result<std::string> TagName(const HttpRequest& request) {
  constexpr std::string_view kSuffix = "/values";
  std::string_view rest = request.PathParam("rest");
  if (!rest.ends_with(kSuffix) || rest.size() == kSuffix.size()) {
    return Error{Code::kNotFound, "404 page not found"};
  }
  rest.remove_suffix(kSuffix.size());
  return std::string(rest);
}

// v1 knows names alone, without scope.
Attribute AttributeNamed(const std::string& name) {
  Attribute attribute;
  attribute.intrinsic = traceql::FindIntrinsic(name);
  if (attribute.intrinsic == Intrinsic::kParent) {
    attribute.intrinsic = Intrinsic::kNone;
  }
  if (attribute.intrinsic == Intrinsic::kNone) attribute.name = name;
  return attribute;
}

Result<query::TagValues> AskForValues(const ApiContext& api,
                                      const RequestContext& context,
                                      const HttpRequest& request,
                                      Attribute attribute) {
  ASSIGN_OR_RETURN(const TagParams params, ReadTagParams(request.query));
  ASSIGN_OR_RETURN(const std::optional<traceql::FieldExpr> filter,
                   ReadTagFilter(request.query.Get("q").value_or("")));
  if (auto known = ValuesByDefinition(attribute)) return *std::move(known);
  query::TagValuesRequest wanted;
  wanted.attribute = std::move(attribute);
  wanted.filter = filter ? &*filter : nullptr;
  wanted.start = params.start;
  wanted.end = params.end;
  wanted.limit = params.limit;
  wanted.helpers = &api.cpu;
  wanted.judge = api.judge;
  return query::FindTagValues(api.reader, context, wanted);
}

void WarnOfGaps(const query::TagValues& values, HttpResponse* response) {
  WarnOfLosses(values.stats, response);
  if (!values.truncated) return;
  AddWarning(
      "too many values: not all are listed; narrow the query or the time range",
      response);
}

}  // namespace

Result<HttpResponse> AnswerTagNames(const ApiContext& api,
                                    const RequestContext& context,
                                    const HttpRequest& request) {
  ASSIGN_OR_RETURN(const NameQuestion question,
                   AskForNames(api, context, request));
  const auto names =
      ListTagNames(question.keys, question.scope, question.limit);
  HttpResponse response = Accepts(request, kProtobufType)
                              ? ProtobufResponse(TagNamesProtobuf(names))
                              : net::JsonResponse(200, TagNamesJson(names));
  WarnOfLosses(question.stats, &response);
  return response;
}

Result<HttpResponse> AnswerTagScopes(const ApiContext& api,
                                     const RequestContext& context,
                                     const HttpRequest& request) {
  ASSIGN_OR_RETURN(const NameQuestion question,
                   AskForNames(api, context, request));
  const auto scopes =
      ListTagScopes(question.keys, question.scope, question.limit);
  HttpResponse response = Accepts(request, kProtobufType)
                              ? ProtobufResponse(TagScopesProtobuf(scopes))
                              : net::JsonResponse(200, TagScopesJson(scopes));
  WarnOfLosses(question.stats, &response);
  return response;
}

Result<HttpResponse> AnswerTagValues(const ApiContext& api,
                                     const RequestContext& context,
                                     const HttpRequest& request) {
  ASSIGN_OR_RETURN(const std::string name, TagName(request));
  ASSIGN_OR_RETURN(const query::TagValues values,
                   AskForValues(api, context, request, AttributeNamed(name)));
  HttpResponse response = Accepts(request, kProtobufType)
                              ? ProtobufResponse(TagValuesProtobuf(values))
                              : net::JsonResponse(200, TagValuesJson(values));
  WarnOfGaps(values, &response);
  return response;
}

Result<HttpResponse> AnswerTagValuesV2(const ApiContext& api,
                                       const RequestContext& context,
                                       const HttpRequest& request) {
  ASSIGN_OR_RETURN(const std::string name, TagName(request));
  auto attribute = traceql::ParseAttribute(name);
  if (!attribute) {
    return Bad(
        fmt::format("please provide a valid tagName: failed to parse "
                    "identifier {}: {}",
                    SanitizeUtf8(name), attribute.error().message));
  }
  ASSIGN_OR_RETURN(const query::TagValues values,
                   AskForValues(api, context, request, *std::move(attribute)));
  HttpResponse response =
      Accepts(request, kProtobufType)
          ? ProtobufResponse(TagValuesV2Protobuf(values))
          : net::JsonResponse(200, Accepts(request, kLlmType)
                                       ? TagValuesLlmJson(values)
                                       : TagValuesV2Json(values));
  WarnOfGaps(values, &response);
  return response;
}

}  // namespace khtrace::api
