// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace khtrace {

// A fresh empty directory under $TMPDIR (/tmp if unset), removed with all it
// holds by the destructor. Stops the program if it cannot be made.
class TempDirForTesting {
 public:
  TempDirForTesting();
  ~TempDirForTesting();
  TempDirForTesting(const TempDirForTesting&) = delete;
  TempDirForTesting& operator=(const TempDirForTesting&) = delete;

  const std::string& path() const { return path_; }
  // The path of `name` inside.
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace khtrace
