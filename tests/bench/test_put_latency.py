"""bench/put_latency on a tiny store: it runs, its JSON parses, and it notices a put that is gone."""
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


class Script(unittest.TestCase):
    """It checks by itself that all puts are readable and that the migration verifies."""

    def measure(self, *options):
        done = run(os.path.join(BENCH, "put_latency.sh"), BUILD, "--records", 2000,
                   "--rounds", 2, "--seconds", 0.1, *options)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done

    def test_json(self):
        result = json.loads(self.measure("--json").stdout)
        self.assertEqual((2000, 2, 5), (result["records"], result["rounds"],
                                        result["lock_hold_ms"]))
        for name in ("commit", "idle", "during"):
            self.assertGreaterEqual(result[name]["puts"], 2)
            middle = [result[name][latency]["median"] for latency in LATENCIES]
            self.assertEqual(sorted(middle), middle, name)
            self.assertGreater(middle[0], 0)
        self.assertGreater(result["run_alone"]["median"], 0)
        self.assertGreater(result["run_beside"]["median"], 0)
        self.assertLessEqual(result["over"], result["during"]["puts"])

    def test_table_and_another_spec(self):
        spec = os.path.join(ROOT, "specs", "202611210900_capsule_isolation.yaml")
        out = self.measure("--pace", 0, "--spec", spec).stdout
        for word in ("commit", "idle", "during", "alone", "beside", "bound"):
            self.assertIn("\n" + word if word in ("idle", "bound") else word, out)


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

    def test_a_failed_command_is_its_own_failure(self):
        self.assertEqual(0, self.put_latency("--during", "exit 0").returncode)
        self.assertEqual(1, self.put_latency("--during", "exit 3").returncode)

    def test_usage(self):
        self.assertEqual(64, self.put_latency().returncode)
        self.assertEqual(64, self.put_latency("--seconds", "soon").returncode)


if __name__ == "__main__":
    unittest.main()
