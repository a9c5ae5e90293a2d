// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/executor.h"

namespace boost::asio {
class io_context;
}

namespace khtrace::net {

// The I/O threads: one asio io_context and `threads` threads in it. Made by
// app before every server, destroyed after every server was stopped and every
// HttpRespond is gone. Thread-safe.
class IoRuntime : public Executor {
 public:
  explicit IoRuntime(int threads);
  // Drops work that has not begun and joins the threads.
  ~IoRuntime() override;

  // Runs `work` on an I/O thread; it must not block.
  void Post(std::function<void()> work) override;
  // Runs `work` once, on an I/O thread, after `delay`.
  void RunAfter(std::chrono::nanoseconds delay, std::function<void()> work);

  // For src/net/*.cc alone.
  boost::asio::io_context& context();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace khtrace::net
