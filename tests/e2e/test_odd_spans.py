# SPDX-License-Identifier: Apache-2.0
"""Spans that no healthy program sends: stored as sent, or dropped by name."""

import pytest

from otlp import (JSON, new_span_id, new_trace_id, partial_success, post,
                  request, send, span, to_otlp_json)
from read_apis import (LOSSLESS, assert_same_everywhere, find_trace, jaeger_v3,
                       tempo_v2_protobuf)
from server import JAEGER


def dropped(server, reason):
    """How often the server counted this reason so far."""
    text = server.get(8888, "/metrics").text
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
               if f'reason="{reason}"' in line)


@pytest.mark.parametrize("encode", [
    lambda made: (made.SerializeToString(), "application/x-protobuf"),
    lambda made: (to_otlp_json(made), JSON)], ids=["protobuf", "json"])
@pytest.mark.parametrize("bad, reason", [
    ({"trace_id": b""}, "zero_trace_id"),
    ({"trace_id": bytes(16)}, "zero_trace_id"),
    ({"span_id": b""}, "zero_span_id"),
    ({"span_id": bytes(8)}, "zero_span_id"),
])
def test_span_without_an_id_is_dropped_by_name_and_the_rest_stored(
        server, bad, reason, encode):
    good = [span(new_trace_id()), span(new_trace_id())]
    broken = span(**{"trace_id": new_trace_id(), **bad})
    before = dropped(server, reason)
    rejected, message = partial_success(
        post(server, *encode(request([good[0], broken, good[1]]))))
    assert rejected == 1
    assert reason in message
    assert dropped(server, reason) == before + 1
    for item in good:
        find_trace(server, item.trace_id.hex(), 1)


def test_end_before_start_is_stored_as_sent(server):
    item = span(new_trace_id(), duration=-5_000_000)
    send(server, [item])
    trace = find_trace(server, item.trace_id.hex(), 1)
    assert trace["spans"][0]["duration"] == 0
    for read in LOSSLESS:
        back = read(server, item.trace_id.hex())
        back = back.resource_spans[0].scope_spans[0].spans[0]
        assert back.start_time_unix_nano == item.start_time_unix_nano
        assert back.end_time_unix_nano == item.end_time_unix_nano


YEAR_2200 = 7_258_118_400 * 10**9


@pytest.mark.parametrize("start", [0, 1, 86_400 * 10**9, YEAR_2200, 2**63 - 1],
                         ids=["zero", "1970", "1970-01-02", "2200", "2262"])
def test_any_time_is_stored(server, start):
    sent = request([span(new_trace_id(), start=start, duration=0)])
    assert partial_success(post(server, sent)) == (0, "")
    assert_same_everywhere(server, sent)


def test_ten_thousand_attributes_are_kept(server):
    sent = request([span(new_trace_id(), attrs={
        f"key.{number:05}": number for number in range(10_000)})])
    assert partial_success(post(server, sent)) == (0, "")
    assert_same_everywhere(server, sent)


def test_values_of_a_megabyte_are_kept(server):
    sent = request([span(new_trace_id(), attrs={
        "text": "ü" * 500_000, "bytes": b"\x80" * 1_000_000})])
    assert partial_success(post(server, sent)) == (0, "")
    assert_same_everywhere(server, sent)


def test_invalid_utf8_is_repaired_and_counted(server):
    item = span(new_trace_id(), name="bad-QQ-name")
    body = request([item]).SerializeToString().replace(b"QQ", b"\xff\xfe")
    before = dropped(server, "invalid_utf8")
    assert partial_success(post(server, body)) == (0, "")
    trace = find_trace(server, item.trace_id.hex(), 1)
    assert trace["spans"][0]["operationName"] == "bad-\ufffd\ufffd-name"
    assert dropped(server, "invalid_utf8") > before


def test_deep_nesting_is_dropped_by_name(server):
    tree = "x"
    for _ in range(40):
        tree = [tree]
    item = span(new_trace_id(), attrs={"tree": tree})
    rejected, message = partial_success(post(server, request([item])))
    assert rejected == 1
    assert "attribute_too_deep" in message


def test_span_sent_twice_is_there_once(server):
    sent = request([span(new_trace_id())])
    for _ in range(3):
        assert partial_success(post(server, sent)) == (0, "")
    assert_same_everywhere(server, sent)


def test_trace_in_many_requests_is_one_trace(server):
    trace_id = new_trace_id()
    root = span(trace_id, "root")
    spans = [root] + [span(trace_id, f"child {number}",
                           parent_span_id=root.span_id)
                      for number in range(30)]
    for item in spans:
        send(server, [item], service=f"service-{item.name[-1]}")
    assert len(find_trace(server, trace_id.hex(), 31)["spans"]) == 31


def test_cycle_and_missing_parent_are_shown(server):
    trace_id, first, second = new_trace_id(), new_span_id(), new_span_id()
    sent = request([
        span(trace_id, "a", span_id=first, parent_span_id=second),
        span(trace_id, "b", span_id=second, parent_span_id=first),
        span(trace_id, "self", span_id=b"\7" * 8, parent_span_id=b"\7" * 8),
        span(trace_id, "orphan", parent_span_id=new_span_id())])
    assert partial_success(post(server, sent)) == (0, "")
    assert_same_everywhere(server, sent)
    assert server.get(JAEGER, f"/api/traces/{trace_id.hex()}").status == 200


def test_64_bit_trace_id_is_found_in_either_length(server):
    trace_id = bytes(8) + new_span_id()
    item = span(trace_id)
    send(server, [item])
    find_trace(server, trace_id.hex(), 1)
    short = trace_id.hex()[16:]
    assert find_trace(server, short, 1)["traceID"] == short
    for read in (jaeger_v3, tempo_v2_protobuf):
        assert read(server, short) == read(server, trace_id.hex())
