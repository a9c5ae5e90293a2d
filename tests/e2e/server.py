# SPDX-License-Identifier: Apache-2.0
"""Starts and stops the real khtrace for one test."""

import http.client
import itertools
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

BINARY = pathlib.Path(
    os.environ.get("KHTRACE_BINARY",
                   pathlib.Path(__file__).parents[2] / "build/release/khtrace"))

# Sanitizers cost memory: figures mean nothing then.
SANITIZED = "KHTRACE_SANITIZED" in os.environ

# The contract's ports, before the offset.
OTLP_GRPC, OTLP_HTTP, JAEGER, TEMPO = 4317, 4318, 16686, 3200
HEALTH, METRICS, DASHBOARDS = 13133, 8888, 3031
PORTS = (OTLP_GRPC, OTLP_HTTP, JAEGER, TEMPO, HEALTH, METRICS, DASHBOARDS)

SANITIZER_REPORT = re.compile(
    r"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:")


def eventually(probe, what, seconds=15.0):
    """The first true answer of `probe`; bounded polling, never a fixed wait."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


# Up to 16000: above lie the ports that the system gives to clients. Starts
# elsewhere in every process, so that two runs seldom meet.
_offsets = (1000 + number % 15000 for number in itertools.count(os.getpid() * 7))


def free_offset():
    """An offset at which every port is free; never the same one twice."""
    return next(offset for offset in _offsets
                if all(is_free(port + offset) for port in PORTS))


class Response:
    def __init__(self, reply, body):
        self.status = reply.status
        self.headers = reply.headers
        self.body = body

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def content_type(self):
        return self.headers.get("Content-Type", "")


class Server:
    """One run of `khtrace serve`. Not started by the constructor."""

    def __init__(self, data_dir, log_path, arguments=(), env=None):
        self.data_dir = pathlib.Path(data_dir)
        self.log_path = pathlib.Path(log_path)
        self.arguments = list(arguments)
        self.env = env
        self.offset = free_offset()
        self.process = None

    def launch(self, **options):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [BINARY, "serve", "--data-dir", self.data_dir,
                 "--port-offset", str(self.offset), *self.arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **(self.env or {})}, **options)
        return self

    def start(self, **options):
        self.log_start = self.log_path.stat().st_size \
            if self.log_path.exists() else 0
        self.launch(**options)
        eventually(self._ready_or_dead, "`ready` in the log", 60)
        assert self.process.poll() is None, self.log()
        return self

    def _ready_or_dead(self):
        lines = self.log()[self.log_start:].splitlines()
        return self.process.poll() is not None or any(
            "ready: " in line for line in lines)

    def log(self):
        return self.log_path.read_text(errors="replace") \
            if self.log_path.exists() else ""

    def stop(self):
        """SIGTERM; whatever the test did, the server leaves in good order."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.process = None
        assert code == 0, f"exit code {code}\n{self.log()[-4000:]}"
        self.check_log()

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=30)
        self.process = None
        self.check_log()

    def check_log(self):
        report = SANITIZER_REPORT.search(self.log())
        assert not report, self.log()[max(0, report.start() - 200):][:6000]

    def port(self, base):
        return base + self.offset

    def url(self, base, path=""):
        return f"http://127.0.0.1:{self.port(base)}{path}"

    def request(self, base, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port(base), timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return Response(reply, reply.read())
        finally:
            connection.close()

    def get(self, base, path, **headers):
        return self.request(base, "GET", path, headers={
            key.replace("_", "-"): value for key, value in headers.items()})

    def resident_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def metric(self, name):
        """The sum of a metric over its labels; 0.0 if it is not there."""
        total = 0.0
        for line in self.get(METRICS, "/metrics").text.splitlines():
            if re.match(re.escape(name) + r"[ {]", line):
                total += float(line.rsplit(" ", 1)[1])
        return total


def run_khtrace(*arguments, timeout=60, **options):
    """A command that ends by itself: (exit code, stdout, stderr)."""
    done = subprocess.run([BINARY, *map(str, arguments)], timeout=timeout,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, **options)
    assert not SANITIZER_REPORT.search(done.stderr), done.stderr
    return done.returncode, done.stdout, done.stderr
