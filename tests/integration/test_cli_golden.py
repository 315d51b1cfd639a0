"""The words of the command line, against tests/golden.

A golden file holds each command with its exit code, stdout and stderr. REKEY_UPDATE_GOLDEN=1
rewrites them; read the diff before committing it.
"""
import difflib
import os
import re
import unittest

from rekeytest import BAD_SPEC, DONE, NOT_CLEAN, ROOT, Case, each_strategy

GOLDEN = os.path.join(ROOT, "tests", "golden")
LINT = os.path.join(GOLDEN, "lint")
UPDATE = os.environ.get("REKEY_UPDATE_GOLDEN") == "1"

COMMANDS = ["approve", "audit", "contract", "delete", "demo", "flip", "get", "inspect",
            "isolation", "keygen", "lint", "list", "node", "plan", "put", "quarantine", "query",
            "register", "rollback", "run", "seed", "show", "status", "verify", "worker"]
SCOPE = ["--tenant", "synthetic-1", "--capsule", "PRODUS", "--entity", "Contract"]

# What differs from run to run, and the word that stands for it.
CHANGING = [
    (r"\b[0-9a-f]{64}\b", "<hash>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>"),
    (r"process \d+ on \S+", "process <pid> on <host>"),
    (r"\(\S+@\S+ \d+\)", "(<actor>)"),
    (r"\d+\.\d+ s\b", "<seconds> s"),
    (r"a map of [0-9.]+ \w+", "a map of <bytes>"),
    (r'"seconds":[0-9.e-]+', '"seconds":<seconds>'),
    (r"rekey \d+\.\d+\.\d+", "rekey <version>"),
]


class Golden(Case):
    def transcript(self, commands):
        """`commands` are lists of words; each is run and written down."""
        return "\n".join(self.scene(words) for words in commands)

    def scene(self, words):
        result = self.rekey(*words, code=None)
        text = (f"$ rekey {' '.join(result.command)}\nexit {result.code}\n"
                f"{self.marked('  | ', result.out)}{self.marked('  ! ', result.err)}")
        return self.steady(text)

    @staticmethod
    def marked(mark, text):
        return "".join((mark + line).rstrip() + "\n" for line in text.splitlines())

    def steady(self, text):
        for folder, word in ((self.folder, "<folder>"), (ROOT, "<root>")):
            text = text.replace(folder, word)
        for pattern, word in CHANGING:
            text = re.sub(pattern, word, text)
        return text

    def assert_golden(self, name, text):
        path = os.path.join(GOLDEN, name + ".txt")
        if UPDATE:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            return
        if not os.path.exists(path):
            self.fail(f"{path} is missing; REKEY_UPDATE_GOLDEN=1 writes it")
        with open(path, encoding="utf-8") as file:
            expected = file.read()
        if expected != text:
            lines = difflib.unified_diff(expected.splitlines(), text.splitlines(), name, "now",
                                         lineterm="")
            self.fail("REKEY_UPDATE_GOLDEN=1 rewrites it, if this is meant:\n" + "\n".join(lines))


class Help(Golden):
    def test_help(self):
        self.assert_golden("help", self.transcript([["--help"], ["--version"]]))

    def test_help_of_each_command(self):
        for command in COMMANDS:
            with self.subTest(command):
                text = self.scene([command, "--help"])
                self.assertIn("exit 0\n  | Examples\n", text)
                self.assert_golden(f"help_{command}", text)

    def test_no_line_is_too_wide(self):
        for command in COMMANDS:
            for line in self.rekey(command, "--help").out.splitlines():
                if not line.startswith("  rekey "):  # an example is one command, to be copied
                    self.assertLessEqual(len(line), 100, line)


class Errors(Golden):
    def test_usage(self):
        missing = ["--store", "lmdb:nowhere"]
        self.assert_golden("errors_usage", self.transcript([
            [], ["plam"], ["--stroe"], ["plan"], ["plan", "SPEC"], ["plan", "SPEC", "--stroe", "x"],
            ["plan", "SPEC", "more", *missing], ["plan", "SPEC", "--store", "nowhere"],
            ["plan", "SPEC", "--store", "etcd:x"], ["audit", "--cluster", "nodes.yaml"],
            ["run", "PLAN", *missing, "--until", "flip"],
            ["run", "PLAN", *missing, "--workers", "x"],
            ["seed", "SPEC", *missing, "--tenants", "0", "--records", "1"],
            ["flip", *missing, "--tier", "canari"], ["status", "--json", "--json", *missing],
            ["contract", *missing],
        ]))

    def test_before_a_migration(self):
        spec = self.spec()
        self.seed(spec)
        store = ["--store", self.store]
        nowhere = ["--store", "lmdb:" + self.path("nowhere")]
        self.assert_golden("errors_before", self.transcript([
            ["plan", spec, *nowhere], ["status", *nowhere], ["status", *store], ["flip", *store],
            ["get", *SCOPE, "--id", "contract_id=c", *store],
            ["plan", self.path("none.yaml"), *store], ["show", self.path("none.json")],
            ["show", spec], ["lint", self.path("none.yaml")],
        ]))

    def test_during_a_migration(self):
        spec = self.spec()
        self.seed(spec)
        plan = self.plan(spec)
        self.on_store("register", spec)
        store = ["--store", self.store]
        self.assert_golden("errors_during", self.transcript([
            ["flip", *store], ["contract", *store, "--confirm", "another"],
            ["plan", self.spec("move"), *store],
            ["get", *SCOPE, "--id", "contract_id=", *store],
            ["get", *SCOPE, "--id", "contract_id=a#b", *store],
            ["get", *SCOPE, "--id", "contract_id=" + "x" * 500, *store],
            ["get", *SCOPE, "--id", "contrct_id=c", *store],
            ["get", *SCOPE, *store], ["put", *SCOPE, "--id", "contract_id=c", *store, "{"],
            ["run", plan, *store, "--until", "backfilled"], ["flip", *store],
        ]))


class Reports(Golden):
    @each_strategy
    def test_a_whole_migration(self, strategy):
        spec = self.spec(strategy)
        self.on_store("seed", spec, "--tenants", 4, "--records", 200)
        plan = self.path("plan.json")
        store = ["--store", self.store]
        migration = os.path.basename(spec).removesuffix(".yaml")
        self.assert_golden("migration_" + strategy.replace("-", "_"), self.transcript([
            ["plan", spec, *store, "-o", plan], ["show", plan],
            ["run", plan, *store], ["status", *store], ["verify", *store, "--isolation"],
            ["quarantine", *store], ["flip", *store], ["rollback", *store],
            ["run", plan, *store], ["plan", spec, *store, "-o", plan],
            ["run", plan, *store, "--until", "flipped"],
            ["contract", *store, "--confirm", migration], ["audit", *store, "--verify"],
        ]))

    def test_quarantine_and_differences(self):
        spec = self.spec()
        self.seed(spec, tenants=3, records=60)
        with self.foreign() as env:
            env.put("platform_data", [
                (b"TENANT#synthetic-1#CONTRACT#bad", b"{"),
                (b"TENANT#synthetic-1#LINEITEM#orphan", b'{"contract_id":"none"}'),
                (b"TENANT#synthetic-1#CONTRACT#odd", b'{"capsule_id":"ODD"}'),
                (b"not\x1b[31mours\xff", b""),
            ])
        plan = self.path("plan.json")
        store = ["--store", self.store]
        before = self.transcript([["plan", spec, *store, "-o", plan], ["run", plan, *store],
                                  ["quarantine", *store], ["flip", *store]])
        key = next(k for k in self.dump()["platform_data"].records() if b"#CAPSULE#" in k)
        with self.foreign() as env:
            env.delete("platform_data", [key])
        after = self.transcript([["verify", *store], ["run", plan, *store]])
        self.assert_golden("quarantine", before + "\n" + after)


class Lint(Golden):
    """Each spec in tests/golden/lint: findings on the lines that end in `# <-`, and their words."""

    def specs(self):
        return sorted(name for name in os.listdir(LINT) if name.endswith(".yaml"))

    @staticmethod
    def marked_lines(path):
        with open(path, encoding="utf-8") as file:
            return {n for n, line in enumerate(file, 1) if line.rstrip().endswith("# <-")}

    def test_lines_and_words(self):
        for name in self.specs():
            with self.subTest(name):
                path = os.path.join(LINT, name)
                text = self.scene(["lint", path])
                self.assert_lines(path)
                self.assert_golden(os.path.join("lint", name.removesuffix(".yaml")), text)

    def assert_lines(self, path):
        result = self.rekey("lint", path, code=None)
        marked = self.marked_lines(path)
        if path.endswith("_good.yaml"):
            self.assertEqual(DONE, result.code, str(result))
            return
        self.assertEqual(BAD_SPEC, result.code, str(result))
        found = re.findall(rf"(?m)^{re.escape(path)}:(\d+):(\d+): \S", result.err)
        self.assertTrue(found, str(result))
        self.assertTrue(all(int(column) > 0 for _, column in found), str(result))
        if marked:
            self.assertEqual(marked, {int(line) for line, _ in found}, str(result))

    def test_too_large(self):
        name = "202601010010_large"
        path = self.write_spec(name, f"migration: {name}\n" + "# filler\n" * 130000)
        result = self.rekey("lint", path, code=BAD_SPEC)
        self.assertRegex(result.err, rf"(?m)^{re.escape(path)}:1:1: ")

    def test_shipped_specs_are_good(self):
        for name in sorted(os.listdir(os.path.join(ROOT, "specs"))):
            if name.endswith(".yaml"):
                with self.subTest(name):
                    self.rekey("lint", os.path.join(ROOT, "specs", name))


class Streams(Golden):
    """Data on stdout, messages on stderr, colour only on a terminal."""

    def test_no_colour_off_a_terminal(self):
        spec = self.spec()
        self.seed(spec)
        for words in (["--help"], ["plan", spec, "--store", self.store], ["plam"]):
            result = self.rekey(*words, code=None)
            self.assertNotIn("\x1b", result.out + result.err)

    def test_json_is_all_there_is_on_stdout(self):
        spec = self.spec()
        self.seed(spec)
        plan = self.path("plan.json")
        for words in (["plan", spec, "-o", plan], ["run", plan], ["status"], ["verify"],
                      ["quarantine"], ["audit"], ["inspect"], ["flip"], ["rollback"]):
            with self.subTest(words[0]):
                result = self.on_store(*words, "--json")
                self.assertEqual(1, len(result.out.splitlines()))
                self.assertIsInstance(result.json(), dict)

    def test_json_of_a_verification_that_is_not_clean(self):
        """The numbers are there, and so is the exit code."""
        spec = self.spec()
        self.seed(spec)
        self.run_plan(self.plan(spec))
        key = next(k for k in self.dump()["platform_data"].records() if b"#CAPSULE#" in k)
        with self.foreign() as env:
            env.delete("platform_data", [key])
        report = self.on_store("verify", "--json", code=NOT_CLEAN).json()
        self.assertFalse(report["clean"])
        self.assertEqual({"migration", "clean", "entities", "indexes", "orphans",
                          "isolation_violations", "differences", "quarantined",
                          "samples"}, set(report))
        self.assertEqual({"name", "old", "new", "matched", "missing", "mismatched", "extra",
                          "shadowed"}, set(report["entities"][0]))
        self.assertEqual({"name", "expected", "present", "missing", "extra"},
                         set(report["indexes"][0]))
        self.assertEqual({"entity", "key", "problem"}, set(report["samples"][0]))

    def test_json_of_status(self):
        spec = self.spec()
        self.seed(spec)
        self.run_plan(self.plan(spec))
        status = self.status()
        self.assertLessEqual({"migration", "phase", "epoch", "tiers", "entities", "quarantined",
                              "running", "last_verify", "stopped_by"}, set(status))
        self.assertEqual({"name", "done", "total"}, set(status["entities"][0]))
        self.assertIsNone(status["stopped_by"])
        self.assertEqual({"clean", "stale"}, set(status["last_verify"]))


if __name__ == "__main__":
    unittest.main()
