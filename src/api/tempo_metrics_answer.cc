// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>

#include "api/tempo_common.h"
#include "api/tempo_metrics.h"

// QueryRangeResponse: series = 1, metrics = 2, status = 3 (1: PARTIAL),
//   message = 4
//   TimeSeries: labels = 1, samples = 2, exemplars = 4
//   Sample: value = 1, timestamp_ms = 2
//   Exemplar: labels = 1, value = 2, timestamp_ms = 3
// QueryInstantResponse: series = 1 {labels = 1, value = 2}, metrics = 2,
//   status = 3, message = 4
// Zero values are left out, samples that are NaN ("no sample") as a whole.

namespace khtrace::api {
namespace {

using query::Exemplar;
using query::Label;
using query::MetricsResult;
using query::Series;

class JsonAnswer {
 public:
  explicit JsonAnswer(std::string* out) : w_(out) {}

  void Range(const MetricsResult& result) {
    w_.BeginObject();
    w_.Key("series");
    w_.BeginArray();
    for (const Series& series : result.series) RangeSeries(result, series);
    w_.EndArray();
    Metrics(result);
    if (result.partial) {
      w_.Key("status");
      w_.String("PARTIAL");
      w_.Key("message");
      w_.String(result.message);
    }
    w_.EndObject();
  }

  void Instant(const MetricsResult& result) {
    w_.BeginObject();
    w_.Key("series");
    w_.BeginArray();
    for (const Series& series : result.series) {
      if (series.values.empty() || std::isnan(series.values[0])) continue;
      w_.BeginObject();
      Labels(series.labels);
      Value(series.values[0]);
      w_.EndObject();
    }
    w_.EndArray();
    Metrics(result);
    w_.EndObject();
  }

 private:
  void Metrics(const MetricsResult& result) {
    w_.Key("metrics");
    WriteStats(result.stats, &w_);
  }
  void Labels(const std::vector<Label>& labels) {
    if (labels.empty()) return;
    w_.Key("labels");
    w_.BeginArray();
    for (const Label& label : labels) {
      WriteKeyValue(label.key, label.value, &w_);
    }
    w_.EndArray();
  }
  void Value(double value) {
    if (value == 0) return;
    w_.Key("value");
    w_.Double(value);
  }
  void Timestamp(int64_t ms) {
    if (ms == 0) return;
    w_.Key("timestampMs");
    w_.QuotedInt(ms);
  }

  void RangeSeries(const MetricsResult& result, const Series& series) {
    w_.BeginObject();
    Labels(series.labels);
    w_.Key("samples");
    w_.BeginArray();
    for (size_t i = 0; i < series.values.size(); ++i) {
      if (std::isnan(series.values[i])) continue;
      w_.BeginObject();
      Timestamp(result.axis.TimestampMs(i));
      Value(series.values[i]);
      w_.EndObject();
    }
    w_.EndArray();
    Exemplars(series.exemplars);
    w_.EndObject();
  }

  void Exemplars(const std::vector<Exemplar>& exemplars) {
    if (exemplars.empty()) return;
    w_.Key("exemplars");
    w_.BeginArray();
    for (const Exemplar& exemplar : exemplars) {
      w_.BeginObject();
      Labels(exemplar.labels);
      Value(exemplar.value);
      Timestamp(exemplar.timestamp_ms);
      w_.EndObject();
    }
    w_.EndArray();
  }

  wire::JsonWriter w_;
};

class ProtobufAnswer {
 public:
  explicit ProtobufAnswer(std::string* out) : w_(*out) {}

  void Range(const MetricsResult& result) {
    for (const Series& series : result.series) {
      RangeSeries(result.axis, series, series.values);
    }
    End(result);
  }

  // `values`: of the series, NaN for those that are left out.
  void RangeSeries(const query::TimeAxis& axis, const Series& series,
                   const std::vector<double>& values) {
    const size_t begin = w_.Begin(1);
    Labels(series.labels);
    for (size_t i = 0; i < values.size(); ++i) {
      if (std::isnan(values[i])) continue;
      const size_t sample = w_.Begin(2);
      Value(1, values[i]);
      Timestamp(2, axis.TimestampMs(i));
      w_.End(sample);
    }
    for (const Exemplar& exemplar : series.exemplars) {
      const size_t at = w_.Begin(4);
      Labels(exemplar.labels);
      Value(2, exemplar.value);
      Timestamp(3, exemplar.timestamp_ms);
      w_.End(at);
    }
    w_.End(begin);
  }

  void Instant(const MetricsResult& result) {
    for (const Series& series : result.series) InstantSeries(series);
    End(result);
  }
  void InstantSeries(const Series& series) {
    if (series.values.empty() || std::isnan(series.values[0])) return;
    const size_t begin = w_.Begin(1);
    Labels(series.labels);
    Value(2, series.values[0]);
    w_.End(begin);
  }

  void Labels(const std::vector<Label>& labels) {
    for (const Label& label : labels) {
      AppendKeyValue(1, label.key, label.value, &w_);
    }
  }
  void End(const MetricsResult& result) {
    AppendStats(2, result.stats, &w_);
    if (!result.partial) return;
    w_.Varint(3, 1);
    w_.Bytes(4, result.message);
  }

 private:
  void Value(uint32_t field, double value) {
    if (value != 0) w_.Double(field, value);
  }
  void Timestamp(uint32_t field, int64_t ms) {
    if (ms != 0) w_.Varint(field, static_cast<uint64_t>(ms));
  }

  wire::ProtoWriter w_;
};

// Values that differ from those that are known; NaN elsewhere.
std::vector<double> Changed(const std::vector<double>& values,
                            const std::vector<double>* known) {
  if (known == nullptr) return values;
  std::vector<double> changed(values.size(),
                              std::numeric_limits<double>::quiet_NaN());
  for (size_t i = 0; i < values.size(); ++i) {
    if (i >= known->size() || values[i] != (*known)[i]) changed[i] = values[i];
  }
  return changed;
}

}  // namespace

std::string SeriesStream::Message(const MetricsResult& result, size_t* next) {
  std::string body;
  ProtobufAnswer answer(&body);
  before_.clear();
  for (; *next < result.series.size(); ++*next) {
    const Series& series = result.series[*next];
    std::string labels;
    ProtobufAnswer(&labels).Labels(series.labels);
    const auto known = sent_.find(labels);
    const std::vector<double> changed =
        Changed(series.values, known == sent_.end() ? nullptr : &known->second);
    const bool any = std::any_of(changed.begin(), changed.end(),
                                 [](double v) { return !std::isnan(v); });
    if (!any && series.exemplars.empty() && known != sent_.end()) continue;
    const size_t size = body.size();
    if (instant_) {
      if (any) answer.InstantSeries(series);
    } else {
      answer.RangeSeries(result.axis, series, changed);
    }
    if (body.size() > kMaxMessageBytes && size > 0) {
      body.resize(size);
      break;
    }
    std::optional<std::vector<double>> before;
    if (known != sent_.end()) before = std::move(known->second);
    before_.emplace_back(labels, std::move(before));
    sent_[labels] = series.values;
  }
  answer.End(result);
  return body;
}

void SeriesStream::TakeBack() {
  for (auto& [labels, values] : before_) {
    if (values) {
      sent_[labels] = *std::move(values);
    } else {
      sent_.erase(labels);
    }
  }
  before_.clear();
}

std::string QueryRangeJson(const MetricsResult& result) {
  std::string body;
  JsonAnswer(&body).Range(result);
  return body;
}

std::string QueryRangeProtobuf(const MetricsResult& result) {
  std::string body;
  ProtobufAnswer(&body).Range(result);
  return body;
}

std::string QueryInstantJson(const MetricsResult& result) {
  std::string body;
  JsonAnswer(&body).Instant(result);
  return body;
}

std::string QueryInstantProtobuf(const MetricsResult& result) {
  std::string body;
  ProtobufAnswer(&body).Instant(result);
  return body;
}

}  // namespace khtrace::api
