// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>

#include "base/executor.h"
#include "base/result.h"

namespace khtrace::query {

// Runs `work` on the calling thread and, as far as threads of `helpers` are
// free meanwhile, on up to `count - 1` of them: each call gets a number of its
// own, from 0 on. Returns when all calls have; the first error wins. `work`
// takes its share from some counter of its caller's, so it makes no difference
// to the result how many calls there are. `helpers` may be nullptr.
Status RunMorsels(Executor* helpers, size_t count,
                  const std::function<Status(size_t number)>& work);

}  // namespace khtrace::query
