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
  TagParams params;
  std::string scope;
  std::optional<traceql::FieldExpr> filter;  // no span tells the intrinsics
};

Result<NameQuestion> ReadNameQuestion(const HttpRequest& request) {
  NameQuestion question;
  question.scope = request.query.Get("scope").value_or("");
  if (std::find(kScopes.begin(), kScopes.end(), question.scope) ==
      kScopes.end()) {
    return Bad(fmt::format("invalid scope: {}", SanitizeUtf8(question.scope)));
  }
  ASSIGN_OR_RETURN(question.params, ReadTagParams(request.query));
  ASSIGN_OR_RETURN(question.filter,
                   ReadTagFilter(request.query.Get("q").value_or("")));
  if (question.scope == "intrinsic") question.filter.reset();
  return question;
}

Result<query::TagNames> AskForNames(const ApiContext& api,
                                    const RequestContext& context,
                                    const NameQuestion& question,
                                    const query::TagNamesProgress* progress) {
  const TagParams& params = question.params;
  if (!question.filter) {
    query::TagNames names;
    ASSIGN_OR_RETURN(names.keys,
                     api.reader.Keys(context, params.start, params.end));
    return names;
  }
  query::TagNamesRequest wanted;
  wanted.filter = &*question.filter;
  wanted.start = params.start;
  wanted.end = params.end;
  wanted.helpers = &api.cpu;
  wanted.judge = api.judge;
  wanted.progress = progress;
  return query::FindTagNames(api.reader, context, wanted);
}

// The messages of an answer that go behind those that went ahead; where it is
// no stream, in one piece: messages one behind the other are one message.
template <typename Next>  // std::string(bool* more)
HttpResponse LastMessages(bool streams, const Next& next) {
  HttpResponse response = ProtobufResponse("");
  for (;;) {
    bool more = false;
    std::string message = next(&more);
    if (more && streams) {
      response.ahead.push_back(std::move(message));
      continue;
    }
    response.body += message;
    if (!more) return response;
  }
}

// `mixed`: names without their scopes.
Result<HttpResponse> ProtobufNames(const ApiContext& api,
                                   const RequestContext& context,
                                   const HttpRequest& request,
                                   const NameQuestion& question, bool mixed) {
  const auto listed = [&](const storage::AttributeKeys& keys) {
    if (!mixed) return ListTagScopes(keys, question.scope, 0);
    return std::vector<TagScope>{{"", ListTagNames(keys, question.scope, 0)}};
  };
  NameStream stream(mixed, question.params.limit);
  query::TagNamesProgress progress;
  progress.tell = [&](const storage::AttributeKeys& so_far,
                      const query::QueryStats& stats) {
    // The names of intrinsics are no find: they come at the end.
    std::vector<TagScope> scopes = listed(so_far);
    std::erase_if(scopes, [](const TagScope& scope) {
      return scope.name == "intrinsic";
    });
    bool more = false;
    if (!request.send_ahead(stream.Message(scopes, stats, &more))) {
      stream.TakeBack();
    }
  };
  ASSIGN_OR_RETURN(const query::TagNames names,
                   AskForNames(api, context, question,
                               request.send_ahead ? &progress : nullptr));
  const std::vector<TagScope> scopes = listed(names.keys);
  HttpResponse response = LastMessages(
      request.send_ahead != nullptr,
      [&](bool* more) { return stream.Message(scopes, names.stats, more); });
  WarnOfLosses(names.stats, &response);
  return response;
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

Result<query::TagValues> AskForValues(
    const ApiContext& api, const RequestContext& context,
    const HttpRequest& request, Attribute attribute,
    const query::TagValuesProgress* progress) {
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
  wanted.progress = progress;
  return query::FindTagValues(api.reader, context, wanted);
}

void WarnOfGaps(const query::TagValues& values, HttpResponse* response) {
  WarnOfLosses(values.stats, response);
  if (!values.truncated) return;
  AddWarning(
      "too many values: not all are listed; narrow the query or the time range",
      response);
}

Result<HttpResponse> ProtobufValues(const ApiContext& api,
                                    const RequestContext& context,
                                    const HttpRequest& request,
                                    Attribute attribute, bool typed) {
  ValueStream stream(typed);
  query::TagValuesProgress progress;
  progress.tell = [&](std::span<const traceql::Static> found,
                      const query::QueryStats& stats) -> size_t {
    size_t taken = 0;
    if (request.send_ahead(stream.Message(found, stats, &taken))) return taken;
    stream.TakeBack();
    return 0;
  };
  ASSIGN_OR_RETURN(const query::TagValues values,
                   AskForValues(api, context, request, std::move(attribute),
                                request.send_ahead ? &progress : nullptr));
  std::span<const traceql::Static> rest(values.values);
  HttpResponse response =
      LastMessages(request.send_ahead != nullptr, [&](bool* more) {
        size_t taken = 0;
        std::string message = stream.Message(rest, values.stats, &taken);
        rest = rest.subspan(taken);
        *more = !rest.empty();
        return message;
      });
  WarnOfGaps(values, &response);
  return response;
}

}  // namespace

Result<HttpResponse> AnswerTagNames(const ApiContext& api,
                                    const RequestContext& context,
                                    const HttpRequest& request) {
  ASSIGN_OR_RETURN(const NameQuestion question, ReadNameQuestion(request));
  if (Accepts(request, kProtobufType)) {
    return ProtobufNames(api, context, request, question, /*mixed=*/true);
  }
  ASSIGN_OR_RETURN(const query::TagNames names,
                   AskForNames(api, context, question, nullptr));
  HttpResponse response = net::JsonResponse(
      200, TagNamesJson(ListTagNames(names.keys, question.scope,
                                     question.params.limit)));
  WarnOfLosses(names.stats, &response);
  return response;
}

Result<HttpResponse> AnswerTagScopes(const ApiContext& api,
                                     const RequestContext& context,
                                     const HttpRequest& request) {
  ASSIGN_OR_RETURN(const NameQuestion question, ReadNameQuestion(request));
  if (Accepts(request, kProtobufType)) {
    return ProtobufNames(api, context, request, question, /*mixed=*/false);
  }
  ASSIGN_OR_RETURN(const query::TagNames names,
                   AskForNames(api, context, question, nullptr));
  HttpResponse response = net::JsonResponse(
      200, TagScopesJson(ListTagScopes(names.keys, question.scope,
                                       question.params.limit)));
  WarnOfLosses(names.stats, &response);
  return response;
}

Result<HttpResponse> AnswerTagValues(const ApiContext& api,
                                     const RequestContext& context,
                                     const HttpRequest& request) {
  ASSIGN_OR_RETURN(const std::string name, TagName(request));
  Attribute attribute = AttributeNamed(name);
  if (Accepts(request, kProtobufType)) {
    return ProtobufValues(api, context, request, std::move(attribute),
                          /*typed=*/false);
  }
  ASSIGN_OR_RETURN(
      const query::TagValues values,
      AskForValues(api, context, request, std::move(attribute), nullptr));
  HttpResponse response = net::JsonResponse(200, TagValuesJson(values));
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
  if (Accepts(request, kProtobufType)) {
    return ProtobufValues(api, context, request, *std::move(attribute),
                          /*typed=*/true);
  }
  ASSIGN_OR_RETURN(
      const query::TagValues values,
      AskForValues(api, context, request, *std::move(attribute), nullptr));
  HttpResponse response = net::JsonResponse(200, Accepts(request, kLlmType)
                                                     ? TagValuesLlmJson(values)
                                                     : TagValuesV2Json(values));
  WarnOfGaps(values, &response);
  return response;
}

}  // namespace khtrace::api
