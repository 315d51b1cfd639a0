"""bench/rekey-bench with tiny sizes: every scenario runs, its JSON and pictures are whole, and a
planted wrong result of any contestant is found. Times are never judged."""
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree
from unittest import mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(ROOT, "bench")
BUILD = os.environ["REKEY_BUILD"]
PROGRAM = os.path.join(BENCH, "rekey-bench")
RECORDS = 400
TINY = ("--records", str(RECORDS), "--tenants", "10", "--rounds", "2", "--seconds", "0.05")
SECONDS_MAX = 120
MEMORY = "/dev/shm"  # durability is not what is tested, and a disk may be busy
MEMORY_MIN = 1 << 28

sys.path.insert(0, BENCH)
from rekeybench import cli, targets  # noqa: E402
from rekeybench.measure import Found  # noqa: E402

MOVES = ["rekey", "rekey-50ms", "bare"]
CONTESTANTS = {
    "move": MOVES,
    "move-gsi1": MOVES + ["bare-500"],
    "dual-write": MOVES,
    "dual-write-gsi1": MOVES + ["bare-500"],
    "scripts": MOVES + ["dump-awk-load", "python", "one-by-one"],
    "plan": ["rekey", "bare-hash", "bare-scan", "bare-capsules"],
    "verify": ["rekey", "bare-hash", "bare-scan"],
    "contract": MOVES + ["bare-checked"],
    "contract-gsi1": MOVES + ["bare-checked"],
    "batch": ([f"rekey-{ms}ms" for ms in (1, 2, 5, 10, 20, 50)] +
              [f"bare-{count}" for count in (100, 1000, 10000, 100000, 1)]),
    "records": [f"{name}-{count}" for count in (4, 40, 400) for name in MOVES],
    "workers": [f"{name}-{count}" for count in (1, 2, 4) for name in MOVES[:2]] + ["bare"],
    "values": [f"{name}-{size}B" for size in (100, 200, 500, 1000, 2000, 8000) for name in MOVES],
    "foreground": ["alone", "beside"],
}


def bench(*words, build=BUILD, **options):
    return subprocess.run([PROGRAM, *words, "--build", build, *TINY], capture_output=True,
                          text=True, check=False, timeout=SECONDS_MAX, **options)


def scratch():
    """Where folders are made: None, the usual place, where memory has no room."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_MIN:
        return MEMORY
    return None


class Scratch(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="rekey-test-", dir=scratch())
        self.addCleanup(folder.cleanup)
        self.folder = folder.name


class Everything(Scratch):
    def test_all_scenarios(self):
        pictures = os.path.join(self.folder, "pictures")
        draws = shutil.which("gnuplot") is not None
        done = bench("all", "--json", *(("--plot", pictures) if draws else ()),
                     "--dir", self.folder)
        self.assertEqual(0, done.returncode, done.stderr)
        results = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(list(CONTESTANTS), [result["scenario"] for result in results])
        for result in results:
            with self.subTest(result["scenario"]):
                self.check_result(result)
                if draws:
                    self.check_picture(pictures, result["scenario"])
        if draws:
            self.check_picture(pictures, "foreground-latency")
        self.assertEqual(["pictures"] if draws else [], os.listdir(self.folder))

    def check_result(self, result):
        for member in ("processors", "system", "disk"):
            self.assertTrue(result["machine"][member])
        self.assertIn("fsync", result["durability"])
        self.assertEqual((RECORDS, 2), (result["sizes"]["records"], result["sizes"]["rounds"]))
        self.assertEqual(1, result["seed"])
        found = result["contestants"]
        self.assertEqual(CONTESTANTS[result["scenario"]], [each["name"] for each in found])
        for each in found:
            self.assertEqual(2, len(each["rounds"]), each["name"])
            self.assertTrue(0 < each["least"] <= each["median"] <= each["most"], each)
        self.check_ratios(result)

    def check_ratios(self, result):
        wanted = {(target.bound, target.sense) for target in targets.TARGETS
                  if target.scenario == result["scenario"]}
        found = {(each["target"], each["sense"]) for each in result["ratios"]}
        self.assertEqual(wanted, found, "a target whose quantities nobody measured")
        for each in result["ratios"]:
            self.assertTrue(each["least"] <= each["value"] <= each["most"])
            self.assertEqual(each["target"] is None, each["met"] is None)

    def check_picture(self, folder, name):
        self.assertGreater(os.path.getsize(os.path.join(folder, name + ".png")), 1000)
        root = xml.etree.ElementTree.parse(os.path.join(folder, name + ".svg")).getroot()
        self.assertTrue(root.tag.endswith("svg"))
        self.assertGreater(len(list(root.iter())), 20)

    def test_table(self):
        done = bench("plan", "verify", "--dir", self.folder)
        self.assertEqual(0, done.returncode, done.stderr)
        for words in ("machine", "durability", f"{RECORDS} records", "bare-hash", "RssAnon MiB",
                      "rekey / bare-scan", ">= 0.6", ">= 0.8"):
            self.assertIn(words, done.stdout)
        self.assertIn("round 2 of 2", done.stderr)


class WrongResults(Scratch):
    """A build in which one program is another: it does the work, and then some harm."""

    def build_with(self, name, harm):
        """`harm` is Python, run after the real program with `store` and `words` at hand."""
        build = os.path.join(self.folder, "build")
        for each in ("rekey/cli/rekey", "bench/bare_move", "bench/bare_check", "bench/bare_scan",
                     "bench/bare_delete"):
            path = os.path.join(build, each)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.symlink(os.path.join(BUILD, each), path)
        path = os.path.join(build, name)
        real = os.path.realpath(path)
        os.unlink(path)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"""#!/usr/bin/python3
import lmdb, subprocess, sys
words = sys.argv[1:]
done = subprocess.run([{real!r}, *words], stdout=subprocess.PIPE, text=True)
out = done.stdout
def first(table, key_part, change):
    store = next((w[5:] for w in words if w.startswith("lmdb:")), words[0])
    env = lmdb.open(store, map_size=1 << 30, max_dbs=16)
    db = env.open_db(table, create=False)
    with env.begin(write=True, db=db) as txn:
        change(txn, next(pair for pair in txn.cursor() if key_part in pair[0]))
    env.close()
def drop(table, key_part):
    first(table, key_part, lambda txn, pair: txn.delete(*pair))
{harm}
sys.stdout.write(out)
sys.exit(done.returncode)
""")
        os.chmod(path, 0o755)
        return build

    def expect_found(self, scenario, program, harm, *words):
        done = bench(scenario, "--dir", self.folder, build=self.build_with(program, harm))
        self.assertEqual(1, done.returncode, done.stdout)
        self.assertIn("wrong result", done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertNotIn("ratio", done.stdout)

    def test_rekey_drops_a_record(self):
        self.expect_found("move", "rekey/cli/rekey",
                          "if words[0] == 'run': drop(b'platform_data', b'CAPSULE#')",
                          "rekey: wrong", f"(0, {RECORDS - 1}, 0)", "turn")

    def test_rekey_changes_a_value(self):
        self.expect_found("move", "rekey/cli/rekey",
                          "if words[0] == 'run': first(b'platform_data', b'CAPSULE#', "
                          "lambda txn, pair: txn.put(pair[0], pair[1] + b' '))",
                          "rekey: wrong", "table platform_data differs at key TENANT#")

    def test_rekey_forgets_an_index_entry(self):
        self.expect_found("dual-write-gsi1", "rekey/cli/rekey",
                          "if words[0] == 'run': drop(b'gsi1', b'TENANT#')",
                          "rekey: wrong", "table gsi1 differs at key TENANT#")

    def test_the_bare_loop_drops_a_record(self):
        self.expect_found("move", "bench/bare_move", "drop(b'platform_data', b'CAPSULE#')",
                          "bare: wrong", "reference", f"(0, {RECORDS - 1}, 0)")

    def test_contract_keeps_an_old_record(self):
        self.expect_found("contract", "rekey/cli/rekey",
                          "if words[0] == 'contract': first(b'platform_data', b'CAPSULE#', "
                          "lambda txn, pair: txn.put(b'TENANT#t#CONTRACT#c', pair[1]))",
                          "rekey: wrong", f"(1, {RECORDS}, 0)")

    def test_plan_counts_too_few(self):
        self.expect_found("plan", "rekey/cli/rekey",
                          f"out = out.replace('\"records\":{RECORDS}', '\"records\":1')",
                          "rekey: wrong", "plan.base")

    def test_verify_matches_too_few(self):
        self.expect_found("verify", "rekey/cli/rekey",
                          f"out = out.replace('\"matched\":{RECORDS}', '\"matched\":1')",
                          "rekey: wrong", "verify.finished")


class CommandLine(Scratch):
    def test_help_and_list(self):
        done = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=False)
        self.assertEqual((0, "Examples"), (done.returncode, done.stdout.splitlines()[0]))
        done = subprocess.run([PROGRAM, "--list"], capture_output=True, text=True, check=False)
        self.assertEqual(list(CONTESTANTS) + ["cluster"],
                         [line.split()[0] for line in done.stdout.splitlines()])

    def test_an_unknown_scenario_suggests_the_nearest(self):
        done = bench("verfy")
        self.assertEqual(64, done.returncode)
        self.assertIn("did you mean verify?", done.stderr)

    def test_usage(self):
        for words in ((), ("move", "--records", "0"), ("move", "--rounds", "few"),
                      ("foreground", "--pace", "-1"), ("move", "--sides", "2")):
            with self.subTest(words):
                done = subprocess.run([PROGRAM, *words], capture_output=True, text=True,
                                      check=False)
                self.assertEqual(64, done.returncode, done.stderr)

    def test_what_is_missing_is_named(self):
        done = bench("move", build=self.folder)
        self.assertEqual(1, done.returncode)
        self.assertIn("rekey/cli/rekey is missing", done.stderr)
        nothing = {**os.environ, "PATH": self.folder}
        for words, package in ((("scripts",), "lmdb-utils"),
                               (("plan", "--plot", self.folder), "gnuplot-nox")):
            done = bench(*words, env=nothing)
            self.assertEqual(1, done.returncode)
            self.assertIn(package, done.stderr)


class Targets(Scratch):
    FOUND = [Found("a", "a", "records/s", rounds=[10.0, 40.0, 20.0], rss_kib=2048),
             Found("b", "b", "records/s", rounds=[20.0, 10.0, 20.0])]

    def ratio(self, *words):
        table = (targets.Target("some", *words),)
        with mock.patch.object(targets, "TARGETS", table):
            found = targets.ratios("some", self.FOUND, {}, 100)
        return found[0] if found else None

    def test_each_round_has_its_own_ratio(self):
        ratio = self.ratio("a", "b")
        self.assertEqual([0.5, 4.0, 1.0], ratio.rounds)
        self.assertEqual((1.0, 0.5, 4.0, None), tuple(
            ratio.as_json()[member] for member in ("value", "least", "most", "met")))

    def test_the_median_is_judged(self):
        for bound, sense, met in ((1.0, "least", True), (1.01, "least", False),
                                  (1.0, "most", True), (0.99, "most", False)):
            self.assertEqual(met, self.ratio("a", "b", bound, sense).met, (bound, sense))
        self.assertTrue(self.ratio("a RssAnon MiB", None, 2, "most").met)
        self.assertIsNone(self.ratio("a", "nobody"))

    def test_a_missed_target_is_an_exit_code(self):
        for bound, code in ((1e-9, 0), (1e9, 1)):
            table = (targets.Target("plan", "rekey", "bare-scan", bound),)
            with mock.patch.object(targets, "TARGETS", table), \
                    contextlib.redirect_stdout(io.StringIO()) as out, \
                    contextlib.redirect_stderr(io.StringIO()) as err:
                words = ["plan", "--build", BUILD, *TINY, "--dir", self.folder]
                self.assertEqual(0, cli.main(words), err.getvalue())
                self.assertEqual(code, cli.main(words + ["--check-targets"]), err.getvalue())
            self.assertIn("MISSED" if code else "met", out.getvalue())


if __name__ == "__main__":
    unittest.main()
