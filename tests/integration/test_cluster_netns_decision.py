"""A change of phase is one decision, also for a node that is not heard, or reaches only some."""
import signal
import unittest

import netns
import netnstest
from clustertest import NODES
from netnstest import NetworkCase, comes_true
from rekeytest import STOPPED, TRY_AGAIN, wait_until

LEARNS_SECONDS = 15
DECIDES_SECONDS = 10

setUpModule = netnstest.enter


class Decision(NetworkCase):
    TRIES = 5
    GET = ["--capsule", "PRODUS", "--entity", "FinancialConfig", "--tenant"]

    def flip_up_to_promises(self, mute):
        """A flip for which all nodes have promised, where one's answer is lost on the way."""
        for _ in range(self.TRIES):
            flip = self.start_on_cluster("flip")
            wait_until(lambda: self.promised() or flip.poll() is not None, "a promise", 10)
            flip.send_signal(signal.SIGSTOP)
            comes_true(self.all_promised, 0.5)
            self.network.lose(mute, netns.HERE)
            flip.send_signal(signal.SIGCONT)
            if not comes_true(lambda: flip.poll() is not None, 1) and self.all_promised():
                return flip
            self.network.heal()  # it was quicker
            self.finished(flip)
            self.on_cluster("rollback")
            self.run_anew()
        self.fail(f"{self.TRIES} flips were quicker than their promises were seen")

    def promised(self):
        return [name for name, node in self.nodes.items() if node.has_promised()]

    def all_promised(self):
        return self.promised() == list(NODES)

    def flip_without(self, decider, away, other):
        """Decided while one that has promised is away. Now and then its answer is lost as well: then
        nobody flips, and it goes on when all are heard again."""
        flipped = {decider: "flipped", other: "flipped", away: "dual_write"}
        for _ in range(self.TRIES):
            flip = self.flip_up_to_promises(other)
            self.network.cut_between(away, netns.HERE)
            self.network.cut_between(away, decider)
            self.network.restore(other, netns.HERE)
            if comes_true(lambda: self.phases_seen_from(other) == flipped, DECIDES_SECONDS):
                return flip
            self.assertEqual(self.all_in("dual_write"), self.phases_seen_from(other))
            self.network.heal()
            self.finished(flip)
            self.on_cluster("rollback")
            self.run_anew()
        self.fail(f"{self.TRIES} flips were not decided while {away} was away")

    def test_a_link_that_stays_cut(self):
        """Nobody flips, and it is told who did not answer."""
        self.prepare(until="verified")
        flip = self.flip_up_to_promises("node-3")
        self.assertEqual(self.all_in("dual_write"), self.phases_seen_from("node-2"))
        self.assertIn("node-3", self.finished(flip, STOPPED))
        self.network.heal()
        self.assert_phases("dual_write")
        self.on_cluster("flip")
        self.assert_one_outcome()
        self.assert_phases("flipped")
        self.assert_as_quiet(self.spec_path, "flipped")

    def test_away_when_it_was_decided(self):
        """It promised, heard no more, was started anew: it serves nothing before it has learned."""
        self.prepare(until="verified")
        decider, away, other = NODES  # in the order in which they are asked
        flip = self.flip_without(decider, away, other)
        self.nodes[away].kill()
        self.nodes[away].start()
        self.assert_refused(self.read_at(away, other, TRY_AGAIN), "learn", decider)
        self.network.heal()
        wait_until(lambda: self.phases_seen_from(other) == self.all_in("flipped"),
                   f"{away} has learned it", LEARNS_SECONDS)
        self.assertNotEqual(TRY_AGAIN, self.read_at(away, other, None).code)
        self.finished(flip)
        self.assert_as_quiet(self.spec_path, "flipped")

    def read_at(self, name, host, code):
        """A record of that node's, asked for from that host."""
        key, _ = self.originals[name]["platform_data"].entries[0]
        return self.seen_from(host, "get", *self.GET, key.split(b"#")[1].decode(), code=code)


if __name__ == "__main__":
    unittest.main()
