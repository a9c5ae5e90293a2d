# SPDX-License-Identifier: Apache-2.0
"""kill -9 in the middle of load: what was acknowledged is there exactly once.

KHTRACE_KILL_CYCLES sets how often in a row (default 20)."""

import http.client
import os
import random
import threading
import time

import pytest

from otlp import PROTOBUF, request, span
from server import JAEGER, OTLP_HTTP, eventually

CYCLES = int(os.environ.get("KHTRACE_KILL_CYCLES", "20"))
SENDERS = 4


class Sender(threading.Thread):
    """Sends numbered spans, some per request, each trace in many requests.

    A request without an answer is sent again after the restart, as an SDK
    would: the spans of it may have been stored the first time."""

    def __init__(self, name, seed):
        super().__init__(name=name)
        self.random = random.Random(seed)
        self.trace_id = self.random.randbytes(16)
        self.next_number = 0
        self.acknowledged = set()
        self.pending = None  # the request in flight, its numbers
        self.server = None

    def attach(self, server):
        again = Sender(self.name, 0)
        again.__dict__.update({key: self.__dict__[key] for key in (
            "random", "trace_id", "next_number", "acknowledged", "pending")})
        again.server = server
        return again

    def make(self):
        count = self.random.choice((1, 1, 5, 50))
        numbers = range(self.next_number, self.next_number + count)
        self.next_number += count
        spans = [span(self.trace_id, f"n{number}",
                      span_id=(number + 1).to_bytes(8, "big"),
                      attrs={"number": number, "pad": "x" * 100})
                 for number in numbers]
        return request(spans, service=self.name).SerializeToString(), numbers

    def run(self):
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.server.port(OTLP_HTTP), timeout=30)
        try:
            while True:
                self.pending = self.pending or self.make()
                body, numbers = self.pending
                connection.request("POST", "/v1/traces", body,
                                   {"Content-Type": PROTOBUF})
                reply = connection.getresponse()
                reply.read()
                if reply.status == 200:
                    self.acknowledged.update(numbers)
                    self.pending = None
                else:
                    assert reply.status in (429, 503), reply.status
        except (OSError, http.client.HTTPException):
            pass  # killed; `pending` stays for the next run
        finally:
            connection.close()


def stored_numbers(server, trace_id):
    reply = server.get(JAEGER, f"/api/traces/{trace_id.hex()}?raw=true")
    if reply.status == 404:
        return []
    assert reply.status == 200, reply.body
    return [int(item["operationName"][1:])
            for item in reply.json["data"][0]["spans"]]


def acknowledged(senders):
    return sum(len(sender.acknowledged) for sender in senders)


def check(server, senders):
    for sender in senders:
        numbers = stored_numbers(server, sender.trace_id)
        assert len(numbers) == len(set(numbers)), "a span came twice"
        lost = sender.acknowledged - set(numbers)
        assert not lost, f"{len(lost)} acknowledged spans are gone"
        sent = set(range(sender.next_number))
        assert set(numbers) <= sent, "spans that nobody sent"


@pytest.mark.slow
def test_acknowledged_spans_survive_kill_9_exactly_once(new_server):
    seed = int(os.environ.get("KHTRACE_KILL_SEED", time.time_ns() % 10**6))
    print(f"KHTRACE_KILL_SEED={seed}")
    moment = random.Random(seed)
    # A short-lived head makes kills fall into the writing of parts as well.
    options = ("--set", "storage.head.max_age=1s")
    everyone = []
    for cycle in range(CYCLES):
        if cycle % 5 == 0:  # traces stay short enough to read in each cycle
            everyone += [Sender(f"sender-{cycle}-{number}", seed + cycle * 8 + number)
                         for number in range(SENDERS)]
        server = new_server(*options).start()
        check(server, everyone)
        running = [sender.attach(server) for sender in everyone[-SENDERS:]]
        everyone[-SENDERS:] = running
        goal = acknowledged(running) + 5
        kill_at = time.monotonic() + moment.uniform(0, 1.6)
        for sender in running:
            sender.start()
        eventually(lambda: time.monotonic() >= kill_at
                   and acknowledged(running) >= goal,
                   "spans to be acknowledged", 60)
        server.kill()
        for sender in running:
            sender.join(timeout=30)
            assert not sender.is_alive()
    server = new_server(*options).start()
    check(server, everyone)
    assert acknowledged(everyone) > 5 * CYCLES
