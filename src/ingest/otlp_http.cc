// SPDX-License-Identifier: Apache-2.0
#include "ingest/otlp_http.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "wire/json_writer.h"
#include "wire/protobuf.h"

namespace khtrace::ingest {
namespace {

constexpr char kProtobufType[] = "application/x-protobuf";
constexpr char kJsonType[] = "application/json";
// Long enough for a group commit or a flush to make room.
constexpr char kRetryAfterSeconds[] = "1";

std::optional<OtlpFormat> FormatOf(const net::HttpRequest& request) {
  const std::string type = request.MediaType();
  if (type == kProtobufType) return OtlpFormat::kProtobuf;
  if (type == kJsonType) return OtlpFormat::kJson;
  return std::nullopt;
}

// OTLP specification, "Failures" and the Collector's mapping of codes.
int HttpStatusOf(Code code) {
  switch (code) {
    case Code::kCancelled:
    case Code::kDeadlineExceeded:
    case Code::kUnavailable:
    case Code::kDataLoss:
      return 503;
    case Code::kResourceExhausted:
      return 429;
    case Code::kInvalidArgument:
      return 400;
    case Code::kUnauthenticated:
      return 401;
    case Code::kPermissionDenied:
      return 403;
    case Code::kUnimplemented:
      return 404;
    default:
      return 500;
  }
}

net::HttpResponse ErrorResponse(const Error& error, bool too_large,
                                const net::HttpRequest& request) {
  const int status = too_large ? 413 : HttpStatusOf(error.code);
  net::HttpResponse response = OtlpErrorResponse(
      status, static_cast<int>(error.code), error.message, &request);
  if (status == 429 || status == 503) {
    response.headers.Set("Retry-After", kRetryAfterSeconds);
  }
  return response;
}

net::HttpResponse SuccessResponse(OtlpFormat format, const OtlpAnswer& answer) {
  net::HttpResponse response;
  if (format == OtlpFormat::kProtobuf) {
    response.content_type = kProtobufType;
    response.body = codec::EncodeOtlpResponseProtobuf(answer.rejected_spans,
                                                      answer.message);
  } else {
    response.content_type = kJsonType;
    response.body =
        codec::EncodeOtlpResponseJson(answer.rejected_spans, answer.message);
  }
  return response;
}

void HandleExport(OtlpIntake& intake, const net::BearerAuth* auth,
                  net::HttpRequest request, net::HttpRespond respond) {
  if (auth != nullptr) {
    if (Status allowed = auth->CheckBearer(request); !allowed) {
      intake.NoteFailure(allowed.error().message);
      return respond(ErrorResponse(allowed.error(), false, request));
    }
  }
  const std::optional<OtlpFormat> format = FormatOf(request);
  if (!format) {
    intake.NoteFailure(fmt::format("content type '{}' is not supported",
                                   request.headers.Get("content-type")));
    return respond(net::TextResponse(
        415,
        "415 unsupported media type, supported: [application/json, "
        "application/x-protobuf]"));
  }
  const Result<wire::Coding> coding =
      wire::ParseCoding(request.headers.Get("content-encoding"));
  if (!coding) {
    intake.NoteFailure(coding.error().message);
    return respond(ErrorResponse(coding.error(), false, request));
  }
  OtlpRequest otlp{std::move(request.body), *coding, *format, {}};
  // Kept for the answer; the tenant's name is borrowed from it.
  auto shared = std::make_shared<const net::HttpRequest>(std::move(request));
  otlp.tenant_header = shared->headers.Get("x-scope-orgid");
  intake.Take(
      std::move(otlp), [format = *format, shared,
                        respond = std::move(respond)](OtlpAnswer answer) {
        respond(answer.status ? SuccessResponse(format, answer)
                              : ErrorResponse(answer.status.error(),
                                              answer.too_large, *shared));
      });
}

}  // namespace

net::HttpResponse OtlpErrorResponse(int http_status, int grpc_code,
                                    std::string_view message,
                                    const net::HttpRequest* request) {
  const std::optional<OtlpFormat> format =
      request == nullptr ? std::nullopt : FormatOf(*request);
  if (!format) return net::TextResponse(http_status, message);
  net::HttpResponse response;
  response.status = http_status;
  if (*format == OtlpFormat::kProtobuf) {
    response.content_type = kProtobufType;
    wire::ProtoWriter writer(response.body);
    writer.Varint(1, static_cast<uint64_t>(grpc_code));
    writer.Bytes(2, message);
  } else {
    response.content_type = kJsonType;
    wire::JsonWriter writer(&response.body);
    writer.BeginObject();
    writer.Key("code");
    writer.Int(grpc_code);
    writer.Key("message");
    writer.String(message);
    writer.EndObject();
  }
  return response;
}

net::HttpRouter MakeOtlpHttpRouter(const std::string& traces_path,
                                   OtlpIntake& intake,
                                   const net::BearerAuth* auth) {
  net::HttpRouterOptions options;
  options.method_not_allowed = [](const net::HttpRequest&,
                                  std::span<const std::string>) {
    return net::TextResponse(405, "405 method not allowed, supported: [POST]");
  };
  net::HttpRouter router(std::move(options));
  router.Add(
      "POST", traces_path,
      [&intake, auth](net::HttpRequest request, net::HttpRespond respond) {
        HandleExport(intake, auth, std::move(request), std::move(respond));
      });
  return router;
}

}  // namespace khtrace::ingest
