// SPDX-License-Identifier: Apache-2.0
#include "demo/scene.h"

namespace khtrace::demo {

using namespace std::chrono_literals;

using model::AttrValue;
using model::SpanKind;
using model::StatusCode;

void Scene::Text(std::string_view key, std::string_view value) {
  sketch_.AddAttribute(Top().attributes, key, AttrValue::String(value));
}
void Scene::Int(std::string_view key, int64_t value) {
  sketch_.AddAttribute(Top().attributes, key, AttrValue::Int(value));
}
void Scene::Double(std::string_view key, double value) {
  sketch_.AddAttribute(Top().attributes, key, AttrValue::Double(value));
}
void Scene::Bool(std::string_view key, bool value) {
  sketch_.AddAttribute(Top().attributes, key, AttrValue::Bool(value));
}

Pod Scene::PickPod(ServiceId service) {
  const ServiceSpec& spec = Spec(service);
  Pod pod{service, static_cast<uint8_t>(rng_.Below(spec.pods)), false};
  // One pod after the other, as a rolling update does.
  const UnixNanos rolled_out = deployment_at_.Plus(pod.number * 20s);
  pod.next_version = !spec.next_version.empty() && sketch_.start >= rolled_out;
  return pod;
}

uint32_t Scene::Open(Pod pod, ScopeId scope, SpanKind kind,
                     std::string_view name) {
  const auto index = static_cast<uint32_t>(sketch_.spans.size());
  TraceSketch::Span& span = sketch_.spans.emplace_back();
  span.pod = pod;
  span.scope = scope;
  span.kind = kind;
  span.name = name;
  span.id = {rng_.Next() | 1};
  span.parent = frames_.empty() ? kNone : frames_.back().span;
  span.start = cursor_;
  frames_.push_back({index});
  return index;
}

bool Scene::Close() {
  Top().end = cursor_;
  const bool good = !failed();
  frames_.pop_back();
  return good;
}

void Scene::MarkError(std::string_view error_type) {
  Top().status = StatusCode::kError;
  Text("error.type", error_type);
}

void Scene::Fail(Fault fault, std::string_view peer) {
  if (failed()) return;
  const ServiceSpec& spec = Spec(Top().pod.service);
  const std::string_view type = ExceptionType(spec.language, fault);
  const std::string_view message =
      sketch_.Keep(ExceptionMessage(fault, peer, rng_));
  MarkError(type);
  Top().status_message = message;
  TraceSketch::Event& event = sketch_.AddEvent(Top(), cursor_, "exception");
  const std::string_view stack =
      sketch_.Keep(StackTrace(spec.language, type, message, spec.name, rng_));
  sketch_.AddAttribute(event.attributes, "exception.type",
                       AttrValue::String(type));
  sketch_.AddAttribute(event.attributes, "exception.message",
                       AttrValue::String(message));
  sketch_.AddAttribute(event.attributes, "exception.stacktrace",
                       AttrValue::String(stack));
}

void Scene::BeginHttpServer(const HttpOperation& operation) {
  const bool root = frames_.empty();
  Open(PickPod(operation.service), ScopeId::kHttpServer, SpanKind::kServer,
       sketch_.Format("{} {}", operation.method, operation.route));
  Text("http.request.method", operation.method);
  Text("http.route", operation.route);
  Text("url.path", operation.path);
  Text("url.scheme", root ? "https" : "http");
  Text("server.address",
       sketch_.Format("{}.shop.svc", Spec(operation.service).name));
  Text("network.protocol.version", root ? "2" : "1.1");
  Work(120us, 0.5);
}

bool Scene::EndHttpServer() {
  Work(150us, 0.6);
  if (rng_.Chance(0.010)) Fail(Fault::kBadState, {});
  int status = frames_.back().http_status;
  if (status == 0) status = failed() ? 500 : 200;
  Int("http.response.status_code", status);
  Int("http.response.body.size", rng_.Count(2600, 1.0));
  return Close();
}

void Scene::BeginHttpClient(const HttpOperation& operation, int attempt) {
  Open(Top().pod, ScopeId::kHttpClient, SpanKind::kClient, operation.method);
  const std::string_view host =
      sketch_.Format("{}.shop.svc", Spec(operation.service).name);
  Text("http.request.method", operation.method);
  Text("url.full", sketch_.Format("http://{}:8080{}", host, operation.path));
  Text("server.address", host);
  Int("server.port", 8080);
  if (attempt > 0) Int("http.request.resend_count", attempt);
  Work(180us, 0.5);  // on the network
  BeginHttpServer(operation);
}

bool Scene::EndHttpClient() {
  const int asked = frames_.back().http_status;
  const bool good = EndHttpServer();
  Work(160us, 0.5);
  const int status = asked != 0 ? asked : good ? 200 : 500;
  Int("http.response.status_code", status);
  if (status >= 500) MarkError(sketch_.Format("{}", status));
  return Close();
}

void Scene::BeginGrpc(ServiceId callee, std::string_view method) {
  const ServiceSpec& spec = Spec(callee);
  const std::string_view name =
      sketch_.Format("{}/{}", spec.rpc_service, method);
  const std::string_view host = sketch_.Format("{}.shop.svc", spec.name);
  const auto describe = [&] {
    Text("rpc.system.name", "grpc");
    Text("rpc.method", name);
    Text("server.address", host);
    Int("server.port", 9090);
    Text("network.transport", "tcp");
  };
  Open(Top().pod, ScopeId::kRpc, SpanKind::kClient, name);
  describe();
  Work(140us, 0.5);
  Open(PickPod(callee), ScopeId::kRpc, SpanKind::kServer, name);
  describe();
  Work(60us, 0.5);
}

bool Scene::EndGrpc() {
  if (rng_.Chance(0.010)) Fail(Fault::kBadState, {});
  const bool good = !failed();
  const std::string_view status = good ? "OK" : "INTERNAL";
  Text("rpc.status_code", status);
  Close();
  Work(130us, 0.5);
  Text("rpc.status_code", status);
  if (!good) MarkError(status);
  return Close();
}

bool Scene::ExternalHttp(std::string_view method, std::string_view host,
                         std::string_view path, Nanos median, int status,
                         int attempt) {
  Open(Top().pod, ScopeId::kHttpClient, SpanKind::kClient, method);
  Text("http.request.method", method);
  Text("url.full", sketch_.Format("https://{}{}", host, path));
  Text("server.address", host);
  Int("server.port", 443);
  Text("network.protocol.version", "1.1");
  if (attempt > 0) Int("http.request.resend_count", attempt);
  if (status == 0) {
    cursor_ += 2s;
    Fail(Fault::kTimeout, host);
    return Close();
  }
  Work(median, 0.5);
  Int("http.response.status_code", status);
  if (status >= 400) MarkError(sketch_.Format("{}", status));
  return Close();
}

bool Scene::Sql(const SqlStatement& statement) {
  const Database& db = statement.database;
  Open(Top().pod, ScopeId::kDatabase, SpanKind::kClient,
       sketch_.Format("{} {}", statement.operation, statement.collection));
  Text("db.system.name", db.system);
  Text("db.namespace", db.name);
  Text("db.operation.name", statement.operation);
  Text("db.collection.name", statement.collection);
  Text("db.query.text", statement.text);
  Text("server.address", db.host);
  Int("server.port", db.port);
  Text("network.peer.address", db.address);
  Work(statement.median, 0.7);
  if (rng_.Chance(0.010)) {
    const bool deadlock = statement.operation != "SELECT";
    if (!deadlock) cursor_ += 1s;
    Fail(deadlock ? Fault::kDeadlock : Fault::kTimeout, db.host);
  } else if (statement.rows >= 0) {
    Int("db.response.returned_rows", statement.rows);
  }
  return Close();
}

bool Scene::Redis(std::string_view command, std::string_view key) {
  Open(Top().pod, ScopeId::kDatabase, SpanKind::kClient, command);
  Text("db.system.name", kCache.system);
  Text("db.namespace", kCache.name);
  Text("db.operation.name", command);
  Text("db.query.text", sketch_.Format("{} {}", command, key));
  Text("server.address", kCache.host);
  Int("server.port", kCache.port);
  Text("network.peer.address", kCache.address);
  Work(380us, 0.6);
  if (rng_.Chance(0.0035)) Fail(Fault::kConnectionReset, kCache.host);
  return Close();
}

}  // namespace khtrace::demo
