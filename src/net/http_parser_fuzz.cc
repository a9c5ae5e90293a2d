// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "net/http_parser.h"

// The first byte chooses into which portions the rest is cut.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using khtrace::net::HttpParser;
  constexpr size_t kBodyLimit = 1000;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1,
                               size - 1);
  const size_t step = data[0] == 0 ? bytes.size() : data[0];
  HttpParser parser(4096);
  bool chunked = false;
  size_t begin = 0;
  for (size_t end = 0; end < bytes.size();) {
    end = end + step < bytes.size() ? end + step : bytes.size();
    begin += parser.Feed(bytes.substr(begin, end - begin));
    KHTRACE_CHECK(begin <= end);
    if (parser.error()) return 0;
    if (parser.head_done() && !chunked) {
      chunked = parser.TakeHead().chunked;
      if (parser.error() || !chunked) return 0;
      parser.SetBodyLimit(kBodyLimit);
      end = begin;  // what is left belongs to the body
    }
    if (chunked && parser.body_done()) {
      KHTRACE_CHECK(parser.TakeBody().size() <= kBodyLimit);
      return 0;
    }
  }
  return 0;
}
