// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "api/tempo.h"
#include "api/tempo_common.h"
#include "api/tempo_grpc.h"
#include "api/testing.h"
#include "wire/protobuf.h"

// tempopb.StreamingQuerier over a store, without the network.

namespace khtrace::api {
namespace {

// Fields of a protobuf message that are texts or messages, by number.
std::vector<std::string> FieldsOf(const std::vector<std::string>& messages,
                                  uint32_t number) {
  std::vector<std::string> values;
  for (const std::string& message : messages) {
    wire::ProtoReader r(message);
    while (r.Next()) {
      if (r.tag() == wire::ProtoReader::Tag(number, wire::WireType::kLen)) {
        values.emplace_back(r.Bytes());
      } else {
        r.Skip();
      }
    }
  }
  return values;
}

class TempoStream : public ApiFixture {
 protected:
  TempoStream() {
    RegisterTempo(router_, api_, health_);
    handlers_ = TempoGrpcHandlers(
        [this](net::HttpRequest request, net::HttpRespond respond) {
          router_.Handle(std::move(request), std::move(respond));
        });
  }

  void StoreTraces(uint64_t count, size_t name_bytes) {
    const std::string name(name_bytes, 'n');
    for (uint64_t i = 0; i < count; ++i) {
      Store({{.trace = {1, i + 1},
              .name = name,
              .start = kTestEpoch + i * kSecond / 10}});
    }
  }

  // All messages of a call; `takes`: whether those ahead of the end go out.
  std::vector<std::string> Stream(const std::string& method,
                                  std::string message, bool takes = true) {
    std::vector<std::string> messages;
    net::GrpcRequest call;
    call.message = std::move(message);
    call.send_ahead = [&](const std::string& ahead) {
      if (takes) messages.push_back(ahead);
      return takes;
    };
    handlers_.at("/tempopb.StreamingQuerier/" + method)(
        std::move(call), [&](net::GrpcReply reply) {
          EXPECT_EQ(reply.code, 0) << reply.message;
          for (std::string& ahead : reply.ahead) {
            messages.push_back(std::move(ahead));
          }
          messages.push_back(std::move(reply.body));
        });
    for (const std::string& one : messages) {
      EXPECT_LT(one.size(), kMaxMessageBytes + 100);
    }
    return messages;
  }

  telemetry::Health health_;
  net::GrpcHandlers handlers_;
};

std::string SearchFor(std::string_view query, uint64_t limit) {
  std::string message;
  wire::ProtoWriter w(message);
  w.Varint(4, limit);
  w.Varint(5, kTestEpoch / kSecond - 10);
  w.Varint(6, kTestEpoch / kSecond + 100);
  w.Bytes(8, query);
  return message;
}

TEST_F(TempoStream, TracesOfAllMessagesAreThoseOfTheAnswerInOnePiece) {
  StoreTraces(300, 10'000);
  const net::HttpResponse whole =
      Get("/api/search?q=%7B%7D&limit=250&start=1767225590&end=1767225700",
          {{"Accept", "application/protobuf"}});
  const std::vector<std::string> expected = FieldsOf({whole.body}, 1);
  ASSERT_EQ(expected.size(), 250u);
  for (const bool takes : {true, false}) {
    const auto messages = Stream("Search", SearchFor("{ }", 250), takes);
    EXPECT_GT(messages.size(), 2u);
    EXPECT_TRUE(FieldsOf(messages, 1) == expected);
    EXPECT_EQ(FieldsOf(messages, 2).back(), FieldsOf({whole.body}, 2).back());
  }
  const auto ordered =
      Stream("Search", SearchFor("{ } with(order_by=\"duration desc\")", 20));
  EXPECT_EQ(FieldsOf(ordered, 1).size(), 20u);
}

TEST_F(TempoStream, TheFirstMessageTellsHowMuchThereIsToDo) {
  StoreTraces(3, 10);
  const auto messages = Stream("Search", SearchFor("{ }", 20));
  ASSERT_GE(messages.size(), 2u);
  EXPECT_EQ(FieldsOf({messages[0]}, 1).size(), 0u);
  // totalBlocks = 3, totalJobs = 5; completedJobs = 4 is zero.
  EXPECT_EQ(FieldsOf({messages[0]}, 2),
            std::vector<std::string>{"\x18\x01\x28\x01"});
}

TEST_F(TempoStream, SeriesOfAllMessagesAreThoseOfTheAnswerInOnePiece) {
  StoreTraces(50, 10);
  std::string message;
  wire::ProtoWriter w(message);
  // Any spans may be exemplars.
  w.Bytes(1, "{ } | rate() by (resource.service.name) with(exemplars=false)");
  w.Varint(2, kTestEpoch);
  w.Varint(3, kTestEpoch + 60 * kSecond);
  w.Varint(4, kSecond);
  const net::HttpResponse whole =
      Get("/api/metrics/query_range?q=%7B%7D%7Crate()by(resource.service.name)"
          "with(exemplars=false)"
          "&start=1767225600&end=1767225660&step=1",
          {{"Accept", "application/protobuf"}});
  const auto messages = Stream("MetricsQueryRange", message);
  EXPECT_GE(messages.size(), 2u);
  EXPECT_EQ(FieldsOf(messages, 1), FieldsOf({whole.body}, 1));
  EXPECT_EQ(FieldsOf(messages, 1).size(), 1u);
}

TEST_F(TempoStream, ErrorsEndIt) {
  net::GrpcRequest call;
  call.message = SearchFor("{ .a == 1 }", 20);
  call.send_ahead = [](const std::string&) { return true; };
  handlers_.at("/tempopb.StreamingQuerier/Search")(
      std::move(call), [&](const net::GrpcReply& reply) {
        EXPECT_EQ(reply.code, static_cast<int>(Code::kInvalidArgument));
      });
}

}  // namespace
}  // namespace khtrace::api
