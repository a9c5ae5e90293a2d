// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>
#include <string>
#include <thread>

namespace khtrace::app {

// While it lives: from the second second on, a line on stderr that counts up,
// so that nobody takes waiting for a hang. Gone without a trace afterwards.
// Nothing where stderr is no terminal.
class WaitingNote {
 public:
  // `what` follows "waiting for ".
  explicit WaitingNote(std::string what);
  ~WaitingNote();
  WaitingNote(const WaitingNote&) = delete;
  WaitingNote& operator=(const WaitingNote&) = delete;

 private:
  std::jthread thread_;
};

}  // namespace khtrace::app
