// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/attribute_keys.h"
#include "storage/columnar/part_file.h"

namespace khtrace::storage::columnar {

// Part::CollectKeys: the footer's attribute columns; of mixed columns the
// texts. kDataLoss comes after everything else was collected.
Status CollectPartKeys(const PartFile& file, AttributeKeys* keys);

}  // namespace khtrace::storage::columnar
