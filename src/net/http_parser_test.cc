// SPDX-License-Identifier: Apache-2.0
#include "net/http_parser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace khtrace::net {
namespace {

// The body of a chunked request that comes `step` bytes at a time.
std::string BodyInSteps(std::string_view chunks, size_t step) {
  const std::string request =
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" +
      std::string(chunks);
  const std::string_view bytes = request;
  HttpParser parser(4096);
  size_t begin = 0;
  bool taken = false;
  for (size_t end = step; begin < bytes.size(); end += step) {
    const size_t until = std::min(end, bytes.size());
    size_t used = 0;
    do {  // a head ends a call
      used = parser.Feed(bytes.substr(begin, until - begin));
      begin += used;
      if (parser.error()) return parser.error()->message;
      if (parser.head_done() && !taken) {
        taken = true;
        parser.TakeHead();
        parser.SetBodyLimit(1000);
      }
    } while (used > 0 && begin < until && !parser.body_done());
    if (taken && parser.body_done()) return parser.TakeBody();
    if (end > bytes.size()) return "not done";
  }
  return "not done";
}

TEST(HttpParser, ReadsChunksInPiecesOfAnySize) {
  for (size_t step = 1; step < 40; ++step) {
    EXPECT_EQ(BodyInSteps("0\r\n\r\n", step), "") << step;
    EXPECT_EQ(BodyInSteps("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", step), "abcde")
        << step;
    // Data that looks like a last chunk.
    EXPECT_EQ(BodyInSteps("4\r\n0\r\nX\r\n0\r\n\r\n", step), "0\r\nX") << step;
    EXPECT_EQ(BodyInSteps("3\r\n0\r\n\r\n0\r\n\r\n", step), "0\r\n") << step;
  }
}

}  // namespace
}  // namespace khtrace::net
