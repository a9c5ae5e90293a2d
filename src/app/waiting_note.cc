// SPDX-License-Identifier: Apache-2.0
#include "app/waiting_note.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace khtrace::app {
namespace {

void CountSeconds(const std::stop_token& stop, const std::string& what) {
  std::mutex mu;
  std::condition_variable_any wake;
  std::unique_lock lock(mu);
  for (int seconds = 1;; ++seconds) {
    wake.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; });
    if (stop.stop_requested()) {
      // Back to the line's start, and clear it.
      if (seconds > 1) fmt::print(stderr, "\r\x1b[K");
      return;
    }
    fmt::print(stderr, "\rwaiting for {}: {} s ", what, seconds);
    std::fflush(stderr);
  }
}

}  // namespace

WaitingNote::WaitingNote(std::string what) {
  if (isatty(STDERR_FILENO) == 0) return;
  thread_ = std::jthread([what = std::move(what)](const std::stop_token& stop) {
    CountSeconds(stop, what);
  });
}

WaitingNote::~WaitingNote() = default;

}  // namespace khtrace::app
