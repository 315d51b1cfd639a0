"""A change of phase is one decision: what becomes of it when the coordinator dies on the way."""
import os
import signal
import subprocess
import time
import unittest

from clustertest import ClusterCase, write
from rekeytest import TRY_AGAIN, environment, wait_until

GET = ["--tenant", "{}", "--capsule", "PRODUS", "--entity", "FinancialConfig"]
LEARNS_SECONDS = 15


class Decision(ClusterCase):
    TENANTS = 12
    RECORDS = 300

    def setUp(self):
        super().setUp()
        self.faulty = os.environ.get("REKEY_FAULTY", "")
        if not self.faulty:
            self.skipTest("REKEY_FAULTY names no program")
        self.migration = self.make_running()
        self.plan_file = self.plan_cluster(self.migration)
        self.run_cluster(self.plan_file)
        self.decider, *self.others = self.nodes.values()

    def die(self, where, command, *words):
        """A coordinator that is killed at this point."""
        done = subprocess.run(
            [self.faulty, command, "--cluster", self.as_who("coordinator"), *words],
            env=environment(REKEY_FAULT=where), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=60, check=False)
        self.assertEqual(-signal.SIGKILL, done.returncode, done.stderr)

    def node_status(self):
        return {node["name"]: node for node in self.cluster_status()["nodes"]}

    def phases(self):
        return {name: node["phase"] for name, node in self.node_status().items()}

    def all_in(self, phase):
        return {name: phase for name in self.nodes}

    def promised(self):
        return [name for name, node in self.node_status().items() if node.get("promised")]

    def tenant_of(self, node):
        for key, _ in self.originals[node.name]["platform_data"].entries:
            return key.split(b"#")[1].decode()
        raise AssertionError(f"{node.name} has no tenant")

    def read_at(self, node, code):
        words = [word.format(self.tenant_of(node)) for word in GET]
        return self.on_cluster("get", *words, code=code)

    def wait_for_lead(self):
        """A dead coordinator's lead runs out."""
        def is_free():
            return self.on_cluster("flip", code=None).code != TRY_AGAIN
        wait_until(is_free, "the lead is free", 40)

    def test_decided_but_not_told(self):
        """The others find it out by themselves: nobody has to come and tell them."""
        self.die("dies_decided", "flip")
        self.assertEqual("flipped", self.phases()[self.decider.name])
        wait_until(lambda: self.phases() == self.all_in("flipped"), "all have learned it",
                   LEARNS_SECONDS)
        self.assertEqual([], self.promised())

    def test_a_node_that_was_away_learns_before_it_serves(self):
        away = self.others[-1]
        self.die("dies_decided", "flip")
        away.kill()
        self.decider.pause()
        away.start()
        began = time.monotonic()
        result = self.read_at(away, code=TRY_AGAIN)
        self.assertIn("learn", result.err)
        self.assertIn(self.decider.name, result.err)
        self.decider.go_on()
        wait_until(lambda: self.phases() == self.all_in("flipped"), "it has learned it",
                   LEARNS_SECONDS + time.monotonic() - began)
        self.assertNotEqual(TRY_AGAIN, self.read_at(away, code=None).code)

    def replace_key(self, node):
        """The node has another key from now on, in its own file and in everybody's."""
        old = self.keys.pop(node.name)
        for end in (".key", ".key.pub"):
            os.remove(self.path(node.name + end))
        new = self.make_key(node.name)
        self.key_entries[node.name] = self.key_entries[node.name].replace(old, new)
        self.write_keys()
        for who in ("coordinator", "operator"):
            write(self.as_who(who), self.cluster_text(who))
        write(self.cluster_file, self.cluster_text("coordinator"))

    def test_a_node_that_asks_learns_of_a_new_key(self):
        """It has asked by the old one, and is told by a signal that the files have changed."""
        away = self.others[-1]
        self.die("dies_decided", "flip")
        for node in self.nodes.values():  # the decider first: nobody has heard of it yet
            node.kill()
        away.start()
        wait_until(lambda: "ask what became of a promise" in away.log, "it has asked",
                   LEARNS_SECONDS)
        self.replace_key(self.decider)
        self.decider.start()
        away.process.send_signal(signal.SIGHUP)
        for node in self.others[:-1]:
            node.start()
        wait_until(lambda: self.phases() == self.all_in("flipped"), "all have learned it",
                   LEARNS_SECONDS)

    def test_undecided(self):
        """All have promised; nobody flips, everybody serves; the next coordinator begins anew."""
        self.die("dies_undecided", "flip")
        self.assertEqual(self.all_in("dual_write"), self.phases())
        self.assertEqual(set(self.nodes), set(self.promised()))
        for node in self.nodes.values():
            node.kill()
            node.start()
        wait_until(lambda: all(self.read_at(node, code=None).code != TRY_AGAIN
                               for node in self.nodes.values()), "all serve", LEARNS_SECONDS)
        self.assertEqual(self.all_in("dual_write"), self.phases())
        self.wait_for_lead()
        self.assertEqual(self.all_in("flipped"), self.phases())
        self.assertEqual([], self.promised())

    def test_rollback_and_contract_too(self):
        self.on_cluster("flip")
        self.die("dies_decided", "contract", "--confirm",
                 os.path.basename(self.migration).removesuffix(".yaml"))
        wait_until(lambda: self.phases() == self.all_in("contracted"), "all have learned it",
                   LEARNS_SECONDS)
        self.assertEqual([], self.promised())
        self.on_cluster("rollback", code=None)
        self.assertEqual(self.all_in("contracted"), self.phases())


if __name__ == "__main__":
    unittest.main()
