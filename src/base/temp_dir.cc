// SPDX-License-Identifier: Apache-2.0
#include "base/temp_dir.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/check.h"

namespace khtrace {

TempDirForTesting::TempDirForTesting() {
  const char* base = std::getenv("TMPDIR");
  path_ = base != nullptr && *base != '\0' ? base : "/tmp";
  path_ += "/khtrace_test_XXXXXX";
  KHTRACE_CHECK(mkdtemp(path_.data()) != nullptr);
}

TempDirForTesting::~TempDirForTesting() {
  std::error_code ignored;  // a leftover in /tmp must not fail the test
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace khtrace
