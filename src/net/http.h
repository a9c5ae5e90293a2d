// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace khtrace::net {

// Names compare without regard to ASCII case (RFC 9110, 5.1). Order is kept.
class HttpHeaders {
 public:
  using Field = std::pair<std::string, std::string>;

  HttpHeaders() = default;
  HttpHeaders(std::initializer_list<Field> fields) : fields_(fields) {}

  void Add(std::string name, std::string value);
  // Replaces every field of this name.
  void Set(std::string name, std::string value);
  bool Has(std::string_view name) const;
  // The first value; empty when there is none.
  std::string_view Get(std::string_view name) const;
  // Every value of this name joined by ", " (RFC 9110, 5.3).
  std::string Joined(std::string_view name) const;

  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  size_t size() const { return fields_.size(); }

 private:
  std::vector<Field> fields_;
};

// The query part of a target, decoded: "a=1&a=2&b" is {a,1} {a,2} {b,""}.
class QueryParams {
 public:
  struct Param {
    std::string key;
    std::string value;
    bool has_value;  // false for "b", true for "b="
  };

  // `query` is what follows '?', still encoded; '+' is a blank.
  static QueryParams Parse(std::string_view query);

  bool Has(std::string_view key) const { return Find(key) != nullptr; }
  // The first value: "" for a valueless key, nullopt when the key is absent.
  std::optional<std::string_view> Get(std::string_view key) const;
  std::vector<std::string_view> GetAll(std::string_view key) const;

  auto begin() const { return params_.begin(); }
  auto end() const { return params_.end(); }
  size_t size() const { return params_.size(); }

 private:
  const Param* Find(std::string_view key) const;
  std::vector<Param> params_;
};

struct HttpRequest {
  std::string method;  // upper case as sent: "GET"
  std::string target;  // as sent: "/api/a%2Fb?x=1"
  std::string path;    // percent-decoded, without the query: "/api/a/b"
  QueryParams query;
  HttpHeaders headers;
  std::string body;  // as received: Content-Encoding is not undone
  std::string peer;  // "127.0.0.1:50312", "[::1]:50312"
  bool tls = false;
  // What `{name}` segments of the matched route held, decoded.
  std::vector<std::pair<std::string, std::string>> path_params{};
  // Requested once nobody waits for the answer: the client hung up, or the
  // server gave up waiting in Stop().
  std::stop_token stop;
  // Set where the answer is a stream of messages (gRPC's): sends one ahead of
  // the response, which ends the stream. False: nothing was sent, as the one
  // before is still under way or nobody waits any more. Not to be called once
  // the response is given.
  std::function<bool(std::string message)> send_ahead{};

  // "" when the route has no such segment.
  std::string_view PathParam(std::string_view name) const;
  // The part of `target` before '?', still encoded.
  std::string_view raw_path() const;
  // Media type of Content-Type in lower case, without parameters.
  std::string MediaType() const;
};

// Content-Length, Date, Connection and, for compressible types, gzip are the
// server's business; everything else is said here.
struct HttpResponse {
  int status = 200;
  HttpHeaders headers{};
  std::string content_type{};  // "" = no Content-Type header
  std::string body{};
  // Of a stream of messages: those that go before `body`.
  std::vector<std::string> ahead{};
};

// Plain text answer, ended by a newline as Go's http.Error does.
HttpResponse TextResponse(int status, std::string_view text);
HttpResponse JsonResponse(int status, std::string json);

// "Not Found" for 404; "Status 799" for what RFC 9110 does not name.
std::string HttpReason(int status);

// Answers one request. Call it once, from any thread, inside the handler or
// later; further calls do nothing. The last copy dying unused answers 500.
using HttpRespond = std::function<void(HttpResponse)>;

// Runs on an I/O thread: work over 1 ms belongs on a pool. Must not throw.
using HttpHandler = std::function<void(HttpRequest, HttpRespond)>;

// Makes the body of an answer that the server gives by itself (bad request
// line, too large, overloaded, ...). `partial` holds what was understood of
// the request, nullptr when that is nothing.
using HttpErrorBody = std::function<HttpResponse(
    int status, std::string_view message, const HttpRequest* partial)>;

}  // namespace khtrace::net
