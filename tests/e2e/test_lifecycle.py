# SPDX-License-Identifier: Apache-2.0
"""Start, stop and trouble with ports, directories and files."""

import contextlib
import os
import pathlib
import resource
import signal
import socket
import subprocess
import threading
import time

import pytest

from otlp import new_trace_id, post, request, send, span
from read_apis import assert_same_everywhere
from server import (BINARY, HEALTH, JAEGER, OTLP_HTTP, PORTS, SANITIZED,
                    eventually, is_free, run_khtrace)


def expect_refusal(server, *words):
    """It ends by itself, not with 0, and its last words say why."""
    server.launch()
    code = server.process.wait(timeout=30)
    server.process = None
    assert code not in (0, -signal.SIGSEGV, -signal.SIGABRT), server.log()
    for word in words:
        assert str(word) in server.log(), server.log()


def test_ready_line_names_every_address(new_server):
    server = new_server().start()
    line = [line for line in server.log().splitlines() if "ready: " in line][-1]
    for port in PORTS:
        assert str(server.port(port)) in line


def test_ready_comes_within_a_second_or_so(new_server):
    started = time.monotonic()
    new_server().start()
    assert time.monotonic() - started < 10  # sanitizers and a busy machine


@pytest.mark.parametrize("base", [4317, 4318, 16686, 13133])
def test_busy_port_is_named(new_server, base):
    server = new_server()
    with socket.socket() as other:
        other.bind(("127.0.0.1", server.port(base)))
        other.listen()
        expect_refusal(server, server.port(base), "in use")


def test_data_directory_that_is_a_file_is_named(new_server, tmp_path):
    (tmp_path / "store").write_text("I am a file")
    expect_refusal(new_server(), tmp_path / "store")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_data_directory_is_named_to_a_user(new_server, tmp_path):
    (tmp_path / "store").mkdir(mode=0o500)
    expect_refusal(new_server(), tmp_path / "store")


def test_unwritable_data_directory_is_named(new_server):
    # /proc lets not even root make a directory.
    expect_refusal(new_server(store="/proc/khtrace"), "/proc/khtrace")


def test_second_process_on_one_directory_is_refused(new_server, tmp_path):
    first = new_server().start()
    expect_refusal(new_server(), tmp_path / "store")
    assert first.get(HEALTH, "/").status == 200


def test_sigterm_closes_every_port_and_keeps_the_spans(new_server):
    server = new_server().start()
    sent = request([span(new_trace_id(), attrs={"kept": True})])
    assert post(server, sent).status == 200
    server.stop()
    assert all(is_free(server.port(port)) for port in PORTS)
    assert_same_everywhere(new_server().start(), sent)


def test_sigterm_answers_the_request_in_flight(new_server):
    server = new_server().start()
    body = request([span(new_trace_id())]).SerializeToString()
    with socket.create_connection(
            ("127.0.0.1", server.port(OTLP_HTTP)), timeout=30) as peer:
        peer.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: h\r\n"
                     b"Content-Type: application/x-protobuf\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(body) + body[:10])
        eventually(lambda: len(os.listdir(f"/proc/{server.process.pid}/fd")),
                   "a running process")
        server.process.send_signal(signal.SIGTERM)
        try:
            peer.sendall(body[10:])
            reply = peer.recv(4096)
        except ConnectionError:
            reply = b""
    # Acknowledged and then kept, or not acknowledged: no third thing.
    assert reply == b"" or reply.split(b" ")[1] in (b"200", b"503")
    server.stop()


def test_spans_acknowledged_while_stopping_are_kept(new_server):
    server = new_server().start()
    acknowledged = []

    def load():
        while True:
            item = span(new_trace_id())
            try:
                if post(server, request([item])).status != 200:
                    return
            except OSError:
                return
            acknowledged.append(item.trace_id.hex())
    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(acknowledged) > 40, "40 spans")
    server.stop()
    for thread in threads:
        thread.join(timeout=30)
    again = new_server().start()
    for trace_id in acknowledged:
        assert again.get(JAEGER, f"/api/traces/{trace_id}").status == 200


def test_sighup_keeps_serving(new_server):
    server = new_server().start()
    server.process.send_signal(signal.SIGHUP)
    send(server, [span(new_trace_id())])


def store_files(store, pattern):
    return sorted(path for path in pathlib.Path(store).rglob(pattern)
                  if path.is_file())


def filled_store(new_server, runs=2):
    """A store whose every run left a part behind; the trace ids by run."""
    ids = []
    for run in range(runs):
        server = new_server().start()
        ids.append([new_trace_id() for _ in range(20)])
        send(server, [span(trace_id, f"run {run}", attrs={"pad": "x" * 200})
                      for trace_id in ids[-1]])
        server.stop()
    return ids


def flip_bytes(path, where):
    """Every 97th byte of a slice of the file, given as two fractions."""
    data = bytearray(path.read_bytes())
    for at in range(int(len(data) * where[0]), int(len(data) * where[1]), 97):
        data[at] ^= 0xFF
    path.write_bytes(data)


def answers(server, ids):
    return [server.get(JAEGER, f"/api/traces/{trace_id.hex()}").status
            for trace_id in ids]


@pytest.mark.parametrize("where", [(0, 0.3), (0.3, 0.7), (0.9, 1)])
def test_corrupt_part_costs_only_itself(new_server, tmp_path, where):
    first, second = filled_store(new_server)
    parts = store_files(tmp_path / "store", "*.part")
    assert len(parts) >= 2, "an orderly stop leaves its spans in a part"
    flip_bytes(parts[0], where)
    server = new_server().start()
    assert set(answers(server, second)) == {200}
    assert set(answers(server, first)) <= {200, 404, 500, 503}
    fresh = span(new_trace_id())
    send(server, [fresh])
    assert answers(server, [fresh.trace_id]) == [200]
    server.stop()
    code, out, err = run_khtrace("verify", tmp_path / "store")
    assert code != 0
    assert parts[0].name in out + err


def killed_store(new_server, tmp_path, count=20):
    """A store whose spans are only in the log; (their ids, the newest log)."""
    server = new_server().start()
    ids = [new_trace_id() for _ in range(count)]
    for trace_id in ids:
        send(server, [span(trace_id)])
    server.kill()
    logs = [path for path in store_files(tmp_path / "store", "*")
            if "wal" in str(path.relative_to(tmp_path)) and
            path.stat().st_size > 100]
    assert logs
    return ids, logs[-1]


def test_torn_end_of_the_log_is_cut_off(new_server, tmp_path):
    ids, log = killed_store(new_server, tmp_path)
    with open(log, "ab") as end:
        end.write(b"\x17" * 13)
    assert set(answers(new_server().start(), ids)) == {200}


def test_damaged_place_in_the_log_costs_only_itself(new_server, tmp_path):
    ids, log = killed_store(new_server, tmp_path)
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 0xFF
    log.write_bytes(data)
    server = new_server().start()
    assert sorted(answers(server, ids)) == [200] * (len(ids) - 1) + [404]
    # Not silently: the server says where.
    assert f"log damage in {log}" in server.log()


def test_log_damaged_to_its_end_gives_what_stands_before(new_server, tmp_path):
    ids, log = killed_store(new_server, tmp_path)
    flip_bytes(log, (0.5, 1))
    got = answers(new_server().start(), ids)
    assert got == sorted(got)  # found up to the damage, nothing after it
    assert set(got) == {200, 404}


def test_directory_of_a_newer_version_is_refused_by_name(new_server, tmp_path):
    filled_store(new_server, runs=1)
    marker = tmp_path / "store" / "FORMAT"
    assert marker.exists()
    marker.write_text("khtrace-data 999\n")
    expect_refusal(new_server(), "999", tmp_path / "store")


def test_missing_config_file_is_named():
    code, _, err = run_khtrace("serve", "--config", "/nowhere/x.yml")
    assert code != 0
    assert "/nowhere/x.yml" in err


def test_off_loopback_without_a_token_is_refused():
    code, _, err = run_khtrace("serve", "--bind", "0.0.0.0")
    assert code != 0
    assert "--insecure" in err


def test_full_disk_is_retryable_and_heals(new_server, tmp_path):
    """A file-system limit of the process stands in for a full disk."""
    server = new_server()
    # Beyond the limit a write then fails, as on a full disk, instead of
    # ending the process.
    server.start(preexec_fn=lambda: signal.signal(signal.SIGXFSZ,
                                                  signal.SIG_IGN))
    subprocess.run(["prlimit", f"--pid={server.process.pid}",
                    "--fsize=65536:unlimited"], check=True)
    codes = set()
    for _ in range(40):
        codes.add(post(server, request(
            [span(new_trace_id(), attrs={"pad": os.urandom(4000)})])).status)
    assert codes <= {200, 429, 503, 507}
    assert codes & {429, 503, 507}, "the limit was never reached"
    subprocess.run(["prlimit", f"--pid={server.process.pid}",
                    "--fsize=unlimited:unlimited"], check=True)

    item = span(new_trace_id())
    eventually(lambda: post(server, request([item])).status == 200,
               "writes to work again", 30)
    assert answers(server, [item.trace_id]) == [200]


def test_binary_is_the_one_under_test():
    assert BINARY.exists(), f"build it first: {BINARY}"


def test_takes_as_many_open_files_as_it_may(new_server):
    server = new_server().start()
    soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    assert soft == hard


@pytest.mark.skipif(SANITIZED, reason="UBSan needs descriptors to look at "
                    "memory, and takes their want for a broken object")
def test_want_of_open_files_is_told_and_got_over(new_server):
    server = new_server().start()
    pid = server.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = max(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 16, limits[1]))
    address = ("127.0.0.1", server.port(OTLP_HTTP))
    with contextlib.ExitStack() as held:
        for _ in range(40):
            held.enter_context(socket.create_connection(address))
        eventually(lambda: "cannot accept a connection" in server.log(),
                   "word of the refused connections")
        assert "ulimit -n" in server.log()
    trace_id = new_trace_id()
    # Their places are free again, soon; until then senders are told to retry.
    eventually(lambda: post(server, request([span(trace_id)])).status == 200,
               "a place for spans")
    reply = server.get(JAEGER, f"/api/traces/{trace_id.hex()}")
    assert reply.status == 200, reply.text
