// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace khtrace {

// A password, token or key. It has no way into a log line: printing shows ***.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}

  bool empty() const { return value_.empty(); }
  // The one way to the value; a reader of the code finds every use.
  const std::string& Reveal() const { return value_; }
  // Takes the same time wherever the two first differ.
  bool Matches(std::string_view candidate) const;

 private:
  std::string value_;
};

}  // namespace khtrace

template <>
struct fmt::formatter<khtrace::Secret> : fmt::formatter<std::string_view> {
  template <typename Context>
  auto format(const khtrace::Secret&, Context& context) const {
    return fmt::formatter<std::string_view>::format("***", context);
  }
};
