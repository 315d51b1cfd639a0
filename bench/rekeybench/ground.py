"""What the contestants of one scenario start from: the same data, its plans, the right result."""
import functools
import json
from dataclasses import dataclass

from .process import Failure, run
from .site import (DUAL_WRITE, DUAL_WRITE_INDEX, INDEX, MOVE, MOVE_INDEX, TABLE, fresh_copy)

SPECS = {("move", False): MOVE, ("move", True): MOVE_INDEX,
         ("dual-write", False): DUAL_WRITE, ("dual-write", True): DUAL_WRITE_INDEX}


@dataclass(frozen=True)
class Sizes:
    records: int
    value_bytes: int
    tenants: int
    seed: int


def seed(site, spec, store, sizes):
    run(site.rekey, "seed", spec, "--store", "lmdb:" + store, "--tenants", sizes.tenants,
        "--records", sizes.records, "--value-bytes", sizes.value_bytes, "--seed", sizes.seed)


class Ground:
    """Records at old keys, of a migration with one strategy, with an index or without one."""

    def __init__(self, site, name, strategy, index, sizes):
        self.site = site
        self.name = name
        self.sizes = sizes
        self.index = index
        self.migration = SPECS[strategy, index]
        self.keeps = strategy == "dual-write"
        self.tables = [TABLE, INDEX] if index else [TABLE]
        self.base = site.path(name + ".base")
        seed(site, site.spec(self.migration), self.base, sizes)
        site.expect_counts("seed", self.base, (sizes.records, 0, 0))

    @functools.cache
    def plan(self, hold_ms=None):
        path = self.site.path(f"{self.name}-{hold_ms}.plan")
        run(self.site.rekey, "plan", self.site.spec(self.migration, hold_ms), "--store",
            "lmdb:" + self.base, "-o", path)
        return path

    @functools.cached_property
    def capsules(self):
        """How many records each capsule has."""
        return json.loads(run(self.site.program("bench/bare_scan"), self.base, TABLE,
                              "--capsules"))["capsules"]

    def bare_words(self):
        """What tells the bare programs of this migration."""
        return (["--index", INDEX] if self.index else []) + (["--keep"] if self.keeps else [])

    @functools.cached_property
    def reference(self):
        """The store that the bare loop makes, once and in its own time: every result is compared
        with it byte for byte."""
        store = fresh_copy(self.base, self.site.path(self.name + ".reference"))
        run(self.site.program("bench/bare_move"), store, TABLE, *self.bare_words())
        self.site.expect_counts("bare", store, self.moved())
        return store

    @functools.cached_property
    def finished(self):
        """What rekey makes of it, once and in its own time."""
        store = fresh_copy(self.base, self.site.path(self.name + ".finished"))
        run(self.site.rekey, "run", self.plan(), "--store", "lmdb:" + store, "--until",
            "backfilled")
        self.expect_moved("rekey", store)
        return store

    def moved(self):
        """Old, new and other records when all is done."""
        return (self.sizes.records if self.keeps else 0, self.sizes.records, 0)

    def expect_moved(self, who, store, tables=None):
        self.site.expect_counts(who, store, self.moved())
        self.site.expect_same(who, store, self.reference, tables or self.tables)


class Flipped:
    """A dual write whose reads use the new keys: what `contract` starts from."""

    def __init__(self, site, name, index, sizes):
        self.site = site
        self.name = name
        self.ground = Ground(site, name, "dual-write", index, sizes)
        self.sizes = sizes
        self.migration = self.ground.migration

    @functools.cache
    def base(self, hold_ms=None):
        store = fresh_copy(self.ground.base, self.site.path(f"{self.name}-{hold_ms}.flipped"))
        run(self.site.rekey, "run", self.ground.plan(hold_ms), "--store", "lmdb:" + store,
            "--until", "flipped")
        self.ground.expect_moved("run", store)
        return store

    def bare_words(self):
        return ["--index", INDEX] if self.ground.index else []

    @functools.cached_property
    def reference(self):
        store = fresh_copy(self.base(), self.site.path(self.name + ".contracted"))
        run(self.site.program("bench/bare_delete"), store, TABLE, *self.bare_words())
        self.site.expect_counts("bare", store, (0, self.sizes.records, 0))
        return store

    def expect_contracted(self, who, store):
        self.site.expect_counts(who, store, (0, self.sizes.records, 0))
        self.site.expect_same(who, store, self.reference, self.ground.tables)


def expect_changes(who, result, wanted):
    if result["changes"] != wanted:
        raise Failure(f"{who}: wrong result: {result['changes']} changes, and {wanted} are right")
