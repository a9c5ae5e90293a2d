// SPDX-License-Identifier: Apache-2.0
#include "net/io_runtime.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <utility>

namespace khtrace::net {

namespace asio = boost::asio;

struct IoRuntime::Impl {
  explicit Impl(int threads)
      : context(threads), work(context.get_executor()), pool("io", threads) {
    for (int i = 0; i < threads; ++i) pool.Post([this] { context.run(); });
  }
  asio::io_context context;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  ThreadPool pool;  // last: joined before the context goes
};

IoRuntime::IoRuntime(int threads) : impl_(std::make_unique<Impl>(threads)) {}

IoRuntime::~IoRuntime() { impl_->context.stop(); }

void IoRuntime::Post(std::function<void()> work) {
  asio::post(impl_->context, std::move(work));
}

void IoRuntime::RunAfter(std::chrono::nanoseconds delay,
                         std::function<void()> work) {
  auto timer = std::make_shared<asio::steady_timer>(impl_->context, delay);
  timer->async_wait(
      [timer, work = std::move(work)](const boost::system::error_code& error) {
        if (!error) work();
      });
}

asio::io_context& IoRuntime::context() { return impl_->context; }

}  // namespace khtrace::net
