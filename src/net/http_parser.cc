// SPDX-License-Identifier: Apache-2.0
#include "net/http_parser.h"

#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <utility>

#include "base/text.h"

namespace khtrace::net {

namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

std::string ToString(beast::string_view text) {
  return {text.data(), text.size()};
}

std::string_view Target(const HttpRequest& request) { return request.target; }

HttpRequest ToRequest(const http::request<http::string_body>& message) {
  HttpRequest request;
  request.method = ToString(message.method_string());
  request.target = ToString(message.target());
  for (const auto& field : message) {
    request.headers.Add(ToString(field.name_string()), ToString(field.value()));
  }
  request.path = PercentDecode(request.raw_path(), /*plus_is_space=*/false);
  const std::string_view target = Target(request);
  if (const size_t mark = target.find('?'); mark != std::string_view::npos) {
    request.query = QueryParams::Parse(target.substr(mark + 1));
  }
  return request;
}

HttpSyntaxError ToSyntaxError(const beast::error_code& code,
                              size_t max_header_bytes, uint64_t body_limit) {
  if (code == http::error::header_limit) {
    return {431, "request header larger than " +
                     std::to_string(max_header_bytes) + " bytes"};
  }
  if (code == http::error::body_limit) {
    return {413, "request body larger than " + std::to_string(body_limit) +
                     " bytes"};
  }
  if (code == http::error::bad_version) {
    return {505, "unsupported HTTP version"};
  }
  return {400, "malformed HTTP request: " + code.message()};
}

// Beast, having seen a last chunk's "0\r\n", asserts that more than one byte
// came since (basic_parser.ipp, parse_chunk_header). Two more must come.
bool IsTooShortForBeast(std::string_view rest) {
  return rest.size() == 4 && rest.starts_with("0\r\n");
}

}  // namespace

struct HttpParser::Impl {
  http::request_parser<http::string_body> parser;
  size_t max_header_bytes = 0;
  uint64_t body_limit = 0;
  std::optional<HttpSyntaxError> error;
};

HttpParser::HttpParser(size_t max_header_bytes)
    : impl_(std::make_unique<Impl>()) {
  impl_->max_header_bytes = max_header_bytes;
  impl_->parser.header_limit(static_cast<uint32_t>(max_header_bytes));
  impl_->parser.body_limit(boost::none);
}

HttpParser::~HttpParser() = default;

size_t HttpParser::Feed(std::string_view bytes) {
  // One put() is one step: a line block of the head, a chunk header, a piece
  // of a chunk.
  size_t used = 0;
  const bool had_head = head_done();
  while (used < bytes.size() && !impl_->error && !body_done() &&
         head_done() == had_head) {
    if (had_head && impl_->parser.chunked() &&
        IsTooShortForBeast(bytes.substr(used))) {
      break;
    }
    beast::error_code code;
    const size_t step = impl_->parser.put(
        boost::asio::const_buffer(bytes.data() + used, bytes.size() - used),
        code);
    used += step;
    if (code == http::error::need_more) break;
    if (code) {
      impl_->error =
          ToSyntaxError(code, impl_->max_header_bytes, impl_->body_limit);
    }
  }
  return used;
}

const std::optional<HttpSyntaxError>& HttpParser::error() const {
  return impl_->error;
}
bool HttpParser::head_done() const { return impl_->parser.is_header_done(); }

HttpRequestHead HttpParser::TakeHead() {
  const auto& message = impl_->parser.get();
  HttpRequestHead head;
  head.request = ToRequest(message);
  head.minor_version = message.version() >= 11 ? 1 : 0;
  head.keep_alive = impl_->parser.keep_alive();
  head.chunked = impl_->parser.chunked();
  if (const auto length = impl_->parser.content_length()) {
    head.content_length = *length;
  }
  const HttpHeaders& headers = head.request.headers;
  if (headers.Has("transfer-encoding") &&
      !beast::iequals(ToString(message["Transfer-Encoding"]), "chunked")) {
    impl_->error = {501, "unsupported Transfer-Encoding"};
  } else if (head.minor_version == 1 && !headers.Has("host")) {
    impl_->error = {400, "missing Host header"};
  } else if (headers.Has("expect")) {
    head.expects_continue =
        beast::iequals(ToString(message["Expect"]), "100-continue");
    if (!head.expects_continue) {
      impl_->error = {417, "unsupported Expect header"};
    }
  }
  return head;
}

void HttpParser::SetBodyLimit(uint64_t limit_bytes) {
  impl_->body_limit = limit_bytes;
  impl_->parser.body_limit(limit_bytes);
}
bool HttpParser::body_done() const {
  return head_done() && impl_->parser.is_done();
}
const std::string& HttpParser::body() const {
  return impl_->parser.get().body();
}
std::string HttpParser::TakeBody() {
  return std::move(impl_->parser.get().body());
}

}  // namespace khtrace::net
