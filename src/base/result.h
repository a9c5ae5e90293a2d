// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.h"

namespace khtrace {

// Canonical codes with gRPC's names and numbers, so that api/ and ingest/ map
// them once (https://grpc.github.io/grpc/core/md_doc_statuscodes.html).
enum class Code : uint8_t {
  kCancelled = 1,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// "INVALID_ARGUMENT" and so on.
std::string_view CodeName(Code code);

struct Error {
  Code code;
  std::string message;

  // Returns this error with "<what>: " put in front of its message.
  Error With(std::string_view what) && {
    message.insert(0, std::string(what) + ": ");
    return std::move(*this);
  }
};

// A value or the reason why there is none. Reading the wrong side is our bug
// and stops the program.
template <typename T>
class [[nodiscard]] Result {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): `return value;` is the point.
  Result(T value) : v_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : v_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return v_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& operator*() & { return Value(); }
  const T& operator*() const& {
    KHTRACE_CHECK(has_value());
    return *std::get_if<0>(&v_);
  }
  T&& operator*() && { return std::move(Value()); }
  T* operator->() { return &Value(); }
  const T* operator->() const { return &**this; }

  Error& error() & {
    KHTRACE_CHECK(!has_value());
    return *std::get_if<1>(&v_);
  }
  const Error& error() const& {
    KHTRACE_CHECK(!has_value());
    return *std::get_if<1>(&v_);
  }
  Error&& error() && { return std::move(error()); }

 private:
  T& Value() {
    KHTRACE_CHECK(has_value());
    return *std::get_if<0>(&v_);
  }
  std::variant<T, Error> v_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool has_value() const { return !error_; }
  explicit operator bool() const { return has_value(); }
  Error& error() & {
    KHTRACE_CHECK(!has_value());
    return *error_;
  }
  const Error& error() const& {
    KHTRACE_CHECK(!has_value());
    return *error_;
  }
  Error&& error() && { return std::move(error()); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace khtrace

#define KHTRACE_CAT2(a, b) a##b
#define KHTRACE_CAT(a, b) KHTRACE_CAT2(a, b)

#define RETURN_IF_ERROR_IMPL(tmp, expr) \
  if (auto tmp = (expr); !tmp) return std::move(tmp).error()
// __COUNTER__, because one may stand inside another's argument (a lambda).
#define RETURN_IF_ERROR(expr) \
  RETURN_IF_ERROR_IMPL(KHTRACE_CAT(khtrace_r_, __COUNTER__), expr)

#define ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                          \
  if (!tmp) return std::move(tmp).error();    \
  lhs = *std::move(tmp)
#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_IMPL(KHTRACE_CAT(khtrace_r_, __COUNTER__), lhs, expr)
