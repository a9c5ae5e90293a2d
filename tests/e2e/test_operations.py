# SPDX-License-Identifier: Apache-2.0
"""What operators and other programs see: health, metrics, probes, an empty
store, searches as Jaeger's UI and Grafana send them."""

import json
import re
import time
from urllib.parse import urlencode

import pytest

from otlp import new_trace_id, send, span
from server import (DASHBOARDS, HEALTH, JAEGER, METRICS, OTLP_HTTP, SANITIZED,
                    TEMPO, Server, eventually)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    home = tmp_path_factory.mktemp("empty")
    instance = Server(home / "store", home / "log").start()
    yield instance
    instance.stop()


def test_health_has_the_collectors_shape(server):
    reply = server.get(HEALTH, "/")
    assert reply.status == 200
    assert reply.content_type.startswith("application/json")
    assert reply.json["status"] == "Server available"
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", reply.json["upSince"])
    assert re.fullmatch(r"(\d+h)?(\d+m)?[\d.]+(s|ms|µs)", reply.json["uptime"])


def test_probes_of_tempo_and_grafana_answer(server):
    assert server.get(TEMPO, "/ready").text.strip() == "ready"
    echo = server.get(TEMPO, "/api/echo")
    assert (echo.status, echo.text) == (200, "echo")
    build = server.get(TEMPO, "/api/status/buildinfo").json
    assert set(build) >= {"version", "revision", "branch", "buildUser",
                          "buildDate", "goVersion"}
    assert re.match(r"v?\d+\.\d+\.\d+", build["version"])
    assert server.get(DASHBOARDS, "/api/health").status == 200


REQUIRED_METRICS = (
    "otel_collector_spans_received_total",
    "otel_collector_spans_exported_total",
    "jaeger_traces_received_total",
    "tempo_ingester_traces_created_total",
)


def test_required_metrics_count_what_came(server):
    before = {name: server.metric(name) for name in REQUIRED_METRICS}
    trace_id = new_trace_id()
    root = span(trace_id)
    send(server, [root, span(trace_id, parent_span_id=root.span_id)])

    def counted():
        return all(server.metric(name) > before[name]
                   for name in REQUIRED_METRICS)
    eventually(counted, "the four metrics to grow", 5)
    assert server.metric(REQUIRED_METRICS[0]) == before[REQUIRED_METRICS[0]] + 2
    text = server.get(METRICS, "/metrics")
    assert text.content_type.startswith("text/plain")
    for name in REQUIRED_METRICS:
        assert f"# TYPE {name} counter" in text.text


def test_empty_store_answers_arrays(empty):
    assert empty.get(JAEGER, "/api/services").json == {
        "data": [], "total": 0, "limit": 0, "offset": 0, "errors": None}
    assert empty.get(JAEGER, "/api/v3/services").json == {"services": []}
    assert empty.get(
        JAEGER, "/api/v3/operations?service=none").json == {"operations": []}
    assert empty.get(JAEGER, "/api/traces?service=none").json["data"] == []
    summaries = ("/api/v3/trace-summaries?query.serviceName=none"
                 "&query.startTimeMin=2020-01-01T00:00:00Z"
                 "&query.startTimeMax=2030-01-01T00:00:00Z")
    assert empty.get(JAEGER, summaries).json == {"summaries": []}
    dependencies = empty.get(
        JAEGER, f"/api/dependencies?endTs={int(time.time() * 1000)}")
    assert dependencies.json["data"] == []


def test_unknown_trace_is_told_as_each_api_tells_it(empty):
    trace_id = new_trace_id().hex()
    jaeger = empty.get(JAEGER, f"/api/traces/{trace_id}")
    assert jaeger.status == 404
    assert jaeger.json["errors"][0]["msg"] == "trace not found"
    assert jaeger.json["data"] is None
    assert empty.get(JAEGER, f"/api/v3/traces/{trace_id}").status == 404
    v1 = empty.get(TEMPO, f"/api/traces/{trace_id}")
    assert (v1.status, v1.body) == (404, b"")
    v2 = empty.get(TEMPO, f"/api/v2/traces/{trace_id}")
    assert (v2.status, v2.json) == (200, {"trace": {}, "metrics": {}})
    v2 = empty.get(TEMPO, f"/api/v2/traces/{trace_id}",
                   Accept="application/protobuf")
    assert (v2.status, v2.body) == (200, b"\x0a\x00\x12\x00")


@pytest.mark.parametrize("base, path, status, text", [
    (JAEGER, "/api/traces/xyz", 400, "cannot parse traceID param"),
    (JAEGER, "/api/traces", 400, "parameter 'service' is required"),
    (JAEGER, "/api/traces?service=a&limit=many", 400,
     "unable to parse param 'limit'"),
    (JAEGER, "/api/traces?service=a&minDuration=9&maxDuration=1ms", 400,
     "unable to parse param 'minDuration'"),
    (JAEGER, "/api/traces?service=a&minDuration=9ms&maxDuration=1ms", 400,
     "'maxDuration' should be greater than 'minDuration'"),
    (JAEGER, "/api/traces?service=a&tag=x", 400, "malformed 'tag' parameter"),
    (JAEGER, "/api/traces?service=a&tags=x", 400, "malformed 'tags' parameter"),
    (JAEGER, "/api/unknown", 404, "404 page not found"),
    (JAEGER, "/api/v3/traces?query.serviceName=a", 400, "malformed parameter"),
    (TEMPO, "/api/traces/xyz", 400, "trace IDs can only contain hex characters"),
    (TEMPO, "/api/v2/traces/" + "1" * 33, 400, "trace IDs"),
])
def test_bad_question_gets_one_clear_message(empty, base, path, status, text):
    reply = empty.get(base, path)
    assert reply.status == status, reply.body
    assert text in reply.text


@pytest.fixture(scope="module")
def shop(server):
    """A slow failed order and a quick one, a second apart."""
    now = time.time_ns() - 60 * 10**9
    for number, (duration, code) in enumerate(
            [(900_000_000, 2), (20_000_000, 0)]):
        trace_id = bytes([number + 1]) * 16
        root = span(trace_id, "POST /orders", kind=2, duration=duration,
                    start=now + number * 10**9,
                    attrs={"http.response.status_code": 500 if code else 200,
                           "customer": f"c-{number}"})
        root.status.code = code
        send(server, [root], service="search shop/é")
        send(server, [span(trace_id, "charge", kind=3, duration=duration // 2,
                           start=root.start_time_unix_nano + 1000,
                           parent_span_id=root.span_id)], service="payment")
    return server


def found(server, **parameters):
    query = urlencode({"service": "search shop/é", **parameters})
    reply = server.get(JAEGER, f"/api/traces?{query}")
    assert reply.status == 200, reply.body
    return [trace["traceID"][0:2] for trace in reply.json["data"]]


@pytest.mark.parametrize("parameters, wanted", [
    ({}, ["02", "01"]),
    ({"limit": 1}, ["02"]),
    ({"operation": "POST /orders"}, ["02", "01"]),
    ({"operation": "charge"}, []),  # a span of another service
    ({"minDuration": "100ms"}, ["01"]),
    ({"maxDuration": "100ms"}, ["02"]),
    ({"minDuration": "", "maxDuration": ""}, ["02", "01"]),
    ({"tags": json.dumps({"error": "true"})}, ["01"]),
    ({"tags": json.dumps({"http.response.status_code": "500"})}, ["01"]),
    ({"tag": "customer:c-1"}, ["02"]),
    ({"tags": json.dumps({"span.kind": "server"})}, ["02", "01"]),
    ({"end": 10**6}, []),
])
def test_search_finds_what_one_span_fulfils(shop, parameters, wanted):
    if "end" not in parameters:
        parameters = {"lookback": "1h", **parameters}
    assert sorted(found(shop, **parameters)) == sorted(wanted)


def test_services_and_operations_are_listed(shop):
    services = shop.get(JAEGER, "/api/services").json["data"]
    assert {"payment", "search shop/é"} <= set(services)
    assert services == sorted(services)
    name = "search%20shop%2F%C3%A9"
    assert shop.get(JAEGER, f"/api/services/{name}/operations").json[
        "data"] == ["POST /orders"]
    assert shop.get(JAEGER, f"/api/operations?service={name}").json[
        "data"] == [{"name": "POST /orders", "spanKind": "server"}]
    assert shop.get(JAEGER, "/api/v3/operations?service=payment").json == {
        "operations": [{"name": "charge", "spanKind": "client"}]}


def test_dependencies_count_calls_between_services(shop):
    reply = shop.get(JAEGER, "/api/dependencies?lookback=3600000&endTs="
                     f"{int(time.time() * 1000)}").json
    assert {"parent": "search shop/é", "child": "payment",
            "callCount": 2} in reply["data"]


def test_many_traces_by_id_name_the_missing_one(shop):
    reply = shop.get(JAEGER, "/api/traces?traceID=" + "01" * 16 +
                     "&traceID=" + "99" * 16)
    assert reply.status == 200
    assert len(reply.json["data"]) == 1
    assert reply.json["errors"][0]["msg"] == "trace not found"


def test_span_is_searchable_when_it_is_acknowledged(server):
    item = span(new_trace_id())
    send(server, [item])
    # No polling: the acknowledgement already says so.
    assert server.get(JAEGER, f"/api/traces/{item.trace_id.hex()}").status == 200


@pytest.mark.skipif(SANITIZED, reason="sanitizers cost memory")
def test_idle_server_is_small(empty):
    assert empty.resident_bytes() < 60_000_000


def test_unknown_path_on_the_receiver_is_404(server):
    assert server.get(OTLP_HTTP, "/").status == 404
