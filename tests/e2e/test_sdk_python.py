# SPDX-License-Identifier: Apache-2.0
"""What the Python SDK exports comes back through every API, field by field."""

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcExporter)
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as HttpExporter)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter)
from opentelemetry.trace import (Link, SpanContext, SpanKind, Status,
                                 StatusCode, TraceFlags)

from otlp import canonical
from read_apis import assert_same_everywhere
from server import OTLP_GRPC, OTLP_HTTP


def exporters(server):
    target = f"127.0.0.1:{server.port(OTLP_GRPC)}"
    url = server.url(OTLP_HTTP, "/v1/traces")
    return {
        "grpc": lambda: GrpcExporter(endpoint=target, insecure=True),
        "grpc-gzip": lambda: GrpcExporter(
            endpoint=target, insecure=True,
            compression=grpc.Compression.Gzip),
        "http": lambda: HttpExporter(endpoint=url),
        "http-gzip": lambda: HttpExporter(endpoint=url,
                                          compression=Compression.Gzip),
        "http-deflate": lambda: HttpExporter(endpoint=url,
                                             compression=Compression.Deflate),
    }


# A span of another trace, known from a message.
ELSEWHERE = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331,
                        is_remote=True, trace_flags=TraceFlags(1))


def record_order(tracer):
    """An order as a shop handles it: every field that a span can have."""
    with tracer.start_as_current_span("POST /orders", kind=SpanKind.SERVER) as root:
        root.set_attributes({
            "text": "naïve ☃ 日本語", "empty": "", "flag": True, "off": False,
            "number": 2**53 + 1, "negative": -(2**63), "ratio": 0.1,
            "texts": ["a", "", "c"], "flags": [True, False],
            "numbers": [1, -2, 2**62], "ratios": [0.5, -1e300], "none": [],
        })
        root.add_event("cache.miss", {"key": "user:7", "attempt": 2})
        with tracer.start_as_current_span(
                "SELECT orders", kind=SpanKind.CLIENT,
                links=[Link(ELSEWHERE, {"why": "retry"})]) as child:
            child.set_attribute("db.system.name", "postgresql")
            try:
                raise ValueError("connection reset by peer")
            except ValueError as error:
                child.record_exception(error)
                child.set_status(Status(StatusCode.ERROR, "gave up"))
        with tracer.start_as_current_span("publish", kind=SpanKind.PRODUCER):
            pass
        with tracer.start_as_current_span("consume", kind=SpanKind.CONSUMER):
            pass
        with tracer.start_as_current_span("inside"):
            pass
        root.set_status(Status(StatusCode.OK))


@pytest.mark.parametrize("way", ["grpc", "grpc-gzip", "http", "http-gzip",
                                 "http-deflate"])
def test_order_comes_back_as_it_was_recorded(server, way):
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create(
        {"service.name": f"orders-{way}", "host.cores": 8}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    provider.add_span_processor(
        SimpleSpanProcessor(exporters(server)[way]()))
    record_order(provider.get_tracer("shop", "1.2.3"))
    provider.shutdown()

    expected = encode_spans(memory.get_finished_spans())
    assert len(canonical(expected)) == 5
    assert_same_everywhere(server, expected)
