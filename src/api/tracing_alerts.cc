// SPDX-License-Identifier: Apache-2.0
#include "api/tracing_alerts.h"

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "alerting/message.h"
#include "alerting/replay.h"
#include "api/tracing_alerts_input.h"
#include "api/tracing_alerts_json.h"
#include "api/tracing_handler.h"
#include "wire/json_writer.h"

namespace khtrace::api {
namespace {

using alerting::Engine;
using net::HttpRequest;
using net::HttpResponse;
using wire::JsonWriter;

constexpr size_t kMaxHistory = 1000;
constexpr size_t kDefaultHistory = 100;
constexpr std::string_view kHistoryParameters[] = {"limit"};

// {"<key>":[…]}, each item written by `write`.
template <typename Items, typename Write>
HttpResponse ListAnswer(std::string_view key, const Items& items,
                        const Write& write) {
  std::string body;
  JsonWriter w(&body);
  w.BeginObject();
  w.Key(key);
  w.BeginArray();
  for (const auto& item : items) write(item, &w);
  w.EndArray();
  w.EndObject();
  return net::JsonResponse(200, std::move(body));
}

HttpResponse RulesAnswer(const Engine& engine, const std::string& tenant) {
  return net::JsonResponse(
      200, RulesJson(engine.Rules(tenant), engine.Receivers(tenant),
                     engine.counts(), engine.options()));
}

HttpResponse ActiveAnswer(const Engine& engine, const std::string& tenant) {
  return ListAnswer("alerts", engine.Active(tenant),
                    [&](const alerting::ActiveAlert& active, JsonWriter* w) {
                      WriteActiveAlert(active, engine.options().base_url, w);
                    });
}

Result<HttpResponse> HistoryAnswer(const Engine& engine,
                                   const std::string& tenant,
                                   TracingParams& params) {
  const size_t limit = params.Count("limit", kDefaultHistory, 1, kMaxHistory);
  RETURN_IF_ERROR(params.status());
  return ListAnswer("events", engine.History(tenant, limit),
                    [&](const alerting::Event& event, JsonWriter* w) {
                      WriteEvent(event, engine.options().base_url, w);
                    });
}

Result<HttpResponse> AddSilence(Engine& engine, const Clock& clock,
                                const std::string& tenant,
                                const std::string& body) {
  ASSIGN_OR_RETURN(alerting::Silence silence, ParseSilence(body, clock.Now()));
  silence.tenant = tenant;
  ASSIGN_OR_RETURN(silence.id, engine.AddSilence(silence));
  std::string json;
  JsonWriter w(&json);
  WriteSilence(silence, &w);
  return net::JsonResponse(201, std::move(json));
}

Result<HttpResponse> Acknowledge(Engine& engine, const std::string& tenant,
                                 const HttpRequest& request) {
  ASSIGN_OR_RETURN(const Acknowledgement ack,
                   ParseAcknowledgement(request.body));
  ASSIGN_OR_RETURN(
      const alerting::Alert alert,
      engine.Acknowledge(tenant, std::string(request.PathParam("id")), ack.by,
                         ack.comment));
  std::string json;
  JsonWriter w(&json);
  WriteAlert(alert, engine.options().base_url, &w);
  return net::JsonResponse(200, std::move(json));
}

Result<HttpResponse> Test(Engine& engine, const ApiContext& api,
                          const analysis::AnalysisOptions& analysis,
                          const RequestContext& context,
                          const HttpRequest& request) {
  // Other tenants' rules are nobody's business.
  std::vector<alerting::Rule> rules = engine.options().rules;
  std::erase_if(rules, [&context](const alerting::Rule& rule) {
    return !rule.tenant.empty() && rule.tenant != context.tenant;
  });
  ASSIGN_OR_RETURN(const alerting::ReplayRequest replay,
                   ParseReplay(request.body, rules, api.clock.Now()));
  RETURN_IF_ERROR(alerting::Validate(replay.rule, analysis));
  ASSIGN_OR_RETURN(const alerting::ReplayResult result,
                   alerting::Replay(engine.source(), context, replay));
  return net::JsonResponse(
      200, ReplayJson(replay, result, engine.options().base_url));
}

}  // namespace

void RegisterTracingAlerts(net::HttpRouter& router, const ApiContext& api,
                           Engine& engine,
                           const analysis::AnalysisOptions& analysis) {
  const auto add = [&](std::string_view method, std::string_view path,
                       TracingInput input, TracingQuery query) {
    router.Add(method, fmt::format("/api/tracing/alerts{}", path),
               TracingHandlerFor(api, input, std::move(query)));
  };
  using Context = const RequestContext&;
  using Request = const HttpRequest&;
  using Params = TracingParams&;
  add("GET", "", {}, [&engine](Context context, Request, Params) {
    return RulesAnswer(engine, context.tenant);
  });
  add("GET", "/active", {}, [&engine](Context context, Request, Params) {
    return ActiveAnswer(engine, context.tenant);
  });
  add("GET", "/history", {.parameters = kHistoryParameters},
      [&engine](Context context, Request, Params params) {
        return HistoryAnswer(engine, context.tenant, params);
      });
  add("GET", "/silences", {}, [&engine](Context context, Request, Params) {
    return ListAnswer("silences", engine.Silences(context.tenant),
                      WriteSilence);
  });
  add("POST", "/silences", {.fields = kSilenceFields},
      [&engine, &api](Context context, Request request, Params) {
        return AddSilence(engine, api.clock, context.tenant, request.body);
      });
  add("DELETE", "/silences/{id}", {},
      [&engine](Context context, Request request,
                Params) -> Result<HttpResponse> {
        RETURN_IF_ERROR(engine.EndSilence(
            context.tenant, std::string(request.PathParam("id"))));
        return HttpResponse{.status = 204};
      });
  add("POST", "/{id}/ack", {.fields = kAcknowledgementFields},
      [&engine](Context context, Request request, Params) {
        return Acknowledge(engine, context.tenant, request);
      });
  add("POST", "/test", {.fields = kReplayFields},
      [&engine, &api, &analysis](Context context, Request request, Params) {
        return Test(engine, api, analysis, context, request);
      });
}

}  // namespace khtrace::api
