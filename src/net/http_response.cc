// SPDX-License-Identifier: Apache-2.0
#include "net/http_response.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <iterator>
#include <optional>
#include <utility>

namespace khtrace::net {
namespace {

// Below this a TCP segment is not saved and the CPU time is wasted.
constexpr size_t kMinGzipBytes = 1024;
// zlib 1 to 9. JSON of traces: 1 reaches most of the ratio of 6 in a third of
// the time.
constexpr int kGzipLevel = 1;

bool Compressible(std::string_view content_type) {
  static constexpr std::array<std::string_view, 8> kPrefixes = {
      "text/",
      "application/json",
      "application/javascript",
      "application/xml",
      "application/x-protobuf",
      "application/protobuf",
      "application/openmetrics-text",
      "image/svg+xml",
  };
  return std::ranges::any_of(kPrefixes, [content_type](std::string_view p) {
    return content_type.starts_with(p);
  });
}

std::optional<std::string> Gzip(std::string_view plain) {
  z_stream stream{};
  // 15 + 16: the largest window, in gzip's frame.
  if (deflateInit2(&stream, kGzipLevel, Z_DEFLATED, 15 + 16, 8,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return std::nullopt;
  }
  std::string packed(deflateBound(&stream, plain.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int state = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (state != Z_STREAM_END || packed.size() >= plain.size()) {
    return std::nullopt;
  }
  return packed;
}

bool MayCompress(const HttpResponse& response, const HttpAnswerForm& form) {
  return form.accepts_gzip && response.body.size() > kMinGzipBytes &&
         response.body.size() < (1u << 30) &&
         Compressible(response.content_type) &&
         !response.headers.Has("content-encoding");
}

bool HasNoBody(int status) {
  return status < 200 || status == 204 || status == 304;
}

// A line break inside a value would begin a header of the sender's choice.
void AppendField(std::string& head, std::string_view name,
                 std::string_view value) {
  const size_t begin = head.size();
  fmt::format_to(std::back_inserter(head), "{}: {}", name, value);
  std::replace_if(
      head.begin() + static_cast<ptrdiff_t>(begin), head.end(),
      [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  head += "\r\n";
}

}  // namespace

bool AcceptsGzip(std::string_view accept_encoding) {
  while (!accept_encoding.empty()) {
    const size_t comma =
        std::min(accept_encoding.find(','), accept_encoding.size());
    std::string item(accept_encoding.substr(0, comma));
    accept_encoding.remove_prefix(std::min(comma + 1, accept_encoding.size()));
    std::erase(item, ' ');
    const std::string_view view = item;
    const std::string_view coding = view.substr(0, view.find(';'));
    if (coding != "gzip" && coding != "*") continue;
    const size_t weight = item.find(";q=");
    return weight == std::string::npos ||
           std::strtod(item.c_str() + weight + 3, nullptr) > 0;
  }
  return false;
}

HttpWireAnswer EncodeResponse(HttpResponse response, const HttpAnswerForm& form,
                              const HttpHeaders& extra) {
  HttpWireAnswer answer;
  std::string& head = answer.head;
  fmt::format_to(std::back_inserter(head), "HTTP/1.{} {} {}\r\n",
                 form.minor_version, response.status,
                 HttpReason(response.status));
  if (MayCompress(response, form)) {
    if (auto packed = Gzip(response.body)) {
      response.body = *std::move(packed);
      response.headers.Add("Content-Encoding", "gzip");
      response.headers.Add("Vary", "Accept-Encoding");
    }
  }
  if (!response.content_type.empty()) {
    AppendField(head, "Content-Type", response.content_type);
  }
  for (const auto& [name, value] : response.headers) {
    AppendField(head, name, value);
  }
  for (const auto& [name, value] : extra) AppendField(head, name, value);
  fmt::format_to(std::back_inserter(head),
                 "Date: {:%a, %d %b %Y %H:%M:%S} GMT\r\n",
                 fmt::gmtime(std::time(nullptr)));
  if (!HasNoBody(response.status)) {
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n",
                   response.body.size());
    if (!form.head_only) answer.body = std::move(response.body);
  }
  if (!form.keep_alive) {
    head += "Connection: close\r\n";
  } else if (form.minor_version == 0) {
    head += "Connection: keep-alive\r\n";
  }
  head += "\r\n";
  return answer;
}

}  // namespace khtrace::net
