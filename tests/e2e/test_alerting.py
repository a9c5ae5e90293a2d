# SPDX-License-Identifier: Apache-2.0
"""Alerts of the real program: they fire, are told, and survive its death."""

import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
import time

import pytest

from otlp import new_trace_id, send, span
from server import JAEGER, METRICS, eventually, run_khtrace

ALERTS = "/api/tracing/alerts"
SERVER_KIND = 2


class Receiver:
    """A webhook that keeps what it is told."""

    def __init__(self):
        received = self.received = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append((self.path, json.loads(body)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       daemon=True)
        self.thread.start()

    def url(self, path="/hook"):
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def told(self, path="/hook"):
        return [body for to, body in list(self.received) if to == path]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


def alerting(tmp_path, receivers, rules=(), **options):
    """Arguments for a server that evaluates every second."""
    config = {"alerting": {"interval": "1s", "rules": [
        {"name": "api-target", "for": "0s"}, *rules],
        "receivers": receivers, **options}}
    path = tmp_path / "alerting.json"  # JSON is YAML
    path.write_text(json.dumps(config))
    return ["--config", str(path)]


def send_calls(server, milliseconds, count=40, failed=False):
    status = {"status": {"code": 2}} if failed else {}
    send(server, [span(new_trace_id(), name="GET /checkout", kind=SERVER_KIND,
                       start=time.time_ns() - 5_000_000_000,
                       duration=milliseconds * 1_000_000, **status)
                  for _ in range(count)])


def active(server):
    return server.get(JAEGER, ALERTS + "/active").json["alerts"]


def rounds(server):
    """Rounds of evaluation that have ended since the start."""
    return server.metric("khtrace_alert_round_seconds_count")


def wait_for_rounds(server, count):
    wanted = rounds(server) + count
    eventually(lambda: rounds(server) >= wanted, f"{count} rounds", 60)


def test_five_rules_are_there_without_any_configuration(server):
    rules = server.get(JAEGER, ALERTS).json["rules"]
    assert [rule["name"] for rule in rules] == [
        "memory-target", "database-target", "ai-target", "api-target",
        "session-target"]
    targets = server.get(METRICS, "/metrics").text
    assert ('perf_target_seconds{category="memory",level="critical"} 0.1'
            in targets)
    refused = server.request(JAEGER, "POST", ALERTS + "/test", "{}")
    assert refused.status == 400
    assert refused.content_type.startswith("application/problem+json")


def test_a_slow_operation_is_told_and_its_end_as_well(
        new_server, tmp_path, receiver):
    rule = {"name": "errors", "window": "20s", "alert": 0.5,
            "query": "{ status = error } | count_over_time()",
            "labels": {"team": "shop"}}
    server = new_server(*alerting(
        tmp_path, [{"name": "hook", "url": receiver.url()},
                   {"name": "chat", "url": receiver.url("/slack"),
                    "format": "slack"}], [rule])).start()
    send_calls(server, 3_000)
    send_calls(server, 10, count=3, failed=True)
    told = {body["rule"]: body
            for body in eventually(lambda: len(receiver.told()) == 2 and
                                   receiver.told(), "two messages", 60)}
    slow = told["api-target"]
    assert (slow["status"], slow["state"]) == ("firing", "critical")
    assert slow["labels"]["operation"] == "GET /checkout"
    assert slow["labels"]["service"] == "shop"
    assert slow["value"] == pytest.approx(3, rel=0.02)
    assert (slow["target"], slow["threshold"]) == (0.2, 2)
    assert slow["count"] in (40, 43) and "p95" in slow["reason"]
    trace = server.get(JAEGER, "/api/traces/" + slow["trace_id"])
    assert trace.status == 200 and trace.json["data"][0]["spans"]
    assert slow["trace_url"] == server.url(JAEGER,
                                           "/trace/" + slow["trace_id"])
    assert told["errors"]["labels"]["team"] == "shop"
    assert told["errors"]["value"] == 3
    assert len(eventually(lambda: receiver.told("/slack"), "a chat message")) \
        and "critical: api-target" in str(receiver.told("/slack"))
    # The last error leaves the window; the slow calls stay.
    over = eventually(lambda: len(receiver.told()) == 3 and receiver.told()[2],
                      "the end of the errors", 60)
    assert (over["rule"], over["status"]) == ("errors", "resolved")
    assert [alert["rule"] for alert in active(server)] == ["api-target"]
    history = server.get(JAEGER, ALERTS + "/history").json["events"]
    assert [(event["rule"], event["to"]) for event in history][0] == (
        "errors", "ok")
    assert server.metric("khtrace_alerts") > 0
    replay = server.request(JAEGER, "POST", ALERTS + "/test", json.dumps(
        {"rule": "errors", "since": "2m", "step": "2s"})).json
    assert replay["fired"] == 1 and replay["firings"][0]["end"]


def test_kill_9_does_not_fire_again(new_server, tmp_path, receiver):
    arguments = alerting(tmp_path, [{"name": "hook", "url": receiver.url()}])
    server = new_server(*arguments).start()
    send_calls(server, 3_000)
    eventually(receiver.told, "the alert", 60)
    alert = active(server)[0]
    done = server.request(JAEGER, "POST", f"{ALERTS}/{alert['id']}/ack",
                          json.dumps({"by": "ann", "comment": "on it"}))
    assert done.status == 200
    silence = server.request(JAEGER, "POST", ALERTS + "/silences", json.dumps(
        {"matchers": [{"name": "service", "value": "other"}]}))
    assert silence.status == 201
    server.kill()
    again = new_server(*arguments).start()
    wait_for_rounds(again, 3)
    kept = active(again)[0]
    assert kept["id"] == alert["id"] and kept["since"] == alert["since"]
    assert kept["acknowledged"]["by"] == "ann"
    silences = again.get(JAEGER, ALERTS + "/silences").json["silences"]
    assert [one["id"] for one in silences] == [silence.json["id"]]
    assert len(receiver.told()) == 1


def test_what_nobody_took_is_sent_after_the_restart(
        new_server, tmp_path, receiver):
    with socket.socket() as taken:  # bound, not listening: refuses
        taken.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        server = new_server(*alerting(
            tmp_path, [{"name": "hook", "url": dead}])).start()
        send_calls(server, 3_000)
        eventually(lambda: active(server), "the alert", 60)
        eventually(lambda: server.get(JAEGER, ALERTS).json["receivers"][0]
                   ["last_error"], "a failed attempt")
        server.kill()
    new_server(*alerting(
        tmp_path, [{"name": "hook", "url": receiver.url()}])).start()
    told = eventually(receiver.told, "the message", 60)
    assert told[0]["state"] == "critical"


def test_mistakes_in_the_configuration_are_named(tmp_path):
    path = tmp_path / "bad.yml"
    path.write_text("alerting:\n"
                    "  rules:\n"
                    "    - name: mine\n"
                    "      query: '{ } | rate('\n"
                    "      alert: soon\n"
                    "  receivers:\n"
                    "    - {name: chat, url: 'https://hooks.slack.com/x'}\n"
                    "    - {name: x, urll: 'http://a/'}\n"
                    "analysis:\n"
                    "  rules:\n"
                    "    - {operation: 'a*', category: unknown}\n")
    code, out, err = run_khtrace("check-config", "--config", path)
    said = out + err
    assert code != 0
    for part in ("bad.yml:5", "'soon' is neither a number nor a duration",
                 "bad.yml:7", "https", "did you mean 'url'?", "unknown"):
        assert part in said, said


ALERTMANAGER = shutil.which("prometheus-alertmanager")


@pytest.fixture
def alertmanager(tmp_path):
    """A real one, on a free port."""
    if ALERTMANAGER is None:
        pytest.skip("prometheus-alertmanager is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\n"
                      "receivers: [{name: nobody}]\n")
    with open(tmp_path / "alertmanager.log", "wb") as log:
        process = subprocess.Popen(
            [ALERTMANAGER, f"--config.file={config}",
             f"--storage.path={tmp_path / 'alertmanager'}",
             f"--web.listen-address=127.0.0.1:{port}",
             "--cluster.listen-address="], stdout=log, stderr=log,
            env={**os.environ})
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(timeout=30)


def alertmanager_alerts(base):
    import urllib.error
    import urllib.request
    try:
        with urllib.request.urlopen(base + "/api/v2/alerts", timeout=5) as reply:
            return json.load(reply)
    except urllib.error.URLError:
        return None


def test_a_real_alertmanager_takes_alerts_and_their_end(
        new_server, tmp_path, alertmanager):
    eventually(lambda: alertmanager_alerts(alertmanager) is not None,
               "Alertmanager answers", 60)
    rule = {"name": "errors", "window": "20s", "alert": 0.5, "critical": 2,
            "query": "{ status = error } | count_over_time() "
                     "by (resource.service.name)",
            "severity": {"critical": "page"},
            "annotations": {"runbook": "http://wiki/errors"}}
    server = new_server(*alerting(
        tmp_path, [{"name": "am", "type": "alertmanager",
                    "url": alertmanager}], [rule])).start()
    send_calls(server, 10, count=3, failed=True)
    alerts = eventually(lambda: alertmanager_alerts(alertmanager),
                        "an alert at Alertmanager", 60)
    labels, annotations = alerts[0]["labels"], alerts[0]["annotations"]
    assert labels == {"alertname": "errors", "severity": "page",
                      "resource_service_name": "shop"}
    assert annotations["runbook"] == "http://wiki/errors"
    assert annotations["value"] == "3"
    assert annotations["trace"].startswith(server.url(JAEGER, "/trace/"))
    assert alerts[0]["generatorURL"] == annotations["trace"]
    eventually(lambda: alertmanager_alerts(alertmanager) == [],
               "the end at Alertmanager", 60)
