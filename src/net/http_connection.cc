// SPDX-License-Identifier: Apache-2.0
#include "net/http_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

namespace khtrace::net {
namespace {

// A typical head with room to spare. Larger: more memory per idle connection,
// and more of a body's first bytes go through this buffer instead of straight
// into the body.
constexpr size_t kInputBytes = 4096;
// Where chunked and dropped bodies pass through. Larger: fewer reads.
constexpr size_t kBigInputBytes = 64u << 10;
// Bytes asked of the kernel at once. They are zeroed first by std::string, so
// a piece that fits the L2 cache is cheaper than a whole body.
constexpr size_t kBodyReadBytes = 256u << 10;
// A Content-Length is believed this far before any byte has arrived, then up
// to kBodyGrowth times of what has.
constexpr size_t kBodyFirstBytes = 512u << 10;
constexpr size_t kBodyGrowth = 4;
// Written under one write_timeout.
constexpr size_t kWriteBytes = 1u << 20;
// How long a refused client may go on sending before it is cut. Closing with
// unread data would reset the connection, and the client lose the answer.
constexpr std::chrono::seconds kLingerTime{2};
// What every HTTP/2 connection begins with, and no HTTP/1 one.
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

HttpHeaders ServerHeaders(const HttpServerOptions& options,
                          std::string_view origin) {
  HttpHeaders headers = CorsHeaders(options.cors, origin);
  for (const auto& [name, value] : options.response_headers) {
    headers.Add(name, value);
  }
  return headers;
}

}  // namespace

// The answer that a handler owes. The form is worked out in the thread that
// answers, so compressing never holds an I/O thread. Thread-safe.
class HttpConnection::PendingReply {
 public:
  PendingReply(std::shared_ptr<HttpConnection> connection, HttpAnswerForm form,
               std::string origin, ByteLease body_lease)
      : connection_(std::move(connection)),
        form_(form),
        origin_(std::move(origin)),
        body_lease_(std::move(body_lease)) {}

  ~PendingReply() {
    if (sent_) return;
    Send(TextResponse(500, "the request was dropped without an answer"));
  }

  void Send(HttpResponse response) {
    if (sent_.exchange(true)) return;
    body_lease_.GiveBack();
    HttpWireAnswer answer =
        EncodeResponse(std::move(response), form_,
                       ServerHeaders(connection_->service_->options, origin_));
    HttpConnection& to = *connection_;
    to.stream_->Post([connection = std::move(connection_),
                      answer = std::move(answer),
                      keep_alive = form_.keep_alive]() mutable {
      if (connection->state_ != State::kHandling) return;
      connection->Answer(std::move(answer), keep_alive);
    });
  }

 private:
  std::shared_ptr<HttpConnection> connection_;
  const HttpAnswerForm form_;
  const std::string origin_;
  ByteLease body_lease_;
  std::atomic<bool> sent_{false};
};

HttpConnection::HttpConnection(std::shared_ptr<Stream> stream,
                               std::shared_ptr<HttpService> service,
                               std::function<void()> on_closed)
    : stream_(std::move(stream)),
      service_(std::move(service)),
      on_closed_(std::move(on_closed)),
      body_lease_(service_->body_budget) {}

void HttpConnection::Start() {
  stream_->OnDeadline([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->DeadlinePassed();
  });
  DeadlineIn(service_->options.header_timeout);
  stream_->Handshake([self = shared_from_this()](bool ok, size_t) {
    if (self->state_ == State::kClosed) return;
    if (!ok) return self->Close();
    self->BeginRequest();
    // The first request may not keep us waiting as long as later ones.
    self->DeadlineIn(self->service_->options.header_timeout);
  });
}

void HttpConnection::Drain() {
  stream_->Post([self = shared_from_this()] {
    self->draining_ = true;
    const bool idle = self->state_ == State::kHead && self->input().empty();
    if (idle || self->state_ == State::kHandshake ||
        self->state_ == State::kLinger) {
      self->Close();
    }
  });
}

void HttpConnection::Abort() {
  stream_->Post([self = shared_from_this()] { self->Close(); });
}

void HttpConnection::BeginRequest() {
  state_ = State::kHead;
  parser_.emplace(service_->options.max_header_bytes);
  head_.reset();
  body_.clear();
  body_.shrink_to_fit();
  body_filled_ = 0;
  body_lease_.GiveBack();
  SkipEmptyLines();
  if (input().empty()) {
    if (input_.size() > kInputBytes && !reading_) {
      input_ = std::string(kInputBytes, '\0');
    }
    DeadlineIn(service_->options.idle_timeout);
    return ReadInput();
  }
  DeadlineIn(service_->options.header_timeout);
  Advance();
}

// RFC 9112, 2.2: some clients send an empty line behind a body.
void HttpConnection::SkipEmptyLines() {
  while (input().starts_with("\r\n")) input_begin_ += 2;
}

void HttpConnection::Advance() {
  input_begin_ += parser_->Feed(input());
  if (const auto& error = parser_->error()) {
    return Refuse(error->status, error->message);
  }
  if (state_ == State::kChunked) return ChunkedBodyFed();
  if (!parser_->head_done()) return ReadInput();
  HeadDone();
}

void HttpConnection::HeadDone() {
  head_ = parser_->TakeHead();
  head_->request.peer = stream_->peer();
  head_->request.tls = stream_->tls();
  head_->request.stop = stop_.get_token();
  if (const auto& error = parser_->error()) {
    return Refuse(error->status, error->message);
  }
  const uint64_t length = head_->content_length.value_or(0);
  if (length > service_->options.max_body_bytes) {
    return Refuse(413, fmt::format("request body of {} bytes is larger than "
                                   "the limit of {} bytes",
                                   length, service_->options.max_body_bytes));
  }
  if (!head_->chunked && length == 0) return Dispatch();
  DeadlineIn(service_->options.body_timeout);
  state_ = head_->chunked ? State::kChunked : State::kBody;
  if (state_ == State::kBody && !MakeRoomInBody()) return;
  if (!head_->expects_continue || !input().empty()) return BeginBody();
  stream_->Write("HTTP/1.1 100 Continue\r\n\r\n", {},
                 [self = shared_from_this()](bool ok, size_t) {
                   if (self->state_ == State::kClosed) return;
                   if (!ok) return self->Close();
                   self->BeginBody();
                 });
}

void HttpConnection::BeginBody() {
  if (state_ == State::kChunked) {
    parser_->SetBodyLimit(service_->options.max_body_bytes);
    return Advance();
  }
  const size_t have = std::min<size_t>(input().size(), *head_->content_length);
  std::memcpy(body_.data(), input().data(), have);
  input_begin_ += have;
  body_filled_ = have;
  ReadBody();
}

// Makes body_ longer than what has arrived, in steps; refuses the request and
// returns false when the budget of all connections is used up.
bool HttpConnection::MakeRoomInBody() {
  if (body_filled_ < body_.size()) return true;
  const size_t length = *head_->content_length;
  if (body_filled_ == body_.capacity() || body_.empty()) {
    const size_t capacity =
        std::min(length, std::max(kBodyFirstBytes, body_filled_ * kBodyGrowth));
    if (!body_lease_.GrowTo(capacity)) {
      Refuse(503, "too many requests in flight, try again later");
      return false;
    }
    body_.reserve(capacity);
  }
  body_.resize(
      std::min({length, body_.capacity(),
                std::max(body_filled_ + kBodyReadBytes, input().size())}));
  return true;
}

void HttpConnection::ReadBody() {
  if (body_filled_ == *head_->content_length) return Dispatch();
  if (!MakeRoomInBody()) return;
  reading_ = true;
  stream_->ReadSome(body_.data() + body_filled_, body_.size() - body_filled_,
                    [self = shared_from_this()](bool ok, size_t bytes) {
                      self->BodyRead(ok, bytes);
                    });
}

void HttpConnection::BodyRead(bool ok, size_t bytes) {
  reading_ = false;
  if (state_ == State::kBody) {
    if (!ok) return Close();
    body_filled_ += bytes;
    ReadBody();
  } else if (state_ == State::kLinger) {
    ReadInput();
  }
}

void HttpConnection::ChunkedBodyFed() {
  if (!body_lease_.GrowTo(parser_->body().capacity())) {
    return Refuse(503, "too many requests in flight, try again later");
  }
  if (!parser_->body_done()) return ReadInput();
  body_ = parser_->TakeBody();
  Dispatch();
}

HttpAnswerForm HttpConnection::FormOf(const HttpRequest& request) const {
  return {
      .minor_version = head_->minor_version,
      .keep_alive = head_->keep_alive && !draining_,
      .head_only = request.method == "HEAD",
      .accepts_gzip = AcceptsGzip(request.headers.Joined("accept-encoding"))};
}

void HttpConnection::Dispatch() {
  state_ = State::kHandling;
  stream_->SetDeadline(Stream::Time::max());
  parser_.reset();
  HttpRequest request = std::move(head_->request);
  request.body = std::move(body_);
  auto reply = std::make_shared<PendingReply>(
      shared_from_this(), FormOf(request),
      std::string(request.headers.Get("origin")), std::move(body_lease_));
  if (input().empty() && !peer_finished_) ReadInput();
  if (auto preflight = AnswerPreflight(service_->options.cors, request)) {
    return reply->Send(*std::move(preflight));
  }
  service_->handler(std::move(request),
                    [reply = std::move(reply)](HttpResponse response) {
                      reply->Send(std::move(response));
                    });
}

// Returns false when the input is as long as it may become.
bool HttpConnection::MakeRoomInInput() {
  if (input().empty()) input_begin_ = input_end_ = 0;
  if (input_begin_ > 0) {
    std::memmove(input_.data(), input_.data() + input_begin_, input().size());
    input_end_ -= std::exchange(input_begin_, 0);
  }
  const bool big = state_ == State::kChunked || state_ == State::kLinger;
  size_t want = std::max(input_.size(), big ? kBigInputBytes : kInputBytes);
  // The parser refuses a head before its limit is passed by this much.
  if (input_end_ == want && state_ == State::kHead) {
    want = std::min(want * 2, service_->options.max_header_bytes + kInputBytes);
  }
  if (input_.size() < want) input_.resize(want);
  return input_end_ < input_.size();
}

bool HttpConnection::IsHttp2() {
  const auto& take = service_->options.on_http2;
  const bool possible = take && !stream_->tls() && !input().empty();
  if (possible && kHttp2Preface.starts_with(input())) {
    if (input().size() < kHttp2Preface.size()) {
      ReadInput();
      return true;
    }
  } else if (!possible || !input().starts_with(kHttp2Preface)) {
    http1_ = true;
    return false;
  }
  std::string read(input());
  const int fd = stream_->Release();
  // Before Close: until then the server, and who takes over, are there.
  if (fd >= 0) take(fd, std::move(read));
  Close();
  return true;
}

void HttpConnection::ReadInput() {
  if (reading_) return;
  if (!MakeRoomInInput()) {
    return Refuse(400, "malformed HTTP request: line too long");
  }
  reading_ = true;
  stream_->ReadSome(input_.data() + input_end_, input_.size() - input_end_,
                    [self = shared_from_this()](bool ok, size_t bytes) {
                      self->InputRead(ok, bytes);
                    });
}

void HttpConnection::InputRead(bool ok, size_t bytes) {
  reading_ = false;
  if (!ok) peer_finished_ = true;
  switch (state_) {
    case State::kHead: {
      if (!ok) return Close();
      const bool first = input().empty();
      input_end_ += bytes;
      if (first) {
        SkipEmptyLines();
        if (!input().empty()) DeadlineIn(service_->options.header_timeout);
      }
      if (!http1_ && IsHttp2()) return;
      return Advance();
    }
    case State::kChunked:
      if (!ok) return Close();
      input_end_ += bytes;
      return Advance();
    case State::kHandling:
    case State::kWriting:
      if (!ok) stop_.request_stop();
      input_end_ += bytes;
      return;
    case State::kLinger:
      return ok ? ReadInput() : Close();
    case State::kHandshake:
    case State::kBody:
    case State::kClosed:
      return;
  }
}

void HttpConnection::Refuse(int status, std::string_view message) {
  const HttpRequest* partial = head_ ? &head_->request : nullptr;
  HttpResponse response =
      service_->options.error_body
          ? service_->options.error_body(status, message, partial)
          : TextResponse(status, message);
  const bool retryable = status == 503 || status == 429;
  if (retryable && !response.headers.Has("retry-after")) {
    response.headers.Add("Retry-After", "1");
  }
  HttpAnswerForm form;
  std::string_view origin;
  if (partial != nullptr) {
    form = FormOf(*partial);
    origin = partial->headers.Get("origin");
  }
  form.keep_alive = false;
  refused_ = true;
  if (!reading_) {  // else the kernel still writes into it
    body_ = {};
    body_lease_.GiveBack();
  }
  Answer(EncodeResponse(std::move(response), form,
                        ServerHeaders(service_->options, origin)),
         /*keep_alive=*/false);
}

void HttpConnection::Answer(HttpWireAnswer answer, bool keep_alive) {
  state_ = State::kWriting;
  answer_ = std::move(answer);
  answer_sent_ = 0;
  WriteNext(keep_alive);
}

void HttpConnection::WriteNext(bool keep_alive) {
  DeadlineIn(service_->options.write_timeout);
  const std::string_view piece =
      std::string_view(answer_.body).substr(answer_sent_, kWriteBytes);
  answer_sent_ += piece.size();
  stream_->Write(answer_.head, piece,
                 [self = shared_from_this(), keep_alive](bool ok, size_t) {
                   if (self->state_ == State::kClosed) return;
                   if (!ok) return self->Close();
                   self->answer_.head.clear();
                   if (self->answer_sent_ < self->answer_.body.size()) {
                     return self->WriteNext(keep_alive);
                   }
                   self->Answered(keep_alive);
                 });
}

void HttpConnection::Answered(bool keep_alive) {
  answer_ = {};
  if (refused_) return Linger();
  const bool last = peer_finished_ && input().empty();
  if (!keep_alive || draining_ || last) return Close();
  BeginRequest();
}

void HttpConnection::Linger() {
  state_ = State::kLinger;
  stream_->ShutdownWrite();
  if (peer_finished_) return Close();
  input_begin_ = input_end_ = 0;
  DeadlineIn(kLingerTime);
  ReadInput();
}

void HttpConnection::DeadlinePassed() {
  switch (state_) {
    case State::kHead:
      if (input().empty()) return Close();
      return Refuse(408, "timed out waiting for the request header");
    case State::kBody:
    case State::kChunked:
      return Refuse(408, "timed out waiting for the request body");
    case State::kHandling:
    case State::kClosed:
      return;
    case State::kHandshake:
    case State::kWriting:
    case State::kLinger:
      return Close();
  }
}

void HttpConnection::DeadlineIn(std::chrono::nanoseconds delay) {
  stream_->SetDeadline(std::chrono::steady_clock::now() + delay);
}

void HttpConnection::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  stop_.request_stop();
  stream_->Close();
  std::exchange(on_closed_, nullptr)();
}

}  // namespace khtrace::net
