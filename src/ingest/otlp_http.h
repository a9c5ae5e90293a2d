// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "ingest/otlp_intake.h"
#include "net/auth.h"
#include "net/http.h"
#include "net/http_router.h"

namespace khtrace::ingest {

// The door OTLP/HTTP: answers `traces_path` and nothing else. `intake` and
// `auth` (nullptr = open) are borrowed.
net::HttpRouter MakeOtlpHttpRouter(const std::string& traces_path,
                                   OtlpIntake& intake,
                                   const net::BearerAuth* auth);

// An error as OTLP/HTTP wants it: a google.rpc.Status in the request's own
// content type, protobuf or JSON; plain text when the type is neither.
net::HttpResponse OtlpErrorResponse(int http_status, int grpc_code,
                                    std::string_view message,
                                    const net::HttpRequest* request);

}  // namespace khtrace::ingest
