// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "config/server_config.h"

namespace khtrace::app {

// The running program: the one place where concrete classes are chosen and
// joined. Confined to the main thread.
class Server {
 public:
  // Opens the store, then the doors; on an error, whatever was opened is
  // closed again. The error says which door or file and why.
  static Result<std::unique_ptr<Server>> Start(
      const config::ServerConfig& config);
  virtual ~Server() = default;

  // Name and address of every open door: {"otlp/http", "127.0.0.1:4318"}, ….
  virtual std::vector<std::pair<std::string, std::string>> Addresses()
      const = 0;

  // Closes the doors, answers what is running, writes the head to disk. An
  // error means that the store could not be closed cleanly; nothing that was
  // acknowledged is lost by it.
  virtual Status Stop() = 0;
};

}  // namespace khtrace::app
