// SPDX-License-Identifier: Apache-2.0
#include "api/tracing_handler.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/query_handler.h"
#include "api/tracing.h"
#include "api/tracing_answer.h"

namespace khtrace::api {
namespace {

using net::HttpRequest;
using net::HttpResponse;

bool Knows(const TracingInput& input, std::string_view name) {
  const std::string_view first = name.substr(0, name.find('.'));
  return std::ranges::find(input.parameters, first) != input.parameters.end() ||
         std::ranges::find(input.fields, first) != input.fields.end();
}

// The parameter that the message begins with.
std::optional<BadParameter> AtFault(const TracingInput& input,
                                    const Error& error) {
  if (error.code != Code::kInvalidArgument) return std::nullopt;
  const size_t colon = error.message.find(':');
  if (colon == std::string::npos) return std::nullopt;
  std::string name = error.message.substr(0, colon);
  if (!Knows(input, name)) return std::nullopt;
  return BadParameter{std::move(name), error.message};
}

Result<HttpResponse> Run(const ApiContext& api, const TracingInput& input,
                         const TracingQuery& query,
                         const RequestContext& context,
                         const HttpRequest& request) {
  std::vector<TracingParams::Param> given =
      TracingParams::FromQuery(request.query);
  if (request.method == "POST" && input.fields.empty()) {
    ASSIGN_OR_RETURN(auto body, TracingParams::FromJson(request.body));
    std::move(body.begin(), body.end(), std::back_inserter(given));
  }
  TracingParams params(std::move(given), input.parameters, api.clock.Now());
  if (params.bad()) return ProblemAnswer(*params.bad());
  Result<HttpResponse> answer = query(context, request, params);
  if (answer) return answer;
  if (params.bad()) return ProblemAnswer(*params.bad());
  if (const auto bad = AtFault(input, answer.error())) {
    return ProblemAnswer(*bad);
  }
  return answer;
}

}  // namespace

net::HttpHandler TracingHandlerFor(const ApiContext& api, TracingInput input,
                                   TracingQuery query) {
  return QueryHandler(
      api, TracingProblem,
      [&api, input, query = std::move(query)](const RequestContext& context,
                                              const HttpRequest& request) {
        return Run(api, input, query, context, request);
      });
}

}  // namespace khtrace::api
