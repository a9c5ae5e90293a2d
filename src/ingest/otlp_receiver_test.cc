// SPDX-License-Identifier: Apache-2.0
#include "ingest/otlp_receiver.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "base/mutex.h"
#include "codec/otlp.h"
#include "model/span_batch_builder.h"
#include "net/http_client.h"
#include "wire/compression.h"

namespace khtrace::ingest {
namespace {

constexpr char kProtobuf[] = "application/x-protobuf";

// Keeps what it is given and answers as told.
class Sink : public pipeline::SpanConsumer {
 public:
  void Consume(const RequestContext& context, model::SpanBatchPtr batch,
               Done done) override {
    {
      MutexLock lock(mu_);
      tenants_.push_back(context.tenant);
      spans_ += batch->row_count();
    }
    done(answer_);
  }
  void set_answer(Status answer) { answer_ = std::move(answer); }
  uint64_t spans() {
    MutexLock lock(mu_);
    return spans_;
  }
  std::vector<std::string> tenants() {
    MutexLock lock(mu_);
    return tenants_;
  }

 private:
  Status answer_;
  Mutex mu_;
  uint64_t spans_ KHTRACE_GUARDED_BY(mu_) = 0;
  std::vector<std::string> tenants_ KHTRACE_GUARDED_BY(mu_);
};

std::string Request(std::initializer_list<uint64_t> span_ids) {
  model::SpanBatchBuilder builder;
  for (const uint64_t id : span_ids) {
    model::SpanBatchBuilder::SpanFields fields;
    fields.trace_id = {1, 2};
    fields.span_id = {id};
    fields.name = "operation";
    builder.AddSpan(fields);
  }
  std::string out;
  codec::EncodeOtlpProtobuf(builder.Build(), &out);
  return out;
}

class OtlpHttp : public testing::Test {
 protected:
  void Start(OtlpReceiverOptions options = {}) {
    options.http.emplace();
    Result<std::unique_ptr<OtlpReceiver>> receiver =
        OtlpReceiver::Start(std::move(options), sink_, cpu_, io_, registry_);
    ASSERT_TRUE(receiver) << receiver.error().message;
    receiver_ = *std::move(receiver);
    const std::string address = receiver_->http_address();
    net::HttpClientOptions client;
    client.port = static_cast<uint16_t>(
        std::stoi(address.substr(address.rfind(':') + 1)));
    client_.emplace(client);
  }

  net::HttpResponse Post(const std::string& body, const char* type,
                         net::HttpHeaders headers = {}) {
    Result<net::HttpResponse> response =
        client_->Post("/v1/traces", body, type, std::move(headers));
    EXPECT_TRUE(response) << response.error().message;
    return response ? *response : net::HttpResponse{};
  }

  Sink sink_;
  telemetry::Registry registry_;
  net::IoRuntime io_{1};
  ThreadPool cpu_{"cpu", 2};
  std::unique_ptr<OtlpReceiver> receiver_;
  std::optional<net::HttpClient> client_;
};

TEST_F(OtlpHttp, PassesSoundSpansOnAndAnswersInTheRequestsType) {
  Start();
  const net::HttpResponse protobuf = Post(Request({1, 2}), kProtobuf);
  EXPECT_EQ(protobuf.status, 200);
  EXPECT_EQ(protobuf.headers.Get("content-type"), kProtobuf);
  const net::HttpResponse json =
      Post(R"({"resourceSpans":[]})", "application/json; charset=utf-8");
  EXPECT_EQ(json.status, 200);
  EXPECT_EQ(json.body, R"({"partialSuccess":{}})");
  EXPECT_EQ(sink_.spans(), 2u);
}

TEST_F(OtlpHttp, TellsHowManySpansItRejectedAndStoresTheRest) {
  Start();
  // Span id 0 is invalid.
  const net::HttpResponse response = Post(Request({0, 1, 0}), kProtobuf);
  EXPECT_EQ(response.status, 200);
  EXPECT_NE(response.body.find("zero_span_id"), std::string::npos);
  EXPECT_EQ(sink_.spans(), 1u);
  const std::string metrics = registry_.RenderPrometheus();
  EXPECT_NE(metrics.find("khtrace_receiver_spans_by_reason_total{receiver="
                         "\"otlp\",transport=\"http\",reason=\"zero_span_id\","
                         "outcome=\"dropped\"} 2\n"),
            std::string::npos);
}

TEST_F(OtlpHttp, TakesEveryCodingThatSendersUse) {
  Start();
  const std::string body = Request({1});
  EXPECT_EQ(
      Post(wire::GzipCompress(body), kProtobuf, {{"Content-Encoding", "gzip"}})
          .status,
      200);
  EXPECT_EQ(Post(wire::ZstdCompress(body, 1), kProtobuf,
                 {{"Content-Encoding", "zstd"}})
                .status,
            200);
  EXPECT_EQ(sink_.spans(), 2u);
}

TEST_F(OtlpHttp, RefusesWhatItCannotReadForGood) {
  Start();
  EXPECT_EQ(Post("x", "text/plain").status, 415);
  EXPECT_EQ(Post("no protobuf", kProtobuf).status, 400);
  EXPECT_EQ(Post("{", "application/json").status, 400);
  EXPECT_EQ(Post("x", kProtobuf, {{"Content-Encoding", "br"}}).status, 400);
  EXPECT_EQ(Post("x", kProtobuf, {{"Content-Encoding", "gzip"}}).status, 400);
  Result<net::HttpResponse> get = client_->Get("/v1/traces");
  ASSERT_TRUE(get);
  EXPECT_EQ(get->status, 405);
  EXPECT_EQ(get->body, "405 method not allowed, supported: [POST]\n");
  Result<net::HttpResponse> metrics =
      client_->Post("/v1/metrics", "", kProtobuf);
  ASSERT_TRUE(metrics);
  EXPECT_EQ(metrics->status, 404);
}

TEST_F(OtlpHttp, StopsAZipBombAtTheLimit) {
  OtlpReceiverOptions options;
  options.intake.max_request_bytes = 1 << 20;
  Start(std::move(options));
  const std::string bomb = wire::GzipCompress(std::string(100 << 20, 'x'));
  const net::HttpResponse response =
      Post(bomb, kProtobuf, {{"Content-Encoding", "gzip"}});
  EXPECT_EQ(response.status, 413);
}

TEST_F(OtlpHttp, AsksToRetryWhenTheStoreCannotTakeMore) {
  Start();
  sink_.set_answer(Error{Code::kResourceExhausted, "full"});
  const net::HttpResponse full = Post(Request({1}), kProtobuf);
  EXPECT_EQ(full.status, 429);
  EXPECT_EQ(full.headers.Get("retry-after"), "1");
  sink_.set_answer(Error{Code::kUnavailable, "disk"});
  EXPECT_EQ(Post(Request({1}), kProtobuf).status, 503);
}

TEST_F(OtlpHttp, RefusesMoreThanItMayHoldAtOnce) {
  OtlpReceiverOptions options;
  options.intake.max_bytes_in_flight = 10;
  Start(std::move(options));
  const net::HttpResponse response = Post(Request({1, 2, 3}), kProtobuf);
  EXPECT_TRUE(response.status == 429 || response.status == 503);
  EXPECT_EQ(response.headers.Get("retry-after"), "1");
  EXPECT_EQ(sink_.spans(), 0u);
}

TEST_F(OtlpHttp, AsksForATokenWhereOneIsConfigured) {
  OtlpReceiverOptions options;
  options.bearer_tokens.emplace_back("sesame");
  Start(std::move(options));
  EXPECT_EQ(Post(Request({1}), kProtobuf).status, 401);
  EXPECT_EQ(Post(Request({1}), kProtobuf, {{"Authorization", "Bearer sesame"}})
                .status,
            200);
}

TEST_F(OtlpHttp, TakesTheTenantFromItsHeaderWhenThereAreSeveral) {
  OtlpReceiverOptions options;
  options.intake.multitenancy = true;
  Start(std::move(options));
  EXPECT_EQ(Post(Request({1}), kProtobuf).status, 401);
  EXPECT_EQ(Post(Request({1}), kProtobuf, {{"X-Scope-OrgID", "../x"}}).status,
            400);
  EXPECT_EQ(Post(Request({1}), kProtobuf, {{"X-Scope-OrgID", "team-a"}}).status,
            200);
  EXPECT_EQ(sink_.tenants(), std::vector<std::string>{"team-a"});
}

}  // namespace
}  // namespace khtrace::ingest
