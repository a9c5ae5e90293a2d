// SPDX-License-Identifier: Apache-2.0
// Copying rows from batch to batch: RowCopier and Compact.
// Codes are translated through memo tables, so that a text is hashed once a
// source code, not once an occurrence.
#include <algorithm>
#include <map>

#include "model/span_batch_builder.h"

namespace khtrace::model {

RowCopier::RowCopier(const SpanBatch& source, SpanBatchBuilder& to)
    : source_(source),
      builder_(to),
      to_(to.data()),
      scopes_(source.scopes().size()),
      resources_(source.resources().size()),
      keys_(source.key_count()),
      strings_(source.string_count()) {}

StringCode RowCopier::CopyString(StringCode code) {
  if (code == 0) return 0;
  uint32_t& known = strings_[code];
  if (known == 0) known = builder_.AddUniqueString(source_.String(code)) + 1;
  return known - 1;
}

AttrRange RowCopier::CopyAttributes(AttrRange range) {
  const auto begin = static_cast<uint32_t>(to_.attributes.size());
  for (const Attr& attr : source_.Attributes(range)) {
    uint32_t& key = keys_[attr.key];
    if (key == 0) key = builder_.InternKey(source_.Key(attr.key)) + 1;
    uint64_t payload = attr.payload;
    switch (attr.type) {
      case AttrType::kString:
      case AttrType::kBytes:
      case AttrType::kArray:
      case AttrType::kKvList:
        payload = CopyString(static_cast<StringCode>(payload));
        break;
      default:
        break;
    }
    to_.attributes.push_back({key - 1, attr.type, payload});
  }
  return {begin, static_cast<uint32_t>(to_.attributes.size())};
}

uint32_t RowCopier::CopyResource(uint32_t resource) {
  uint32_t& known = resources_[resource];
  if (known == 0) {
    const Resource& from = source_.resources()[resource];
    const AttrRange attributes = CopyAttributes(from.attributes);
    to_.resources.push_back({attributes, from.dropped_attributes,
                             CopyString(from.schema_url),
                             CopyString(from.entity_refs)});
    known = static_cast<uint32_t>(to_.resources.size());
  }
  return known - 1;
}

uint32_t RowCopier::CopyScope(uint32_t scope) {
  uint32_t& known = scopes_[scope];
  if (known == 0) {
    const Scope& from = source_.scopes()[scope];
    const uint32_t resource = CopyResource(from.resource);
    const AttrRange attributes = CopyAttributes(from.attributes);
    to_.scopes.push_back(
        {resource, CopyString(from.name), CopyString(from.version), attributes,
         from.dropped_attributes, CopyString(from.schema_url)});
    known = static_cast<uint32_t>(to_.scopes.size());
  }
  return known - 1;
}

void RowCopier::CopyEvents(RowIndex row) {
  const EventColumns& from = source_.events();
  EventColumns& to = to_.events;
  const AttrRange range = source_.EventRange(row);
  for (uint32_t i = range.begin; i < range.end; ++i) {
    to.time.push_back(from.time[i]);
    to.name.push_back(CopyString(from.name[i]));
    to.attributes.push_back(CopyAttributes(from.attributes[i]));
    to.dropped_attributes.push_back(from.dropped_attributes[i]);
  }
  to_.spans.events_end.push_back(static_cast<uint32_t>(to.time.size()));
}

void RowCopier::CopyLinks(RowIndex row) {
  const LinkColumns& from = source_.links();
  LinkColumns& to = to_.links;
  const AttrRange range = source_.LinkRange(row);
  for (uint32_t i = range.begin; i < range.end; ++i) {
    to.trace_id.push_back(from.trace_id[i]);
    to.span_id.push_back(from.span_id[i]);
    to.trace_state.push_back(CopyString(from.trace_state[i]));
    to.flags.push_back(from.flags[i]);
    to.attributes.push_back(CopyAttributes(from.attributes[i]));
    to.dropped_attributes.push_back(from.dropped_attributes[i]);
  }
  to_.spans.links_end.push_back(static_cast<uint32_t>(to.trace_id.size()));
}

void RowCopier::Append(RowIndex row) {
  const SpanColumns& from = source_.spans();
  const uint32_t scope = CopyScope(from.scope[row]);
  SpanColumns& to = to_.spans;
  to.trace_id.push_back(from.trace_id[row]);
  to.span_id.push_back(from.span_id[row]);
  to.parent_span_id.push_back(from.parent_span_id[row]);
  to.start.push_back(from.start[row]);
  to.end.push_back(from.end[row]);
  to.name.push_back(CopyString(from.name[row]));
  to.trace_state.push_back(CopyString(from.trace_state[row]));
  to.status_message.push_back(CopyString(from.status_message[row]));
  to.scope.push_back(scope);
  to.kind.push_back(from.kind[row]);
  to.status.push_back(from.status[row]);
  to.flags.push_back(from.flags[row]);
  to.dropped_attributes.push_back(from.dropped_attributes[row]);
  to.dropped_events.push_back(from.dropped_events[row]);
  to.dropped_links.push_back(from.dropped_links[row]);
  to.attributes.push_back(CopyAttributes(from.attributes[row]));
  CopyEvents(row);
  CopyLinks(row);
}

SpanBatch Gather(std::span<const RowRef> rows) {
  SpanBatchBuilder builder;
  std::map<const SpanBatch*, RowCopier> copiers;
  for (const RowRef& ref : rows) {
    copiers.try_emplace(ref.batch, *ref.batch, builder)
        .first->second.Append(ref.row);
  }
  return builder.Build();
}

namespace {

// Whether each resource and scope has a span.
bool AllGroupsAreUsed(const SpanBatch& batch) {
  std::vector<bool> scopes(batch.scopes().size());
  for (const uint32_t scope : batch.spans().scope) scopes[scope] = true;
  std::vector<bool> resources(batch.resources().size());
  for (size_t i = 0; i < scopes.size(); ++i) {
    if (!scopes[i]) return false;
    resources[batch.scopes()[i].resource] = true;
  }
  return std::find(resources.begin(), resources.end(), false) ==
         resources.end();
}

// All rows of a batch whose groups are all used: the tables are copied as
// they are, and only codes of texts change.
class WholeCopier {
 public:
  explicit WholeCopier(const SpanBatch& batch)
      : source_(batch), to_(builder_.data()), codes_(batch.string_count()) {
    // About a quarter of the texts are distinct.
    builder_.ReserveStrings(batch.string_count() / 4,
                            batch.data().text.size() / 4);
  }

  SpanBatch Run() {
    const SpanBatchData& from = source_.data();
    to_.keys.reserve(from.keys.size());
    for (const StringCode key : from.keys) builder_.InternKey(String(key));
    to_.resources = from.resources;
    for (Resource& resource : to_.resources) {
      Change(&resource.schema_url);
      Change(&resource.entity_refs);
    }
    to_.scopes = from.scopes;
    for (Scope& scope : to_.scopes) {
      Change(&scope.name);
      Change(&scope.version);
      Change(&scope.schema_url);
    }
    to_.spans = from.spans;
    for (StringCode& name : to_.spans.name) Change(&name);
    for (StringCode& state : to_.spans.trace_state) Change(&state);
    for (StringCode& message : to_.spans.status_message) Change(&message);
    to_.events = from.events;
    for (StringCode& name : to_.events.name) Change(&name);
    to_.links = from.links;
    for (StringCode& state : to_.links.trace_state) Change(&state);
    Attributes();
    return builder_.Build();
  }

 private:
  std::string_view String(StringCode code) const {
    return source_.String(code);
  }
  void Change(StringCode* code) {
    if (*code == 0) return;
    uint32_t& known = codes_[*code];
    if (known == 0) known = builder_.AddUniqueString(String(*code));
    *code = known;
  }
  void Attributes() {
    to_.attributes = source_.data().attributes;
    for (Attr& attr : to_.attributes) {
      switch (attr.type) {
        case AttrType::kString:
        case AttrType::kBytes:
        case AttrType::kArray:
        case AttrType::kKvList: {
          auto code = static_cast<StringCode>(attr.payload);
          Change(&code);
          attr.payload = code;
          break;
        }
        default:
          break;
      }
    }
  }

  const SpanBatch& source_;
  SpanBatchBuilder builder_;
  SpanBatchData& to_;
  std::vector<StringCode> codes_;  // ours by the source's; 0: not yet known
};

}  // namespace

SpanBatch Compact(const SpanBatch& batch, std::span<const RowIndex> rows) {
  if (rows.empty() && AllGroupsAreUsed(batch)) return WholeCopier(batch).Run();
  SpanBatchBuilder builder;
  RowCopier copier(batch, builder);
  if (rows.empty()) {
    for (RowIndex row = 0; row < batch.row_count(); ++row) copier.Append(row);
  } else {
    for (const RowIndex row : rows) copier.Append(row);
  }
  return builder.Build();
}

}  // namespace khtrace::model
