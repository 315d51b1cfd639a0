"""A node that stays away, one that stands still, and two coordinators at once."""
import time
import unittest

from rekeytest import DONE, STOPPED, TRY_AGAIN, wait_until
from test_cluster_kill import Faults


class Absent(Faults):
    RECORDS = 600

    def test_at_the_flip(self):
        """A node that does not come back: nobody flips, and when it is back, everybody does."""
        self.prepare(until="verified")
        away = self.nodes["node-3"]
        away.kill()
        began = time.monotonic()
        result = self.on_cluster("flip", code=STOPPED)
        self.assertGreater(time.monotonic() - began, 20)
        self.assert_refused_by(result, "node-3")
        away.start()
        self.assert_phases("dual_write")
        self.on_cluster("flip")
        self.assert_phases("flipped")
        self.assert_as_quiet(self.spec_path, "flipped")

    def assert_refused_by(self, result, node):
        last = [line for line in result.err.splitlines() if line.startswith("rekey: ")]
        self.assertEqual(1, len(last), str(result))
        self.assertIn(node, last[0])

    def test_a_node_that_stands_still_for_a_while(self):
        """It is as one that is away, and goes on where it was."""
        self.prepare()
        run = self.start_on_cluster(*self.words("run"))
        time.sleep(0.3)
        self.nodes["node-2"].pause()
        time.sleep(5)
        self.nodes["node-2"].go_on()
        code, err = self.ended(run)
        self.assertEqual(DONE, code, err)
        self.assert_as_quiet(self.spec_path, "verified")

    def test_two_coordinators(self):
        """One leads; the other is told who."""
        self.RECORDS = 20000
        self.prepare()
        first = self.start_on_cluster(*self.words("run"))
        wait_until(lambda: self.cluster_running(), "the first one leads", 20)
        second = self.on_cluster(*self.words("run"), code=TRY_AGAIN)
        self.assert_refused_by(second, "coordinator")
        self.on_cluster("rollback", code=TRY_AGAIN)
        code, err = self.ended(first)
        self.assertEqual(DONE, code, err)
        self.assert_as_quiet(self.spec_path, "verified")

    def cluster_running(self):
        status = self.on_cluster("status", "--json", code=None)
        return status.code == DONE and status.json()["running"]


if __name__ == "__main__":
    unittest.main()
