// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "net/grpc_server.h"
#include "net/http.h"

namespace khtrace::api {

// tempopb.StreamingQuerier, which Grafana asks when streaming is on: Search,
// SearchTags, SearchTagsV2, SearchTagValues, SearchTagValuesV2,
// MetricsQueryRange, MetricsQueryInstant. Every call becomes the request for
// protobuf that the same question is over HTTP (`http`: Tempo's routes, with
// their checks of token and tenant), and its answer the stream's last message.
// Search and MetricsQueryRange send messages ahead of it: what is new since the
// one before, and how far they are. Together they are the answer.
net::GrpcHandlers TempoGrpcHandlers(net::HttpHandler http);

}  // namespace khtrace::api
