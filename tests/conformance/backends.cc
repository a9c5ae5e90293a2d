// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "base/check.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/fs.h"
#include "base/temp_dir.h"
#include "storage/columnar/columnar_store.h"
#include "storage/memory/memory_store.h"
#include "store_under_test.h"

namespace khtrace::conformance {
namespace {

class Memory : public StoreUnderTest {
 public:
  storage::TraceStore& store() override { return store_; }

 private:
  storage::memory::MemoryStore store_;
};

// Everything runs in the calling thread, so that a failure comes again.
class Columnar : public StoreUnderTest {
 public:
  explicit Columnar(bool merging = false) : merging_(merging) { Open(); }
  storage::TraceStore& store() override { return *store_; }
  void Flush() override {
    KHTRACE_CHECK(store_->Flush().has_value());
    if (merging_) store_->RunMaintenance();
  }
  void Reopen() override {
    KHTRACE_CHECK(store_->Close().has_value());
    store_.reset();
    Open();
  }

 private:
  void Open() {
    storage::columnar::StoreOptions options;
    options.data_dir = dir_.File("data");
    options.limits.retention = std::chrono::seconds(0);
    options.background_thread = false;
    options.merge.min_parts = 2;
    options.merge.bytes_per_second = 0;
    // Syncs cost the suite its speed and show nothing here.
    options.wal.sync = storage::columnar::WalSync::kNone;
    auto store = storage::columnar::ColumnarStore::Open(
        options, Fs::Real(), clock_, {inline_, inline_, inline_});
    KHTRACE_CHECK(store.has_value());
    store_ = *std::move(store);
  }

  const bool merging_;
  TempDirForTesting dir_;
  FakeClock clock_{kBase};
  InlineExecutor inline_;
  std::unique_ptr<storage::columnar::ColumnarStore> store_;
};

// Whenever there are two parts, they become one.
class Merging : public Columnar {
 public:
  Merging() : Columnar(true) {}
};

template <typename T>
std::unique_ptr<StoreUnderTest> Make() {
  return std::make_unique<T>();
}

}  // namespace

std::vector<Backend> AllBackends() {
  return {{"Memory", &Make<Memory>},
          {"Columnar", &Make<Columnar>},
          {"ColumnarMerging", &Make<Merging>}};
}

}  // namespace khtrace::conformance
