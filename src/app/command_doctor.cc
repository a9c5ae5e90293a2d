// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/random.h>

#include <chrono>
#include <cmath>
#include <optional>
#include <thread>
#include <vector>

#include "app/client.h"
#include "app/commands.h"
#include "app/flags.h"
#include "app/metrics_text.h"
#include "app/terminal.h"
#include "app/text_format.h"
#include "base/clock.h"
#include "codec/otlp.h"
#include "model/span_batch_builder.h"
#include "telemetry/drop_reasons.h"

namespace khtrace::app {
namespace {

using namespace std::chrono_literals;

constexpr auto kTestSpanPatience = 10s;

struct DoctorFlags {
  std::string host = "127.0.0.1";
  ClientFlags client;
  bool send_test_span = false;
  std::string color = "auto";
};

// Follows spans through the server and says where they stop.
class Doctor {
 public:
  explicit Doctor(const DoctorFlags& flags)
      : flags_(flags),
        terminal_(DetectTerminal(*ParseColorMode(flags.color))) {}

  Status Examine() {
    ASSIGN_OR_RETURN(const net::HttpResponse health,
                     Get(kHealthPort, "/", "application/json"));
    Row(health.status == 200 ? Style::kGreen : Style::kRed, "server",
        health.status == 200 ? "ok" : "ill",
        fmt::format("health on {}", EndpointOf(kHealthPort)->ToString()));
    if (health.status != 200) {
      Hint(AnswerExcerpt(health.body));
      Hint("its log says what happened");
      sick_ = true;
    }
    ASSIGN_OR_RETURN(const net::HttpResponse metrics,
                     Get(kMetricsPort, "/metrics", "text/plain"));
    samples_ = ParseMetricsText(metrics.body);
    Received();
    FailedRequests();
    DroppedAndRefused();
    RETURN_IF_ERROR(StoredAndSearchable());
    if (flags_.send_test_span) RETURN_IF_ERROR(TestSpan());
    if (received_ == 0 && !sick_) Advise();
    return sick_ ? Status(Error{Code::kFailedPrecondition,
                                "spans are being lost: see above"})
                 : Status();
  }

 private:
  Result<Endpoint> EndpointOf(uint16_t port) const {
    ASSIGN_OR_RETURN(Endpoint endpoint, ChooseEndpoint(flags_.client, port));
    endpoint.host = flags_.host;
    return endpoint;
  }
  Result<net::HttpResponse> Get(uint16_t port, std::string_view target,
                                const char* accept) const {
    ASSIGN_OR_RETURN(const Endpoint endpoint, EndpointOf(port));
    auto answer = ConnectTo(endpoint).Get(target, {{"Accept", accept}});
    if (!answer) return Unreachable(endpoint, std::move(answer).error());
    return answer;
  }

  void Row(Style style, std::string_view stage, std::string_view figure,
           std::string_view note) const {
    fmt::print("{}  {}  {}\n", FitLeft(terminal_, stage, 11),
               Paint(terminal_, style, FitRight(terminal_, figure, 13)), note);
  }
  void Hint(std::string_view text) const {
    fmt::print("{}{}\n", std::string(28, ' '),
               Paint(terminal_, Style::kDim, text));
  }
  static std::string Count(double value) {
    return CountText(static_cast<uint64_t>(std::llround(value)));
  }

  void Received() {
    constexpr std::string_view kName = "otel_collector_spans_received_total";
    received_ = SumOf(samples_, kName);
    std::string doors;
    for (const MetricSample& sample : samples_) {
      if (sample.name != kName) continue;
      const auto transport = sample.labels.find("transport");
      if (transport == sample.labels.end()) continue;
      doors += fmt::format("{}{} by {}", doors.empty() ? "" : ", ",
                           Count(sample.value), transport->second);
    }
    Row(received_ > 0 ? Style::kGreen : Style::kYellow, "received",
        Count(received_), "spans since the start: " + doors);
  }

  // Requests of which no span was even seen.
  void FailedRequests() {
    const double failed =
        SumOf(samples_, "otelcol_receiver_requests", "outcome", "failure");
    if (failed == 0) return;
    Row(Style::kRed, "requests", Count(failed), "refused as a whole");
    Hint("too large, undecodable or not authorised; the server's log says why");
    sick_ = true;
  }

  // One line a reason; the sum of an outcome in front.
  void DroppedAndRefused() {
    for (const auto outcome :
         {telemetry::Outcome::kDropped, telemetry::Outcome::kRefused}) {
      const double total =
          SumOf(samples_, "khtrace_receiver_spans_by_reason_total", "outcome",
                telemetry::Name(outcome));
      const bool dropped = outcome == telemetry::Outcome::kDropped;
      Row(total > 0 ? Style::kRed : Style::kGreen,
          dropped ? "dropped" : "refused", Count(total),
          dropped ? "malformed, never stored"
                  : "told to come again; a good exporter does");
      for (size_t i = 0; i < telemetry::kDropReasonCount; ++i) {
        const auto reason = static_cast<telemetry::DropReason>(i);
        if (telemetry::OutcomeOf(reason) != outcome) continue;
        const double count =
            SumOf(samples_, "khtrace_receiver_spans_by_reason_total", "reason",
                  telemetry::Name(reason));
        if (count == 0) continue;
        Hint(fmt::format("{} {}: {}", Count(count), telemetry::Name(reason),
                         telemetry::Description(reason)));
      }
      sick_ |= dropped && total > 0;
    }
  }

  Status StoredAndSearchable() {
    const double stored = SumOf(samples_, "otelcol_exporter_sent_spans");
    const double failed = SumOf(samples_, "otelcol_exporter_send_failed_spans");
    Row(failed > 0 ? Style::kRed : Style::kGreen, "stored", Count(stored),
        "spans since the start, on disk before they were acknowledged");
    if (failed > 0) {
      Hint(fmt::format("{} the store could not take: is the disk full?",
                       Count(failed)));
      sick_ = true;
    }
    ASSIGN_OR_RETURN(const net::HttpResponse services,
                     Get(kJaegerPort, "/api/services", "application/json"));
    Row(services.status == 200 ? Style::kGreen : Style::kRed, "searchable",
        services.status == 200 ? "ok" : "no",
        services.status == 200
            ? "the query API answers; `khtrace query` lists traces"
            : fmt::format("the query API answered {}", services.status));
    sick_ |= services.status != 200;
    return {};
  }

  Status TestSpan() {
    ASSIGN_OR_RETURN(const Endpoint door, EndpointOf(kOtlpHttpPort));
    ASSIGN_OR_RETURN(const Endpoint tempo, EndpointOf(kTempoPort));
    std::string body;
    const model::TraceId id = MakeTestSpan(&body);
    net::HttpClient sender = ConnectTo(door);
    net::HttpClient reader = ConnectTo(tempo);
    auto sent = sender.Post("/v1/traces", body, "application/x-protobuf");
    if (!sent) return Unreachable(door, std::move(sent).error());
    if (sent->status != 200) {
      return Refused(door, *sent).With("the test span");
    }
    const auto acknowledged = std::chrono::steady_clock::now();
    for (;;) {
      auto answer = reader.Get("/api/traces/" + id.ToHex());
      if (!answer) return Unreachable(tempo, std::move(answer).error());
      const auto waited = std::chrono::steady_clock::now() - acknowledged;
      if (answer->status == 200) {
        Row(Style::kGreen, "test span",
            DurationText(terminal_, static_cast<uint64_t>(waited.count())),
            "from its acknowledgement until it was found: khtrace trace " +
                id.ToHex());
        return {};
      }
      if (waited > kTestSpanPatience) {
        return Error{Code::kDeadlineExceeded,
                     fmt::format("the test span {} was acknowledged and is not "
                                 "found after {} s",
                                 id.ToHex(), kTestSpanPatience.count())};
      }
      std::this_thread::sleep_for(2ms);
    }
  }

  static model::TraceId MakeTestSpan(std::string* body) {
    uint64_t random[3] = {1, 2, 3};
    // Without entropy the time still tells two test spans apart.
    (void)getrandom(random, sizeof random, GRND_NONBLOCK);
    const UnixNanos now = Clock::System().Now();
    model::SpanBatchBuilder builder;
    builder.AddResource();
    builder.AddResourceAttribute("service.name",
                                 model::AttrValue::String("khtrace-doctor"));
    builder.AddScope("khtrace.doctor", "");
    model::SpanBatchBuilder::SpanFields span;
    span.trace_id = {random[0] ^ now.ns, random[1] | 1};
    span.span_id = {random[2] | 1};
    span.start = now.Minus(1ms);
    span.end = now;
    span.name = "test span";
    span.kind = model::SpanKind::kInternal;
    builder.AddSpan(span);
    codec::EncodeOtlpProtobuf(builder.Build(), body);
    return span.trace_id;
  }

  void Advise() const {
    const auto port = [&](uint16_t base) {
      return base + flags_.client.port_offset;
    };
    fmt::print(
        "\nNothing has arrived yet. Tell your services where to send:\n\n"
        "  OTEL_EXPORTER_OTLP_ENDPOINT=http://{0}:{1}"
        "  OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\n"
        "  OTEL_EXPORTER_OTLP_ENDPOINT=http://{0}:{2}"
        "  OTEL_EXPORTER_OTLP_PROTOCOL=grpc\n\n"
        "In a container {0} is the container itself: give the host's address,\n"
        "and start the server with --bind 0.0.0.0. Is sampling on? "
        "OTEL_TRACES_SAMPLER=always_on\n"
        "sends everything. `khtrace demo` sends example traffic, "
        "`khtrace doctor\n--send-test-span` one span.\n",
        flags_.host, port(kOtlpHttpPort), port(kOtlpGrpcPort));
  }

  const DoctorFlags& flags_;
  const Terminal terminal_;
  std::vector<MetricSample> samples_;
  double received_ = 0;
  bool sick_ = false;
};

}  // namespace

void AddDoctorCommand(Command root) {
  auto flags = std::make_shared<DoctorFlags>();
  Command command = root.Add(
      "doctor",
      "Say where spans stop: received, dropped, refused, stored, searchable");
  command.Text("--host", &flags->host, "Where the server runs").ShowDefault();
  command.Number("--port-offset", &flags->client.port_offset,
                 "Added to every port, as for khtrace serve");
  AddIdentityFlags(command, &flags->client);
  command.Switch("--send-test-span", &flags->send_test_span,
                 "Send one span over OTLP/HTTP, look it up, and say how "
                 "long that took");
  AddColorFlag(command, &flags->color);
  command.Footer(
      "Exit code 1: the server cannot be reached, or spans are being lost.\n"
      "Example:\n"
      "  khtrace doctor --send-test-span");
  command.OnRun(
      [flags] { return ExitCodeOf("doctor", Doctor(*flags).Examine()); });
}

}  // namespace khtrace::app
