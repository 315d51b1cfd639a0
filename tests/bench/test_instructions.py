"""How many instructions the hot functions take, as callgrind counts them, beside what is recorded.

Unlike time, a count is the same on a busy machine. instructions.json holds the recorded ones, and
with what compiler and flags they were counted; REKEY_UPDATE_INSTRUCTIONS=1 records anew.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RECORDED = os.path.join(HERE, "instructions.json")
SPEC = os.path.join(ROOT, "specs", "202611210900_capsule_isolation.yaml")
HOT = os.environ["REKEY_HOT"]
MADE_WITH = {"compiler": os.environ.get("REKEY_HOT_COMPILER", ""),
             "flags": os.environ.get("REKEY_HOT_FLAGS", "")}
UPDATES = os.environ.get("REKEY_UPDATE_INSTRUCTIONS") == "1"
AGAIN = "REKEY_UPDATE_INSTRUCTIONS=1 ctest --preset dev -R bench.instructions"

MORE_MAX = 8  # per cent over what is recorded: a slowdown
LESS_MAX = 15  # per cent under it: what is recorded hides the next slowdown
SECONDS_MAX = 60

# The same memcpy on every machine, whatever the processor has, and no lookup of symbols counted.
NEWER = ("AVX2", "AVX512F", "AVX512VL", "AVX_Fast_Unaligned_Load", "BMI2", "ERMS", "FSRM", "SSE4_2")
SAME = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=" + ",".join("-" + name for name in NEWER),
        "LD_BIND_NOW": "1"}


def names():
    return subprocess.run([HOT], check=True, stdout=subprocess.PIPE, text=True,
                          timeout=SECONDS_MAX).stdout.split()


def count(name):
    """Instructions of one operation."""
    with tempfile.TemporaryDirectory(prefix="rekey-test-") as folder:
        out = os.path.join(folder, "callgrind")
        done = subprocess.run(
            ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no",
             f"--callgrind-out-file={out}", HOT, name, SPEC, os.path.join(folder, "store")],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS_MAX,
            check=False, env={**os.environ, **SAME})
        if done.returncode != 0:
            raise AssertionError(f"{name} ended with {done.returncode}: {done.stderr}")
        with open(out, encoding="utf-8") as file:
            total = re.search(r"(?m)^totals: (\d+)", file.read())
    if not total or int(total[1]) == 0:
        raise AssertionError(f"{name}: callgrind counted nothing")
    return int(total[1]) / int(done.stdout)


def judge(name, recorded, measured):
    """What is wrong; None for nothing."""
    change = 100 * (measured - recorded) / recorded
    figures = f"{name}: recorded {recorded:.0f} instructions an operation, measured " \
              f"{measured:.0f}: {change:+.1f} %"
    if change > MORE_MAX:
        return f"{figures}; more than {MORE_MAX} % is a slowdown. If it has to be: {AGAIN}"
    if change < -LESS_MAX:
        return f"{figures}. Record it, so that it stays so: {AGAIN}"
    return None


class Judgement(unittest.TestCase):
    def test_bounds(self):
        for measured, fails in ((1000, False), (1080, False), (1081, True), (850, False),
                                (849, True)):
            with self.subTest(measured=measured):
                self.assertEqual(fails, judge("match", 1000, measured) is not None)

    def test_the_message_says_it_all(self):
        found = judge("match", 1000, 1200)
        for part in ("match", "1000", "1200", "+20.0 %", "REKEY_UPDATE_INSTRUCTIONS=1"):
            self.assertIn(part, found)


class Instructions(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        if not shutil.which("valgrind"):
            self.skip("there is no valgrind")

    def skip(self, why):
        print(f"SKIP: {why}", file=sys.stderr)
        self.skipTest(why)

    def test_as_recorded(self):
        measured = {name: count(name) for name in names()}
        if UPDATES:
            write(measured)
        with open(RECORDED, encoding="utf-8") as file:
            recorded = json.load(file)
        if recorded["made_with"] != MADE_WITH:
            self.skip(f"recorded with {recorded['made_with']}, not {MADE_WITH}")
        self.assertEqual(sorted(recorded["instructions"]), sorted(measured),
                         f"other functions than recorded; {AGAIN}")
        wrong = [judge(name, recorded["instructions"][name], measured[name]) for name in measured]
        if any(wrong):
            self.fail("\n".join(["", *filter(None, wrong)]))


def write(measured):
    with open(RECORDED, "w", encoding="utf-8") as file:
        json.dump({"made_with": MADE_WITH,
                   "instructions": {name: round(value, 1) for name, value in measured.items()}},
                  file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    unittest.main()
