# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a server for a whole file, and servers of a test's own."""

import pytest

from server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for all tests of a file; their traces have ids of their own."""
    home = tmp_path_factory.mktemp("khtrace")
    instance = Server(home / "store", home / "log").start()
    yield instance
    instance.stop()


@pytest.fixture
def new_server(tmp_path):
    """Makes servers, not started, over tmp_path/store; stops what still runs."""
    made = []

    def make(*arguments, store="store", env=None):
        made.append(Server(tmp_path / store, tmp_path / f"log-{len(made)}",
                           arguments, env))
        return made[-1]

    yield make
    for instance in made:
        instance.stop()
