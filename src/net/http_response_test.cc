// SPDX-License-Identifier: Apache-2.0
#include "net/http_response.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/grpc_status.h"

namespace khtrace::net {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(EncodeResponse, CompressesLargeTextForThoseWhoAcceptIt) {
  const std::string json(5000, 'x');
  const HttpAnswerForm form{.accepts_gzip = true};
  const HttpWireAnswer packed =
      EncodeResponse(JsonResponse(200, json), form, {});
  EXPECT_THAT(packed.head, HasSubstr("Content-Encoding: gzip\r\n"));
  EXPECT_LT(packed.body.size(), 200u);
  const HttpWireAnswer plain = EncodeResponse(JsonResponse(200, json), {}, {});
  EXPECT_THAT(plain.head, HasSubstr("Content-Length: 5000\r\n"));
  EXPECT_EQ(plain.body, json);
  EXPECT_THAT(EncodeResponse(JsonResponse(200, "{}"), form, {}).head,
              Not(HasSubstr("gzip")));
}

TEST(EncodeResponse, KeepsLineBreaksOutOfHeaders) {
  const HttpWireAnswer answer = EncodeResponse(
      {.headers = {{"X-A", "1\r\nX-B: 2"}}}, HttpAnswerForm{}, {});
  EXPECT_THAT(answer.head, HasSubstr("X-A: 1  X-B: 2\r\n"));
}

TEST(EncodeResponse, AnnouncesButOmitsTheBodyOfHead) {
  const HttpWireAnswer answer =
      EncodeResponse({.body = "abc"}, {.head_only = true}, {});
  EXPECT_THAT(answer.head, HasSubstr("Content-Length: 3\r\n"));
  EXPECT_EQ(answer.body, "");
}

TEST(EncodeResponse, LeavesBodyAndLengthOutOf204) {
  const HttpWireAnswer answer =
      EncodeResponse({.status = 204, .body = "abc"}, {}, {});
  EXPECT_THAT(answer.head, Not(HasSubstr("Content-Length")));
  EXPECT_EQ(answer.body, "");
}

TEST(AcceptsGzip, ReadsWeights) {
  EXPECT_TRUE(AcceptsGzip("deflate, gzip"));
  EXPECT_TRUE(AcceptsGzip("gzip;q=0.5"));
  EXPECT_TRUE(AcceptsGzip("*"));
  EXPECT_FALSE(AcceptsGzip(""));
  EXPECT_FALSE(AcceptsGzip("br, gzip; q=0"));
  EXPECT_FALSE(AcceptsGzip("xgzip"));
}

TEST(EncodeRetryStatus, WritesTheProtobufBytesOfStatusAndRetryInfo) {
  const std::string type = "type.googleapis.com/google.rpc.RetryInfo";
  const std::string any =
      "\x0a\x28" + type + std::string("\x12\x04\x0a\x02\x08\x02");
  EXPECT_EQ(EncodeRetryStatus(8, "full", std::chrono::seconds(2)),
            "\x08\x08\x12\x04"
            "full"
            "\x1a" +
                std::string(1, char(any.size())) + any);
}

}  // namespace
}  // namespace khtrace::net
