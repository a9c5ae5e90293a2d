// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/api_context.h"
#include "base/request_context.h"
#include "net/http.h"
#include "query/tags.h"
#include "storage/attribute_keys.h"
#include "traceql/ast.h"

// Tempo's autocomplete: which attributes are there, and with which values?

namespace khtrace::api {

struct TagScope {
  std::string_view name;
  std::vector<std::string_view> tags;
};

// `scope` is one of Tempo's names ("resource", … , "intrinsic"); "" and "none":
// all. `limit`: names told of each scope; 0: all. Scopes without names are left
// out. Borrows the keys.
std::vector<TagScope> ListTagScopes(const storage::AttributeKeys& keys,
                                    std::string_view scope, size_t limit);
// The names of all scopes but the intrinsics, mixed and sorted.
std::vector<std::string_view> ListTagNames(const storage::AttributeKeys& keys,
                                           std::string_view scope,
                                           size_t limit);

// SearchTagsV2Response and SearchTagsResponse.
std::string TagScopesJson(std::span<const TagScope> scopes);
std::string TagScopesProtobuf(std::span<const TagScope> scopes);
std::string TagNamesJson(std::span<const std::string_view> names);
std::string TagNamesProtobuf(std::span<const std::string_view> names);

// SearchTagValuesV2Response.
std::string TagValuesV2Json(const query::TagValues& values);
std::string TagValuesV2Protobuf(const query::TagValues& values);
// SearchTagValuesResponse: texts alone.
std::string TagValuesJson(const query::TagValues& values);
std::string TagValuesProtobuf(const query::TagValues& values);
// For language models: {"tagValues":{"string":["…"]},…}.
std::string TagValuesLlmJson(const query::TagValues& values);

// The values that an intrinsic has by definition, or nothing to tell of it;
// nullopt: the spans must be asked. Nobody completes a duration or an id.
std::optional<query::TagValues> ValuesByDefinition(
    const traceql::Attribute& attribute);

// GET /api/search/tags and /api/v2/search/tags.
Result<net::HttpResponse> AnswerTagNames(const ApiContext& api,
                                         const RequestContext& context,
                                         const net::HttpRequest& request);
Result<net::HttpResponse> AnswerTagScopes(const ApiContext& api,
                                          const RequestContext& context,
                                          const net::HttpRequest& request);
// GET /api/search/tag/{rest...} and /api/v2/search/tag/{rest...}, where `rest`
// is a name and "/values".
Result<net::HttpResponse> AnswerTagValues(const ApiContext& api,
                                          const RequestContext& context,
                                          const net::HttpRequest& request);
Result<net::HttpResponse> AnswerTagValuesV2(const ApiContext& api,
                                            const RequestContext& context,
                                            const net::HttpRequest& request);

}  // namespace khtrace::api
