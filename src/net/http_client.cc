// SPDX-License-Identifier: Apache-2.0
#include "net/http_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>

namespace khtrace::net {
namespace {

constexpr size_t kReadBytes = 64u << 10;
constexpr size_t kMaxLineBytes = 64u << 10;

std::string ErrnoText() { return std::generic_category().message(errno); }

Error CutShort() {
  return {Code::kDataLoss, "the server closed before its answer was complete"};
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

template <typename T>
std::optional<T> ParseNumber(std::string_view text, int base) {
  T value{};
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || text.empty()) return std::nullopt;
  if (end != text.data() + text.size() && *end != ';') return std::nullopt;
  return value;
}

}  // namespace

HttpClient::HttpClient(HttpClientOptions options)
    : options_(std::move(options)) {}

HttpClient::~HttpClient() { Close(); }

HttpClient::HttpClient(HttpClient&& other) noexcept
    : options_(std::move(other.options_)),
      fd_(std::exchange(other.fd_, -1)),
      buffer_(std::move(other.buffer_)) {}

void HttpClient::Close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  buffer_.clear();
}

Result<HttpResponse> HttpClient::Get(std::string_view target,
                                     HttpHeaders headers) {
  return Send("GET", target, headers, {});
}

Result<HttpResponse> HttpClient::Post(std::string_view target,
                                      std::string_view body,
                                      std::string_view content_type,
                                      HttpHeaders headers) {
  headers.Set("Content-Type", std::string(content_type));
  return Send("POST", target, headers, body);
}

Result<HttpResponse> HttpClient::Send(std::string_view method,
                                      std::string_view target,
                                      const HttpHeaders& headers,
                                      std::string_view body) {
  std::string head;
  fmt::format_to(std::back_inserter(head), "{} {} HTTP/1.1\r\n", method,
                 target);
  if (!headers.Has("host")) {
    fmt::format_to(std::back_inserter(head), "Host: {}:{}\r\n", options_.host,
                   options_.port);
  }
  for (const HttpHeaders* part :
       std::initializer_list<const HttpHeaders*>{&options_.headers, &headers}) {
    for (const auto& [name, value] : *part) {
      fmt::format_to(std::back_inserter(head), "{}: {}\r\n", name, value);
    }
  }
  if (!body.empty() || method == "POST" || method == "PUT") {
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n",
                   body.size());
  }
  head += "\r\n";

  const bool kept = fd_ >= 0;
  deadline_ = std::chrono::steady_clock::now() + options_.request_timeout;
  for (bool retry : {kept, false}) {
    if (fd_ < 0) RETURN_IF_ERROR(Connect());
    Status written = WriteAll(head, body);
    // A server that refuses early answers before it has read everything.
    auto response = ReadResponse(method == "HEAD");
    if (response) return response;
    const bool nothing_came = buffer_.empty();
    Close();
    // A kept connection may have been closed while it was idle.
    const bool dead = response.error().code == Code::kDataLoss || !written;
    if (retry && nothing_came && dead) continue;
    if (!written) return std::move(written).error();
    return std::move(response).error();
  }
  return CutShort();  // not reached: the second round returns
}

Status HttpClient::Connect() {
  const auto fail = [this](std::string_view reason) {
    Close();
    return Error{Code::kUnavailable,
                 fmt::format("cannot connect to {}:{}: {}", options_.host,
                             options_.port, reason)};
  };
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int lookup =
      ::getaddrinfo(options_.host.c_str(),
                    std::to_string(options_.port).c_str(), &hints, &found);
  if (lookup != 0) return fail(::gai_strerror(lookup));
  std::string reason;
  const auto request_deadline = deadline_;
  deadline_ = std::min(
      deadline_, std::chrono::steady_clock::now() + options_.connect_timeout);
  for (addrinfo* at = found; at != nullptr && fd_ < 0; at = at->ai_next) {
    fd_ =
        ::socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) {
      reason = ErrnoText();
      continue;
    }
    int error = ::connect(fd_, at->ai_addr, at->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
      socklen_t size = sizeof(error);
      if (WaitFor(POLLOUT)) {
        ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
      } else {
        error = ETIMEDOUT;
      }
    }
    if (error == 0) continue;
    reason = std::generic_category().message(error);
    Close();
  }
  ::freeaddrinfo(found);
  deadline_ = request_deadline;
  if (fd_ < 0) return fail(reason);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return {};
}

Status HttpClient::WaitFor(short events) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        deadline_ - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      return Error{Code::kDeadlineExceeded,
                   fmt::format("no answer from {}:{} in time", options_.host,
                               options_.port)};
    }
    pollfd wait{fd_, events, 0};
    if (::poll(&wait, 1, static_cast<int>(left.count())) > 0) return {};
  }
}

Status HttpClient::WriteAll(std::string_view head, std::string_view body) {
  while (!head.empty() || !body.empty()) {
    std::array<iovec, 2> parts = {
        iovec{const_cast<char*>(head.data()), head.size()},
        iovec{const_cast<char*>(body.data()), body.size()}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) {
        return Error{Code::kUnavailable,
                     fmt::format("cannot send to {}:{}: {}", options_.host,
                                 options_.port, ErrnoText())};
      }
      RETURN_IF_ERROR(WaitFor(POLLOUT));
      continue;
    }
    const size_t of_head = std::min(head.size(), static_cast<size_t>(sent));
    head.remove_prefix(of_head);
    body.remove_prefix(static_cast<size_t>(sent) - of_head);
  }
  return {};
}

// Appends to buffer_; kDataLoss at the end of the stream.
Status HttpClient::ReadMore() {
  const size_t have = buffer_.size();
  buffer_.resize(have + kReadBytes);
  for (;;) {
    const ssize_t got = ::recv(fd_, buffer_.data() + have, kReadBytes, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) {
      if (Status ready = WaitFor(POLLIN); !ready) {
        buffer_.resize(have);
        return ready;
      }
      continue;
    }
    buffer_.resize(have + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got <= 0) return CutShort();
    return {};
  }
}

Result<std::string> HttpClient::ReadLine() {
  size_t end;
  while ((end = buffer_.find("\r\n")) == std::string::npos) {
    if (buffer_.size() > kMaxLineBytes) {
      return Error{Code::kDataLoss, "malformed answer: line too long"};
    }
    RETURN_IF_ERROR(ReadMore());
  }
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return line;
}

Result<HttpResponse> HttpClient::ReadResponse(bool head_request) {
  HttpResponse response;
  bool keep = true;
  do {  // 100 Continue comes before the answer itself
    response = {};
    ASSIGN_OR_RETURN(const std::string line, ReadLine());
    const auto status = line.size() >= 12
                            ? ParseNumber<int>(line.substr(9, 3), 10)
                            : std::nullopt;
    if (!line.starts_with("HTTP/1.") || !status) {
      return Error{Code::kDataLoss,
                   fmt::format("malformed status line '{}'", line)};
    }
    response.status = *status;
    keep = line[7] == '1';
    for (;;) {
      ASSIGN_OR_RETURN(const std::string field, ReadLine());
      if (field.empty()) break;
      const size_t colon = std::min(field.find(':'), field.size());
      response.headers.Add(field.substr(0, colon),
                           std::string(Trim(std::string_view(field).substr(
                               std::min(colon + 1, field.size())))));
    }
  } while (response.status / 100 == 1);
  response.content_type = response.headers.Get("content-type");

  const auto length =
      ParseNumber<uint64_t>(response.headers.Get("content-length"), 10);
  if (head_request || response.status == 204 || response.status == 304) {
    // no body
  } else if (response.headers.Get("transfer-encoding") == "chunked") {
    RETURN_IF_ERROR(ReadChunked(response.body));
  } else if (length) {
    RETURN_IF_ERROR(ReadExactly(*length, response.body));
  } else {
    RETURN_IF_ERROR(ReadToEnd(response.body));
    keep = false;
  }
  const std::string_view connection = response.headers.Get("connection");
  if (!keep || connection == "close" || connection == "Close") Close();
  return response;
}

Status HttpClient::ReadExactly(size_t count, std::string& body) {
  if (count > options_.max_response_bytes - body.size()) {
    return Error{Code::kResourceExhausted,
                 fmt::format("answer larger than {} bytes",
                             options_.max_response_bytes)};
  }
  while (buffer_.size() < count) RETURN_IF_ERROR(ReadMore());
  body.append(buffer_, 0, count);
  buffer_.erase(0, count);
  return {};
}

Status HttpClient::ReadChunked(std::string& body) {
  for (;;) {
    ASSIGN_OR_RETURN(const std::string line, ReadLine());
    const auto size = ParseNumber<uint64_t>(line, 16);
    if (!size) return Error{Code::kDataLoss, "malformed chunk in the answer"};
    RETURN_IF_ERROR(ReadExactly(*size, body));
    if (*size > 0) {
      ASSIGN_OR_RETURN(const std::string end, ReadLine());
      if (end.empty()) continue;
      return Error{Code::kDataLoss, "malformed chunk in the answer"};
    }
    for (;;) {  // trailers
      ASSIGN_OR_RETURN(const std::string trailer, ReadLine());
      if (trailer.empty()) return {};
    }
  }
}

Status HttpClient::ReadToEnd(std::string& body) {
  for (;;) {
    const Status more = ReadMore();
    if (buffer_.size() > options_.max_response_bytes) {
      return ReadExactly(buffer_.size(), body);
    }
    if (more) continue;
    if (more.error().code != Code::kDataLoss) return more;
    body = std::exchange(buffer_, {});
    return {};
  }
}

}  // namespace khtrace::net
