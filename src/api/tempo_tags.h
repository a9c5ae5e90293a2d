// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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
std::string TagNamesJson(std::span<const std::string_view> names);

// The same in protobuf, in as many messages of a stream as kMaxMessageBytes
// makes of it: names that the client has not got yet.
class NameStream {
 public:
  // `mixed`: SearchTagsResponse, a name once whatever its scopes; its one scope
  // is "". `limit`: names of a scope; 0: all.
  NameStream(bool mixed, size_t limit) : mixed_(mixed), limit_(limit) {}

  // As many of them as fit, one at least. `*more`: some are left. Counts as
  // sent.
  std::string Message(std::span<const TagScope> scopes,
                      const query::QueryStats& stats, bool* more);
  // What Message gave last did not go out after all.
  void TakeBack();

 private:
  using Name = std::pair<std::string, std::string>;  // scope, name

  const bool mixed_;
  const size_t limit_;
  std::set<Name> sent_;
  std::map<std::string, size_t, std::less<>> counts_;  // by scope
  std::vector<Name> last_;
};

// "string", "int", … , "keyword", and what goes with it.
std::string_view TagValueType(const traceql::Static& value);
std::string TagValueText(const traceql::Static& value);

// SearchTagValuesV2Response, and SearchTagValuesResponse: texts alone.
std::string TagValuesV2Json(const query::TagValues& values);
std::string TagValuesJson(const query::TagValues& values);

// The same in protobuf, in messages of a stream.
class ValueStream {
 public:
  // `typed`: the former.
  explicit ValueStream(bool typed) : typed_(typed) {}

  // As many of `values` as kMaxMessageBytes allows, one at least. `*taken`: how
  // many these are. Counts as sent.
  std::string Message(std::span<const traceql::Static> values,
                      const query::QueryStats& stats, size_t* taken);
  // What Message gave last did not go out after all.
  void TakeBack();

 private:
  const bool typed_;
  // Texts that were sent, of values that are not told apart by type.
  std::set<std::string> sent_;
  std::vector<std::string> last_;
};

// For language models: {"tagValues":{"string":["…"]},…}.
std::string TagValuesLlmJson(const query::TagValues& values);

// The values that an intrinsic has by definition, or nothing to tell of it;
// nullopt: the spans must be asked. Nobody completes a duration or an id.
std::optional<query::TagValues> ValuesByDefinition(
    const traceql::Attribute& attribute);

// Where a request wants a stream of messages (HttpRequest::send_ahead), names
// and values go ahead as they are found, each once. Of more values than the
// limit those that were found first count.

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
