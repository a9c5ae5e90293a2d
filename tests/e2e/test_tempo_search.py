# SPDX-License-Identifier: Apache-2.0
"""Tempo's search, tags and metrics as Grafana's data source asks for them.

Grafana decodes these answers strictly: a field that Tempo does not have makes
the whole answer an error there. So every answer here goes through `strict`."""

import csv
import io
import json
import time
import urllib.parse

import grpc
import pytest

from otlp import attributes, new_trace_id, send, span
from server import JAEGER, TEMPO, run_khtrace

SECOND = 10**9

# Message -> field -> what it holds: a message's name, or a check of the value.
text, number, truth = str, (int, float), bool


def quoted(value):
    return isinstance(value, str) and int(value) != 0


def nonzero(value):
    return isinstance(value, int) and value != 0


SCHEMA = {
    "SearchResponse": {"traces": ["Trace"], "metrics": "Metrics"},
    "Trace": {"traceID": text, "rootServiceName": text, "rootTraceName": text,
              "startTimeUnixNano": quoted, "durationMs": nonzero,
              "spanSet": "SpanSet", "spanSets": ["SpanSet"],
              "serviceStats": {"ServiceStats"}},
    "ServiceStats": {"spanCount": nonzero, "errorCount": nonzero},
    "SpanSet": {"spans": ["Span"], "matched": nonzero,
                "attributes": ["KeyValue"]},
    "Span": {"spanID": text, "name": text, "startTimeUnixNano": quoted,
             "durationNanos": quoted, "attributes": ["KeyValue"]},
    "KeyValue": {"key": text, "value": "AnyValue"},
    "AnyValue": {"stringValue": text, "boolValue": truth, "intValue": text,
                 "doubleValue": number, "arrayValue": "ArrayValue"},
    "ArrayValue": {"values": ["AnyValue"]},
    "Metrics": {"inspectedTraces": nonzero, "inspectedBytes": quoted,
                "totalBlocks": nonzero, "completedJobs": nonzero,
                "totalJobs": nonzero, "totalBlockBytes": quoted,
                "inspectedSpans": quoted},
    "QueryRangeResponse": {"series": ["TimeSeries"], "metrics": "Metrics",
                           "status": text, "message": text},
    "TimeSeries": {"labels": ["KeyValue"], "samples": ["Sample"],
                   "exemplars": ["Exemplar"]},
    "Sample": {"timestampMs": quoted, "value": number},
    "Exemplar": {"labels": ["KeyValue"], "value": number,
                 "timestampMs": quoted},
    "QueryInstantResponse": {"series": ["InstantSeries"], "metrics": "Metrics"},
    "InstantSeries": {"labels": ["KeyValue"], "value": number},
    "TagScopes": {"scopes": ["TagScope"], "metrics": "Metrics"},
    "TagScope": {"name": text, "tags": [text]},
    "TagNames": {"tagNames": [text], "metrics": "Metrics"},
    "TagValuesV2": {"tagValues": ["TagValue"], "metrics": "Metrics"},
    "TagValue": {"type": text, "value": text},
    "TagValues": {"tagValues": [text], "metrics": "Metrics"},
}


def strict(value, kind):
    """Fails on a field, a type or a zero that Tempo's JSON does not have."""
    if isinstance(kind, list):
        assert isinstance(value, list)
        for item in value:
            strict(item, kind[0])
    elif isinstance(kind, set):
        for item in value.values():
            strict(item, next(iter(kind)))
    elif isinstance(kind, str):
        assert isinstance(value, dict), (kind, value)
        for key, item in value.items():
            assert key in SCHEMA[kind], f"{kind}.{key} is not Tempo's"
            strict(item, SCHEMA[kind][key])
    elif isinstance(kind, (type, tuple)):
        assert isinstance(value, kind), (kind, value)
    else:
        assert kind(value), (kind, value)
    return value


def ask(server, path, kind, **params):
    query = urllib.parse.urlencode(params)
    reply = server.get(TEMPO, f"{path}?{query}", Accept="application/json")
    assert reply.status == 200, reply.text
    assert reply.content_type.startswith("application/json")
    return strict(reply.json, kind)


def refused(server, path, **params):
    reply = server.get(TEMPO, f"{path}?{urllib.parse.urlencode(params)}")
    assert reply.status == 400, reply.text
    assert reply.content_type.startswith("text/plain")
    return reply.text.rstrip("\n")


class Shop:
    """Three traces of a shop, the newest first in `ids`."""

    def __init__(self, server):
        self.now = time.time_ns()
        self.ids = []
        for number, age in enumerate((10, 20, 30)):
            self.ids.append(new_trace_id())
            self._send(server, self.ids[-1], self.now - age * SECOND, number)
        self.range = {"start": self.now // SECOND - 600,
                      "end": self.now // SECOND + 1}

    @staticmethod
    def _send(server, trace_id, start, number):
        root = span(trace_id, "POST /orders", kind=2, start=start,
                    duration=80_000_000, attrs={"http.route": "/orders"})
        child = span(trace_id, "SELECT orders", kind=3, start=start + 1_000_000,
                     duration=50_000_000, parent_span_id=root.span_id,
                     attrs={"db.system": "postgresql", "row/count": number + 1,
                            "cached": number == 0})
        child.events.add(name="exception", time_unix_nano=start).attributes \
            .extend(attributes({"exception.type": "Timeout"}))
        if number == 0:
            child.status.code = 2
        send(server, [root], service="front", resource={"region": "eu"})
        send(server, [child], service="orders")

    def hex(self, *numbers):
        return [self.ids[number].hex() for number in numbers]


@pytest.fixture(scope="module")
def shop(server):
    return Shop(server)


def found(answer):
    return [trace["traceID"] for trace in answer["traces"]]


def test_search_finds_newest_first_with_what_the_query_mentions(server, shop):
    answer = ask(server, "/api/search", "SearchResponse", limit=20, spss=3,
                 q='{ span.db.system = "postgresql" } | select(name)',
                 **shop.range)
    assert found(answer) == shop.hex(0, 1, 2)
    trace = answer["traces"][0]
    assert trace["rootServiceName"] == "front"
    assert trace["rootTraceName"] == "POST /orders"
    assert trace["durationMs"] == 80
    assert trace["serviceStats"] == {"front": {"spanCount": 1},
                                     "orders": {"spanCount": 1,
                                                "errorCount": 1}}
    assert trace["spanSet"] == trace["spanSets"][0]
    assert trace["spanSet"]["matched"] == 1
    hit = trace["spanSet"]["spans"][0]
    assert hit["name"] == "SELECT orders"
    assert hit["durationNanos"] == "50000000"
    assert {"key": "db.system", "value": {"stringValue": "postgresql"}} \
        in hit["attributes"]


@pytest.mark.parametrize("query, numbers", [
    ("{ }", (0, 1, 2)),
    ("{ status = error }", (0,)),
    ('{ name = "POST /orders" } >> { span.row/count > 1 }', (1, 2)),
    ("{ } | count() > 5", ()),
    ("{ status = error } | rate()", (0,)),  # what stands before the metric
    ("{ nestedSetParent < 0 } &>> { kind = client } "
     "| select(nestedSetLeft, nestedSetParent, status)", (0, 1, 2)),
])
def test_search_runs_traceql(server, shop, query, numbers):
    answer = ask(server, "/api/search", "SearchResponse", q=query, **shop.range)
    assert found(answer) == shop.hex(*numbers)


def test_explain_tells_how_a_query_runs(server, shop):
    query = urllib.parse.urlencode(
        {"q": "{ status = error } | rate()", "analyze": 1, **shop.range})
    reply = server.get(JAEGER, f"/api/tracing/traceql/explain?{query}")
    assert reply.status == 200, reply.text
    assert reply.json["analysis"]["results"] == 1
    assert reply.json["physical"]["op"] == "metrics"
    code, out, err = run_khtrace(
        "explain", "{ status = error }", "--analyze", "--endpoint",
        f"127.0.0.1:{server.port(JAEGER)}")
    assert code == 0, err
    assert "test status = error: by column" in out
    code, out, err = run_khtrace(
        "explain", "{ status == error }", "--endpoint",
        f"127.0.0.1:{server.port(JAEGER)}")
    assert code == 2
    assert "^" in err


@pytest.mark.parametrize("order, numbers", [
    ("start asc", (2, 1, 0)),
    ("start", (0, 1, 2)),
    ("errorCount desc", (0, 1, 2)),
    ("errorCount asc", (1, 2, 0)),
])
def test_search_in_another_order(server, shop, order, numbers):
    query = f'{{ }} with(order_by="{order}")'
    answer = ask(server, "/api/search", "SearchResponse", q=query, **shop.range)
    assert found(answer) == shop.hex(*numbers)


def test_search_by_post_and_as_protobuf(server, shop):
    query = urllib.parse.urlencode({"q": "{ status = error }", **shop.range})
    reply = server.request(TEMPO, "POST", f"/api/search?{query}")
    assert found(strict(reply.json, "SearchResponse")) == shop.hex(0)
    reply = server.get(TEMPO, f"/api/search?{query}",
                       Accept="application/protobuf")
    assert (reply.status, reply.content_type) == (200, "application/protobuf")
    assert shop.hex(0)[0].encode() in reply.body


@pytest.mark.parametrize("params, numbers", [
    ({}, (0, 1, 2)),
    ({"tags": 'service.name=orders error=true name="SELECT orders"'}, (0,)),
    ({"tags": "row/count=2"}, (1,)),
    ({"minDuration": "79ms", "maxDuration": "1s"}, (0, 1, 2)),
    ({"minDuration": "1s"}, ()),
    ({"limit": 2}, (0, 1)),
])
def test_search_without_query_tells_of_traces_alone(server, shop, params,
                                                    numbers):
    answer = ask(server, "/api/search", "SearchResponse", **params)
    assert found(answer) == shop.hex(*numbers)
    assert all("spanSets" not in trace for trace in answer["traces"])


def test_empty_answers_keep_their_lists(server, shop):
    answer = ask(server, "/api/search", "SearchResponse", q="{ .no = 1 }",
                 **shop.range)
    assert answer["traces"] == []
    answer = ask(server, "/api/metrics/query_range", "QueryRangeResponse",
                 q="{ .no = 1 } | rate() by (name)", **shop.range)
    assert answer["series"] == []


@pytest.mark.parametrize("path, params, words", [
    ("/api/search", {"q": "{ .a == 1 }"},
     "invalid TraceQL query: parse error at line 1, col 7"),
    ("/api/search", {"q": "{}", "tags": "a=b"},
     "invalid request: can't specify tags and q in the same query"),
    ("/api/search", {"limit": "0"}, "invalid limit: must be a positive number"),
    ("/api/search", {"q": "{}", "end": "20"}, "must provide both or neither"),
    ("/api/search", {"minDuration": "abc"},
     'invalid minDuration: time: invalid duration "abc"'),
    ("/api/v2/search/tags", {"scope": "bogus"}, "invalid scope: bogus"),
    ("/api/v2/search/tag/service.name/values", {},
     "please provide a valid tagName: failed to parse identifier service.name"),
    ("/api/metrics/query_range", {}, "syntax error: unexpected $end"),
    ("/api/metrics/query", {"q": "{}"}, "not a metrics query"),
    ("/api/metrics/query_range", {"q": "{}|rate()", "step": "abc"},
     'cannot parse "abc" to a valid duration'),
    ("/api/metrics/query_range", {"q": "{}|rate()", "start": "5", "end": "9",
                                  "step": "1ns"}, "step of 1ns is too small"),
])
def test_refusals_are_plain_text(server, path, params, words):
    assert words in refused(server, path, **params)


def test_tags_by_scope(server, shop):
    answer = ask(server, "/api/v2/search/tags", "TagScopes", limit=5000,
                 **shop.range)
    scopes = {scope["name"]: scope["tags"] for scope in answer["scopes"]}
    assert scopes["resource"] == ["region", "service.name"]
    assert scopes["span"] == ["cached", "db.system", "http.route", "row/count"]
    assert scopes["event"] == ["exception.type"]
    assert "rootServiceName" in scopes["intrinsic"]
    assert "link" not in scopes
    answer = ask(server, "/api/search/tags", "TagNames", scope="resource")
    assert answer["tagNames"] == ["region", "service.name"]


@pytest.mark.parametrize("tag, params, values", [
    ("resource.service.name", {}, [("string", "front"), ("string", "orders")]),
    (".service.name", {"q": "{ status = error && span.http.method = }"},
     [("string", "orders")]),
    ("span.row/count", {}, [("int", "1"), ("int", "2"), ("int", "3")]),
    ("span.cached", {}, [("bool", "false"), ("bool", "true")]),
    ("span:name", {"q": '{ resource.service.name = "front" }'},
     [("string", "POST /orders")]),
    ("event.exception.type", {}, [("string", "Timeout")]),
    ("status", {}, [("keyword", "error"), ("keyword", "ok"),
                    ("keyword", "unset")]),
    ("duration", {}, []),
    ("span.nowhere", {}, []),
])
def test_tag_values_as_the_editor_asks_for_them(server, shop, tag, params,
                                                values):
    for escape in (urllib.parse.quote(tag), urllib.parse.quote(tag, safe="")):
        answer = ask(server, f"/api/v2/search/tag/{escape}/values",
                     "TagValuesV2", **params, **shop.range)
        assert [(one["type"], one["value"])
                for one in answer["tagValues"]] == values


def test_older_tag_values_are_texts(server, shop):
    answer = ask(server, "/api/search/tag/service.name/values", "TagValues")
    assert answer["tagValues"] == ["front", "orders"]
    answer = ask(server, "/api/search/tag/name/values", "TagValues")
    assert answer["tagValues"] == ["POST /orders", "SELECT orders"]


def labels(series):
    return {label["key"]: next(iter(label["value"].values()))
            for label in series.get("labels", [])}


def test_query_range_counts_by_interval(server, shop):
    answer = ask(server, "/api/metrics/query_range", "QueryRangeResponse",
                 q="{ } | count_over_time() by (resource.service.name)",
                 start=shop.range["start"], end=shop.range["end"], step="60s",
                 exemplars=100)
    totals = {labels(series)["resource.service.name"]:
              sum(sample.get("value", 0) for sample in series["samples"])
              for series in answer["series"]}
    assert totals == {"front": 3, "orders": 3}
    exemplars = [exemplar for series in answer["series"]
                 for exemplar in series.get("exemplars", [])]
    assert {labels(one)["trace:id"] for one in exemplars} <= set(
        shop.hex(0, 1, 2))
    assert exemplars and all(one.get("value") for one in exemplars)


def test_query_is_one_value(server, shop):
    answer = ask(server, "/api/metrics/query", "QueryInstantResponse",
                 q="{ status = error } | count_over_time()", since="10m")
    assert [series["value"] for series in answer["series"]] == [1]
    assert labels(answer["series"][0]) == {"__name__": "count_over_time"}


def at(server):
    return ["--port-offset", server.offset]


def test_cli_lists_traces_with_matches(server, shop):
    code, out, err = run_khtrace(
        "query", '{ span.db.system = "postgresql" && status = error }',
        "--since", "10m", *at(server))
    assert code == 0, err
    assert shop.hex(0)[0] in out and shop.hex(1)[0] not in out
    assert "db.system=postgresql" in out and "status=error" in out


def test_cli_draws_series(server, shop):
    query = "{ } | count_over_time() by (resource.service.name)"
    code, out, err = run_khtrace("query", query, "--since", "10m", *at(server),
                                 env={"LC_ALL": "C"})
    assert code == 0, err
    assert "resource.service.name=front" in out and "#" in out
    assert out.isascii()
    code, out, err = run_khtrace("query", query, "--csv", *at(server))
    assert code == 0, err
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["resource.service.name"] for row in rows} == {"front", "orders"}
    assert sum(float(row["value"]) for row in rows) == 6


def test_cli_points_at_what_is_wrong(server):
    code, _, err = run_khtrace("query", "{ .a == 1 }", *at(server))
    assert code == 2
    lines = err.splitlines()
    assert "parse error at line 1, col 7" in lines[0]
    assert lines[2].index("^") - lines[1].index("{") == 6


def test_cli_says_what_to_do_when_nothing_fits(server):
    for query in ("{ .no = 1 }", "{ .no = 1 } | rate() by (name)"):
        code, out, _ = run_khtrace("query", query, *at(server))
        assert code == 0
        assert "--since" in out and "doctor" in out


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def fields(**values):
    """A message: f4=7 is field 4 as varint, f8="x" field 8 as text."""
    out = b""
    for name, value in values.items():
        number = int(name[1:])
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            out += varint(number << 3 | 2) + varint(len(value)) + value.encode()
    return out


def test_part_of_a_trace_is_told_with_what_is_around(server, shop):
    trace_id = shop.hex(0)[0]

    def spans(params):
        reply = server.get(TEMPO, f"/api/v2/traces/{trace_id}?{params}")
        assert reply.status == 200, reply.body
        trace = reply.json["trace"]
        return reply.json.get("status"), sum(
            len(scope["spans"]) for resource in trace.get("resourceSpans", [])
            for scope in resource["scopeSpans"])

    everything = spans("")[1]
    leaf = "q=" + urllib.parse.quote("{ span:childCount = 0 }")
    status, leaves = spans(leaf)
    assert status == "PARTIAL" and 0 < leaves < everything
    assert spans(leaf + "&keep_hierarchy=true") == (None, everything)
    root = "q=" + urllib.parse.quote("{ nestedSetParent < 0 }")
    assert spans(root) == ("PARTIAL", 1)
    assert spans(root + "&match_depth=-1") == (None, everything)
    reply = server.get(
        TEMPO, f"/api/v2/traces/{trace_id}?{root}&match_depth=-2")
    assert reply.status == 400
    assert reply.text.strip() == "invalid value for match_depth: must be >= -1"


def test_difference_of_two_traces(server, shop):
    base, compare = shop.hex(0, 1)

    def diff(body):
        return server.request(TEMPO, "POST", "/api/v2/traces/diff",
                              json.dumps(body).encode(),
                              {"Content-Type": "application/json"})

    reply = diff({"base": {"traceId": base}, "compare": {"traceId": compare}})
    assert reply.status == 200, reply.body
    assert reply.json["version"] == "trace-patch-v0"
    change, = reply.json["modified"]
    assert change["span"] == {"path": [0, 0], "service": "orders",
                              "name": "SELECT orders", "kind": "client"}
    keys = [one["target"].get("key") or one["target"]["name"]
            for one in change["changes"]]
    assert keys == ["status", "cached", "row/count"]
    summary = diff({"base": {"traceId": base}, "compare": {"traceId": compare},
                    "format": "trace-summary-v0-composed"}).json
    assert summary["summary"]["signals"]["errors"] == "decreased"
    assert summary["patch"] == reply.json
    assert diff({"base": {"traceId": base}}).status == 400
    missing = new_trace_id().hex()
    assert diff({"base": {"traceId": base},
                 "compare": {"traceId": missing}}).status == 404
    assert server.get(TEMPO, "/api/v2/traces/diff").status == 405


def test_samples_of_a_metrics_query(server, shop):
    def total(hint):
        q = urllib.parse.quote("{ } | count_over_time()" + hint)
        reply = server.get(
            TEMPO, f"/api/metrics/query?q={q}"
            f"&start={shop.now // SECOND - 600}&end={shop.now // SECOND}")
        assert reply.status == 200, reply.body
        return sum(series.get("value", 0) for series in reply.json["series"])

    exact = total("")
    assert exact > 0
    assert total(" with(sample=1.0)") == exact
    assert total(" with(sample=true)") > 0
    half = total(" with(sample=0.5)")
    assert half % 2 == 0 and half <= 2 * exact
    assert half == total(" with(sample=0.5)")


def stream(server, method, message):
    """The messages of a server-streaming call, on the port of HTTP."""
    with grpc.insecure_channel(f"127.0.0.1:{server.port(TEMPO)}") as channel:
        call = channel.unary_stream(f"/tempopb.StreamingQuerier/{method}")
        return list(call(message, timeout=30,
                         metadata=[("x-scope-orgid", "single-tenant")]))


def jobs(message):
    """completedJobs and totalJobs of a search's or range query's message."""
    metrics = b"".join(value for number, value in parts(message)
                       if number == 2)
    of = dict(parts(metrics))
    return of.get(4, 0), of.get(5, 0)


def parts(message):
    """Fields of a protobuf message: numbers and bytes or integers."""
    at = 0

    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        elif tag & 7 == 1:
            at += 8
            yield tag >> 3, message[at - 8:at]
        else:
            assert tag & 7 == 2
            size = varint()
            at += size
            yield tag >> 3, message[at - size:at]


def test_streamed_messages_tell_progress_and_add_up(server, shop):
    first, *rest = stream(server, "Search", fields(f4=1, f8="{ }"))
    done, total = jobs(first)
    assert done == 0 and total > 0
    done, total = jobs(rest[-1])
    assert 0 < done <= total
    traces = [value for message in [first, *rest]
              for number, value in parts(message) if number == 1]
    assert len(traces) == 1
    assert shop.hex(0)[0].encode() in traces[0]
    first, *rest = stream(server, "MetricsQueryRange", fields(
        f1="{ } | rate() by (resource.service.name)",
        f2=shop.now - 600 * SECOND, f3=shop.now, f4=60 * SECOND))
    assert jobs(first)[0] == 0
    assert jobs(rest[-1])[0] > 0
    assert b"resource.service.name" in b"".join(rest)


def test_tags_and_single_values_are_streamed_too(server, shop):
    # What needs no look at spans is there at once.
    scopes, = stream(server, "SearchTagsV2", b"")
    assert b"db.system" in scopes
    for method, message, text in [
            ("SearchTags", fields(f2='{ name != "" }'), b"db.system"),
            ("SearchTagsV2", fields(f2='{ name != "" }'), b"db.system"),
            ("SearchTagValues", fields(f1="row/count"), b""),
            ("SearchTagValuesV2", fields(f1="span.row/count"), b"int"),
            ("MetricsQueryInstant",
             fields(f1="{ } | count_over_time()",
                    f2=shop.now - 600 * SECOND, f3=shop.now),
             b"count_over_time")]:
        first, *rest = stream(server, method, message)
        assert [number for number, _ in parts(first)] == [2], method
        assert rest and text in b"".join(rest), method
        items = [value for message in rest
                 for number, value in parts(message) if number == 1]
        assert len(items) == len(set(items)) > 0, method


def test_streaming_refuses_with_grpcs_codes(server):
    with pytest.raises(grpc.RpcError) as refusal:
        stream(server, "Search", fields(f8="{ .a == 1 }"))
    assert refusal.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "line 1, col 7" in refusal.value.details()
