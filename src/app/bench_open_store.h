// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/executor.h"
#include "base/result.h"
#include "storage/columnar/columnar_store.h"

namespace khtrace::app {

// A store on disk that a bench asks: nothing is merged or dropped meanwhile.
class BenchStore {
 public:
  // kNotFound: there is no store in `data_dir`; none is made. Otherwise as
  // ColumnarStore::Open.
  static Result<std::unique_ptr<BenchStore>> Open(const std::string& data_dir);

  storage::columnar::ColumnarStore& operator*() { return *store_; }
  Status Close() { return store_->Close(); }

 private:
  BenchStore() = default;

  ThreadPool commit_{"wal", 1};
  ThreadPool background_{"background", 1};
  ThreadPool upkeep_{"upkeep", 1};
  std::unique_ptr<storage::columnar::ColumnarStore> store_;
};

}  // namespace khtrace::app
