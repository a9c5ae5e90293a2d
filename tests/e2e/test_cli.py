# SPDX-License-Identifier: Apache-2.0
"""The commands beside `serve`, against a live server and its directory."""

import re
import subprocess

import pytest

from otlp import new_trace_id, post, send, span
from server import BINARY, JAEGER, Server, eventually, run_khtrace

COMMANDS = ("serve", "check-config", "query", "explain", "trace", "inspect",
            "verify", "demo", "bench", "doctor", "backup", "restore", "grade",
            "bottlenecks", "compare", "top")


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS),
                                     ("bench", "ingest"), ("bench", "decode"),
                                     ("bench", "store")])
def test_help_is_there(command):
    code, out, _ = run_khtrace(*command, "--help")
    assert code == 0
    assert "Usage" in out or "usage" in out
    if not command:
        for name in COMMANDS:
            assert re.search(rf"^\s+{name}\b", out, re.M)


@pytest.mark.parametrize("arguments, words", [
    (["nonsense"], ["nonsense"]),
    (["serve", "--prot-offset", "1"], ["--prot-offset"]),
    (["serve", "--port-offset", "70000"], ["--port-offset", "70000"]),
    (["serve", "--port-offset", "many"], ["--port-offset", "many"]),
    (["demo", "--rate", "-5"], ["--rate", "-5"]),
    (["trace", "xyz"], ["xyz"]),
    (["grade", "--fail-below", "E"], ["--fail-below"]),
    (["top", "--interval", "soon"], ["--interval", "soon"]),
    (["bottlenecks", "--since", "never"], ["--since", "never"]),
    (["compare", "1"], ["b"]),
    (["trace"], ["ID"]),
    (["inspect", "/nowhere"], ["/nowhere"]),
    (["verify", "/nowhere"], ["/nowhere"]),
])
def test_bad_argument_is_named(arguments, words):
    code, out, err = run_khtrace(*arguments)
    assert code != 0
    for word in words:
        assert word.lower() in (out + err).lower(), err


def test_check_config_accepts_a_good_file(tmp_path):
    good = tmp_path / "good.yml"
    good.write_text("storage:\n  retention:\n    max_age: 48h\n")
    code, out, err = run_khtrace("check-config", "--config", good)
    assert code == 0, out + err


def test_configuration_from_a_pipe_is_read():
    done = subprocess.run([BINARY, "check-config", "--config", "/dev/stdin"],
                          input="bogus: 1\n", capture_output=True, text=True,
                          timeout=60)
    assert done.returncode != 0
    assert "bogus" in done.stderr


def test_bench_store_fills_opens_and_asks(tmp_path):
    code, out, err = run_khtrace("bench", "store", "--spans", "20000",
                                 "--lookups", "10", "--data-dir",
                                 tmp_path / "store")
    assert code == 0, err
    for row in ("bytes on disk a span", "opening what was stored", "parts",
                "trace by id", "missing id", "newest 20 of a service"):
        assert row in out
    code, _, err = run_khtrace("bench", "store", "--spans", "20000",
                               "--data-dir", tmp_path / "store")
    assert code != 0
    assert "not empty" in err and str(tmp_path / "store") in err


@pytest.mark.parametrize("receivers, word", [
    ("otlp/2: {protocols: {http: {}}}", "otlp/2"),
    ("otlp: {protocols: {http: {traces_url_path: nope}}}", "nope"),
])
def test_receiver_that_cannot_be_opened_is_refused(tmp_path, receivers, word):
    bad = tmp_path / "bad.yml"
    bad.write_text(f"receivers: {{{receivers}}}\n")
    code, out, err = run_khtrace("check-config", "--config", bad)
    assert code != 0
    assert f"{bad}:1" in out + err and word in out + err


@pytest.mark.parametrize("arguments", [
    ["check-config", "--print-keys"], ["--version"], ["--help"]])
def test_output_that_cannot_be_written_is_said(arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run([BINARY, *arguments], stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1
    assert "cannot write the output" in done.stderr


def test_check_config_names_file_line_and_nearest_key(tmp_path):
    bad = tmp_path / "bad.yml"
    bad.write_text("storage:\n  retention:\n    max_aeg: 48h\nquery:\n  timeout: soon\n")
    code, out, err = run_khtrace("check-config", "--config", bad)
    assert code != 0
    text = out + err
    assert f"{bad}:3" in text and "max_aeg" in text and "max_age" in text
    assert f"{bad}:5" in text and "soon" in text


@pytest.mark.parametrize("text", ["a: [", "\t- x", "- just\n- a list\n",
                                  "storage: 7\n", "\0\1\2"])
def test_check_config_survives_what_is_not_a_configuration(tmp_path, text):
    bad = tmp_path / "bad.yml"
    bad.write_text(text)
    code, out, err = run_khtrace("check-config", "--config", bad)
    assert code in (1, 2)
    assert str(bad) in out + err


def at(server):
    return ["--port-offset", server.offset]


def example(server):
    trace_id = new_trace_id()
    root = span(trace_id, "POST /orders", kind=2, duration=80_000_000)
    child = span(trace_id, "SELECT orders", kind=3, duration=50_000_000,
                 start=root.start_time_unix_nano + 10_000_000,
                 parent_span_id=root.span_id, attrs={"db.system": "postgresql"})
    child.status.code = 2
    child.status.message = "connection reset"
    send(server, [root, child], service="cli-shop")
    return trace_id.hex()


def test_trace_draws_a_waterfall(server):
    trace_id = example(server)
    code, out, err = run_khtrace("trace", trace_id, *at(server))
    assert code == 0, err
    assert "cli-shop" in out and "POST /orders" in out and "80" in out
    # The last line of each: a heading names the root as well.
    indent = {name: [line.index(name) for line in out.splitlines()
                     if name in line][-1]
              for name in ("cli-shop", "SELECT orders")}
    assert indent["SELECT orders"] > indent["cli-shop"]
    assert "\x1b[" not in out  # colours are for terminals


def test_unknown_trace_is_said(server):
    trace_id = new_trace_id().hex()
    code, out, err = run_khtrace("trace", trace_id, *at(server))
    assert code == 1
    assert trace_id in out + err


def test_query_lists_traces(server):
    trace_id = example(server)
    code, out, err = run_khtrace("query", "--service", "cli-shop", "--since",
                                 "15m", *at(server))
    assert code == 0, err
    assert trace_id in out and "cli-shop" in out


def test_no_server_is_said_clearly():
    code, out, err = run_khtrace("query", "--service", "x", "--endpoint",
                                 "http://127.0.0.1:1")
    assert code == 1
    assert "127.0.0.1:1" in err


def test_doctor_shows_where_spans_stop(tmp_path):
    server = Server(tmp_path / "store", tmp_path / "log").start()
    example(server)
    code, out, err = run_khtrace("doctor", *at(server))
    assert code == 0, out + err
    for word in ("received", "dropped", "stored", "searchable"):
        assert word in out.lower()
    post(server, b"not OTLP at all")
    post(server, b"{}", content_type="text/plain")
    code, out, err = run_khtrace("doctor", *at(server))
    server.stop()
    assert code == 1, out + err
    assert "2  refused as a whole" in out
    assert "not a well-formed" in (tmp_path / "log").read_text()


def test_demo_sends_traces(server):
    code, out, err = run_khtrace("demo", "--rate", "200", "--duration", "2s",
                                 *at(server))
    assert code == 0, out + err
    eventually(lambda: len(server.get(
        JAEGER, "/api/services").json["data"]) >= 10, "services", 10)


def test_inspect_and_verify_read_a_stopped_store(tmp_path):
    server = Server(tmp_path / "store", tmp_path / "log").start()
    example(server)
    server.stop()
    code, out, err = run_khtrace("inspect", tmp_path / "store")
    assert code == 0, err
    assert "span" in out.lower()
    code, out, err = run_khtrace("verify", tmp_path / "store")
    assert code == 0, out + err
