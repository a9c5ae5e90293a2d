// SPDX-License-Identifier: Apache-2.0
#include "app/bench_corpus.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/fs.h"
#include "codec/otlp.h"
#include "demo/request_stream.h"
#include "wire/protobuf.h"

namespace khtrace::app {
namespace {

using wire::ProtoReader;
using wire::WireType;

// Calls `visit` for every nested message of field `field`.
template <typename Fn>
void ForEachMessage(std::string_view message, uint32_t field, const Fn& visit) {
  ProtoReader r(message);
  while (r.Next()) {
    if (r.tag() == ProtoReader::Tag(field, WireType::kLen)) {
      visit(r.Bytes());
    } else {
      r.Skip();
    }
  }
}

// resource_spans 1, scope_spans 2, spans 2.
uint64_t CountSpans(std::string_view request) {
  uint64_t count = 0;
  ForEachMessage(request, 1, [&](std::string_view resource_spans) {
    ForEachMessage(resource_spans, 2, [&](std::string_view scope_spans) {
      ForEachMessage(scope_spans, 2, [&](std::string_view) { ++count; });
    });
  });
  return count;
}

void Add(std::string request, uint64_t spans, BenchCorpus* corpus) {
  corpus->spans += spans;
  corpus->bytes += request.size();
  corpus->requests.push_back(std::move(request));
}

}  // namespace

Result<BenchCorpus> LoadCorpus(const std::string& path) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file,
                   Fs::Real().Map(path));
  const auto bytes = file->bytes();
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()),
                        bytes.size());
  BenchCorpus corpus;
  corpus.name = path;
  while (!rest.empty()) {
    uint32_t size = 0;
    if (rest.size() >= sizeof size)
      std::memcpy(&size, rest.data(), sizeof size);
    if (rest.size() < sizeof size || rest.size() - sizeof size < size) {
      return Error{Code::kDataLoss,
                   fmt::format("{}: cut short at byte {}", path,
                               bytes.size() - rest.size())};
    }
    std::string request(rest.substr(sizeof size, size));
    const uint64_t spans = CountSpans(request);
    Add(std::move(request), spans, &corpus);
    rest.remove_prefix(sizeof size + size);
  }
  return corpus;
}

BenchCorpus MakeCorpus(uint64_t spans, uint32_t spans_per_request,
                       uint64_t seed) {
  constexpr std::chrono::seconds kWindow{3600};
  demo::RequestStreamOptions options;
  options.workload.seed = seed;
  options.start = Clock::System().Now().Minus(kWindow);
  options.spans_per_second =
      static_cast<double>(spans) / static_cast<double>(kWindow.count());
  options.spans_per_request = spans_per_request;
  demo::RequestStream stream(options);
  BenchCorpus corpus;
  corpus.name = fmt::format("demo traffic, seed {}", seed);
  while (corpus.spans < spans) {
    const model::SpanBatch batch = stream.Next();
    std::string request;
    codec::EncodeOtlpProtobuf(batch, &request);
    Add(std::move(request), batch.row_count(), &corpus);
  }
  return corpus;
}

}  // namespace khtrace::app
