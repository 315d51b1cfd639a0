"""An environment that another program wrote, its own data beside ours, and reads afterwards."""
import json
import subprocess
import unittest

import lmdb

from rekeytest import Case, each_strategy

import dump  # noqa: E402  (rekeytest knows where it is)

OURS = "platform_data"
INDEX = "gsi1"
FOREIGN_KEYS = [
    (b"TENANT", b"only a word"),
    (b"TENANT#", b"an empty variable"),
    (b"TENANT#acme#CONTRACT#a#b", b"an id with a delimiter"),
    (b"tenant#acme#CONTRACT#a", b"another case"),
    (b"\x00\x01\x02", b"\xff" * 300),
    (b"~" * 511, b"the longest key there is"),
]
UNNAMED = [(b"config", b"of the other program"), (b"\xff\xff", b"\x00")]
OTHER_TABLES = {
    "sessions": (False, [(b"TENANT#acme#CONTRACT#c-1", b"looks like ours"), (b"s", b"")]),
    "tags": (True, [(b"t", b"1"), (b"t", b"2"), (b"TENANT#acme#CONTRACT#c-1", b"x")]),
    "empty": (False, []),
}
FOREIGN_ENTRIES = [(b"CAPSULE#PRODUS#ACCOUNT#a-1", b"somebody else's"), (b"\x01", b"\x02")]


def our_records():
    """Two tenants in two capsules, a child and a grandchild each, and one in the default's."""
    records, entries = [], []
    for tenant, capsule in (("acme", "PRODUS"), ("synthetic-1", "DEVUS")):
        for number in range(60):
            records += family(tenant, capsule, number)
            entries += family_entries(tenant, capsule, number)
    return records, entries


def family(tenant, capsule, number):
    contract = {"account_id": f"a-{number % 7}"}
    if capsule != "PRODUS":
        contract["capsule_id"] = capsule
    return [
        (f"TENANT#{tenant}#CONTRACT#c-{number}", json.dumps(contract)),
        (f"TENANT#{tenant}#LINEITEM#l-{number}",
         json.dumps({"contract_id": f"c-{number}", "product_id": number})),
        (f"TENANT#{tenant}#SCHEDULE#s-{number}", json.dumps({"line_item_id": f"l-{number}"})),
    ]


def family_entries(tenant, capsule, number):
    return [
        (f"CAPSULE#{capsule}#ACCOUNT#a-{number % 7}", f"TENANT#{tenant}#CONTRACT#c-{number}"),
        (f"CAPSULE#{capsule}#PRODUCT#{number}", f"TENANT#{tenant}#LINEITEM#l-{number}"),
    ]


def as_bytes(pairs):
    return [(key.encode(), value.encode()) for key, value in pairs]


class Foreign(Case):
    def write(self, database):
        records, entries = our_records()
        with self.foreign() as env:
            env.put(database, as_bytes(records) + FOREIGN_KEYS)
            env.put(INDEX, as_bytes(entries) + FOREIGN_ENTRIES, dupsort=True)
            env.put("", UNNAMED)
            for name, (dupsort, pairs) in OTHER_TABLES.items():
                env.put(name, pairs, dupsort=dupsort)
        return self.dump()

    def assert_foreign_untouched(self, before, unnamed_is_ours=False):
        after = self.dump()
        for name in OTHER_TABLES:
            self.assertEqual(before[name], after[name])
        mine = after[""].records()
        self.assertLessEqual(set(UNNAMED), set(mine.items()))
        if not unnamed_is_ours:
            self.assertEqual(before[""], after[""])
        self.assertLessEqual(set(FOREIGN_ENTRIES), set(after[INDEX].entries))
        return after

    def assert_clean(self):
        """LMDB's own tool walks all of it without a complaint."""
        done = subprocess.run(["mdb_stat", "-a", "-e", "-f", self.store_folder],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual((0, ""), (done.returncode, done.stderr), done.stdout)
        for name in OTHER_TABLES:
            self.assertIn(f"Status of {name}", done.stdout)

    def migrate(self, spec, database, original):
        unmatched = len(FOREIGN_KEYS) + (len(UNNAMED) if database == "" else 0)
        plan = self.path("plan.json")
        summary = self.on_store("plan", spec, "-o", plan, "--json").json()
        self.assertEqual(unmatched, summary["unmatched"])
        self.assertEqual(unmatched, summary["quarantine"]["unmatched"])
        self.run_plan(plan)
        self.checked(spec, "backfilled", original, database)
        self.flip()
        self.checked(spec, "flipped", original, database)
        self.rollback()
        self.checked(spec, "old", original, database)
        self.assert_same_records(original, spec)
        self.run_plan(self.plan(spec, "again.json"), "--until", "done")
        self.checked(spec, "done", original, database)

    def checked(self, spec, phase, original, database):
        self.check(spec, phase, original)
        after = self.assert_foreign_untouched(original, unnamed_is_ours=database == "")
        self.assertLessEqual(set(FOREIGN_KEYS), set(after[database].entries))
        self.assert_clean()

    @each_strategy
    def test_a_named_database(self, strategy):
        spec = self.spec(strategy, quarantine_max=100)
        self.migrate(spec, OURS, self.write(OURS))

    @each_strategy
    def test_the_unnamed_database(self, strategy):
        """Where the names of the others stand as keys; they are no records."""
        spec = self.spec(strategy, quarantine_max=100, database='""')
        self.migrate(spec, "", self.write(""))

    def test_written_again_by_the_other_program(self):
        """After the migration python3-lmdb writes, reads and deletes there as before."""
        spec = self.spec("dual-write", quarantine_max=100)
        self.write(OURS)
        self.run_plan(self.plan(spec), "--until", "flipped")
        with self.foreign() as env:
            env.put(OURS, [(b"TENANT#more", b"foreign")])
            env.put("sessions", [(b"new", b"one")])
            env.delete("sessions", [b"s"])
        self.assertIn((b"new", b"one"), self.dump()["sessions"].entries)
        self.on_store("verify")
        self.assert_clean()

    def test_a_reader_of_the_other_program(self):
        """A long read transaction of another process keeps its snapshot through a whole run."""
        spec = self.spec("move", quarantine_max=100)
        original = self.write(OURS)
        plan = self.plan(spec)
        env = lmdb.open(self.store_folder, max_dbs=16, map_size=1 << 28)
        try:
            table = env.open_db(OURS.encode(), create=False)
            with env.begin(db=table) as txn:
                self.run_plan(plan)
                seen = [(bytes(k), bytes(v)) for k, v in txn.cursor()]
            self.assertEqual(original[OURS].entries, seen)
        finally:
            env.close()
        self.check(spec, "backfilled", original)

    def test_dead_readers_do_not_stay(self):
        """A slot of a killed reader would pin pages for ever."""
        spec = self.spec("dual-write", quarantine_max=100)
        self.write(OURS)
        child = ("import lmdb, os, signal, sys\n"
                 "env = lmdb.open(sys.argv[1], max_dbs=16)\n"
                 "txn = env.begin()\n"
                 "os.kill(os.getpid(), signal.SIGKILL)\n")
        subprocess.run(["/usr/bin/python3", "-c", child, self.store_folder], check=False)
        self.run_plan(self.plan(spec))
        env = lmdb.open(self.store_folder, max_dbs=16)
        try:
            self.assertEqual(0, env.reader_check())
        finally:
            env.close()


class Sizes(Case):
    def test_a_map_as_small_as_the_data(self):
        """The other program made the map just large enough; ours grows it by itself."""
        spec = self.spec("dual-write", quarantine_max=100)
        records, entries = our_records()
        with self.foreign(map_size=1 << 19) as env:
            env.put(OURS, as_bytes(records))
            env.put(INDEX, as_bytes(entries), dupsort=True)
        original = self.dump()
        self.run_plan(self.plan(spec), "--until", "flipped")
        self.check(spec, "flipped", original)

    def test_large_values(self):
        """Values far beyond a page keep every byte."""
        spec = self.spec("move")
        filler = "x" * 1_000_000
        value = json.dumps({"account_id": "a", "filler": filler}, indent=2)
        with self.foreign() as env:
            env.put(OURS, as_bytes([(f"TENANT#t#CONTRACT#{i}", value) for i in range(5)]))
            entries = [("CAPSULE#PRODUS#ACCOUNT#a", f"TENANT#t#CONTRACT#{i}") for i in range(5)]
            env.put(INDEX, as_bytes(entries), dupsort=True)
        original = self.dump()
        self.run_plan(self.plan(spec), "--until", "flipped")
        self.check(spec, "flipped", original)
        self.rollback()
        self.assert_same_records(original, spec)

    def test_an_empty_database(self):
        spec = self.spec("dual-write")
        with self.foreign() as env:
            env.put(OURS, [])
        original = self.dump()
        self.run_plan(self.plan(spec), "--until", "done")
        self.assertEqual([], self.dump()[OURS].entries)
        self.assertEqual({}, dump.without_meta(original)[OURS].records())


if __name__ == "__main__":
    unittest.main()
