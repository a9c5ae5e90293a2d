// SPDX-License-Identifier: Apache-2.0
#include "net/auth.h"

#include <string>
#include <utility>

namespace khtrace::net {
namespace {

// What follows "Bearer ", or nothing when the scheme is another one.
std::string_view TokenOf(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() < kScheme.size()) return {};
  for (size_t i = 0; i < kScheme.size(); ++i) {
    const char c = authorization[i];
    const char lower =
        c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (lower != kScheme[i]) return {};
  }
  return authorization.substr(kScheme.size());
}

}  // namespace

BearerAuth::BearerAuth(std::vector<Secret> tokens)
    : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const Secret& token) { return token.empty(); });
}

Status BearerAuth::Check(std::string_view authorization) const {
  if (authorization.empty()) {
    return Error{Code::kUnauthenticated,
                 "missing or empty authorization header: Authorization"};
  }
  const std::string_view candidate = TokenOf(authorization);
  bool match = false;
  // Every token is compared, so that the time does not tell which one fits.
  for (const Secret& token : tokens_) match |= token.Matches(candidate);
  if (!match) {
    return Error{Code::kUnauthenticated, "scheme or token does not match"};
  }
  return {};
}

}  // namespace khtrace::net
