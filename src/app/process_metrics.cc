// SPDX-License-Identifier: Apache-2.0
#include "app/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>

namespace khtrace::app {
namespace {

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double ResidentBytes() {
  // /proc/self/statm: size resident shared …, in pages.
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long size = 0;
  unsigned long resident = 0;
  const int fields = std::fscanf(file, "%lu %lu", &size, &resident);
  std::fclose(file);
  return fields == 2 ? static_cast<double>(resident) *
                           static_cast<double>(sysconf(_SC_PAGESIZE))
                     : 0;
}

}  // namespace

void AddProcessMetrics(const Clock& clock, telemetry::Registry& registry) {
  const auto start = clock.Monotonic();
  registry.AddCounterCallback(
      "otelcol_process_uptime", "Seconds since the program started", {},
      [&clock, start] {
        return std::chrono::duration<double>(clock.Monotonic() - start).count();
      });
  registry.AddCounterCallback("otelcol_process_cpu_seconds",
                              "CPU time used, user and system", {},
                              [] { return CpuSeconds(); });
  registry.AddGaugeCallback("otelcol_process_memory_rss",
                            "Resident memory in bytes", {},
                            [] { return ResidentBytes(); });
}

}  // namespace khtrace::app
