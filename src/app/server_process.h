// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace khtrace::app {

struct ProcessUsage {
  double cpu_seconds = 0;   // user and system
  uint64_t peak_bytes = 0;  // VmHWM
};

// A `khtrace serve` of this same binary as a child, for benches: its CPU time
// and memory are its own, not the load driver's. Confined to one thread.
class ServerProcess {
 public:
  // Starts it with these further arguments and waits until it is ready. Its
  // log goes to `log_path`.
  static Result<std::unique_ptr<ServerProcess>> Start(
      const std::vector<std::string>& arguments, const std::string& log_path);
  // Kills what still runs.
  ~ServerProcess();

  ProcessUsage Usage() const;
  // SIGTERM, then waits. An error when it does not exit with 0.
  Status Stop();

 private:
  explicit ServerProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_;
};

}  // namespace khtrace::app
