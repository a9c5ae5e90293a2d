// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "net/http.h"

namespace khtrace::net {

// Checks "Authorization: Bearer <token>" against a list. Immutable.
class BearerAuth {
 public:
  // Empty tokens are left out; without any token nobody gets in, so that a
  // variable left unset does not open the door.
  explicit BearerAuth(std::vector<Secret> tokens);

  // kUnauthenticated "missing or empty authorization header: Authorization" or
  // "scheme or token does not match". Compares with every token in constant
  // time; the scheme's case does not matter.
  Status Check(std::string_view authorization) const;
  Status CheckBearer(const HttpRequest& request) const {
    return Check(request.headers.Get("authorization"));
  }

 private:
  std::vector<Secret> tokens_;
};

}  // namespace khtrace::net
