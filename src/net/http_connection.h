// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "net/byte_budget.h"
#include "net/http_parser.h"
#include "net/http_response.h"
#include "net/http_server.h"
#include "net/stream.h"

namespace khtrace::net {

// What the connections of one server share; lives as long as the last of them.
struct HttpService {
  HttpService(HttpServerOptions service_options, HttpHandler service_handler)
      : options(std::move(service_options)),
        handler(std::move(service_handler)),
        body_budget(options.max_body_bytes_in_flight) {}

  const HttpServerOptions options;
  const HttpHandler handler;
  ByteBudget body_budget;
};

// One connection of an HttpServer: reads a request, hands it over, writes the
// answer, and begins again. While a request is handled at most one read is
// under way; it finds a client that hung up, or the next request's first
// bytes. Confined to the stream's strand, but for Drain() and Abort().
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  // `on_closed` is called once, on the strand.
  HttpConnection(std::shared_ptr<Stream> stream,
                 std::shared_ptr<HttpService> service,
                 std::function<void()> on_closed);

  void Start();
  // Closes at once when no request is under way, else behind its answer.
  void Drain();
  void Abort();

 private:
  class PendingReply;
  enum class State {
    kHandshake,
    kHead,      // waiting for a request or in the middle of its head
    kBody,      // a body with Content-Length
    kChunked,   // a chunked body
    kHandling,  // the handler has the request
    kWriting,
    kLinger,  // refused: what the client still sends is read and dropped
    kClosed,
  };

  void BeginRequest();
  void Advance();
  void HeadDone();
  void BeginBody();
  void ReadBody();
  void BodyRead(bool ok, size_t bytes);
  bool MakeRoomInBody();
  void ChunkedBodyFed();
  void Dispatch();

  void ReadInput();
  void InputRead(bool ok, size_t bytes);
  bool MakeRoomInInput();
  void SkipEmptyLines();
  // Whether the connection is, or may still become, HTTP/2's: true when it
  // was handed over or more must be read to know.
  bool IsHttp2();
  std::string_view input() const {
    return std::string_view(input_).substr(input_begin_,
                                           input_end_ - input_begin_);
  }

  void Refuse(int status, std::string_view message);
  void Answer(HttpWireAnswer answer, bool keep_alive);
  void WriteNext(bool keep_alive);
  void Answered(bool keep_alive);
  void Linger();
  void DeadlinePassed();
  void DeadlineIn(std::chrono::nanoseconds delay);
  void Close();

  HttpAnswerForm FormOf(const HttpRequest& request) const;

  const std::shared_ptr<Stream> stream_;
  const std::shared_ptr<HttpService> service_;
  std::function<void()> on_closed_;

  State state_ = State::kHandshake;
  bool reading_ = false;
  bool peer_finished_ = false;
  bool draining_ = false;
  bool refused_ = false;
  bool http1_ = false;     // known: the first bytes were no HTTP/2
  std::stop_source stop_;  // requested only when the connection is dying

  // Bytes read and not yet used: [input_begin_, input_end_) of input_.
  std::string input_;
  size_t input_begin_ = 0;
  size_t input_end_ = 0;

  std::optional<HttpParser> parser_;
  std::optional<HttpRequestHead> head_;
  std::string body_;        // grows ahead of what has arrived
  size_t body_filled_ = 0;  // what has arrived
  ByteLease body_lease_;

  HttpWireAnswer answer_;
  size_t answer_sent_ = 0;
};

}  // namespace khtrace::net
