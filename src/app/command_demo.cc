// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <optional>
#include <thread>

#include "app/client.h"
#include "app/commands.h"
#include "app/flags.h"
#include "app/text_format.h"
#include "base/clock.h"
#include "base/text.h"
#include "codec/otlp.h"
#include "demo/request_stream.h"

namespace khtrace::app {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

constexpr double kMaxRate = 1e6;
// Traces are sent once they are over: this long after they began.
constexpr auto kLag = 3s;
constexpr auto kProgressEvery = 5s;
constexpr auto kLongestPause = 30s;
// A server that was there and is gone may be restarting: this long.
constexpr auto kGiveUpAfter = 60s;

std::atomic<bool> stop_asked{false};
static_assert(std::atomic<bool>::is_always_lock_free);
extern "C" void AskToStop(int) { stop_asked.store(true); }

struct DemoFlags {
  ClientFlags client;
  double rate = 200;
  std::string duration;
  uint64_t spans = 0;  // 0 = no limit
  std::string history;
  uint64_t seed = 42;
};

struct DemoPlan {
  Endpoint endpoint;
  double rate;
  std::optional<std::chrono::nanoseconds> duration;
  std::chrono::nanoseconds history{0};
  uint64_t spans;
  uint64_t seed;
};

Result<std::chrono::nanoseconds> DurationFlag(std::string_view flag,
                                              const std::string& text) {
  const auto duration = ParseGoDuration(text);
  if (!duration || duration->count() < 0) {
    return Error{Code::kInvalidArgument,
                 fmt::format("{} '{}': expected a duration such as 30s or 15m",
                             flag, text)};
  }
  return *duration;
}

Result<DemoPlan> MakePlan(const DemoFlags& flags) {
  if (!(flags.rate > 0 && flags.rate <= kMaxRate)) {
    return Error{Code::kInvalidArgument,
                 fmt::format("--rate {}: must be above 0 and at most {} spans "
                             "per second",
                             flags.rate, kMaxRate)};
  }
  DemoPlan plan{.endpoint = {},
                .rate = flags.rate,
                .duration = {},
                .spans = flags.spans,
                .seed = flags.seed};
  ASSIGN_OR_RETURN(plan.endpoint, ChooseEndpoint(flags.client, kOtlpHttpPort));
  if (!flags.duration.empty()) {
    ASSIGN_OR_RETURN(plan.duration, DurationFlag("--duration", flags.duration));
  }
  if (!flags.history.empty()) {
    ASSIGN_OR_RETURN(plan.history, DurationFlag("--history", flags.history));
    if (plan.history > 30 * 24h) {
      return Error{Code::kInvalidArgument,
                   fmt::format("--history {}: at most 720h", flags.history)};
    }
  }
  return plan;
}

// Sends batches and does what a good exporter does when it is told to wait.
class Sender {
 public:
  explicit Sender(const Endpoint& endpoint)
      : endpoint_(endpoint), client_(ConnectTo(endpoint)) {}

  uint64_t waits() const { return waits_; }

  // Returns once the server took the batch, or the user asked to stop.
  Status Send(const model::SpanBatch& batch) {
    std::string body;
    codec::EncodeOtlpProtobuf(batch, &body);
    std::chrono::milliseconds pause = 200ms;
    const auto give_up = SteadyClock::now() + kGiveUpAfter;
    while (!stop_asked) {
      auto answer = client_.Post("/v1/traces", body, "application/x-protobuf");
      if (answer && answer->status == 200) {
        reached_ = true;
        return {};
      }
      std::optional<std::chrono::milliseconds> told;
      if (!answer) {
        if (!reached_ || SteadyClock::now() > give_up) {
          return Unreachable(endpoint_, std::move(answer).error());
        }
      } else if (answer->status == 429 || answer->status == 503) {
        told = RetryAfter(answer->headers.Get("Retry-After"));
      } else {
        return Refused(endpoint_, *answer);
      }
      ++waits_;
      Sleep(told.value_or(pause));
      pause = std::min<std::chrono::milliseconds>(2 * pause, kLongestPause);
    }
    return {};
  }

  // Wakes up soon after a stop was asked for.
  static void Sleep(std::chrono::nanoseconds time) {
    const auto until = SteadyClock::now() + time;
    while (!stop_asked && SteadyClock::now() < until) {
      std::this_thread::sleep_for(
          std::min<std::chrono::nanoseconds>(until - SteadyClock::now(), 50ms));
    }
  }

 private:
  // Seconds; the form with a date is not worth the trouble for a demo.
  static std::optional<std::chrono::milliseconds> RetryAfter(
      std::string_view value) {
    uint32_t seconds = 0;
    const auto [end, error] =
        std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (error != std::errc() || end == value.data()) return std::nullopt;
    return std::min<std::chrono::milliseconds>(std::chrono::seconds(seconds),
                                               kLongestPause);
  }

  const Endpoint endpoint_;
  net::HttpClient client_;
  bool reached_ = false;
  uint64_t waits_ = 0;
};

class DemoRun {
 public:
  explicit DemoRun(const DemoPlan& plan)
      : plan_(plan), sender_(plan.endpoint), start_(Clock::System().Now()) {
    // Early enough to be seen at once, late enough for a "before".
    deployment_ =
        plan.history > 0s ? start_.Minus(plan.history / 3) : start_.Plus(60s);
  }

  Status Run() {
    Announce();
    if (plan_.history > 0s) RETURN_IF_ERROR(FillHistory());
    RETURN_IF_ERROR(SendLive());
    PrintTotals();
    return {};
  }

 private:
  demo::RequestStream MakeStream(UnixNanos start, uint32_t request) const {
    demo::RequestStreamOptions options;
    options.workload = {.seed = plan_.seed, .deployment_at = deployment_};
    options.start = start;
    options.spans_per_second = plan_.rate;
    options.spans_per_request = request;
    return demo::RequestStream(options);
  }

  void Announce() const {
    const auto& spec = demo::Spec(demo::ServiceId::kKnowledgehubApi);
    fmt::print(
        "sending traffic of {} services to {}: {:g} spans/s, seed {}\n"
        "{} {} rolls out at {} UTC and makes its memory.search 3 times "
        "slower\n",
        demo::kServiceCount, plan_.endpoint.ToString(), plan_.rate, plan_.seed,
        spec.name, spec.next_version, TimeText(deployment_).substr(11, 8));
    std::fflush(stdout);
  }

  bool Enough() const {
    return stop_asked || (plan_.spans > 0 && sent_ >= plan_.spans);
  }

  Status SendOne(const model::SpanBatch& batch) {
    if (batch.empty()) return {};
    RETURN_IF_ERROR(sender_.Send(batch));
    if (!stop_asked) sent_ += batch.row_count();
    return {};
  }

  // What is begun when the stream ends.
  Status SendRest(demo::RequestStream& stream) {
    for (auto batch = stream.Finish(); !batch.empty() && !stop_asked;
         batch = stream.Finish()) {
      RETURN_IF_ERROR(SendOne(batch));
    }
    traces_ += stream.manifest().traces;
    error_traces_ += stream.manifest().error_traces;
    return {};
  }

  Status FillHistory() {
    demo::RequestStream stream = MakeStream(start_.Minus(plan_.history), 1000);
    const UnixNanos end = start_.Minus(kLag);
    while (stream.position() < end && !Enough()) {
      RETURN_IF_ERROR(SendOne(stream.Next()));
    }
    RETURN_IF_ERROR(SendRest(stream));
    fmt::print("history of {}: {}\n", FormatDurationShort(plan_.history),
               Plural(sent_, "span"));
    std::fflush(stdout);
    return {};
  }

  Status SendLive() {
    // Two requests a second, of at most a thousand spans.
    const auto request =
        static_cast<uint32_t>(std::clamp(plan_.rate / 2, 10.0, 1000.0));
    const UnixNanos from = Clock::System().Now();
    demo::RequestStream stream = MakeStream(from.Minus(kLag), request);
    const auto began = SteadyClock::now();
    auto progress = began + kProgressEvery;
    while (!Enough()) {
      const auto now = SteadyClock::now();
      if (plan_.duration && now - began >= *plan_.duration) break;
      if (now >= progress) {
        PrintProgress(now - began);
        progress = now + kProgressEvery;
      }
      const UnixNanos due = Clock::System().Now().Minus(kLag);
      if (stream.position() > due) {
        Sender::Sleep(std::min<std::chrono::nanoseconds>(
            std::chrono::nanoseconds(stream.position().ns - due.ns), 100ms));
        continue;
      }
      const uint64_t before = sent_;
      RETURN_IF_ERROR(SendOne(stream.Next()));
      live_ += sent_ - before;
    }
    return SendRest(stream);
  }

  void PrintProgress(std::chrono::nanoseconds elapsed) const {
    const double seconds = std::chrono::duration<double>(elapsed).count();
    fmt::print("  {:>5.0f} s  {:>12} spans  {:>8.0f} spans/s{}\n", seconds,
               CountText(sent_), static_cast<double>(live_) / seconds,
               sender_.waits() > 0
                   ? fmt::format("  ({} told to wait)",
                                 Plural(sender_.waits(), "time"))
                   : "");
    std::fflush(stdout);
  }

  void PrintTotals() const {
    fmt::print(
        "sent {} in {}, {} of them with errors\n"
        "look at them:  khtrace query --since 15m --error\n",
        Plural(sent_, "span"), Plural(traces_, "trace"),
        CountText(error_traces_));
  }

  const DemoPlan& plan_;
  Sender sender_;
  const UnixNanos start_;
  UnixNanos deployment_;
  uint64_t sent_ = 0;
  uint64_t live_ = 0;  // of them, after the history
  uint64_t traces_ = 0;
  uint64_t error_traces_ = 0;
};

Status RunDemo(const DemoFlags& flags) {
  ASSIGN_OR_RETURN(const DemoPlan plan, MakePlan(flags));
  struct sigaction action {};
  action.sa_handler = AskToStop;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  return DemoRun(plan).Run();
}

}  // namespace

void AddDemoCommand(Command root) {
  auto flags = std::make_shared<DemoFlags>();
  Command command =
      root.Add("demo", "Send traffic of a simulated shop over OTLP/HTTP");
  AddClientFlags(command, "OTLP/HTTP", kOtlpHttpPort, &flags->client);
  command.Number("--rate", &flags->rate, "Spans per second").ShowDefault();
  command.Text("--duration", &flags->duration,
               "Stop after this long, e.g. 30s (default: at Ctrl-C)");
  command.Number("--spans", &flags->spans,
                 "Stop once this many spans were sent");
  command.Text("--history", &flags->history,
               "First send what would have come in this long before "
               "now, e.g. 15m");
  command
      .Number("--seed", &flags->seed,
              "Another seed, other traces of the same kind")
      .ShowDefault();
  command.Footer(
      "Examples:\n"
      "  khtrace demo                       # 200 spans/s until Ctrl-C\n"
      "  khtrace demo --history 1h          # and fill the last hour first\n"
      "  khtrace demo --rate 20000 --duration 30s");
  command.OnRun([flags] { return ExitCodeOf("demo", RunDemo(*flags)); });
}

}  // namespace khtrace::app
