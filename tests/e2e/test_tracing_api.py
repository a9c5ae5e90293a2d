# SPDX-License-Identifier: Apache-2.0
"""/api/tracing on port 16686 and its commands, over the traffic of the demo.

Every answer is validated against the specification that the server gives."""

import gzip
import json
import subprocess
import time
import urllib.parse

import jsonschema
import pytest
import referencing
import referencing.jsonschema

from otlp import new_trace_id, send, span
from server import BINARY, JAEGER, Server, eventually, run_khtrace

SECOND = 10**9
DEMO_SECONDS = 20


@pytest.fixture(scope="module")
def demo(server):
    """The server with a demo's traffic, from its first span on."""
    process = subprocess.Popen(
        [BINARY, "demo", "--rate", "1000", "--duration", f"{DEMO_SECONDS}s",
         "--port-offset", str(server.offset)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT)
    server.demo_began = time.monotonic()
    yield server
    process.wait(timeout=120)


def get(server, path, **headers):
    return server.get(JAEGER, f"/api/tracing/{path}", **headers)


class Specification:
    """The server's own description of its answers."""

    def __init__(self, server):
        self.document = get(server, "openapi.json").json
        resource = referencing.Resource(
            contents=self.document,
            specification=referencing.jsonschema.DRAFT202012)
        self.registry = referencing.Registry().with_resource(
            "urn:spec", resource)

    def template_of(self, path):
        """The path of the document that a path of a request fits."""
        path = "/api/tracing/" + path.split("?")[0]
        if path in self.document["paths"]:
            return path
        for template in self.document["paths"]:
            before, brace, after = template.partition("{")
            if brace and path.startswith(before) and \
                    path.endswith(after.partition("}")[2]):
                return template
        raise AssertionError(f"not in the specification: {path}")

    def check(self, path, response, method="get"):
        operation = self.document["paths"][self.template_of(path)][method]
        answer = operation["responses"][str(response.status)]
        if response.status == 204:
            assert "content" not in answer and not response.body
            return None
        if "$ref" in answer:
            answer = self.document["components"]["responses"]["Problem"]
        kind = response.content_type.split(";")[0]
        schema = answer["content"][kind]["schema"]
        if kind.endswith("json"):
            self.validate(schema, response.json)
        for parameter in urllib.parse.parse_qs(path.partition("?")[2]):
            if response.status == 200:
                assert parameter in self.parameters(operation), path
        return response.json if kind.endswith("json") else response.text

    def validate(self, schema, value):
        pointer = dict(schema)
        if "$ref" in pointer:
            pointer["$ref"] = "urn:spec" + pointer["$ref"]
        jsonschema.Draft202012Validator(
            pointer, registry=self.registry,
            format_checker=jsonschema.FormatChecker()).validate(value)

    def parameters(self, operation):
        names = set()
        for one in operation.get("parameters", []):
            if "$ref" in one:
                one = self.document["components"]["parameters"][
                    one["$ref"].rsplit("/", 1)[1]]
            names.add(one["name"])
        return names


@pytest.fixture(scope="module")
def spec(server):
    return Specification(server)


def checked(server, spec, path, status=200):
    response = get(server, path)
    assert response.status == status, (path, response.text[:500])
    return spec.check(path, response)


def within_30_seconds(server, spec, path, true_of):
    """What `path` answers once `true_of` it; counted from the demo's start."""
    left = max(1.0, 30 - (time.monotonic() - server.demo_began))

    def probe():
        answer = checked(server, spec, path)
        return answer if true_of(answer) else None

    return eventually(probe, path, left)


# The curl lines of the documentation, first: they are what people try.

def test_status_counts_spans_within_30_seconds(demo, spec):
    answer = within_30_seconds(
        demo, spec, "status",
        lambda a: any(r["spans_received"] > 0 for r in a["receivers"]))
    assert answer["status"] == "ok"
    assert answer["storage"]["engine"] == "columnar"
    assert answer["storage"]["retention"]["max_age_hours"] == 336


def test_bottlenecks_over_100_ms_within_30_seconds(demo, spec):
    answer = within_30_seconds(
        demo, spec, "performance/bottlenecks?threshold_ms=100",
        lambda a: a["bottlenecks"])
    assert answer["threshold_ms"] == 100
    scores = [b["impact"]["score"] for b in answer["bottlenecks"]]
    assert scores == sorted(scores, reverse=True)
    for one in answer["bottlenecks"]:
        assert one["p95_ms"] > 100
        impact = one["impact"]
        if one["target_ms"] is not None:
            product = impact["duration"] * impact["frequency"] * \
                impact["reliability"]
            assert impact["score"] == pytest.approx(product, rel=1e-3)


def test_memory_search_is_analysed_within_30_seconds(demo, spec):
    path = "operations/memory.search/analysis"
    eventually(lambda: get(demo, path).status == 200, path, 30)
    answer = within_30_seconds(demo, spec, path, lambda a: a["count"] >= 20)
    assert answer["category"] == "memory"
    assert answer["target_ms"] == 50
    assert answer["grade"] in list("ABCDF")
    assert sum(b["count"] for b in answer["histogram"]) == answer["count"]
    assert sum(b["count"] for b in answer["grade_bands"]) == answer["count"]
    for link in answer["links"].values():
        relative = link.removeprefix("/api/tracing/")
        checked(demo, spec, relative)


def test_slow_traces_are_found_within_30_seconds(demo, spec):
    answer = within_30_seconds(
        demo, spec, "traces/search?min_duration_ms=1000",
        lambda a: a["traces"])
    assert all(t["duration_ms"] >= 1000 for t in answer["traces"])


def test_summary_is_true_within_30_seconds(demo, spec):
    answer = within_30_seconds(demo, spec, "performance/summary",
                               lambda a: a["grade"] is not None)
    assert sum(answer["grade_distribution"].values()) == sum(
        c["operations"] for c in answer["categories"])


def test_health_is_ok(demo, spec):
    assert checked(demo, spec, "health")["status"] == "ok"


@pytest.mark.parametrize("path", [
    "overview",
    "performance/bottlenecks?threshold_ms=0&limit=1000&sort=p95",
    "performance/bottlenecks?category=none&threshold_ms=0",
    "operations?limit=1000",
    "operations?sort=name&order=desc&min_count=20",
    "operations/memory.search/trend",
    "critical-path",
    "critical-path?format=folded",
    "critical-path?bands=50,75,95",
    "heatmap?bins=30",
    "heatmap?q={status=error}",
    "changes",
    "critical-path?q={status=error}&what_if_percent=50&max_traces=100",
    "critical-path?service=knowledgehub-api&baseline=previous&window=1m",
    "critical-path?compare_version=1,2",
    "dependencies",
    "dependencies?format=dot",
    "dependencies?format=mermaid",
    "errors/patterns",
    "explain?selection=%7B%20status%20%3D%20error%20%7D&window=30m",
    "traces/search?status=error&limit=5",
    "openapi.json",
])
def test_answers_are_as_specified(demo, spec, path):
    eventually(lambda: get(demo, "operations").json["total"] > 0, "demo")
    checked(demo, spec, path)


def test_empty_server_answers_as_specified_and_says_what_to_do(new_server):
    server = new_server().start()
    spec = Specification(server)
    for path in ("overview", "performance/summary", "performance/bottlenecks",
                 "operations", "traces/search", "critical-path",
                 "dependencies", "explain?selection=%7B%7D"):
        assert "khtrace demo" in checked(server, spec, path)["hint"], path
    assert checked(server, spec, "errors/patterns")["patterns"] == []
    assert checked(server, spec, "operations/x/analysis", 404)["similar"] == []


@pytest.mark.parametrize("path, parameter", [
    ("performance/bottlenecks?threshold_ms=-1", "threshold_ms"),
    ("performance/bottlenecks?threshold_ms=NaN", "threshold_ms"),
    ("performance/bottlenecks?threshold_ms=fast", "threshold_ms"),
    ("performance/bottlenecks?limit=0", "limit"),
    ("performance/bottlenecks?sort=best", "sort"),
    ("performance/summary?window=now", "window"),
    ("operations?grade=Z", "grade"),
    ("traces/search?q=%7B", "q"),
    ("traces/search?cursor=x", "cursor"),
    ("errors/patterns?new=perhaps", "new"),
    ("dependencies?format=png", "format"),
    ("explain?selection=nothing", "selection"),
    ("compare?a=xyz&b=1", "a"),
    ("compare?a=1", "b"),
    ("status?verbose=1", "verbose"),
])
def test_bad_parameters_are_named(demo, spec, path, parameter):
    answer = checked(demo, spec, path, 400)
    assert answer["parameter"] == parameter
    assert parameter in answer["detail"]


def test_wrong_method_and_path(demo):
    response = demo.request(JAEGER, "DELETE", "/api/tracing/operations")
    assert response.status == 405
    assert response.headers["Allow"] == "GET"
    assert response.json["allowed"] == ["GET"]
    response = get(demo, "operation")
    assert response.status == 404
    assert response.json["similar"] == ["/api/tracing/operations"]


def test_pages_together_are_the_whole(demo, spec):
    eventually(lambda: get(demo, "operations").json["total"] > 30, "demo")
    now = time.time_ns()
    base = f"operations?sort=name&start={now - 3600 * SECOND}&end={now}"
    whole = checked(demo, spec, f"{base}&limit=1000")["operations"]
    pages, cursor = [], ""
    while cursor is not None:
        answer = checked(demo, spec, f"{base}&limit=7{cursor and '&cursor=' + cursor}")
        pages += answer["operations"]
        cursor = answer["next_cursor"]
    names = [(o["operation"], o["service"], o["category"]) for o in pages]
    assert len(set(names)) == len(names)
    assert {(o["operation"], o["service"], o["category"])
            for o in whole} <= set(names)


def test_search_is_newest_first(demo, spec):
    eventually(lambda: len(get(demo, "traces/search").json["traces"]) == 20,
               "demo")
    answer = checked(demo, spec, "traces/search?limit=60")
    starts = [t["start"][:19] for t in answer["traces"]]
    assert starts == sorted(starts, reverse=True)
    for trace in answer["traces"]:
        assert trace["span_count"] == sum(
            s["span_count"] for s in trace["services"])


def test_search_sorts_over_all_traces_and_pages(demo, spec):
    eventually(lambda: len(get(demo, "traces/search").json["traces"]) == 20,
               "demo")
    end = time.time_ns() - 2 * SECOND
    base = f"traces/search?sort=duration&start={end - 3600 * SECOND}&end={end}"
    whole = checked(demo, spec, f"{base}&limit=60")
    durations = [t["duration_ms"] for t in whole["traces"]]
    assert durations == sorted(durations, reverse=True)
    first = checked(demo, spec, f"{base}&limit=10")
    second = checked(
        demo, spec, f"{base}&limit=10&cursor={first['next_cursor']}")
    ids = [t["trace_id"] for t in first["traces"] + second["traces"]]
    assert len(set(ids)) == 20


def test_trace_and_error_pattern_by_id(demo, spec):
    eventually(lambda: get(demo, "errors/patterns").json["patterns"], "errors")
    pattern = checked(demo, spec, "errors/patterns")["patterns"][0]
    checked(demo, spec, f"errors/patterns/{pattern['fingerprint']}")
    answer = checked(
        demo, spec, f"traces/{pattern['example_trace_id']}/analysis")
    assert answer["error_origins"]
    checked(demo, spec, f"traces/{new_trace_id().hex()}/analysis", 404)
    checked(demo, spec, "traces/nonsense/analysis", 400)


def test_compare_two_traces_and_two_sets(demo, spec):
    found = checked(demo, spec, "traces/search?limit=2&window=30m")["traces"]
    ids = [row["trace_id"] for row in found]
    answer = checked(demo, spec, f"compare?a={ids[0]}&b={ids[1]}")
    total = answer["b"]["duration_ms"] - answer["a"]["duration_ms"]
    parts = sum(node["difference_ms"] for node in answer["nodes"])
    assert parts == pytest.approx(total, abs=1)
    assert answer["verdict"].startswith("B ")
    body = json.dumps({"a": "{ status = error }", "b": "{ }",
                       "window": "30m", "max_traces": 50})
    response = demo.request(JAEGER, "POST", "/api/tracing/compare", body,
                            {"Content-Type": "application/json"})
    assert response.status == 200, response.text
    spec.check("compare", response, "post")
    assert response.json["b"]["traces"] == 50
    checked(demo, spec, f"compare?a={ids[0]}&b={new_trace_id().hex()}", 404)
    code, out, _ = run_khtrace("compare", *ids, "--port-offset",
                               str(demo.offset))
    assert code == 0
    assert out.startswith("B ") and "critical path" in out


def test_explain_by_post(demo, spec):
    body = json.dumps({"selection": "{ status = error }", "window": "30m"})
    response = demo.request(JAEGER, "POST", "/api/tracing/explain", body,
                            {"Content-Type": "application/json"})
    assert response.status == 200, response.text
    spec.check("explain", response, "post")


# Alerts and how queries run.

EXPLAIN = "traceql/explain?q=%7B%20status%20%3D%20error%20%7D"


@pytest.fixture(scope="module")
def alerting(tmp_path_factory):
    """A server whose rules are evaluated every second, and one of them fires."""
    home = tmp_path_factory.mktemp("alerting")
    config = home / "config.json"
    config.write_text(json.dumps({"alerting": {"interval": "1s", "rules": [
        {"name": "any", "query": "{ } | count_over_time() by (name)",
         "alert": 1, "critical": 1000, "window": "1h",
         "labels": {"team": "shop"}},
        {"name": "goal", "objective": {
            "select": "{ }", "threshold": "1s", "goal": 0.99}}],
        "receivers": [{"name": "nobody", "url": "http://127.0.0.1:1/"}]}}))
    server = Server(home / "store", home / "log",
                    ["--config", str(config)]).start()
    send(server, [span(new_trace_id(), name="GET /",
                       start=time.time_ns() - SECOND) for _ in range(3)])
    eventually(lambda: get(server, "alerts/active").json["alerts"],
               "an alert", 30)
    yield server
    server.stop()


def post(server, path, body):
    return server.request(JAEGER, "POST", f"/api/tracing/{path}",
                          body if isinstance(body, str) else json.dumps(body),
                          {"Content-Type": "application/json"})


def test_alerts_are_as_specified(alerting):
    spec = Specification(alerting)
    rules = checked(alerting, spec, "alerts")
    assert {"any", "goal", "api-target"} <= {r["name"] for r in rules["rules"]}
    assert [r["name"] for r in rules["receivers"]] == ["nobody"]
    alert = checked(alerting, spec, "alerts/active")["alerts"][0]
    assert alert["labels"]["team"] == "shop"
    assert checked(alerting, spec, "alerts/history?limit=5")["events"]
    assert checked(alerting, spec, "overview")["alerts"]
    path = f"alerts/{alert['id']}/ack"
    response = post(alerting, path, {"by": "ann", "comment": "on it"})
    assert response.status == 200, response.text
    assert spec.check(path, response, "post")["acknowledged"]["by"] == "ann"
    silence = {"matchers": [{"name": "team", "value": "s.*", "regex": True}],
               "duration": "1h", "created_by": "ann"}
    response = post(alerting, "alerts/silences", silence)
    assert response.status == 201, response.text
    made = spec.check("alerts/silences", response, "post")
    assert checked(alerting, spec, "alerts/silences")["silences"] == [made]
    assert checked(alerting, spec, "alerts/active")["alerts"][0][
        "silenced_by"] == made["id"]
    path = f"alerts/silences/{made['id']}"
    for status in (204, 404):
        response = alerting.request(JAEGER, "DELETE", f"/api/tracing/{path}")
        assert response.status == status
        spec.check(path, response, "delete")


@pytest.mark.parametrize("body", [
    {"rule": "any", "since": "10m"},
    {"rule": "goal", "since": "10m", "step": "1m"},
    {"category": "api", "since": "1h"},
    {"query": "{ } | rate()", "alert": 0.001, "since": "2m", "step": "5s"},
])
def test_tests_of_rules_are_as_specified(alerting, body):
    spec = Specification(alerting)
    response = post(alerting, "alerts/test", body)
    assert response.status == 200, response.text
    answer = spec.check("alerts/test", response, "post")
    assert answer["evaluations"] > 0
    assert answer["fired"] == len(answer["firings"])


@pytest.mark.parametrize("path", [
    EXPLAIN, f"{EXPLAIN}&analyze=1&window=5m&limit=3",
    "traceql/explain?q=%7B%20%7D%20%7C%20rate()&analyze=true"])
def test_plans_are_as_specified(alerting, path):
    answer = checked(alerting, Specification(alerting), path)
    assert ("analysis" in answer) == ("analyze" in path)


@pytest.mark.parametrize("path, parameter", [
    ("alerts?rule=any", "rule"),
    ("alerts/active?limit=1", "limit"),
    ("alerts/history?limit=1001", "limit"),
    ("alerts/silences?all=1", "all"),
    ("traceql/explain", "q"),
    ("traceql/explain?q=%7B", "q"),
    (f"{EXPLAIN}&analyze=perhaps", "analyze"),
    (f"{EXPLAIN}&limit=0", "limit"),
    (f"{EXPLAIN}&window=now", "window"),
    (f"{EXPLAIN}&start=2&end=1", "end"),
])
def test_bad_parameters_of_alerts_and_plans_are_named(
        alerting, path, parameter):
    answer = checked(alerting, Specification(alerting), path, 400)
    assert answer["parameter"] == parameter
    assert parameter in answer["detail"]


@pytest.mark.parametrize("path, body, status, parameter", [
    ("alerts/test", {}, 400, "rule"),
    ("alerts/test", "no JSON", 400, None),
    ("alerts/test", {"rule": "nobody's"}, 404, None),
    ("alerts/test", {"rule": "any", "for": "soon"}, 400, "for"),
    ("alerts/test", {"query": "{", "alert": 1}, 400, "query"),
    ("alerts/test", {"objective": {"select": "{ }", "goal": 7}}, 400,
     "objective.goal"),
    ("alerts/silences", {"matchers": []}, 400, "matchers"),
    ("alerts/silences", {"matchers": [
        {"name": "a", "value": "(", "regex": True}]}, 400, "matchers"),
    ("alerts/silences", {"matchers": [{"name": "a", "value": "b"}],
                         "comment": "x" * 1025}, 400, "comment"),
    ("alerts/0123456789abcdef/ack", {"by": 7}, 400, "by"),
    ("alerts/0123456789abcdef/ack", {}, 404, None),
])
def test_bad_bodies_of_alerts_are_problems(
        alerting, path, body, status, parameter):
    response = post(alerting, path, body)
    assert response.status == status, response.text
    answer = Specification(alerting).check(path, response, "post")
    assert answer["status"] == status
    assert answer["type"].startswith("urn:khtrace:problem:")
    assert answer.get("parameter") == parameter


def test_etag_and_gzip(demo):
    eventually(lambda: get(demo, "operations").json["total"] > 5, "demo")
    # What is past does not change.
    end = time.time_ns() // SECOND - 3600
    path = f"operations?start={end - 3600}&end={end}"
    tag = get(demo, path).headers["ETag"]
    assert get(demo, path, If_None_Match=tag).status == 304
    response = get(demo, "operations", Accept_Encoding="gzip")
    assert response.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(response.body))["operations"]


def test_names_of_every_kind(server, spec):
    names = ["POST /checkout/{id}", "a.b.c", "naïve søk 検索", "x/analysis",
             "50%25 off?", "a+b & c=d"]
    now = time.time_ns()
    send(server, [span(new_trace_id(), name=name, start=now - SECOND)
                  for name in names])
    for name in names:
        path = f"operations/{urllib.parse.quote(name, safe='')}/analysis"
        # An answer may be two seconds old.
        eventually(lambda: get(server, path).status == 200, path)
        assert checked(server, spec, path)["operation"] == name


# --- The commands -----------------------------------------------------------

def command(server, *arguments):
    return run_khtrace(*arguments, "--port-offset", server.offset)


def test_grade_gates(demo):
    eventually(lambda: get(demo, "performance/summary").json["grade"],
               "a grade", 30)
    code, out, _ = command(demo, "grade")
    assert code == 0
    assert "memory.search" in out and "Confidence" in out
    code, out, err = command(demo, "grade", "--fail-below", "A")
    assert code == 1, out
    assert "below grade A" in err
    code, out, _ = command(demo, "grade", "--json", "--fail-below", "D")
    answer = json.loads(out)
    worst = {o["grade"] for o in answer["operations"]}
    assert (code == 1) == ("F" in worst)
    assert answer["failing"] == sum(
        o["grade"] == "F" for o in answer["operations"])


def test_gate_that_measured_nothing_is_not_green(demo):
    code, out, err = command(demo, "grade", "--service", "nobody",
                             "--fail-below", "D")
    assert code == 1
    assert "no operation has a grade" in err
    assert command(demo, "grade", "--service", "nobody")[0] == 0


def test_bottlenecks_in_words(demo):
    eventually(lambda: get(
        demo, "performance/bottlenecks").json["bottlenecks"], "one", 30)
    code, out, _ = command(demo, "bottlenecks")
    assert code == 0
    assert "impact" in out and "frequency" in out
    code, out, _ = command(demo, "bottlenecks", "--json", "--threshold-ms", 0)
    assert json.loads(out)["threshold_ms"] == 0
    code, _, err = command(demo, "bottlenecks", "--threshold-ms", -1)
    assert code == 2 and "threshold_ms: '-1'" in err


def test_top_prints_once_without_a_terminal(demo):
    eventually(lambda: get(demo, "operations").json["total"] > 5, "demo")
    code, out, _ = command(demo, "top", "--since", "15m", "--sort", "p95")
    assert code == 0
    assert "Calls/min" in out and "\x1b" not in out
    assert command(demo, "top", "--interval", "soon")[0] == 2


@pytest.mark.parametrize("name", ["grade", "bottlenecks", "top"])
def test_commands_say_that_there_is_no_server(name):
    code, _, err = run_khtrace(name, "--endpoint", "127.0.0.1:1")
    assert code == 1
    assert "cannot reach 127.0.0.1:1" in err and "khtrace serve" in err
