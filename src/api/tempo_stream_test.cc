// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>
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

TEST_F(TempoStream, InstantValuesOfAllMessagesAreThoseOfTheAnswer) {
  StoreTraces(50, 10);
  std::string message;
  wire::ProtoWriter w(message);
  w.Bytes(1, "{ } | count_over_time() by (resource.service.name)");
  w.Varint(2, kTestEpoch);
  w.Varint(3, kTestEpoch + 60 * kSecond);
  const net::HttpResponse whole =
      Get("/api/metrics/query?q=%7B%7D%7Ccount_over_time()by"
          "(resource.service.name)&start=1767225600&end=1767225660",
          {{"Accept", "application/protobuf"}});
  const auto messages = Stream("MetricsQueryInstant", message);
  EXPECT_GE(messages.size(), 2u);
  EXPECT_EQ(FieldsOf({messages[0]}, 1).size(), 0u);
  EXPECT_EQ(FieldsOf(messages, 1), FieldsOf({whole.body}, 1));
  EXPECT_EQ(FieldsOf(messages, 1).size(), 1u);
}

std::set<std::string> SetOf(const std::vector<std::string>& values) {
  return {values.begin(), values.end()};
}

// By method and request, what the same question is over HTTP.
struct TagQuestion {
  std::string method;
  std::string message;
  std::string target;
};

std::vector<TagQuestion> TagQuestions() {
  std::string names;
  wire::ProtoWriter(names).Bytes(2, "{ name != `` }");
  std::string values;
  wire::ProtoWriter(values).Bytes(1, "name");
  std::string of_trace;
  wire::ProtoWriter w(of_trace);
  w.Bytes(1, "resource.service.name");
  w.Bytes(2, "{ name != `` }");
  return {
      {"SearchTags", names, "/api/search/tags?q=%7Bname!=%60%60%7D"},
      {"SearchTagsV2", names, "/api/v2/search/tags?q=%7Bname!=%60%60%7D"},
      {"SearchTagValues", values, "/api/search/tag/name/values"},
      {"SearchTagValuesV2", values, "/api/v2/search/tag/name/values"},
      {"SearchTagValuesV2", of_trace,
       "/api/v2/search/tag/resource.service.name/values?q=%7Bname!=%60%60%7D"},
  };
}

TEST_F(TempoStream, TagsOfAllMessagesAreThoseOfTheAnswer) {
  for (uint64_t i = 0; i < 40; ++i) {
    Store({{.trace = {1, i + 1},
            .name = std::string(60'000, static_cast<char>('a' + i % 26)),
            .start = kTestEpoch + i * kSecond}});
  }
  for (const TagQuestion& question : TagQuestions()) {
    const net::HttpResponse whole =
        Get(question.target, {{"Accept", "application/protobuf"}});
    const std::vector<std::string> expected = FieldsOf({whole.body}, 1);
    ASSERT_GT(expected.size(), 0u) << question.target;
    for (const bool takes : {true, false}) {
      const auto messages = Stream(question.method, question.message, takes);
      const std::vector<std::string> told = FieldsOf(messages, 1);
      EXPECT_EQ(told.size(), expected.size()) << question.target;
      EXPECT_TRUE(SetOf(told) == SetOf(expected)) << question.target;
      if (!takes) continue;
      // The first one tells how much there is to do, the last that it is done.
      ASSERT_GE(messages.size(), 2u) << question.target;
      EXPECT_EQ(FieldsOf({messages.front()}, 1).size(), 0u);
      EXPECT_EQ(FieldsOf({messages.front()}, 2).size(), 1u);
      EXPECT_EQ(FieldsOf(messages, 2).back(), FieldsOf({whole.body}, 2).back());
    }
  }
}

TEST_F(TempoStream, TagValuesKeepTheirLimit) {
  StoreTraces(10, 1);
  for (uint64_t i = 0; i < 20; ++i) {
    Store({{.trace = {2, i + 1},
            .name = fmt::format("n{}", i),
            .start = kTestEpoch + i * kSecond}});
  }
  std::string message;
  wire::ProtoWriter w(message);
  w.Bytes(1, "name");
  w.Varint(6, 7);
  const auto values = FieldsOf(Stream("SearchTagValuesV2", message), 1);
  EXPECT_EQ(values.size(), 7u);
  EXPECT_EQ(SetOf(values).size(), 7u);
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
