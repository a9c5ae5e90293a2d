// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/mutex.h"
#include "model/span_batch.h"
#include "storage/columnar/part_file.h"
#include "storage/trace_frame.h"

namespace khtrace::storage::columnar {

// One part as a query sees it: where each column of the request is to be
// found, and the dictionaries that its frames share. Thread-safe. Borrows
// `file` and `scopes`.
class PartFrames {
 public:
  // `scopes` has one span for each scope of the part, of that scope.
  PartFrames(const PartFile& file, const model::SpanBatch& scopes,
             std::shared_ptr<const FrameRequest> request);

  const Footer& footer() const { return file_.footer(); }
  // The traces of one row group. `excluded`: FrameTraces::excluded. The frame
  // does not outlive this.
  std::unique_ptr<TraceFrame> Open(size_t group,
                                   std::vector<uint32_t> excluded) const;

 private:
  friend class PartFrame;

  // Where the values of one FrameKey are.
  struct Source {
    Table table = Table::kSpan;
    // Columns that hold some of them; more than one where spans disagree about
    // the type, or where a mixed column may have the key as well.
    std::vector<uint32_t> columns;
    bool mixed = false;
    // Of resources and scopes: by scope.
    std::shared_ptr<const FrameDictionary> scopes;
    mutable std::once_flag once;
    mutable Status status;
    mutable std::shared_ptr<const FrameDictionary> dictionary;
  };

  void FindSource(const FrameKey& key, Source* source) const;
  void FindAttribute(Table table, const FrameKey& key, Source* source) const;
  std::shared_ptr<const FrameDictionary> ScopeValues(const FrameKey& key) const;
  // How many values of the column each of the shapes names.
  std::span<const uint32_t> ValuesOf(const TableShapes& shapes,
                                     uint32_t column) const
      KHTRACE_EXCLUDES(mu_);
  // Whether some scope's value is this text, or an array.
  static bool ScopesMayHave(const Source& source, std::string_view text);
  // What the codes of the source's only column stand for. `optional`: code 0
  // means "absent" and the column's position p is code p + 1.
  Result<std::shared_ptr<const FrameDictionary>> Dictionary(
      const Source& source, bool optional) const;

  const PartFile& file_;
  const model::SpanBatch& scopes_;
  const std::shared_ptr<const FrameRequest> request_;
  const std::unique_ptr<Source[]> sources_;  // by column of the request
  mutable Mutex mu_;
  mutable std::map<uint32_t, std::vector<uint32_t>> values_of_
      KHTRACE_GUARDED_BY(mu_);
};

}  // namespace khtrace::storage::columnar
