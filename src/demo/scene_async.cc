// SPDX-License-Identifier: Apache-2.0
// The parts of a scene that are not plain calls: messages and language models.
#include "demo/scene.h"

namespace khtrace::demo {

using namespace std::chrono_literals;

using model::AttrValue;
using model::SpanKind;

namespace {

// ArrayValue{values: ["stop"]} in OTLP protobuf.
constexpr std::string_view kStopReasons = "\x0a\x06\x0a\x04stop";

std::string_view ProviderOf(std::string_view model) {
  if (model.starts_with("gpt") || model.starts_with("text-")) return "openai";
  if (model.starts_with("claude")) return "anthropic";
  return "mistral_ai";
}

std::string_view ProviderHost(std::string_view provider) {
  if (provider == "openai") return "api.openai.example";
  if (provider == "anthropic") return "api.anthropic.example";
  return "api.mistral.example";
}

}  // namespace

// Up to three tries. A busy provider answers 429 and is asked again after a
// pause that doubles.
bool Scene::CallProvider(std::string_view provider, std::string_view path,
                         Nanos median) {
  const std::string_view host = ProviderHost(provider);
  for (int attempt = 0; attempt < 3; ++attempt) {
    const double trouble = attempt == 0 ? 0.05 : 0.25;
    const bool busy = rng_.Chance(trouble);
    if (ExternalHttp("POST", host, path, busy ? Nanos(40ms) : median,
                     busy ? 429 : 200, attempt)) {
      return true;
    }
    if (attempt < 2) Work(200ms * (1 << attempt), 0.1);
  }
  return false;
}

bool Scene::Chat(std::string_view model, int64_t input_tokens,
                 int64_t output_tokens) {
  const std::string_view provider = ProviderOf(model);
  Open(Top().pod, ScopeId::kGenAi, SpanKind::kClient,
       sketch_.Format("chat {}", model));
  Text("gen_ai.operation.name", "chat");
  Text("gen_ai.provider.name", provider);
  Text("gen_ai.request.model", model);
  Int("gen_ai.request.max_tokens", 1024);
  Double("gen_ai.request.temperature", 0.2);
  // Models answer at some hundred tokens a second.
  if (CallProvider(provider, "/v1/chat/completions",
                   300ms + output_tokens * 7ms)) {
    Text("gen_ai.response.model", model);
    Text("gen_ai.response.id", sketch_.Format("chatcmpl-{:016x}", rng_.Next()));
    Int("gen_ai.usage.input_tokens", input_tokens);
    Int("gen_ai.usage.output_tokens", output_tokens);
    sketch_.AddAttribute(Top().attributes, "gen_ai.response.finish_reasons",
                         {model::AttrType::kArray, 0, kStopReasons});
  } else {
    Fail(Fault::kRateLimited, provider);
  }
  return Close();
}

bool Scene::Embed(std::string_view model, int64_t input_tokens) {
  const std::string_view provider = ProviderOf(model);
  Open(Top().pod, ScopeId::kGenAi, SpanKind::kClient,
       sketch_.Format("embeddings {}", model));
  Text("gen_ai.operation.name", "embeddings");
  Text("gen_ai.provider.name", provider);
  Text("gen_ai.request.model", model);
  Int("gen_ai.usage.input_tokens", input_tokens);
  Int("gen_ai.embeddings.dimension.count", 1536);
  Text("server.address", ProviderHost(provider));
  Work(14ms, 0.35);
  if (rng_.Chance(0.004)) {
    cursor_ += 1s;
    Fail(Fault::kTimeout, ProviderHost(provider));
  }
  return Close();
}

uint32_t Scene::Publish(std::string_view topic, int64_t body_bytes) {
  const uint32_t span =
      Open(Top().pod, ScopeId::kMessaging, SpanKind::kProducer,
           sketch_.Format("send {}", topic));
  Text("messaging.system", "kafka");
  Text("messaging.destination.name", topic);
  Text("messaging.operation.name", "send");
  Text("messaging.operation.type", "send");
  Text("messaging.message.id", sketch_.Format("{:016x}", rng_.Next()));
  Int("messaging.message.body.size", body_bytes);
  Work(1200us, 0.6);
  Close();
  return span;
}

void Scene::BeginConsumer(uint32_t producer, ServiceId service,
                          std::string_view topic, Nanos delay) {
  const TraceSketch::Span& sent = sketch_.spans[producer];
  const SpanContext context = ContextOf(producer);
  cursor_ = sent.end + delay;
  frames_.push_back({producer});
  Open(PickPod(service), ScopeId::kMessaging, SpanKind::kConsumer,
       sketch_.Format("process {}", topic));
  Text("messaging.system", "kafka");
  Text("messaging.destination.name", topic);
  Text("messaging.operation.name", "process");
  Text("messaging.operation.type", "process");
  Text("messaging.consumer.group.name", Spec(service).name);
  Text("messaging.destination.partition.id",
       sketch_.Format("{}", rng_.Below(12)));
  Int("messaging.kafka.offset", rng_.Between(1'000'000, 90'000'000));
  sketch_.AddLink(Top(), context.trace_id, context.span_id);
}

void Scene::BeginBatchConsumer(ServiceId service, std::string_view topic,
                               const std::vector<SpanContext>& messages) {
  Open(PickPod(service), ScopeId::kMessaging, SpanKind::kConsumer,
       sketch_.Format("process {}", topic));
  Text("messaging.system", "kafka");
  Text("messaging.destination.name", topic);
  Text("messaging.operation.name", "process");
  Text("messaging.operation.type", "process");
  Text("messaging.consumer.group.name", Spec(service).name);
  Int("messaging.batch.message_count", static_cast<int64_t>(messages.size()));
  for (const SpanContext& message : messages) {
    sketch_.AddLink(Top(), message.trace_id, message.span_id);
  }
}

}  // namespace khtrace::demo
