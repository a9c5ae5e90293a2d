// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "net/http.h"

namespace khtrace::net {

// What the request says about the form of its answer.
struct HttpAnswerForm {
  int minor_version = 1;
  bool keep_alive = true;
  bool head_only = false;
  bool accepts_gzip = false;
};

// An answer as it goes over the wire.
struct HttpWireAnswer {
  std::string head;  // status line, headers and the empty line
  std::string body;
};

// Whether an Accept-Encoding value admits gzip (RFC 9110, 12.5.3).
bool AcceptsGzip(std::string_view accept_encoding);

// Compresses the body where that is agreed and pays, and writes the head.
// `extra` are headers of the server itself; those of `response` come first.
HttpWireAnswer EncodeResponse(HttpResponse response, const HttpAnswerForm& form,
                              const HttpHeaders& extra);

}  // namespace khtrace::net
