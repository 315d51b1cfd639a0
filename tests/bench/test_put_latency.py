"""Puts beside a run on a tiny store: they run, the JSON parses, a put that is gone is noticed."""
import json
import os
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(ROOT, "bench")
BUILD = os.environ["REKEY_BUILD"]
REKEY = os.path.join(BUILD, "rekey", "cli", "rekey")
PUT_LATENCY = os.path.join(BUILD, "bench", "put_latency")
SPEC = os.path.join(BENCH, "202611210900_move_noindex.yaml")
LATENCIES = ("p50_us", "p99_us", "p999_us", "max_us")


def run(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


class Scenario(unittest.TestCase):
    """It checks by itself that all puts are readable and that the migration verifies."""

    def measure(self, *options):
        done = run(os.path.join(BENCH, "rekey-bench"), "foreground", "--build", BUILD, "--records",
                   1000, "--rounds", 1, "--seconds", 0.05, "--json", *options)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def check_latencies(self, result):
        self.assertEqual(["commit", "idle", "backfill", "verify", "after"],
                         [each["name"] for each in result["latencies"]])
        for each in result["latencies"]:
            self.assertGreaterEqual(each["puts"], 1)
            self.assertLessEqual(each["over"], each["puts"])
            middle = [each[latency]["median"] for latency in LATENCIES]
            self.assertEqual(sorted(middle), middle, each["name"])
            self.assertGreater(middle[0], 0)

    def test_json(self):
        result = self.measure("--pace", 50)
        self.assertEqual((50, 5), (result["pace"], result["lock_hold_ms"]))
        self.check_latencies(result)

    def test_another_spec(self):
        spec = os.path.join(ROOT, "specs", "202611210900_capsule_isolation.yaml")
        self.check_latencies(self.measure("--pace", 0, "--spec", spec))


class Program(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="rekey-test-")
        self.addCleanup(folder.cleanup)
        self.store = "lmdb:" + os.path.join(folder.name, "store")
        for command in ([REKEY, "seed", SPEC, "--store", self.store, "--tenants", 3,
                         "--records", 50],
                        [REKEY, "register", SPEC, "--store", self.store]):
            done = run(*command)
            self.assertEqual(0, done.returncode, done.stderr)

    def put_latency(self, *options):
        return run(PUT_LATENCY, self.store, "--tenants", 3, *options)

    def test_the_check_finds_what_is_missing(self):
        done = self.put_latency("--seconds", 0.05, "--json")
        count = json.loads(done.stdout)["count"]
        self.assertEqual(0, self.put_latency("--check", count).returncode)
        done = self.put_latency("--check", count + 1)
        self.assertEqual(1, done.returncode)
        self.assertIn("was put and is gone", done.stderr)

    def test_samples_and_another_first_number(self):
        samples = os.path.join(self.store[len("lmdb:"):], "samples")
        count = json.loads(self.put_latency("--seconds", 0.05, "--json").stdout)["count"]
        more = json.loads(self.put_latency("--seconds", 0.05, "--first", count, "--samples",
                                           samples, "--json").stdout)["count"]
        with open(samples, encoding="ascii") as file:
            pairs = [tuple(map(float, line.split())) for line in file]
        self.assertEqual(more, len(pairs))
        self.assertEqual(sorted(pairs), pairs)
        self.assertGreater(min(took for _, took in pairs), 0)
        self.assertEqual(0, self.put_latency("--check", count + more).returncode)

    def test_a_failed_command_is_its_own_failure(self):
        self.assertEqual(0, self.put_latency("--during", "exit 0").returncode)
        self.assertEqual(1, self.put_latency("--during", "exit 3").returncode)

    def test_usage(self):
        self.assertEqual(64, self.put_latency().returncode)
        self.assertEqual(64, self.put_latency("--seconds", "soon").returncode)


if __name__ == "__main__":
    unittest.main()
