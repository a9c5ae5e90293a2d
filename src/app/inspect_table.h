// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "app/terminal.h"
#include "storage/columnar/data_directory.h"

namespace khtrace::app {

struct InspectOptions {
  Terminal terminal;
  // Show every part, and all columns instead of the largest.
  bool all = false;
};

// For each tenant what its log and parts hold, the parts one by one, and what
// the columns take on disk, added up over the parts.
std::string RenderDirectory(const storage::columnar::DirectoryReport& report,
                            const InspectOptions& options);

// What was checked, and each damage. Ends in a verdict.
std::string RenderVerification(const storage::columnar::VerifyReport& report,
                               const Terminal& terminal);

}  // namespace khtrace::app
