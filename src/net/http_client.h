// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http.h"

namespace khtrace::net {

struct HttpClientOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 80;
  std::chrono::milliseconds connect_timeout{5'000};
  // For one whole exchange.
  std::chrono::milliseconds request_timeout{30'000};
  // Longer answers are kResourceExhausted.
  size_t max_response_bytes = 256u << 20;
  // Sent with every request.
  HttpHeaders headers = {};
};

// A blocking HTTP/1.1 client without TLS: for the command line, health checks
// and benches. Keeps its connection from one request to the next, and connects
// again once when a kept one turns out dead. External: one thread at a time.
class HttpClient {
 public:
  explicit HttpClient(HttpClientOptions options);
  ~HttpClient();
  HttpClient(HttpClient&& other) noexcept;
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  HttpClient& operator=(HttpClient&&) = delete;

  // Any status is a response; an Error means that there was none:
  // kUnavailable (no connection), kDeadlineExceeded, kDataLoss (malformed or
  // cut short), kResourceExhausted.
  Result<HttpResponse> Get(std::string_view target, HttpHeaders headers = {});
  Result<HttpResponse> Post(std::string_view target, std::string_view body,
                            std::string_view content_type,
                            HttpHeaders headers = {});
  Result<HttpResponse> Send(std::string_view method, std::string_view target,
                            const HttpHeaders& headers, std::string_view body);

  void Close();

 private:
  Status Connect();
  Status WriteAll(std::string_view head, std::string_view body);
  Status ReadMore();
  Result<HttpResponse> ReadResponse(bool head_request);
  Status ReadChunked(std::string& body);
  Status ReadExactly(size_t count, std::string& body);
  Status ReadToEnd(std::string& body);
  Result<std::string> ReadLine();
  Status WaitFor(short events);

  HttpClientOptions options_;
  int fd_ = -1;
  std::string buffer_;  // read, not yet used
  std::chrono::steady_clock::time_point deadline_;
};

}  // namespace khtrace::net
