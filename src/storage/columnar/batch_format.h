// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/span_batch.h"

// The bytes of one batch inside a write-ahead log frame, before LZ4. Layout:
// docs/format/wal.md, section "Batch". Small because neighbours are alike:
// texts are numbered by first use, attribute key lists ("shapes") are written
// once, a trace id or parent that was seen costs a byte, a column of equal
// values costs two.

namespace khtrace::storage::columnar {

// `batch` should be compact (model::Compact): any batch is written correctly,
// one that is not costs its unused text as well.
std::string EncodeBatch(const model::SpanBatch& batch);

// The batch again, span for span (DescribeBatch is equal; codes and the order
// of attribute storage may differ). Every count and code is checked before
// use, so any bytes are safe to give. kDataLoss for malformed ones,
// kUnimplemented for a newer batch version.
Result<model::SpanBatch> DecodeBatch(std::string_view bytes);

}  // namespace khtrace::storage::columnar
