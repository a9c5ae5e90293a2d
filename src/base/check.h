// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace khtrace {

// Prints "BUG: <what> (<file>:<line>)" and aborts.
[[noreturn]] void BugFound(const char* what, const char* file, int line);

}  // namespace khtrace

// Our own invariants, always on; never about outside input.
#define KHTRACE_CHECK(condition)                           \
  do {                                                     \
    if (!(condition)) [[unlikely]]                         \
      ::khtrace::BugFound(#condition, __FILE__, __LINE__); \
  } while (false)

// The same for hot loops: gone in release builds.
#ifdef NDEBUG
#define KHTRACE_DCHECK(condition) \
  do {                            \
    (void)sizeof(condition);      \
  } while (false)
#else
#define KHTRACE_DCHECK(condition) KHTRACE_CHECK(condition)
#endif
