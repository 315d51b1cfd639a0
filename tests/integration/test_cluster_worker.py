"""Workers: the store ends as it would without them, whatever becomes of them; and they do work.

REKEY_SEED says at which moments processes are killed, stopped and started, REKEY_WORKER_STRIKES how
often (default 2) in each test of that kind.
"""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

from rekeytest import (
    BAD_SPEC, DONE, NOT_APPROVED, STOPPED, TRY_AGAIN, USAGE, environment, program,
    wait_until,
)
from clustertest import STOP_SECONDS, ClusterCase, write

SEED = int(os.environ.get("REKEY_SEED") or random.SystemRandom().randrange(1 << 32))
STRIKES = int(os.environ.get("REKEY_WORKER_STRIKES", "2"))
NODE = "node-1"


class Worker:
    """One `rekey worker`: its process and what it said."""

    def __init__(self, node, number):
        self.node = node
        self.log_path = os.path.join(node.folder, f"worker-{number}.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [program(), "worker", "--config", node.config], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=environment())

    @property
    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def chunks(self):
        """Done and taken, as it says when it has stopped."""
        return int(re.search(r"stopped after (\d+) chunks", self.log).group(1))

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        began = time.monotonic()
        self.process.terminate()
        code = self.process.wait(60)
        return code, time.monotonic() - began


class WorkerCase(ClusterCase):
    TENANTS = 8
    RECORDS = 30000

    def setUp(self):
        super().setUp()
        print(f"REKEY_SEED={SEED}", file=sys.stderr)
        self.random = random.Random(f"{SEED} {self.id()}")
        self.workers = []
        self.records_done = 0

    def prepare(self, strategy, until="seeded", **limits):
        """One running node, migrated that far; what its store is then is `base`."""
        self.spec_path = self.make_running(spec=self.spec(strategy, **limits), names=(NODE,))
        self.node = self.nodes[NODE]
        self.plan_path = self.plan_cluster(self.spec_path)
        if until != "seeded":
            self.run_cluster(self.plan_path, "--until", until)
        self.node.stop()
        shutil.copytree(self.node.store_folder, self.path("base"))
        self.node.start()

    def begin_anew(self):
        self.node.kill()
        shutil.rmtree(self.node.store_folder)
        shutil.copytree(self.path("base"), self.node.store_folder)
        self._epochs = {}
        self.node.start()

    def node_says(self):
        """What the node counts of its workers."""
        return self.cluster_status()["nodes"][0]["workers"]

    def assert_work_done(self):
        """Since the last time, records that are in the store as a worker prepared them."""
        now = self.node_says()
        self.assertGreater(now["records"], self.records_done, now)
        self.assertEqual(0, now["useless"], now)
        self.records_done = now["records"]

    def start_workers(self, count=2):
        """As soon as the node knows of all of them."""
        for _ in range(count):
            worker = Worker(self.node, len(self.workers))
            self.workers.append(worker)
            self.addCleanup(worker.kill)
        wait_until(lambda: all("waits for work" in w.log for w in self.workers
                               if w.process.poll() is None), "the workers wait", 30)

    def stop_workers(self):
        for worker in self.workers:
            if worker.process.poll() is None:
                code, seconds = worker.stop()
                self.assertEqual(DONE, code, worker.log)
                self.assertLess(seconds, STOP_SECONDS)

    def run_until(self, until):
        self.run_cluster(self.plan_path, "--until", until)

    def repeat(self, until):
        """The same command again, until nobody holds the lead any more."""
        deadline = time.monotonic() + 60
        while True:
            result = self.on_cluster("run", self.plan_path, "--until", until, code=None)
            if result.code != TRY_AGAIN or time.monotonic() > deadline:
                self.assertEqual(DONE, result.code, str(result))
                return
            time.sleep(0.5)


class WithWorkers(WorkerCase):
    def jobs(self, strategy):
        """Backfill, rollback, and all to the end: every job of the strategy."""
        self.prepare(strategy)
        self.start_workers()
        self.run_until("flipped")
        self.assert_as_quiet(self.spec_path, "flipped")
        self.assert_work_done()
        self.on_cluster("rollback")
        self.assert_originals(self.spec_path)
        self.assert_work_done()
        self.plan_path = self.plan_cluster(self.spec_path, "again.json")
        self.run_until("done")
        self.assert_as_quiet(self.spec_path, "done")
        self.assert_work_done()
        self.stop_workers()
        self.assertGreater(sum(w.chunks() for w in self.workers), 0)

    def test_dual_write(self):
        self.jobs("dual-write")

    def test_move(self):
        self.jobs("move")

    def test_leaves_the_store_alone(self):
        """Workers read; that the node writes is not their doing."""
        self.prepare("dual-write", "verified")
        before = self.node.dump()
        self.start_workers(1)
        self.stop_workers()
        self.assertEqual(before, self.node.dump())


class Faults(WorkerCase):

    def strike_while(self, strike, until="done"):
        """Runs with workers, and strikes some time in between; it is as if nobody had."""
        process = self.start_on_cluster("run", self.plan_path, "--until", until)
        time.sleep(self.random.uniform(0.05, 0.6))
        strike()
        _, err = process.communicate(timeout=90)
        self.assertIn(process.returncode, (DONE, STOPPED, TRY_AGAIN), err.decode())
        self.repeat(until)
        self.assert_as_quiet(self.spec_path, until)

    def strike_often(self, strike):
        self.prepare("dual-write", lock_hold_ms=1)
        for number in range(STRIKES):
            if number > 0:
                self.begin_anew()
            self.start_workers()
            self.strike_while(strike)
            for worker in self.workers:
                worker.kill()

    def test_killed_workers(self):
        def strike():
            for worker in self.random.sample(self.workers[-2:], self.random.choice((1, 2))):
                worker.kill()
        self.strike_often(strike)

    def test_killed_workers_that_come_again(self):
        def strike():
            for _ in range(4):
                self.random.choice(self.workers).kill()
                self.start_workers(1)
        self.strike_often(strike)

    def test_stopped_worker(self):
        """It answers when its lease is long over."""
        def strike():
            worker = self.workers[-1]
            worker.process.send_signal(signal.SIGSTOP)
            time.sleep(2.5)
            worker.process.send_signal(signal.SIGCONT)
        self.strike_often(strike)

    def test_killed_node(self):
        """Workers stay, and find the one that comes after it."""
        def strike():
            self.node.kill()
            time.sleep(self.random.uniform(0, 0.5))
            self.node.start()
        self.strike_often(strike)
        self.begin_anew()
        self.workers = []
        self.start_workers()
        self.node.kill()
        wait_until(lambda: all("no answer" in w.log for w in self.workers), "they notice", 30)
        self.node.start()
        wait_until(lambda: all(w.log.count("waits for work") == 2 for w in self.workers),
                   "they find it again", 30)
        self.run_until("done")
        self.assert_as_quiet(self.spec_path, "done")
        self.stop_workers()
        self.assertGreater(sum(w.chunks() for w in self.workers), 0)


class Refusals(WorkerCase):
    def refused(self, config, code, *fragments):
        result = self.rekey("worker", "--config", config, code=code)
        for fragment in fragments:
            self.assertIn(fragment, result.err)

    def test_who_may_not(self):
        self.make_cluster(names=(NODE,))
        self.node = self.nodes[NODE]
        for who in ("stranger", "coordinator", "operator"):
            with self.subTest(who=who):
                config = self.path(f"{who}.yaml")
                write(config, f"cluster: cluster.yaml\nname: {NODE}\nidentity: {who}.key\n"
                              f"store: lmdb:{NODE}.store\n")
                self.refused(config, NOT_APPROVED, "is not the key", NODE)
        self.write_keys(without=(NODE,))
        self.refused(self.node.config, NOT_APPROVED, "does not authorize", NODE)

    def test_wrong_files(self):
        self.make_cluster(names=(NODE,))
        self.refused(self.path("none.yaml"), BAD_SPEC, "none.yaml")
        write(self.path("bad.yaml"), "cluster: cluster.yaml\n")
        self.refused(self.path("bad.yaml"), BAD_SPEC, "bad.yaml")
        self.assertEqual(USAGE, self.rekey("worker", code=None).code)

    def test_waits_for_the_node(self):
        """Before the node is there, and before its store is."""
        self.make_cluster(names=(NODE,))
        self.node = self.nodes[NODE]
        worker = Worker(self.node, 0)
        self.addCleanup(worker.kill)
        wait_until(lambda: "no answer" in worker.log, "it says that it waits", 30)
        time.sleep(0.5)
        self.assertEqual(1, worker.log.count("no answer"), "once, not at every try")
        code, seconds = worker.stop()
        self.assertEqual(DONE, code)
        self.assertLess(seconds, STOP_SECONDS)


if __name__ == "__main__":
    unittest.main()
