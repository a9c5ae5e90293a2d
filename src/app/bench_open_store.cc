// SPDX-License-Identifier: Apache-2.0
#include "app/bench_open_store.h"

#include <fmt/format.h>

#include <utility>

#include "base/clock.h"
#include "base/fs.h"

namespace khtrace::app {

Result<std::unique_ptr<BenchStore>> BenchStore::Open(
    const std::string& data_dir) {
  // Opening a store makes one where there is none.
  if (!Fs::Real().Exists(data_dir + "/FORMAT")) {
    return Error{Code::kNotFound,
                 fmt::format("cannot open '{}': there is no store; `khtrace "
                             "bench store --data-dir` fills one",
                             data_dir)};
  }
  storage::columnar::StoreOptions options;
  options.data_dir = data_dir;
  options.limits.retention = std::chrono::seconds(0);
  options.background_thread = false;
  std::unique_ptr<BenchStore> bench(new BenchStore());
  ASSIGN_OR_RETURN(bench->store_,
                   storage::columnar::ColumnarStore::Open(
                       options, Fs::Real(), Clock::System(),
                       {bench->commit_, bench->background_, bench->upkeep_}));
  return bench;
}

}  // namespace khtrace::app
