// SPDX-License-Identifier: Apache-2.0
#include "aggregate/row_facts.h"

#include <bit>

#include "aggregate/error_text.h"
#include "aggregate/span_traits.h"

namespace khtrace::aggregate {

using model::RowRef;
using model::SpanBatch;

TextId RowFacts::TextOf(const SpanBatch& batch, model::StringCode code) {
  return {texts_.Get(&batch, code, [&] {
    return partial_->Intern(batch.String(code)).value;
  })};
}

TextId RowFacts::MessageOf(const SpanBatch& batch, model::StringCode code) {
  return {messages_.Get(&batch, code, [&] {
    return partial_->Intern(NormaliseMessage(batch.String(code))).value;
  })};
}

uint32_t RowFacts::FramesOf(const SpanBatch& batch, model::StringCode code) {
  return frame_numbers_.Get(&batch, code, [&] {
    const Frames frames = OwnFrames(batch.String(code));
    frames_.push_back({partial_->Intern(frames.top), frames.hash});
    return static_cast<uint32_t>(frames_.size() - 1);
  });
}

const std::vector<RowFacts::KnownAs>& RowFacts::KeysOf(const SpanBatch& batch) {
  std::vector<KnownAs>& keys = keys_[&batch];
  for (auto code = static_cast<model::KeyCode>(keys.size());
       code < batch.key_count(); ++code) {
    keys.push_back({KnownKeyOf(batch.Key(code)), TraitOfKey(batch.Key(code))});
  }
  return keys;
}

RowFacts::KnownTexts RowFacts::FindTexts(const SpanBatch& batch,
                                         model::AttrRange range) {
  KnownTexts found;
  found.fill(kNoCode);
  if (range.size() == 0) return found;
  const std::vector<KnownAs>& keys = KeysOf(batch);
  for (const model::Attr& attr : batch.Attributes(range)) {
    const KnownKey key = keys[attr.key].key;
    if (key == kNoKey || attr.type != model::AttrType::kString) continue;
    found[key] = static_cast<model::StringCode>(attr.payload);
  }
  return found;
}

uint64_t RowFacts::UnsampledBy(const SpanBatch& batch,
                               model::StringCode trace_state) {
  return unsampled_[trace_states_.Get(&batch, trace_state, [&] {
    const auto probability = SamplingProbability(batch.String(trace_state));
    unsampled_.push_back(probability ? UnsampledOf(*probability) : 0);
    return static_cast<uint32_t>(unsampled_.size() - 1);
  })];
}

void RowFacts::ReadAttributes(const RowRef& ref, SpanFacts* facts) {
  const SpanBatch& batch = *ref.batch;
  const model::AttrRange range = batch.spans().attributes[ref.row];
  if (range.size() == 0) return;
  const std::vector<KnownAs>& keys = KeysOf(batch);
  for (const model::Attr& attr : batch.Attributes(range)) {
    const KnownAs known = keys[attr.key];
    if (!known.matters()) continue;
    facts->trait = LeastTrait(facts->trait, known.trait);
    if (known.key == kSamplingRatio && attr.type == model::AttrType::kDouble &&
        facts->unsampled == 0) {
      facts->unsampled = UnsampledOf(std::bit_cast<double>(attr.payload));
    }
  }
}

std::span<const SpanFacts> RowFacts::Read(const TraceView& trace,
                                          Partial* partial) {
  partial_ = partial;
  rows_ = trace.rows;
  facts_.clear();
  for (const RowRef& ref : rows_) {
    const SpanBatch& batch = *ref.batch;
    const model::RowIndex row = ref.row;
    const model::SpanColumns& spans = batch.spans();
    SpanFacts& facts = facts_.emplace_back();
    facts.service = {services_.Get(&batch, spans.scope[row], [&] {
      return partial_->Intern(batch.ServiceName(row)).value;
    })};
    facts.name = TextOf(batch, spans.name[row]);
    facts.kind = spans.kind[row];
    facts.status = spans.status[row];
    facts.has_events = batch.EventRange(row).size() > 0;
    facts.unsampled = UnsampledBy(batch, spans.trace_state[row]);
    ReadAttributes(ref, &facts);
  }
  return facts_;
}

Target RowFacts::TargetOf(uint32_t row) {
  const RowRef& ref = rows_[row];
  const KnownTexts texts =
      FindTexts(*ref.batch, ref.batch->spans().attributes[ref.row]);
  return TargetFrom(
      [&](KnownKey key) { return texts[key] != kNoCode; },
      [&](KnownKey key) { return TextOf(*ref.batch, texts[key]); });
}

void RowFacts::AppendExceptions(uint32_t row, std::vector<ErrorFacts>* out) {
  const SpanBatch& batch = *rows_[row].batch;
  const model::AttrRange range = batch.EventRange(rows_[row].row);
  for (uint32_t event = range.begin; event < range.end; ++event) {
    if (batch.String(batch.events().name[event]) != "exception") continue;
    const KnownTexts texts = FindTexts(batch, batch.events().attributes[event]);
    ErrorFacts& error = out->emplace_back();
    if (texts[kExceptionType] != kNoCode) {
      error.type = TextOf(batch, texts[kExceptionType]);
    }
    if (texts[kExceptionMessage] != kNoCode) {
      error.message = MessageOf(batch, texts[kExceptionMessage]);
    }
    if (texts[kExceptionStacktrace] != kNoCode) {
      const auto& [top, hash] =
          frames_[FramesOf(batch, texts[kExceptionStacktrace])];
      error.frame = top;
      error.frames = hash;
    }
  }
}

ErrorFacts RowFacts::ErrorOf(uint32_t row) {
  const RowRef& ref = rows_[row];
  const SpanBatch& batch = *ref.batch;
  const model::StringCode type =
      FindTexts(batch, batch.spans().attributes[ref.row])[kErrorType];
  ErrorFacts error;
  if (type != kNoCode) error.type = TextOf(batch, type);
  error.message = MessageOf(batch, batch.spans().status_message[ref.row]);
  return error;
}

void RowFacts::ForgetBatches() {
  for (BatchMemo* memo :
       {&texts_, &services_, &messages_, &frame_numbers_, &trace_states_}) {
    memo->Clear();
  }
  keys_.clear();
  frames_.clear();
  unsampled_.clear();
}

}  // namespace khtrace::aggregate
