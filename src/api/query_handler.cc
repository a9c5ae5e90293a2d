// SPDX-License-Identifier: Apache-2.0
#include "api/query_handler.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

namespace khtrace::api {
namespace {

Result<std::string> TenantOf(const ApiContext& api,
                             const net::HttpRequest& request) {
  if (!api.options.multitenancy) return std::string(kDefaultTenant);
  std::string tenant(request.headers.Get("X-Scope-OrgID"));
  if (tenant.empty()) return Error{Code::kUnauthenticated, "no org id"};
  RETURN_IF_ERROR(ValidateTenant(tenant));
  return tenant;
}

// One of the places of ApiOptions::max_pending.
class PendingPlace {
 public:
  static std::shared_ptr<PendingPlace> Take(const ApiContext& api) {
    std::shared_ptr<PendingPlace> place(new PendingPlace(api));
    return place->before_ < api.options.max_pending ? place : nullptr;
  }
  ~PendingPlace() { --api_.pending; }
  PendingPlace(const PendingPlace&) = delete;
  PendingPlace& operator=(const PendingPlace&) = delete;

 private:
  explicit PendingPlace(const ApiContext& api)
      : api_(api), before_(api.pending++) {}
  const ApiContext& api_;
  const size_t before_;
};

net::HttpResponse Answer(ErrorAnswer error_answer, const Error& error) {
  net::HttpResponse response = error_answer(error);
  if (response.status == 429 || response.status == 503) {
    response.headers.Set("Retry-After", "1");
  }
  return response;
}

Result<net::HttpResponse> Run(const Query& query, const RequestContext& context,
                              const net::HttpRequest& request) {
  RETURN_IF_ERROR(context.Check());
  return query(context, request);
}

}  // namespace

int HttpStatusOf(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return 400;
    case Code::kUnauthenticated:
      return 401;
    case Code::kPermissionDenied:
      return 403;
    case Code::kNotFound:
      return 404;
    case Code::kAlreadyExists:
      return 409;
    case Code::kResourceExhausted:
      return 429;
    case Code::kCancelled:
      return 499;
    case Code::kUnimplemented:
      return 501;
    case Code::kUnavailable:
      return 503;
    case Code::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

net::HttpHandler QueryHandler(const ApiContext& api, ErrorAnswer error_answer,
                              Query query) {
  return [&api, error_answer, query = std::move(query)](
             net::HttpRequest request, net::HttpRespond respond) {
    Result<std::string> tenant = TenantOf(api, request);
    if (!tenant) return respond(Answer(error_answer, tenant.error()));
    std::shared_ptr<PendingPlace> place = PendingPlace::Take(api);
    if (place == nullptr) {
      return respond(
          Answer(error_answer,
                 {Code::kResourceExhausted,
                  fmt::format("{} queries are running or waiting; retry later",
                              api.options.max_pending)}));
    }
    RequestContext context{
        .tenant = *std::move(tenant),
        .deadline = api.clock.Monotonic() + api.options.deadline,
        .stop = request.stop,
        .clock = &api.clock};
    api.cpu.Post([error_answer, query, place = std::move(place),
                  context = std::move(context), request = std::move(request),
                  respond = std::move(respond)] {
      Result<net::HttpResponse> answer = Run(query, context, request);
      respond(answer ? *std::move(answer)
                     : Answer(error_answer, answer.error()));
    });
  };
}

net::HttpResponse PlainTextError(const Error& error) {
  return net::TextResponse(HttpStatusOf(error.code), error.message);
}

}  // namespace khtrace::api
