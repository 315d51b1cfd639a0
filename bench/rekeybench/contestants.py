"""Those who do the same work on the same data. Each checks its result before its time counts."""
import json
import os

from .ground import expect_changes
from .process import Failure, need, run, run_watched
from .site import BENCH, TABLE, fresh_copy, remove
from .measure import Turn

LONG_MS = 50  # a lock_hold_ms whose transactions are about as long as the bare loop's
PYTHON = "/usr/bin/python3"


class Contestant:
    """`series` and `at` are for sweeps: a line of the picture, and the place on its axis."""
    unit = "records/s"

    def __init__(self, ground, name, series=None, at=None):
        self.ground = ground
        self.site = ground.site
        self.name = name
        self.series = series or name
        self.at = at

    def turn(self):
        raise NotImplementedError

    def copy(self):
        return fresh_copy(self.ground.base, self.site.path("turn"))

    def rated(self, seconds, records=None, rss_kib=None, at=None):
        """The turn's end: its store goes."""
        remove(self.site.path("turn"))
        return Turn(seconds, (records or self.ground.sizes.records) / seconds, rss_kib, at)


# --- the move -------------------------------------------------------------------------------------


class RekeyRun(Contestant):
    def __init__(self, ground, name, hold_ms=None, workers=None, **place):
        super().__init__(ground, name, **place)
        self.hold_ms = hold_ms
        self.workers = ["--workers", workers] if workers else []

    def turn(self):
        plan = self.ground.plan(self.hold_ms)
        store = self.copy()
        done = run_watched(self.site.rekey, "run", plan, "--store", "lmdb:" + store, "--until",
                           "backfilled", "--json", *self.workers)
        result = json.loads(done.out)
        expect_changes(self.name, result, self.ground.sizes.records)
        self.ground.expect_moved(self.name, store)
        self.site.expect_clean(self.name, store)
        return self.rated(result["seconds"], rss_kib=done.rss_kib)


class BareMove(Contestant):
    """The loop that somebody would write by hand. Its place in a sweep of transaction lengths is
    what its transactions took in the mean."""

    def __init__(self, ground, name, batch=10000, placed_by_length=False, **place):
        super().__init__(ground, name, **place)
        self.batch = batch
        self.placed_by_length = placed_by_length

    def turn(self):
        store = self.copy()
        done = run_watched(self.site.program("bench/bare_move"), store, TABLE, "--batch",
                           self.batch, *self.ground.bare_words())
        result = json.loads(done.out)
        expect_changes(self.name, result, self.ground.sizes.records)
        self.ground.expect_moved(self.name, store)
        length_ms = 1000 * result["seconds"] / result["transactions"]
        return self.rated(result["seconds"], rss_kib=done.rss_kib,
                          at=length_ms if self.placed_by_length else None)


class OneByOne(Contestant):
    """One transaction a record, of some records: of all of them it would take minutes. The bare
    loop moves the rest, out of the time, so that the result can be compared."""
    RECORDS_MAX = 5000

    def __init__(self, ground, name, placed_by_length=False, **place):
        super().__init__(ground, name, **place)
        self.count = min(self.RECORDS_MAX, ground.sizes.records)
        self.placed_by_length = placed_by_length

    def turn(self):
        store = self.copy()
        loop = self.site.program("bench/bare_move")
        words = self.ground.bare_words()
        done = run_watched(loop, store, TABLE, "--batch", 1, "--most", self.count, *words)
        result = json.loads(done.out)
        expect_changes(self.name, result, self.count)
        run(loop, store, TABLE, *words)
        self.ground.expect_moved(self.name, store)
        return self.rated(result["seconds"], self.count, done.rss_kib,
                          1000 * result["seconds"] / self.count if self.placed_by_length else None)


class DumpAndLoad(Contestant):
    """mdb_dump, awk, mdb_load into a new store: the application would have to stand still."""

    def __init__(self, ground, name, **place):
        super().__init__(ground, name, **place)
        for program, package in (("mdb_dump", "lmdb-utils"), ("mdb_load", "lmdb-utils"),
                                 ("awk", "mawk")):
            need(program, package)

    def turn(self):
        store = self.site.path("turn")
        remove(store)
        os.mkdir(store)
        line = f'mdb_dump -p -s {TABLE} "$1" | awk -f "$2" | mdb_load -s {TABLE} "$3"'
        done = run_watched("sh", "-c", line, "sh", self.ground.base,
                           os.path.join(BENCH, "move.awk"), store)
        self.ground.expect_moved(self.name, store, [TABLE])
        return self.rated(done.seconds)


class PythonScript(Contestant):
    """python3-lmdb, ten thousand records a transaction."""

    def __init__(self, ground, name, **place):
        super().__init__(ground, name, **place)
        try:
            run(PYTHON, "-c", "import lmdb")
        except Failure:
            raise Failure("python has no lmdb; install the package python3-lmdb") from None

    def turn(self):
        store = self.copy()
        done = run_watched(PYTHON, os.path.join(BENCH, "lmdb_move.py"), store, TABLE)
        result = json.loads(done.out)
        expect_changes(self.name, result, self.ground.sizes.records)
        self.ground.expect_moved(self.name, store)
        return self.rated(result["seconds"], rss_kib=done.rss_kib)


# --- reading: the whole command, start and end included, of both sides ----------------------------


class RekeyPlan(Contestant):
    def turn(self):
        done = run_watched(self.site.rekey, "plan", self.site.spec(self.ground.migration),
                           "--store", "lmdb:" + self.ground.base, "--json")
        plan = json.loads(done.out)
        found = (plan["entities"][0]["records"],
                 plan["unmatched"] + sum(plan["quarantine"].values()), plan["capsules"])
        wanted = (self.ground.sizes.records, 0, self.ground.capsules)
        if found != wanted:
            raise Failure(f"{self.name}: wrong result: of {self.ground.base} the plan has {found} "
                          f"as records, records left alone, and capsules, and {wanted} are right")
        return self.rated(done.seconds, rss_kib=done.rss_kib)


class RekeyVerify(Contestant):
    """Of the finished dual write: old and new records, compared both ways."""

    def turn(self):
        done = run_watched(self.site.rekey, "verify", "--store", "lmdb:" + self.ground.finished,
                           "--json")
        result = json.loads(done.out)
        records = self.ground.sizes.records
        wanted = {"name": "Contract", "old": records, "new": records, "matched": records,
                  "missing": 0, "mismatched": 0, "extra": 0, "shadowed": 0}
        if not result["clean"] or result["entities"] != [wanted]:
            raise Failure(f"{self.name}: wrong result: of {self.ground.finished} it says "
                          f"{result['entities']}, and {wanted} is right")
        return self.rated(done.seconds, rss_kib=done.rss_kib)


class BareScan(Contestant):
    """A cursor over all records. With "--capsules" it finds each record's capsule, as a plan does;
    with "--hash" it hashes keys and values, as a comparison must read them."""

    def __init__(self, ground, name, store, wanted, *words):
        super().__init__(ground, name)
        self.store = store
        self.wanted = wanted
        self.words = words
        self.sums = None

    def turn(self):
        done = run_watched(self.site.program("bench/bare_scan"), self.store, TABLE, *self.words)
        result = json.loads(done.out)
        found = tuple(result[shape] for shape in ("old", "new", "other"))
        sums = (result["old_sum"], result["new_sum"])
        self.sums = self.sums or sums
        if found != self.wanted or sums != self.sums:
            raise Failure(f"{self.name}: wrong result: of {self.store} it saw {found} old, new and "
                          f"other records with the sums {sums}; {self.wanted} and {self.sums} "
                          "are right")
        return self.rated(done.seconds, rss_kib=done.rss_kib)


# --- contract -------------------------------------------------------------------------------------


class RekeyContract(Contestant):
    def __init__(self, ground, name, hold_ms=None):
        super().__init__(ground, name)
        self.hold_ms = hold_ms

    def turn(self):
        base = self.ground.base(self.hold_ms)
        store = fresh_copy(base, self.site.path("turn"))
        done = run_watched(self.site.rekey, "contract", "--store", "lmdb:" + store, "--confirm",
                           self.ground.migration, "--json")
        result = json.loads(done.out)
        expect_changes(self.name, result, self.ground.sizes.records)
        self.ground.expect_contracted(self.name, store)
        self.site.expect_clean(self.name, store)
        return self.rated(result["seconds"], rss_kib=done.rss_kib)


class BareDelete(Contestant):
    """`checks`: it looks at each new record first, as contract does."""

    def __init__(self, ground, name, checks=False):
        super().__init__(ground, name)
        self.words = ["--checked"] if checks else []

    def turn(self):
        store = fresh_copy(self.ground.base(), self.site.path("turn"))
        done = run_watched(self.site.program("bench/bare_delete"), store, TABLE, *self.words,
                           *self.ground.bare_words())
        result = json.loads(done.out)
        expect_changes(self.name, result, self.ground.sizes.records)
        self.ground.expect_contracted(self.name, store)
        return self.rated(result["seconds"], rss_kib=done.rss_kib)
