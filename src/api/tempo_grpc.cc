// SPDX-License-Identifier: Apache-2.0
#include "api/tempo_grpc.h"

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/tempo_common.h"
#include "base/percent.h"
#include "base/text.h"
#include "wire/json_writer.h"
#include "wire/protobuf.h"

// The requests' fields:
//   SearchRequest: tags = 1 (map), minDurationMs = 2, maxDurationMs = 3,
//     limit = 4, start = 5, end = 6, query = 8, spansPerSpanSet = 9
//   SearchTagsRequest: scope = 1, query = 2, start = 3, end = 4,
//     maxTagsPerScope = 5
//   SearchTagValuesRequest: tagName = 1, query = 2, start = 4, end = 5,
//     maxTagValues = 6
//   QueryRangeRequest: query = 1, start = 2, end = 3, step = 4 (ns),
//     exemplars = 16, maxSeries = 17, instant = 18
//   QueryInstantRequest: query = 1, start = 2, end = 3 (ns)

namespace khtrace::api {
namespace {

using wire::ProtoReader;
using wire::WireType;

// The target of the HTTP request, as it grows.
class Target {
 public:
  explicit Target(std::string path) : text_(std::move(path)) {}

  void Add(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    text_ += separator_;
    separator_ = '&';
    text_.append(name).append("=").append(PercentEncode(value));
  }
  // Zero is protobuf's "not set".
  void Add(std::string_view name, uint64_t value, std::string_view unit = "") {
    if (value != 0) Add(name, fmt::format("{}{}", value, unit));
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
  char separator_ = '?';
};

// A field of a request and the parameter that it is.
struct Field {
  uint32_t number;
  std::string_view param;
  std::string_view unit = "";
};

// Reads the fields that are named; false if the message is malformed.
bool AddFields(std::string_view message, std::initializer_list<Field> fields,
               Target* target) {
  ProtoReader r(message);
  while (r.Next()) {
    const Field* known = nullptr;
    for (const Field& field : fields) {
      if (field.number == r.field()) known = &field;
    }
    if (known != nullptr && r.type() == WireType::kLen) {
      target->Add(known->param, r.Bytes());
    } else if (known != nullptr && r.type() == WireType::kVarint) {
      target->Add(known->param, r.Varint(), known->unit);
    } else {
      r.Skip();
    }
  }
  return r.ok();
}

// The entries of `tags` as logfmt.
std::string ReadTags(std::string_view message) {
  std::string logfmt;
  ProtoReader r(message);
  while (r.Next()) {
    if (r.tag() != ProtoReader::Tag(1, WireType::kLen)) {
      r.Skip();
      continue;
    }
    ProtoReader entry(r.Bytes());
    std::string_view key;
    std::string_view value;
    while (entry.Next()) {
      const bool text = entry.type() == WireType::kLen;
      if (text && entry.field() == 1) {
        key = entry.Bytes();
      } else if (text && entry.field() == 2) {
        value = entry.Bytes();
      } else {
        entry.Skip();
      }
    }
    logfmt.append(key).append("=");
    wire::AppendJsonString(value, &logfmt);
    logfmt += ' ';
  }
  return logfmt;
}

// The first text in field `number`.
std::string_view ReadText(std::string_view message, uint32_t number) {
  ProtoReader r(message);
  while (r.Next()) {
    if (r.tag() == ProtoReader::Tag(number, WireType::kLen)) return r.Bytes();
    r.Skip();
  }
  return {};
}

// A request's message as target; nullopt if it is malformed.
using ToTarget = std::optional<std::string> (*)(std::string_view message);

std::optional<std::string> SearchTarget(std::string_view message) {
  Target target("/api/search");
  if (!AddFields(message,
                 {{2, "minDuration", "ms"},
                  {3, "maxDuration", "ms"},
                  {4, "limit"},
                  {5, "start"},
                  {6, "end"},
                  {8, "q"},
                  {9, "spss"}},
                 &target)) {
    return std::nullopt;
  }
  target.Add("tags", ReadTags(message));
  return target.Take();
}

std::optional<std::string> WithTagFields(std::string_view message,
                                         std::string path) {
  Target target(std::move(path));
  if (!AddFields(
          message,
          {{1, "scope"}, {2, "q"}, {3, "start"}, {4, "end"}, {5, "limit"}},
          &target)) {
    return std::nullopt;
  }
  return target.Take();
}

std::optional<std::string> WithValueFields(std::string_view message,
                                           std::string_view path) {
  Target target(
      fmt::format("{}/{}/values", path, PercentEncode(ReadText(message, 1))));
  if (!AddFields(message, {{2, "q"}, {4, "start"}, {5, "end"}, {6, "limit"}},
                 &target)) {
    return std::nullopt;
  }
  return target.Take();
}

std::optional<std::string> MetricsTarget(std::string_view message,
                                         std::string path) {
  Target target(std::move(path));
  if (!AddFields(message,
                 {{1, "q"},
                  {2, "start"},
                  {3, "end"},
                  {4, "step", "ns"},
                  {16, "exemplars"},
                  {17, "maxSeries"},
                  {18, "instant"}},
                 &target)) {
    return std::nullopt;
  }
  return target.Take();
}

net::HttpRequest MakeRequest(const net::GrpcRequest& call, std::string target) {
  net::HttpRequest request;
  request.method = "GET";
  request.target = std::move(target);
  request.path = PercentDecode(request.raw_path(), false);
  const size_t question = request.target.find('?');
  if (question != std::string::npos) {
    request.query = net::QueryParams::Parse(
        std::string_view(request.target).substr(question + 1));
  }
  for (const char* name : {"authorization", "x-scope-orgid"}) {
    const std::string_view value = call.Metadata(name);
    if (!value.empty()) request.headers.Set(name, std::string(value));
  }
  request.headers.Set("Accept", std::string(kProtobufType));
  request.peer = call.peer;
  request.stop = call.stop;
  request.send_ahead = call.send_ahead;
  return request;
}

Code CodeOfHttp(int status) {
  switch (status) {
    case 400:
      return Code::kInvalidArgument;
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kPermissionDenied;
    case 404:
      return Code::kNotFound;
    case 429:
      return Code::kResourceExhausted;
    case 499:
      return Code::kCancelled;
    case 501:
      return Code::kUnimplemented;
    case 503:
      return Code::kUnavailable;
    case 504:
      return Code::kDeadlineExceeded;
    default:
      return Code::kInternal;
  }
}

net::GrpcReply ToReply(net::HttpResponse response) {
  if (response.status == 200) {
    net::GrpcReply reply = net::GrpcReply::Ok(std::move(response.body));
    reply.ahead = std::move(response.ahead);
    return reply;
  }
  while (!response.body.empty() && response.body.back() == '\n') {
    response.body.pop_back();
  }
  return net::GrpcReply::FromError(
      {CodeOfHttp(response.status), std::move(response.body)});
}

}  // namespace

net::GrpcHandlers TempoGrpcHandlers(net::HttpHandler http) {
  net::GrpcHandlers handlers;
  const auto add = [&](std::string_view method, ToTarget to_target) {
    handlers.emplace(
        fmt::format("/tempopb.StreamingQuerier/{}", method),
        [http, to_target](net::GrpcRequest call, net::GrpcRespond respond) {
          std::optional<std::string> target = to_target(call.message);
          if (!target) {
            return respond(
                net::GrpcReply::FromError({Code::kInvalidArgument,
                                           "cannot read the request: malformed "
                                           "protobuf"}));
          }
          http(MakeRequest(call, *std::move(target)),
               [respond = std::move(respond)](net::HttpResponse response) {
                 respond(ToReply(std::move(response)));
               });
        });
  };
  add("Search", SearchTarget);
  add("SearchTags", [](std::string_view message) {
    return WithTagFields(message, "/api/search/tags");
  });
  add("SearchTagsV2", [](std::string_view message) {
    return WithTagFields(message, "/api/v2/search/tags");
  });
  add("SearchTagValues", [](std::string_view message) {
    return WithValueFields(message, "/api/search/tag");
  });
  add("SearchTagValuesV2", [](std::string_view message) {
    return WithValueFields(message, "/api/v2/search/tag");
  });
  add("MetricsQueryRange", [](std::string_view message) {
    return MetricsTarget(message, "/api/metrics/query_range");
  });
  add("MetricsQueryInstant", [](std::string_view message) {
    return MetricsTarget(message, "/api/metrics/query");
  });
  return handlers;
}

}  // namespace khtrace::api
