// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace khtrace {

// Empties `container` and gives its memory back, which `= {}` and clear() do
// not: of vectors, strings and flat tables they keep it for later.
template <typename Container>
void Release(Container& container) {
  Container().swap(container);
}

}  // namespace khtrace
