// SPDX-License-Identifier: Apache-2.0
// Looking for damage in all of a part, at once or piece by piece.
#include <fmt/format.h>

#include <algorithm>

#include "storage/columnar/part_file.h"

namespace khtrace::storage::columnar {

std::vector<PartFile::Place> PartFile::Places() const {
  std::vector<Place> places = {
      {footer_.trace_index, kNoColumn, 0, "trace index"},
      {footer_.shapes, kNoColumn, 0, "shapes"}};
  for (const Section& section : footer_.sections) {
    places.push_back({section.page, kNoColumn, 0, "section"});
  }
  for (uint32_t c = 0; c < footer_.columns.size(); ++c) {
    const Column& column = footer_.columns[c];
    if (column.dictionary_size > 0) {
      places.push_back({column.dictionary, c, 0, "dictionary"});
    }
    for (size_t g = 0; g < column.chunks.size(); ++g) {
      const Chunk& chunk = column.chunks[g];
      if (chunk.values > 0 && column.has_payload()) {
        places.push_back({chunk.page, c, g, ""});
      }
      if (chunk.has_filter) places.push_back({chunk.filter, c, g, "filter"});
    }
  }
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return a.page.offset < b.page.offset;
  });
  return places;
}

Status PartFile::Recheck(const Place& place) const {
  verified_[place.page.number].store(0, std::memory_order_relaxed);
  Result<std::string_view> page = Page(place.page);
  if (page) return {};
  Error error = std::move(page).error();
  if (!place.what.empty())
    error = std::move(error).With(std::string(place.what));
  if (place.column == kNoColumn) return std::move(error).With(path_);
  return Locate(std::move(error), place.column, place.group);
}

Status PartFile::RecheckFrame() const {
  const std::vector<Place> places = Places();
  uint64_t end = kPartMagic.size();
  for (const Place& place : places) {
    if (place.page.offset != end) {
      return Error{Code::kDataLoss,
                   fmt::format("{}: pages do not meet at {}", path_, end)};
    }
    end += place.page.length;
  }
  ASSIGN_OR_RETURN(const std::string_view footer, FindFooter(path_, bytes_));
  if (end != static_cast<uint64_t>(footer.data() - bytes_.data())) {
    return Error{Code::kDataLoss, path_ + ": bytes between pages and footer"};
  }
  return {};
}

Status PartFile::VerifyChecksums() const {
  for (const Place& place : Places()) RETURN_IF_ERROR(Recheck(place));
  return RecheckFrame();
}

void PartFile::Scrub(uint64_t max_bytes, ScrubProgress* progress,
                     std::vector<Error>* damage) const {
  const std::vector<Place> places = Places();
  const uint64_t until = progress->bytes + max_bytes;
  while (progress->next_page < places.size() && progress->bytes < until) {
    const Place& place = places[progress->next_page++];
    progress->bytes += place.page.length;
    if (Status checked = Recheck(place); !checked) {
      damage->push_back(std::move(checked).error());
    }
  }
  if (progress->next_page < places.size()) return;
  if (Status checked = RecheckFrame(); !checked) {
    damage->push_back(std::move(checked).error());
  }
  progress->done = true;
  // Pages that a check brought in would count as ours until memory is short.
  file_->Release();
}

}  // namespace khtrace::storage::columnar
