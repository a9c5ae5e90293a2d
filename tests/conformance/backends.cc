// SPDX-License-Identifier: Apache-2.0
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

template <typename T>
std::unique_ptr<StoreUnderTest> Make() {
  return std::make_unique<T>();
}

}  // namespace

std::vector<Backend> AllBackends() { return {{"Memory", &Make<Memory>}}; }

}  // namespace khtrace::conformance
