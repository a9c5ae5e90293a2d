// SPDX-License-Identifier: Apache-2.0
#include "app/server_figures.h"

#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "app/metrics_text.h"

namespace khtrace::app {
namespace {

std::string LabelOf(const MetricSample& sample, const char* name) {
  const auto label = sample.labels.find(name);
  return label == sample.labels.end() ? "" : label->second;
}

uint64_t Whole(double value) {
  return value > 0 ? static_cast<uint64_t>(std::llround(value)) : 0;
}

}  // namespace

api::ServerFigures ReadServerFigures(const telemetry::Registry& registry) {
  const auto samples = ParseMetricsText(registry.RenderPrometheus());
  std::map<std::pair<std::string, std::string>, api::ReceiverFigures> receivers;
  for (const MetricSample& sample : samples) {
    const bool received = sample.name == "otel_collector_spans_received_total";
    const bool by_reason =
        sample.name == "khtrace_receiver_spans_by_reason_total";
    if (!received && !by_reason) continue;
    const std::string name = LabelOf(sample, "receiver");
    const std::string transport = LabelOf(sample, "transport");
    api::ReceiverFigures& figures = receivers[{name, transport}];
    figures.name = name;
    figures.transport = transport;
    const uint64_t count = Whole(sample.value);
    const std::string outcome = LabelOf(sample, "outcome");
    if (received) figures.received += count;
    if (by_reason && outcome == "refused") figures.refused += count;
    if (by_reason && outcome == "dropped") figures.dropped += count;
  }
  api::ServerFigures figures;
  for (auto& [key, receiver] : receivers) {
    figures.receivers.push_back(std::move(receiver));
  }
  figures.exported = Whole(SumOf(samples, "otelcol_exporter_sent_spans"));
  figures.export_failures =
      Whole(SumOf(samples, "otelcol_exporter_send_failed_spans"));
  return figures;
}

}  // namespace khtrace::app
