// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/section_reader.h"
#include "config/server_config.h"

// The Collector's own sections: receivers, processors, exporters, connectors,
// extensions, service. Grammar and messages as its confmap's.

namespace khtrace::config {

inline constexpr char kOtlpHttpEndpoint[] =
    "receivers.otlp.protocols.http.endpoint";
inline constexpr char kOtlpGrpcEndpoint[] =
    "receivers.otlp.protocols.grpc.endpoint";

void ReadCollectorSections(SectionReader& top, ServerConfig* config,
                           ReadReport* report);

}  // namespace khtrace::config
