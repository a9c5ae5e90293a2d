// SPDX-License-Identifier: Apache-2.0
#include "api/tempo_grpc.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "wire/protobuf.h"

namespace khtrace::api {
namespace {

// Calls a method whose HTTP side answers `response`; tells what it was asked.
struct Exchange {
  net::HttpRequest request;
  net::GrpcReply reply;
};

Exchange Call(const std::string& method, std::string message,
              const net::HttpResponse& response = {.body = "answer"}) {
  Exchange exchange;
  const net::GrpcHandlers handlers = TempoGrpcHandlers(
      [&](net::HttpRequest request, const net::HttpRespond& respond) {
        exchange.request = std::move(request);
        respond(response);
      });
  const auto at = handlers.find("/tempopb.StreamingQuerier/" + method);
  if (at == handlers.end()) return exchange;
  net::GrpcRequest call;
  call.message = std::move(message);
  call.metadata = {{"x-scope-orgid", "team"}, {"authorization", "Bearer t"}};
  at->second(std::move(call),
             [&](net::GrpcReply reply) { exchange.reply = std::move(reply); });
  return exchange;
}

TEST(TempoGrpc, SearchIsTheSameQuestionOverHttp) {
  std::string message;
  wire::ProtoWriter w(message);
  w.Varint(4, 7);
  w.Varint(5, 10);
  w.Varint(6, 20);
  w.Bytes(8, "{ .a = \"b&c\" }");
  w.Varint(9, 5);
  w.Bytes(11, "unknown");
  const Exchange exchange = Call("Search", message);
  EXPECT_EQ(exchange.reply.code, 0);
  EXPECT_EQ(exchange.reply.body, "answer");
  const net::HttpRequest& request = exchange.request;
  EXPECT_EQ(request.path, "/api/search");
  EXPECT_EQ(request.query.Get("q"), "{ .a = \"b&c\" }");
  EXPECT_EQ(request.query.Get("limit"), "7");
  EXPECT_EQ(request.query.Get("start"), "10");
  EXPECT_EQ(request.query.Get("end"), "20");
  EXPECT_EQ(request.query.Get("spss"), "5");
  EXPECT_EQ(request.headers.Get("Accept"), "application/protobuf");
  EXPECT_EQ(request.headers.Get("X-Scope-OrgID"), "team");
  EXPECT_EQ(request.headers.Get("Authorization"), "Bearer t");
}

TEST(TempoGrpc, OldTagsBecomeLogfmt) {
  std::string message;
  wire::ProtoWriter w(message);
  const size_t entry = w.Begin(1);
  w.Bytes(1, "name");
  w.Bytes(2, "a \"b\"");
  w.End(entry);
  w.Varint(2, 100);
  const Exchange exchange = Call("Search", message);
  EXPECT_EQ(exchange.request.query.Get("tags"), "name=\"a \\\"b\\\"\" ");
  EXPECT_EQ(exchange.request.query.Get("minDuration"), "100ms");
}

TEST(TempoGrpc, TagsAndMetricsHaveTheirPaths) {
  std::string message;
  wire::ProtoWriter(message).Bytes(1, "span.a/b");
  EXPECT_EQ(Call("SearchTags", message).request.target,
            "/api/search/tags?scope=span.a%2Fb");
  EXPECT_EQ(Call("SearchTagsV2", "").request.target, "/api/v2/search/tags");
  EXPECT_EQ(Call("SearchTagValues", message).request.target,
            "/api/search/tag/span.a%2Fb/values");
  EXPECT_EQ(Call("SearchTagValuesV2", message).request.target,
            "/api/v2/search/tag/span.a%2Fb/values");
  wire::ProtoWriter w(message);
  w.Varint(2, 1767225600000000000);
  w.Varint(4, 60000000000);
  w.Varint(18, 1);
  EXPECT_EQ(Call("MetricsQueryRange", message).request.target,
            "/api/metrics/query_range?q=span.a%2Fb&start=1767225600000000000&"
            "step=60000000000ns&instant=1");
  EXPECT_EQ(Call("MetricsQueryInstant", message).request.path,
            "/api/metrics/query");
}

TEST(TempoGrpc, MessagesAheadOfTheAnswerGoOn) {
  const Exchange exchange =
      Call("Search", "", {.body = "last", .ahead = {"first", "second"}});
  EXPECT_EQ(exchange.reply.body, "last");
  EXPECT_EQ(exchange.reply.ahead,
            (std::vector<std::string>{"first", "second"}));
}

TEST(TempoGrpc, ErrorsHaveGrpcsCodes) {
  const Exchange exchange =
      Call("Search", "", {.status = 400, .body = "invalid TraceQL query\n"});
  EXPECT_EQ(exchange.reply.code, static_cast<int>(Code::kInvalidArgument));
  EXPECT_EQ(exchange.reply.message, "invalid TraceQL query");
  EXPECT_EQ(Call("Search", "\xff\xff").reply.code,
            static_cast<int>(Code::kInvalidArgument));
  EXPECT_EQ(Call("Search", "", {.status = 401}).reply.code,
            static_cast<int>(Code::kUnauthenticated));
}

}  // namespace
}  // namespace khtrace::api
