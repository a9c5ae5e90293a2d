// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "base/result.h"
#include "net/http.h"
#include "wire/json_writer.h"

// The envelope of Jaeger's HTTP API v1:
//   {"data":…,"total":0,"limit":0,"offset":0,"errors":null}

namespace khtrace::api {

struct JaegerV1Error {
  int code = 0;  // 0 = left out
  std::string message;
  std::string trace_id;  // "" = left out
};

// 200; `write_data` writes one JSON value. Indented if `request` says
// prettyPrint=true.
net::HttpResponse JaegerV1Answer(
    const net::HttpRequest& request, size_t total,
    const std::function<void(wire::JsonWriter&)>& write_data,
    std::span<const JaegerV1Error> errors = {});

// As text/plain, ended by a newline: what Jaeger answers and clients parse.
net::HttpResponse JaegerV1ErrorAnswer(const Error& error);

}  // namespace khtrace::api
