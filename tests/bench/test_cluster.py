"""bench/cluster.py with tiny sizes: every part runs, and passes the checks that it makes itself."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(ROOT, "bench")
BUILD = os.environ["REKEY_BUILD"]
SPEC = os.path.join(BENCH, "202611210900_move_noindex.yaml")
THREADS = {1, 4, 16}
SECONDS_MAX = 120

sys.path.insert(0, BENCH)
import cluster  # noqa: E402
from rekeybench.site import TABLE  # noqa: E402


def measure(*options):
    return subprocess.run([os.path.join(BENCH, "cluster.py"), BUILD, "--records", "2000",
                           "--rounds", "2", "--seconds", "0.02", *options], capture_output=True,
                          text=True, check=False, timeout=SECONDS_MAX)


class Script(unittest.TestCase):
    def test_json(self):
        done = measure("--json")
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        result = json.loads(done.stdout)
        for name in ("store", "one_node", "two_nodes", "apart", "one_node_of_store",
                     "two_nodes_of_one_node"):
            found = result["run"][name]
            self.assertTrue(0 < found["least"] <= found["median"] <= found["most"], name)
        traffic = result["traffic"]
        self.assertEqual(2000 * 200, traffic["moved_bytes"])
        self.assertGreater(min(traffic["sent_bytes"], traffic["received_bytes"]), 0)
        self.check_client(result["client"])

    def check_client(self, client):
        request, reply = client["sizes"]["put"]
        self.assertGreater(request, 200)  # the value goes there, and comes back by get
        self.assertLess(reply, 200)
        self.assertGreater(client["sizes"]["get"][1], 200)
        seen = {(row["verb"], row["threads"], row["over"]) for row in client["rows"]}
        self.assertEqual({(verb, threads, over) for verb in ("put", "get") for threads in THREADS
                          for over in ("nng", "cluster", "local")}, seen)
        for row in client["rows"]:
            self.assertLessEqual(row["p50_us"]["least"], row["p99_us"]["most"])

    def test_scenario(self):
        done = subprocess.run([os.path.join(BENCH, "rekey-bench"), "cluster", "--build", BUILD,
                               "--records", "1000", "--rounds", "1", "--value-bytes", "300",
                               "--json"], capture_output=True, text=True, check=False,
                              timeout=SECONDS_MAX)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        result = json.loads(done.stdout)
        self.assertEqual(["store", "one node", "two nodes", "apart"],
                         [each["name"] for each in result["contestants"]][:4])
        self.assertIn("one node / store", [each["name"] for each in result["ratios"]])
        self.assertTrue(0.5 <= result["larger_share"] <= 1)

    def test_table(self):
        done = measure("--only", "traffic")
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertIn("bytes of values moved", done.stdout)

    def test_usage(self):
        self.assertEqual(2, measure("--only", "everything").returncode)


class Checks(unittest.TestCase):
    """What is compared tells stores apart, and parts add up to the whole."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="rekey-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.rekey = os.path.join(BUILD, "rekey", "cli", "rekey")
        self.judge = os.path.join(BUILD, "bench", "bare_check")

    def seed(self, store, *options):
        cluster.run(self.rekey, "seed", SPEC, "--store", "lmdb:" + store, "--tenants", 10,
                    "--records", 300, *options)
        return store

    def digest(self, store):
        return int(cluster.run(self.judge, "--digest", store, TABLE))

    def test_digest(self):
        whole = self.digest(self.seed(os.path.join(self.folder, "whole")))
        other = self.digest(self.seed(os.path.join(self.folder, "other"), "--seed", 2))
        self.assertNotEqual(whole, other)
        nodes = cluster.Cluster(self.rekey, os.path.join(self.folder, "two"), 2)
        nodes.seed(SPEC, "--tenants", 10, "--records", 300)
        parts = [self.digest(store) for store in nodes.stores()]
        self.assertEqual(whole, sum(parts) & cluster.MASK)
        self.assertNotIn(whole, parts)

    def test_a_failed_command_is_a_failure(self):
        with self.assertRaises(cluster.Failure):
            cluster.run(self.rekey, "status", "--store", "lmdb:" + self.folder)


if __name__ == "__main__":
    unittest.main()
