"""Links that are cut one way, the other, or both, that are slow, or that break: nothing is lost,
nothing is done twice, and the end is that of a quiet run.

Nodes are reached through proxies of this process, so that no right to change the network is needed.
"""
import json
import os
import random
import sys
import threading
import time
import unittest

from rekeytest import DONE, FAILED, TRY_AGAIN
from clustertest import ClusterCase

SEED = int(os.environ.get("REKEY_SEED") or random.SystemRandom().randrange(1 << 32))

TO, FROM, BOTH = {"from_node": False}, {"to_node": False}, {}
CUTS = {"to the node": TO, "from the node": FROM, "both ways": BOTH}


class Links(ClusterCase):
    RECORDS = 2000

    def setUp(self):
        super().setUp()
        print(f"REKEY_SEED={SEED}", file=sys.stderr)
        self.random = random.Random(f"{SEED} {self.id()}")

    def prepare(self, strategy="dual-write", until=None):
        self.spec_path = self.make_running(spec=self.spec(strategy, lock_hold_ms=1), proxied=True)
        self.plan_path = self.plan_cluster(self.spec_path)
        if until:
            self.run_cluster(self.plan_path, "--until", until)

    def cut_for(self, name, seconds, how, resets=False):
        proxy = self.proxies[name]
        proxy.cut(**how)
        time.sleep(seconds)
        if resets:
            proxy.reset()
        proxy.heal()

    def finished(self, process):
        _, err = process.communicate(timeout=75)
        self.assertEqual(DONE, process.returncode, err.decode())

    def contract_words(self):
        return ["contract", "--confirm", os.path.basename(self.spec_path).removesuffix(".yaml")]


class DuringTheMigration(Links):
    def test_cut_in_the_run(self):
        self.prepare()
        run = self.start_on_cluster("run", self.plan_path)
        for number, how in enumerate(CUTS.values()):
            time.sleep(self.random.uniform(0.05, 0.3))
            self.cut_for(f"node-{number + 1}", 1, how, resets=number == 1)
        self.finished(run)
        self.assert_as_quiet(self.spec_path, "verified")

    def test_cut_in_every_step(self):
        """All the way to the end, one node after the other out of reach at random."""
        self.prepare("move")
        run = self.start_on_cluster("run", self.plan_path, "--until", "done")
        began = time.monotonic()
        while run.poll() is None and time.monotonic() - began < 10:
            time.sleep(self.random.uniform(0, 0.4))
            self.cut_for(self.random.choice(sorted(self.nodes)), self.random.uniform(0.1, 0.8),
                         self.random.choice(list(CUTS.values())), self.random.random() < 0.5)
        self.finished(run)
        self.assert_phases("done")
        self.assert_as_quiet(self.spec_path, "done")

    def test_cut_in_the_flip(self):
        self.prepare(until="verified")
        for command, until in (["flip"], "flipped"), (self.contract_words(), "done"):
            process = self.start_on_cluster(*command)
            for _ in range(3):
                time.sleep(self.random.uniform(0, 0.2))
                self.cut_for(self.random.choice(sorted(self.nodes)), self.random.uniform(0.2, 1),
                             self.random.choice(list(CUTS.values())), True)
            self.finished(process)
            self.assert_one_outcome()
            self.assert_as_quiet(self.spec_path, until)

    def test_broken_connections(self):
        self.prepare()
        run = self.start_on_cluster("run", self.plan_path, "--until", "flipped")
        began = time.monotonic()
        while run.poll() is None and time.monotonic() - began < 5:
            time.sleep(0.1)
            self.proxies[self.random.choice(sorted(self.nodes))].reset()
        self.finished(run)
        self.assert_as_quiet(self.spec_path, "flipped")

    def test_slow_links(self):
        self.prepare()
        for proxy in self.proxies.values():
            proxy.delay = 0.03
        self.run_cluster(self.plan_path, "--until", "flipped")
        self.assert_phases("flipped")
        self.assert_as_quiet(self.spec_path, "flipped")

    def test_back_through_cuts(self):
        self.prepare(until="flipped")
        back = self.start_on_cluster("rollback")
        for number in range(3):
            time.sleep(0.1)
            self.cut_for(f"node-{number + 1}", 0.7, BOTH, resets=True)
        self.finished(back)
        self.assert_originals(self.spec_path)


class DuringAWrite(Links):
    RECORDS = 120
    WORDS = ["--tenant", "acme", "--capsule", "PRODUS", "--entity", "Contract", "--id",
             "contract_id=x"]

    def setUp(self):
        super().setUp()
        self.prepare()
        self.on_cluster("register", self.spec_path)

    def put_through(self, seconds, how, resets):
        """A put that begins while every link is cut; gives its result."""
        for proxy in self.proxies.values():
            proxy.cut(**how)

        def heal():
            for proxy in self.proxies.values():
                if resets:
                    proxy.reset()
                proxy.heal()
        timer = threading.Timer(seconds, heal)
        timer.start()
        self.addCleanup(timer.join)
        value = json.dumps({"account_id": f"a-{seconds}"})
        result = self.on_cluster("put", *self.WORDS, value, code=None)
        timer.join()
        return result

    def test_short_cuts(self):
        """A cut shorter than a caller's patience goes by unnoticed."""
        for name, how in CUTS.items():
            for resets in (False, True):
                with self.subTest(cut=name, resets=resets):
                    result = self.put_through(1, how, resets)
                    self.assertEqual(DONE, result.code, str(result))
                    found = self.on_cluster("get", *self.WORDS).json()
                    self.assertEqual("a-1", found["account_id"])

    def test_a_long_cut(self):
        """Whoever gave up knows that it may have been done, or that it was not."""
        result = self.put_through(12, self.random.choice(list(CUTS.values())), True)
        self.assertIn(result.code, (FAILED, TRY_AGAIN), str(result))
        self.on_cluster("put", *self.WORDS, '{"account_id":"again"}')
        self.assertEqual("again", self.on_cluster("get", *self.WORDS).json()["account_id"])


if __name__ == "__main__":
    unittest.main()
