// SPDX-License-Identifier: Apache-2.0
#include "ingest/otlp_receiver.h"

#include <optional>
#include <utility>
#include <vector>

#include "ingest/otlp_http.h"
#include "ingest/otlp_intake.h"
#include "net/auth.h"
#include "net/grpc_server.h"
#include "net/http_server.h"

namespace khtrace::ingest {
namespace {

constexpr char kExportMethod[] =
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
constexpr std::chrono::milliseconds kRetryAfter{1000};

net::GrpcReply ReplyOf(const OtlpAnswer& answer) {
  if (answer.status) {
    return net::GrpcReply::Ok(codec::EncodeOtlpResponseProtobuf(
        answer.rejected_spans, answer.message));
  }
  net::GrpcReply reply = net::GrpcReply::FromError(answer.status.error());
  const Code code = answer.status.error().code;
  if (code == Code::kResourceExhausted || code == Code::kUnavailable) {
    reply.retry_after = kRetryAfter;
  }
  return reply;
}

// What the server refuses by itself, in gRPC's numbers.
int GrpcCodeOf(int http_status) {
  switch (http_status) {
    case 401:
      return static_cast<int>(Code::kUnauthenticated);
    case 413:
    case 429:
      return static_cast<int>(Code::kResourceExhausted);
    case 503:
      return static_cast<int>(Code::kUnavailable);
    default:
      return http_status < 500 ? static_cast<int>(Code::kInvalidArgument)
                               : static_cast<int>(Code::kInternal);
  }
}

class OtlpReceiverImpl : public OtlpReceiver {
 public:
  explicit OtlpReceiverImpl(std::vector<Secret> tokens) {
    if (!tokens.empty()) auth_.emplace(std::move(tokens));
  }
  ~OtlpReceiverImpl() override { Stop(std::chrono::nanoseconds(0)); }

  Status OpenHttp(OtlpHttpDoor door, const OtlpIntakeOptions& intake,
                  pipeline::SpanConsumer& next, Executor& cpu,
                  net::IoRuntime& io, telemetry::Registry& registry) {
    http_intake_ =
        std::make_unique<OtlpIntake>(intake, "http", next, cpu, registry);
    router_.emplace(MakeOtlpHttpRouter(door.traces_path, *http_intake_,
                                       auth_ ? &*auth_ : nullptr));
    door.server.max_body_bytes = intake.max_request_bytes;
    door.server.max_body_bytes_in_flight = intake.max_bytes_in_flight;
    door.server.error_body = [this](int status, std::string_view message,
                                    const net::HttpRequest* partial) {
      if (status != 429 && status != 503) http_intake_->NoteFailure(message);
      return OtlpErrorResponse(status, GrpcCodeOf(status), message, partial);
    };
    ASSIGN_OR_RETURN(
        http_, net::HttpServer::Start(
                   std::move(door.server),
                   [this](net::HttpRequest request, net::HttpRespond respond) {
                     router_->Handle(std::move(request), std::move(respond));
                   },
                   io));
    return {};
  }

  Status OpenGrpc(OtlpGrpcDoor door, const OtlpIntakeOptions& intake,
                  pipeline::SpanConsumer& next, Executor& cpu,
                  telemetry::Registry& registry) {
    grpc_intake_ =
        std::make_unique<OtlpIntake>(intake, "grpc", next, cpu, registry);
    door.server.max_bytes_in_flight = intake.max_bytes_in_flight;
    net::GrpcHandlers handlers;
    handlers[kExportMethod] = [this](net::GrpcRequest request,
                                     net::GrpcRespond respond) {
      HandleGrpc(std::move(request), std::move(respond));
    };
    ASSIGN_OR_RETURN(grpc_,
                     net::GrpcServer::Start(door.server, std::move(handlers)));
    return {};
  }

  std::string http_address() const override {
    return http_ ? http_->address() : "";
  }
  std::string grpc_address() const override {
    return grpc_ ? grpc_->address() : "";
  }

  void Stop(std::chrono::nanoseconds patience) override {
    if (http_) http_->Stop(patience);
    if (grpc_) grpc_->Stop(patience);
  }

 private:
  void HandleGrpc(net::GrpcRequest request, net::GrpcRespond respond) {
    if (auth_) {
      if (Status allowed = auth_->Check(request.Metadata("authorization"));
          !allowed) {
        return respond(net::GrpcReply::FromError(allowed.error()));
      }
    }
    OtlpRequest otlp;
    otlp.body = std::move(request.message);
    otlp.tenant_header = request.Metadata("x-scope-orgid");
    grpc_intake_->Take(std::move(otlp),
                       [respond = std::move(respond)](OtlpAnswer answer) {
                         respond(ReplyOf(answer));
                       });
  }

  std::optional<net::BearerAuth> auth_;
  std::unique_ptr<OtlpIntake> http_intake_;
  std::unique_ptr<OtlpIntake> grpc_intake_;
  std::optional<net::HttpRouter> router_;
  // Last: their destructors wait for requests that use what stands above.
  std::unique_ptr<net::HttpServer> http_;
  std::unique_ptr<net::GrpcServer> grpc_;
};

}  // namespace

Result<std::unique_ptr<OtlpReceiver>> OtlpReceiver::Start(
    OtlpReceiverOptions options, pipeline::SpanConsumer& next, Executor& cpu,
    net::IoRuntime& io, telemetry::Registry& registry) {
  auto receiver =
      std::make_unique<OtlpReceiverImpl>(std::move(options.bearer_tokens));
  if (options.http) {
    RETURN_IF_ERROR(receiver->OpenHttp(*std::move(options.http), options.intake,
                                       next, cpu, io, registry));
  }
  if (options.grpc) {
    RETURN_IF_ERROR(receiver->OpenGrpc(*std::move(options.grpc), options.intake,
                                       next, cpu, registry));
  }
  return std::unique_ptr<OtlpReceiver>(std::move(receiver));
}

}  // namespace khtrace::ingest
