// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"

namespace khtrace::net {

// What the headers of a request say, framing included.
struct HttpRequestHead {
  HttpRequest request;  // without body, peer, tls and stop
  int minor_version = 1;
  bool keep_alive = true;
  bool chunked = false;
  std::optional<uint64_t> content_length;
  bool expects_continue = false;
};

// Why a request cannot be understood, as the status to answer with.
struct HttpSyntaxError {
  int status;
  std::string message;
};

// Reads one request head and, if chunked, its body, from bytes in any
// portions. Bodies with a Content-Length are left to the caller. Confined.
class HttpParser {
 public:
  explicit HttpParser(size_t max_header_bytes);
  ~HttpParser();

  // Uses a prefix of `bytes` and returns its length; what is left must come
  // again, with more behind it. Stops behind the head, then behind the chunked
  // body. Nothing is used once error() is set.
  size_t Feed(std::string_view bytes);

  const std::optional<HttpSyntaxError>& error() const;
  bool head_done() const;
  // Once, when head_done(). Sets error() for a head that is well-formed but
  // cannot be served (no Host, an unknown Transfer-Encoding, ...).
  HttpRequestHead TakeHead();

  // Chunked bodies: the limit is set before the first byte of it is fed;
  // over it, error() is 413.
  void SetBodyLimit(uint64_t limit_bytes);
  bool body_done() const;
  const std::string& body() const;
  std::string TakeBody();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace khtrace::net
