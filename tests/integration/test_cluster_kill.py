"""Nodes and coordinators that are killed at random moments; afterwards all is as if none had been.

REKEY_CLUSTER_KILLS says how many kills in all (default 16), REKEY_SEED which moments.
"""
import os
import random
import shutil
import subprocess
import sys
import time
import unittest

from rekeytest import DONE, STOPPED, TRY_AGAIN, wait_until
from clustertest import ClusterCase

KILLS = int(os.environ.get("REKEY_CLUSTER_KILLS", "16"))
SEED = int(os.environ.get("REKEY_SEED") or random.SystemRandom().randrange(1 << 32))

# What a command that lost a node, or its coordinator, may end with. Never with a failure.
INTERRUPTED = (DONE, STOPPED, TRY_AGAIN)


class Faults(ClusterCase):
    RECORDS = 3000

    def setUp(self):
        super().setUp()
        print(f"REKEY_SEED={SEED} REKEY_CLUSTER_KILLS={KILLS}", file=sys.stderr)
        self.random = random.Random(f"{SEED} {self.id()}")

    def prepare(self, strategy="dual-write", until=None):
        """Running nodes, all of them migrated that far; what they are then is `self.base`."""
        self.spec_path = self.make_running(spec=self.spec(strategy, lock_hold_ms=1))
        self.plan_path = self.plan_cluster(self.spec_path)
        if until:
            self.run_cluster(self.plan_path, "--until", until)
        for node in self.nodes.values():
            node.stop()
        for name, node in self.nodes.items():
            shutil.copytree(node.store_folder, self.path("base", name))
        self.start_nodes()

    def begin_anew(self):
        """The stores as they were when they had been prepared."""
        for name, node in self.nodes.items():
            node.kill()
            shutil.rmtree(node.store_folder)
            shutil.copytree(self.path("base", name), node.store_folder)
        self._epochs = {}
        self.start_nodes()

    def words(self, command):
        return {"run": ["run", self.plan_path], "flip": ["flip"], "rollback": ["rollback"],
                "done": ["run", self.plan_path, "--until", "done"],
                "contract": ["contract", "--confirm",
                             os.path.basename(self.spec_path).removesuffix(".yaml")]}[command]

    def quiet_seconds(self, command):
        began = time.monotonic()
        self.on_cluster(*self.words(command))
        return time.monotonic() - began

    def ended(self, process, seconds=75):
        _, err = process.communicate(timeout=seconds)
        return process.returncode, err.decode()

    def repeat(self, command):
        """The same command again, until nobody holds the lead any more."""
        deadline = time.monotonic() + 40
        while True:
            result = self.on_cluster(*self.words(command), code=None)
            if result.code != TRY_AGAIN or time.monotonic() > deadline:
                self.assertEqual(DONE, result.code, str(result))
                return
            time.sleep(0.5)


class KilledNodes(Faults):
    """A node falls over while a command is under way, and is started again."""

    def strike(self, command, seconds):
        process = self.start_on_cluster(*self.words(command))
        time.sleep(self.random.uniform(0, seconds))
        for name in self.random.sample(sorted(self.nodes), self.random.choice((1, 1, 2))):
            self.nodes[name].kill()
            if self.random.random() < 0.5:
                time.sleep(self.random.uniform(0, 0.3))
        for node in self.nodes.values():
            if node.process.poll() is not None:
                node.start()
        code, err = self.ended(process)
        self.assertIn(code, INTERRUPTED, err)

    def strike_often(self, strategy, command, start, until):
        self.prepare(strategy, start)
        seconds = self.quiet_seconds(command)
        for _ in range(max(2, KILLS // 8)):
            self.begin_anew()
            self.strike(command, seconds)
            self.repeat(command)
            self.assert_one_outcome()
            self.assert_as_quiet(self.spec_path, until)

    def strike_between(self, command):
        """Between a promise and its commit, or as near as a look into the store comes to it."""
        victim = self.nodes[self.random.choice(sorted(self.nodes))]
        process = self.start_on_cluster(*self.words(command))
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline:
            if victim.has_promised():
                time.sleep(self.random.choice((0, 0, self.random.uniform(0, 0.2))))
                break
        victim.kill()
        self.promises += victim.has_promised()
        time.sleep(self.random.uniform(0, 0.5))
        victim.start()
        code, err = self.ended(process)
        self.assertIn(code, INTERRUPTED, err)
        if code == DONE:  # then it is decided, and the one who was away hears of it
            wait_until(lambda: self.phase_of_all() == "flipped", "all flipped", 20)

    def phase_of_all(self):
        status = self.cluster_status()
        return status["phase"] if len({n["phase"] for n in status["nodes"]}) == 1 else None

    def test_between_promise_and_commit(self):
        self.promises = 0
        self.prepare(until="verified")
        for number in range(max(3, KILLS // 6)):
            if number > 0:
                self.begin_anew()
            self.strike_between("flip")
            self.repeat("flip")
            self.assert_one_outcome()
            self.assert_as_quiet(self.spec_path, "flipped")
        print(f"{self.promises} kills left a promise", file=sys.stderr)
        if KILLS >= 48:
            self.assertGreater(self.promises, 0)

    def test_run(self):
        self.strike_often("dual-write", "run", None, "verified")

    def test_flip(self):
        self.strike_often("dual-write", "flip", "verified", "flipped")

    def test_rollback(self):
        self.strike_often("move", "rollback", "flipped", "seeded")

    def test_contract(self):
        self.strike_often("dual-write", "contract", "flipped", "done")

    def test_straight_to_done(self):
        self.strike_often("move", "done", None, "done")


class KilledCoordinators(Faults):
    """The command is killed; whoever repeats it waits for the lead, and goes on."""

    def strike(self, command, seconds):
        process = self.start_on_cluster(*self.words(command))
        try:
            process.communicate(timeout=self.random.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    def strike_often(self, strategy, command, start, until):
        self.prepare(strategy, start)
        seconds = self.quiet_seconds(command)
        for _ in range(max(1, KILLS // 12)):  # the lead of a dead one lasts for its lease
            self.begin_anew()
            self.strike(command, seconds)
            self.repeat(command)
            self.assert_one_outcome()
            self.assert_as_quiet(self.spec_path, until)

    def test_straight_to_done(self):
        self.strike_often("dual-write", "done", None, "done")

    def test_flip(self):
        self.strike_often("dual-write", "flip", "verified", "flipped")

    def test_rollback(self):
        self.strike_often("move", "rollback", "flipped", "seeded")


if __name__ == "__main__":
    unittest.main()
