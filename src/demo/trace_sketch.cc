// SPDX-License-Identifier: Apache-2.0
#include "demo/trace_sketch.h"

#include <algorithm>

namespace khtrace::demo {

void TraceSketch::Clear() {
  spans.clear();
  attributes.clear();
  events.clear();
  links.clear();
  for (std::string& block : blocks_) block.clear();
  block_ = 0;
}

std::string_view TraceSketch::Keep(std::string_view text) {
  while (block_ < blocks_.size() &&
         blocks_[block_].capacity() - blocks_[block_].size() < text.size()) {
    ++block_;
  }
  if (block_ == blocks_.size()) {
    blocks_.emplace_back().reserve(std::max(kBlockBytes, text.size()));
  }
  std::string& block = blocks_[block_];
  const size_t offset = block.size();
  block.append(text);
  return std::string_view(block).substr(offset);
}

void TraceSketch::AddAttribute(AttributeList& owner, std::string_view key,
                               const model::AttrValue& value) {
  const auto index = static_cast<uint32_t>(attributes.size());
  attributes.push_back({key, value});
  if (owner.first == kNone) {
    owner.first = index;
  } else {
    attributes[owner.last].next = index;
  }
  owner.last = index;
}

TraceSketch::Event& TraceSketch::AddEvent(Span& owner, Nanos time,
                                          std::string_view name) {
  const auto index = static_cast<uint32_t>(events.size());
  if (owner.first_event == kNone) {
    owner.first_event = index;
  } else {
    events[owner.last_event].next = index;
  }
  owner.last_event = index;
  Event& event = events.emplace_back();
  event.time = time;
  event.name = name;
  return event;
}

void TraceSketch::AddLink(Span& owner, model::TraceId trace,
                          model::SpanId span) {
  const auto index = static_cast<uint32_t>(links.size());
  if (owner.first_link == kNone) {
    owner.first_link = index;
  } else {
    links[owner.last_link].next = index;
  }
  owner.last_link = index;
  links.push_back({trace, span});
}

}  // namespace khtrace::demo
