// SPDX-License-Identifier: Apache-2.0
#include "base/secret.h"

namespace khtrace {

bool Secret::Matches(std::string_view candidate) const {
  if (value_.empty()) return false;
  unsigned char difference = candidate.size() != value_.size();
  for (size_t i = 0; i < candidate.size(); ++i) {
    difference |=
        static_cast<unsigned char>(candidate[i] ^ value_[i % value_.size()]);
  }
  return difference == 0;
}

}  // namespace khtrace
