"""Clusters whose nodes are hosts of their own, for tests that cut links in the network.

A module of tests says `setUpModule = netnstest.enter`. Where nobody may make networks its tests are
skipped, with the reason.
"""
import sys
import time
import unittest

import netns
from clustertest import NODES, ClusterCase, Node
from rekeytest import DONE

PORT = 7000

# What `Network.cut` loses.
TO, FROM, BOTH = {"from_host": False}, {"to_host": False}, {}

_network = []  # this process's, made once


def enter():
    try:
        if not _network:
            netns.enter()
            _network.append(netns.Network(NODES))
    except netns.Unavailable as why:
        print(f"SKIP: no network of our own: {why}", file=sys.stderr)
        raise unittest.SkipTest(str(why)) from why


def comes_true(condition, seconds):
    """Whether it does; for what may well not."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


class NetworkCase(ClusterCase):
    RECORDS = 600

    def setUp(self):
        super().setUp()
        self.network = _network[0]
        self.network.heal()

    def _make_node(self, name, proxied):
        node = Node(self.folder, name, f"tcp://{self.network.addresses[name]}:{PORT}")
        node.move = self.network.move_to(name)
        return node

    def start_on_cluster(self, command, *words, **options):
        return super().start_on_cluster(command, *words, **options,
                                        preexec_fn=self.network.move_to(netns.HERE))

    def prepare(self, until=None, **options):
        self.spec_path = self.make_running(spec=self.spec(lock_hold_ms=1, **options))
        self.plan_path = self.plan_cluster(self.spec_path)
        if until:
            self.run_cluster(self.plan_path, "--until", until)

    def run_anew(self):
        """A plan that was rolled back is used up."""
        self.plan_path = self.plan_cluster(self.spec_path, f"plan-{time.monotonic_ns()}.json")
        self.run_cluster(self.plan_path)

    def finished(self, process, code=DONE):
        _, err = process.communicate(timeout=75)
        self.assertEqual(code, process.returncode, err.decode())
        return err.decode()

    def cut_for(self, seconds, name, how, process):
        """While it is cut the command cannot end."""
        self.network.cut(name, **how)
        time.sleep(seconds)
        self.assertIsNone(process.poll(), "it went on without " + name)
        self.network.heal()

    # --- what a node is, whoever can reach it

    def seen_from(self, host, command, *words, **options):
        return self.on_cluster(command, *words, preexec_fn=self.network.move_to(host), **options)

    def phases_seen_from(self, host):
        status = self.seen_from(host, "status", "--json").json()
        return {node["name"]: node["phase"] for node in status["nodes"]}

    def all_in(self, phase):
        return {name: phase for name in self.nodes}
