"""What bad input gets: one line with the cause, the right exit code, and nothing changed."""
import os
import shutil
import subprocess
import unittest

from rekeytest import (
    BAD_SPEC, DUAL_WRITE, FAILED, MOVE, NOT_CLEAN, STALE_PLAN, USAGE, Case, ForeignEnv, program,
    shipped_spec,
)

RECORDS_TABLE = "platform_data"
NOBODY = 65534


class NoSuchStore(Case):
    def commands(self):
        spec = shipped_spec(DUAL_WRITE)
        record = ("--tenant", "t", "--capsule", "PRODUS", "--entity", "Contract")
        return [
            ("inspect",), ("plan", spec), ("status",), ("verify",), ("flip",), ("rollback",),
            ("contract", "--confirm", DUAL_WRITE), ("quarantine",), ("audit",), ("register", spec),
            ("get", *record, "--id", "contract_id=c"), ("list", *record),
        ]

    def test_a_missing_folder(self):
        for words in self.commands():
            with self.subTest(words[0]):
                result = self.on_store(*words, code=FAILED)
                self.assert_refused(result, self.store_folder)
                self.assertFalse(os.path.exists(self.store_folder), "the folder was made")

    def test_run_with_a_missing_folder(self):
        spec = self.spec()
        self.seed(spec)
        plan = self.plan(spec)
        self.store_folder = self.path("elsewhere")
        self.assert_refused(self.run_plan(plan, code=FAILED), "elsewhere")
        self.assertFalse(os.path.exists(self.store_folder))

    def test_an_empty_folder(self):
        os.makedirs(self.store_folder)
        for words in self.commands():
            with self.subTest(words[0]):
                self.assert_refused(self.on_store(*words, code=FAILED), self.store_folder)
                self.assertNotIn("data.mdb", os.listdir(self.store_folder))

    def test_a_name_without_its_kind(self):
        result = self.rekey("status", "--store", self.path("store"), code=USAGE)
        self.assert_refused(result, "did you mean lmdb:")
        result = self.rekey("status", "--store", "etcd:there", code=USAGE)
        self.assert_refused(result, "etcd")


class OtherShapes(Case):
    def refused(self, code, *fragments, words=None):
        with self.unchanged():
            result = self.on_store(*(words or ("plan", shipped_spec(DUAL_WRITE))), code=code)
        self.assert_refused(result, *fragments)

    def write_garbage(self, garbage):
        os.makedirs(self.store_folder, exist_ok=True)
        with open(os.path.join(self.store_folder, "data.mdb"), "wb") as file:
            file.write(garbage)

    def test_no_lmdb_file(self):
        for garbage in (b"this is no database" * 1000, b"\0" * 8192):
            self.write_garbage(garbage)
            for words in (None, ("inspect",), ("status",)):
                with self.subTest(garbage=garbage[:4], words=words):
                    self.refused(FAILED, self.store_folder, words=words)

    def test_no_such_database(self):
        with self.foreign() as env:
            env.put("another", [(b"k", b"v")])
        self.refused(BAD_SPEC, RECORDS_TABLE)
        self.refused(BAD_SPEC, RECORDS_TABLE, words=("register", shipped_spec(DUAL_WRITE)))

    def test_records_in_sorted_sets(self):
        with self.foreign() as env:
            env.put(RECORDS_TABLE, [(b"k", b"v")], dupsort=True)
        self.refused(BAD_SPEC, RECORDS_TABLE)

    def test_an_index_of_single_values(self):
        with self.foreign() as env:
            env.put(RECORDS_TABLE, [(b"TENANT#t#CONTRACT#c", b"{}")])
            env.put("gsi1", [(b"k", b"v")])
        self.refused(BAD_SPEC, "gsi1")

    def test_nothing_registered(self):
        self.seed(self.spec())
        for words in (("status",), ("verify",), ("flip",), ("rollback",), ("quarantine",),
                      ("audit",), ("contract", "--confirm", DUAL_WRITE)):
            with self.subTest(words[0]):
                self.refused(BAD_SPEC, "registered", words=words)


class AnotherMigration(Case):
    def setUp(self):
        super().setUp()
        self.mine = self.spec("dual-write")
        self.other = self.spec("move")
        self.seed(self.mine)

    def test_register_and_plan(self):
        self.on_store("register", self.mine)
        for command in ("register", "plan"):
            with self.subTest(command), self.unchanged():
                result = self.on_store(command, self.other, code=BAD_SPEC)
                self.assert_refused(result, DUAL_WRITE, MOVE)

    def test_run(self):
        plan = self.plan(self.other)
        self.on_store("register", self.mine)
        with self.unchanged():
            self.assert_refused(self.run_plan(plan, code=STALE_PLAN))

    def test_another_text_after_the_start(self):
        """The registered spec may change in phase old only."""
        self.run_plan(self.plan(self.mine), "--until", "backfilled")
        changed = self.spec("dual-write", quarantine_max=7)
        with self.unchanged():
            self.on_store("register", changed, code=BAD_SPEC)


class Plans(Case):
    def setUp(self):
        super().setUp()
        self.spec_path = self.spec()
        self.seed(self.spec_path)
        self.plan_path = self.plan(self.spec_path)
        with open(self.plan_path, "rb") as file:
            self.plan_bytes = file.read()

    def refused(self, content, code=STALE_PLAN):
        path = self.path("bad.json")
        with open(path, "wb") as file:
            file.write(content)
        with self.unchanged():
            self.assert_refused(self.run_plan(path, code=code), "bad.json")
        self.assert_refused(self.rekey("show", path, code=code), "bad.json")

    def test_truncated(self):
        for length in (0, 1, len(self.plan_bytes) // 2, len(self.plan_bytes) - 3):
            with self.subTest(length=length):
                self.refused(self.plan_bytes[:length])

    def test_altered(self):
        self.refused(self.plan_bytes.replace(b"PRODUS", b"PRODXX", 1))
        self.refused(self.plan_bytes.replace(b'"records": ', b'"records": 1', 1))

    def test_no_plan_at_all(self):
        self.refused(b"{}")
        self.refused(b"[1, 2")
        self.refused(b'{"format": "another tool\'s"}')
        self.refused(bytes(range(256)))

    def test_missing(self):
        with self.unchanged():
            self.assert_refused(self.run_plan(self.path("none.json"), code=FAILED), "none.json")


class Records(Case):
    VALUES = [
        b"", b"null", b"[]", b"{", b'{"capsule_id":"PRODUS"', b'{"a":1,}', b"{'a':1}", b"\xff\xfe",
        b'{"a":"\xff"}', b'{"capsule_id":"PRODUS","capsule_id":"DEVUS"}', b'{"capsule_id":1}',
        b'{"account_id":{}}', b'{"account_id":"a#b"}', b'{"account_id":""}', b'{"a":01}',
        b'{"a":"\n"}', b'{} {}', b"[" * 100000,
    ]

    def test_values_that_are_not_json(self):
        """Quarantined, counted, never touched; the flip says no."""
        spec = self.spec()
        with self.foreign() as env:
            good = [(b"TENANT#t#CONTRACT#good-%d" % i, b"{}") for i in range(50)]
            bad = [(b"TENANT#t#CONTRACT#bad-%d" % i, v) for i, v in enumerate(self.VALUES)]
            env.put(RECORDS_TABLE, good + bad)
            env.put("gsi1", [], dupsort=True)
        original = self.dump()
        plan = self.path("plan.json")
        summary = self.on_store("plan", spec, "--json", "-o", plan).json()
        self.assertEqual(len(self.VALUES), summary["quarantine"]["bad_value"])
        self.run_plan(plan)
        checker = self.check(spec, "backfilled", original)
        self.assertEqual({"bad_value": len(self.VALUES)}, checker.reasons())
        self.assert_refused(self.flip(code=NOT_CLEAN), "quarantine")

    def test_no_value_in_a_message(self):
        spec = self.spec()
        with self.foreign() as env:
            env.put(RECORDS_TABLE, [(b"TENANT#t#CONTRACT#c", b'{"secret-of-mine":'),
                                    (b"TENANT#t#CONTRACT#d", b'{"account_id":"secret-of-mine#"}')])
        plan = self.plan(spec)
        results = [
            self.on_store("plan", spec), self.on_store("run", plan), self.on_store("quarantine"),
            self.on_store("verify", code=None), self.on_store("audit"), self.on_store("inspect"),
        ]
        for result in results:
            self.assertNotIn("secret-of-mine", result.out + result.err)


class ReadOnlyFolder(Case):
    """As somebody who may not write there; root may write everywhere, so it steps down."""

    def setUp(self):
        super().setUp()
        self.spec_path = self.spec()
        self.seed(self.spec_path)
        self.plan_path = self.plan(self.spec_path)
        self.on_store("register", self.spec_path)
        self.lock_up()

    def lock_up(self):
        os.chmod(self.folder, 0o755)
        os.chmod(self.path("specs"), 0o755)
        os.remove(os.path.join(self.store_folder, "lock.mdb"))
        os.chmod(os.path.join(self.store_folder, "data.mdb"), 0o444)
        os.chmod(self.store_folder, 0o555)
        self.addCleanup(os.chmod, self.store_folder, 0o755)
        self.who = {}
        if os.geteuid() == 0:
            self.who = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            # The build folder may be closed to others.
            copy = shutil.copy(program(), self.path("rekey"))
            os.chmod(copy, 0o755)
            self.who["executable"] = copy

    def test_writing(self):
        for words in (("run", self.plan_path), ("flip",), ("rollback",),
                      ("register", self.spec_path)):
            with self.subTest(words[0]), self.unchanged():
                result = self.on_store(*words, code=None, **self.who)
                self.assertIn(result.code, (FAILED,), str(result))
                self.assert_refused(result, self.store_folder)

    def test_seeding_into_it(self):
        result = self.rekey("seed", self.spec_path, "--store", self.store + "/below",
                            "--tenants", 1, "--records", 10, code=FAILED, **self.who)
        self.assert_refused(result, "below")


class Usage(Case):
    CASES = [
        ([], "command"),
        (["plam"], "did you mean `rekey plan`"),
        (["--plan"], "unknown option"),
        (["plan"], "missing"),
        (["plan", "SPEC", "--stroe", "lmdb:x"], "did you mean --store"),
        (["run", "PLAN", "--store", "lmdb:x", "--until", "flippd"], "flipped"),
        (["run", "PLAN", "--store", "lmdb:x", "--workers", "0"], "workers"),
        (["run", "PLAN", "--store", "lmdb:x", "--workers", "-1"], "workers"),
        (["run", "PLAN", "--store"], "needs a value"),
        (["run", "PLAN", "--store", "lmdb:x", "--store", "lmdb:y"], "twice"),
        (["flip", "--store", "lmdb:x", "--tier", "canari"], "canary"),
        (["seed", "SPEC", "--store", "lmdb:x", "--tenants", "0", "--records", "1"], "tenants"),
        (["seed", "SPEC", "--store", "lmdb:x", "--tenants", "1e3", "--records", "1"], "number"),
        (["status", "--store", "lmdb:"], "folder"),
        (["contract", "--store", "lmdb:x"], "--confirm"),
    ]

    def test_exit_64(self):
        for words, fragment in self.CASES:
            with self.subTest(" ".join(words)):
                result = self.rekey(*words, code=USAGE)
                self.assertEqual("", result.out)
                self.assertTrue(result.err.startswith("rekey: "), str(result))
                self.assertIn(fragment, result.err)

    def test_help_is_no_error(self):
        for words in (["--help"], ["help"], ["help", "plan"], ["plan", "--help"], ["run", "-h"]):
            with self.subTest(" ".join(words)):
                result = self.rekey(*words)
                self.assertTrue(result.out.startswith("Examples"), str(result))
                self.assertEqual("", result.err)

    def test_a_closed_stdout(self):
        """What could not be printed is a failure, not a success."""
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full here")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([program(), "--help"], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(FAILED, done.returncode)


class Specs(Case):
    def test_missing(self):
        result = self.rekey("lint", self.path("202601010000_none.yaml"), code=FAILED)
        self.assert_refused(result, "202601010000_none.yaml")

    def test_a_bad_spec_everywhere(self):
        """Whoever reads a spec applies the same rules."""
        path = self.write_spec("202601010000_bad", "migration: 202601010000_bad\nwhat: is this\n")
        self.seed(self.spec())
        for words in (("plan", path), ("register", path)):
            with self.subTest(words[0]), self.unchanged():
                result = self.on_store(*words, code=BAD_SPEC)
                self.assertRegex(result.err, rf"(?m)^{path}:2:1: ")
        self.store_folder = self.path("never-made")
        self.on_store("seed", path, "--tenants", 1, "--records", 1, code=BAD_SPEC)
        self.assertFalse(os.path.exists(self.store_folder))


class BothAreThere(Case):
    def test_a_store_of_another_program_in_use(self):
        """Another process may hold the environment open; ours still reads and plans."""
        spec = self.spec()
        self.seed(spec)
        with ForeignEnv(self.store_folder):
            result = self.on_store("plan", spec)
        self.assertIn(DUAL_WRITE, result.out)


if __name__ == "__main__":
    unittest.main()
