// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "demo/exceptions.h"
#include "demo/rng.h"
#include "demo/services.h"
#include "demo/trace_sketch.h"

namespace khtrace::demo {

// Where a message was sent from: what a later batch consumer links to.
struct SpanContext {
  model::TraceId trace_id;
  model::SpanId span_id;
};

struct HttpOperation {
  ServiceId service;
  std::string_view method;
  std::string_view route;
  std::string_view path;  // the route with its blanks filled in
};

struct SqlStatement {
  const Database& database;
  std::string_view operation;   // "SELECT"
  std::string_view collection;  // table or index
  std::string_view text;
  std::chrono::nanoseconds median;
  int64_t rows = -1;  // returned; -1 = says nothing
};

// Plays one request through the shop and writes it down as a trace. Time is a
// cursor that work moves on; spans open and close around it. A call runs
// `body` in the callee and says whether it went well; what a failed call means
// is the caller's decision:
//
//   s.ServeHttp({kCart, "GET", "/cart", "/cart"}, [&] {
//     if (!s.Grpc(ServiceId::kPricing, "Quote", [&] { s.Work(2ms, 0.4); }))
//       s.Fail(Fault::kUpstream, "pricing");
//   });
//
// Attribute names are OpenTelemetry's semantic conventions, current stable
// names. Confined to one thread; lives for one trace.
class Scene {
 public:
  using Nanos = std::chrono::nanoseconds;

  Scene(Rng& rng, TraceSketch& sketch, UnixNanos deployment_at)
      : rng_(rng), sketch_(sketch), deployment_at_(deployment_at) {}

  Rng& rng() { return rng_; }
  TraceSketch& sketch() { return sketch_; }
  // Whether the service that is at work has been replaced by its next version.
  bool OnNextVersion() const { return Top().pod.next_version; }

  // --- the current span ---
  void Text(std::string_view key, std::string_view value);
  void Int(std::string_view key, int64_t value);
  void Double(std::string_view key, double value);
  void Bool(std::string_view key, bool value);
  // Ends in an error with an exception event.
  void Fail(Fault fault, std::string_view peer);
  bool failed() const { return Top().status == model::StatusCode::kError; }
  void SetHttpStatus(int status) { frames_.back().http_status = status; }
  void Work(Nanos median, double spread) {
    cursor_ += rng_.Duration(median, spread);
  }

  // --- spans within the service ---
  template <typename Body>
  bool Internal(std::string_view name, Body body) {
    Open(Top().pod, ScopeId::kApp, model::SpanKind::kInternal, name);
    Text("code.function.name", name);
    Int("thread.id", rng_.Between(1, 64));
    body();
    return Close();
  }

  // --- entries and calls ---
  template <typename Body>
  bool ServeHttp(const HttpOperation& operation, Body body) {
    BeginHttpServer(operation);
    body();
    return EndHttpServer();
  }
  // `attempt` counts from 0; later ones carry http.request.resend_count.
  template <typename Body>
  bool Http(const HttpOperation& operation, Body body, int attempt = 0) {
    BeginHttpClient(operation, attempt);
    body();
    return EndHttpClient();
  }
  template <typename Body>
  bool Grpc(ServiceId callee, std::string_view method, Body body) {
    BeginGrpc(callee, method);
    body();
    return EndGrpc();
  }
  // A service outside the shop, seen from our side only. `status` is what it
  // answers; 0 means that the call runs into its timeout.
  bool ExternalHttp(std::string_view method, std::string_view host,
                    std::string_view path, Nanos median, int status,
                    int attempt);
  bool Sql(const SqlStatement& statement);
  bool Redis(std::string_view command, std::string_view key);
  // Calls of language models; false when the provider failed in the end.
  bool Chat(std::string_view model, int64_t input_tokens,
            int64_t output_tokens);
  bool Embed(std::string_view model, int64_t input_tokens);

  // --- messages ---
  // Returns the producer span, for ConsumeLater.
  uint32_t Publish(std::string_view topic, int64_t body_bytes);
  SpanContext ContextOf(uint32_t span) const {
    return {sketch_.trace_id, sketch_.spans[span].id};
  }
  // Another service takes the message up, `delay` after it was published, in
  // the same trace; nobody waits for it.
  template <typename Body>
  void ConsumeLater(uint32_t producer, ServiceId service,
                    std::string_view topic, Nanos delay, Body body) {
    const Nanos resume = cursor_;
    BeginConsumer(producer, service, topic, delay);
    body();
    Close();
    frames_.pop_back();
    cursor_ = resume;
  }
  // A consumer as the root of its own trace, linked to what it consumes.
  template <typename Body>
  void ServeBatch(ServiceId service, std::string_view topic,
                  const std::vector<SpanContext>& messages, Body body) {
    BeginBatchConsumer(service, topic, messages);
    body();
    Close();
  }
  // A root that nobody called: a timer.
  template <typename Body>
  void ServeTimer(ServiceId service, std::string_view name, Body body) {
    Open(PickPod(service), ScopeId::kApp, model::SpanKind::kInternal, name);
    body();
    Close();
  }

  // --- branches that run at the same time ---
  //   Scene::Fork fork(s); first(); fork.Next(); second(); fork.Join();
  class Fork {
   public:
    explicit Fork(Scene& scene)
        : scene_(scene), start_(scene.cursor_), latest_(scene.cursor_) {}
    void Next() {
      Join();
      scene_.cursor_ = start_ + Nanos(scene_.rng_.Below(60'000));
    }
    void Join() {
      if (scene_.cursor_ > latest_) latest_ = scene_.cursor_;
      scene_.cursor_ = latest_;
    }

   private:
    Scene& scene_;
    Nanos start_;
    Nanos latest_;
  };

 private:
  struct Frame {
    uint32_t span;
    int http_status = 0;  // 0 = 200, or 500 when the span failed
  };

  const TraceSketch::Span& Top() const {
    return sketch_.spans[frames_.back().span];
  }
  TraceSketch::Span& Top() { return sketch_.spans[frames_.back().span]; }
  Pod PickPod(ServiceId service);
  uint32_t Open(Pod pod, ScopeId scope, model::SpanKind kind,
                std::string_view name);
  bool Close();  // whether the span went well
  void MarkError(std::string_view error_type);
  void BeginHttpServer(const HttpOperation& operation);
  bool EndHttpServer();
  void BeginHttpClient(const HttpOperation& operation, int attempt);
  bool EndHttpClient();
  void BeginGrpc(ServiceId callee, std::string_view method);
  bool EndGrpc();
  void BeginConsumer(uint32_t producer, ServiceId service,
                     std::string_view topic, Nanos delay);
  void BeginBatchConsumer(ServiceId service, std::string_view topic,
                          const std::vector<SpanContext>& messages);
  bool CallProvider(std::string_view provider, std::string_view path,
                    Nanos median);

  Rng& rng_;
  TraceSketch& sketch_;
  const UnixNanos deployment_at_;
  Nanos cursor_{0};
  std::vector<Frame> frames_;
};

}  // namespace khtrace::demo
