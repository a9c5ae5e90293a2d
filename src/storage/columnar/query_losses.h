// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <utility>

#include "storage/columnar/tenant_store.h"

namespace khtrace::storage::columnar {

// What one query could not read. Confined to one thread.
class QueryLosses {
 public:
  explicit QueryLosses(const TenantView& view) : view_(view) {}

  // Notes a part's kDataLoss and lets the query go on; other errors end it.
  Status Excuse(const Part& part, Error error) {
    if (error.code != Code::kDataLoss) return error;
    if (view_.damage != nullptr) view_.damage->Note(part.path(), error);
    if (!first_) first_ = std::move(error);
    return {};
  }
  Status Excuse(const Part& part, Status status) {
    return status ? Status() : Excuse(part, std::move(status).error());
  }
  // The answer of a query that found nothing else.
  const std::optional<Error>& first() const { return first_; }

 private:
  const TenantView& view_;
  std::optional<Error> first_;
};

}  // namespace khtrace::storage::columnar
