// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace khtrace::net {

// A google.rpc.Status that carries one google.rpc.RetryInfo, as protobuf
// bytes: the content of grpc-status-details-bin, and of OTLP/HTTP's error
// bodies. (googleapis, google/rpc/{status,error_details}.proto)
std::string EncodeRetryStatus(int code, std::string_view message,
                              std::chrono::milliseconds retry_after);

}  // namespace khtrace::net
