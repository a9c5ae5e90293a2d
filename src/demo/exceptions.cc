// SPDX-License-Identifier: Apache-2.0
#include "demo/exceptions.h"

#include <fmt/format.h>

#include <array>
#include <iterator>

namespace khtrace::demo {
namespace {

// By language, then by fault.
constexpr std::string_view kTypes[6][6] = {
    {"context.deadlineExceededError", "*net.OpError", "*pgconn.PgError",
     "*errors.errorString", "*status.Error", "*ratelimit.Exceeded"},
    {"java.net.SocketTimeoutException", "java.net.SocketException",
     "org.springframework.dao.CannotAcquireLockException",
     "java.lang.IllegalStateException", "io.grpc.StatusRuntimeException",
     "com.example.shop.RateLimitedException"},
    {"TimeoutError", "ECONNRESET", "SequelizeDatabaseError", "TypeError",
     "UpstreamError", "RateLimitError"},
    {"httpx.ReadTimeout", "ConnectionResetError",
     "psycopg.errors.DeadlockDetected", "KeyError", "shop.errors.UpstreamError",
     "shop.errors.RateLimitError"},
    {"System.TimeoutException", "System.Net.Sockets.SocketException",
     "Npgsql.PostgresException", "System.NullReferenceException",
     "Grpc.Core.RpcException", "Shop.RateLimitedException"},
    {"tokio::time::error::Elapsed", "std::io::Error", "sqlx::Error",
     "shipping::QuoteError", "reqwest::Error", "tower::RateLimited"},
};

struct Frame {
  std::string_view module;
  std::string_view function;
};
constexpr std::array<Frame, 10> kFrames{{
    {"transport", "readResponse"},
    {"transport", "roundTrip"},
    {"retry", "runWithBackoff"},
    {"repository", "loadEntity"},
    {"repository", "inTransaction"},
    {"domain", "applyRules"},
    {"domain", "handleCommand"},
    {"router", "dispatch"},
    {"middleware", "authenticate"},
    {"server", "serveRequest"},
}};

void AppendFrame(Language language, std::string_view service,
                 const Frame& frame, uint64_t line, std::string* out) {
  auto to = std::back_inserter(*out);
  switch (language) {
    case Language::kJava:
      fmt::format_to(to, "\tat com.example.shop.{}.{}({}.java:{})\n",
                     frame.module, frame.function, frame.module, line);
      return;
    case Language::kDotnet:
      fmt::format_to(to, "   at Shop.{}.{}() in /src/{}.cs:line {}\n",
                     frame.module, frame.function, frame.module, line);
      return;
    case Language::kNode:
      fmt::format_to(to, "    at async {} (/app/dist/{}.js:{}:{})\n",
                     frame.function, frame.module, line, line % 60 + 1);
      return;
    case Language::kPython:
      fmt::format_to(to,
                     "  File \"/app/{0}/{1}.py\", line {2}, in {3}\n"
                     "    return self._{3}(request)\n",
                     service, frame.module, line, frame.function);
      return;
    case Language::kRust:
      fmt::format_to(to, "  {0}::{1}\n     at ./src/{0}.rs:{2}\n", frame.module,
                     frame.function, line);
      return;
    case Language::kGo:
      fmt::format_to(to,
                     "example.com/shop/{0}/{1}.{2}\n"
                     "\t/build/{0}/{1}/{1}.go:{3}\n",
                     service, frame.module, frame.function, line);
      return;
  }
}

}  // namespace

std::string_view ExceptionType(Language language, Fault fault) {
  return kTypes[static_cast<size_t>(language)][static_cast<size_t>(fault)];
}

std::string ExceptionMessage(Fault fault, std::string_view peer, Rng& rng) {
  switch (fault) {
    case Fault::kTimeout:
      return fmt::format("no answer from {} within {} ms", peer,
                         500 * rng.Between(1, 6));
    case Fault::kConnectionReset:
      return fmt::format("connection to {} reset by peer", peer);
    case Fault::kDeadlock:
      return fmt::format("deadlock detected: process {} waits for process {}",
                         rng.Between(1000, 9999), rng.Between(1000, 9999));
    case Fault::kBadState:
      return fmt::format("unexpected state 'pending' of entity {}",
                         rng.Between(100'000, 999'999));
    case Fault::kUpstream:
      return fmt::format("{} failed", peer);
    case Fault::kRateLimited:
      return fmt::format("{} answered 429: retry after {} s", peer,
                         rng.Between(1, 8));
  }
  return {};
}

std::string StackTrace(Language language, std::string_view type,
                       std::string_view message, std::string_view service,
                       Rng& rng) {
  std::string text;
  text.reserve(1024);
  if (language == Language::kPython) {
    text = "Traceback (most recent call last):\n";
  } else {
    fmt::format_to(std::back_inserter(text), "{}: {}\n", type, message);
  }
  const size_t deepest = rng.Below(3);
  for (size_t i = deepest; i < kFrames.size(); ++i) {
    // Python writes the innermost call last.
    const size_t frame =
        language == Language::kPython ? kFrames.size() - 1 - (i - deepest) : i;
    AppendFrame(language, service, kFrames[frame],
                static_cast<uint64_t>(rng.Between(12, 640)), &text);
  }
  if (language == Language::kPython) {
    fmt::format_to(std::back_inserter(text), "{}: {}\n", type, message);
  }
  return text;
}

}  // namespace khtrace::demo
