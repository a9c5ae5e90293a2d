// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <memory>
#include <string>

#include "net/http_client.h"
#include "net/http_server.h"

namespace khtrace::net {
namespace {

double CpuSeconds(int who) {
  rusage usage{};
  ::getrusage(who, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) +
           static_cast<double>(t.tv_usec) / 1'000'000;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// One keep-alive client posts bodies that the server reads and drops. The
// client runs in this thread, so its CPU time can be told from the server's.
void BM_HttpPost(benchmark::State& state) {
  IoRuntime runtime(1);
  auto server = HttpServer::Start(
      {},
      [](const HttpRequest& request, const HttpRespond& respond) {
        benchmark::DoNotOptimize(request.body.data());
        respond({});
      },
      runtime);
  if (!server) return state.SkipWithError(server.error().message.c_str());
  HttpClient client({.port = (*server)->port()});
  const std::string body(static_cast<size_t>(state.range(0)), 'x');
  const double all_before = CpuSeconds(RUSAGE_SELF);
  const double client_before = CpuSeconds(RUSAGE_THREAD);
  for (auto _ : state) {
    auto response = client.Post("/v1/traces", body, "application/x-protobuf");
    if (!response || response->status != 200) {
      state.SkipWithError("request failed");
      break;
    }
  }
  const double client_cpu = CpuSeconds(RUSAGE_THREAD) - client_before;
  const double server_cpu = CpuSeconds(RUSAGE_SELF) - all_before - client_cpu;
  const double requests = static_cast<double>(state.iterations());
  const double bytes = requests * static_cast<double>(body.size());
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
  state.counters["server_cpu_s_per_GB"] = server_cpu / bytes * 1e9;
  state.counters["server_cpu_us_per_request"] = server_cpu / requests * 1e6;
}
BENCHMARK(BM_HttpPost)->Arg(100)->Arg(384'000)->Arg(4 << 20)->UseRealTime();

}  // namespace
}  // namespace khtrace::net
