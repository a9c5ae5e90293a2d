// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <set>
#include <string>

namespace khtrace::storage {

// The keys of stored attributes by what carries them; each set is sorted.
struct AttributeKeys {
  using Keys = std::set<std::string, std::less<>>;

  Keys resource;
  Keys span;
  Keys event;
  Keys link;
  Keys instrumentation;  // the span's instrumentation scope

  bool operator==(const AttributeKeys&) const = default;
};

}  // namespace khtrace::storage
