"""Planted histories: the checker finds each kind of wrong, and nothing in those that are right."""
import unittest

import checker
from history import Change, History, Phases, Read, Seed, Walk, Write
from register import KINDS

HERE, THERE = "PRODUS", "DEVUS"
TENANT = "synthetic-3"
ALICE = ("AccessEntity", TENANT, "a1")
BOB = ("AccessEntity", TENANT, "a2")
BEGIN, FLIP, BACK = 1000, 2000, 3000  # the phases below change at these times


def phases(strategy="dual-write", steps=("dual_write", "flipped")):
    """Old until BEGIN; each change takes ten ticks."""
    changes, before = [], "old"
    commands = {"dual_write": "run", "flipped": "flip", "old": "rollback"}
    for time, after in zip((BEGIN, FLIP, BACK), steps):
        changes.append(Change(time, time + 10, commands[after], {"production": before},
                              {"production": after}))
        before = after
    return Phases(strategy, changes)


class Planted(unittest.TestCase):
    def setUp(self):
        self.history = History(phases())
        self.tokens = 0

    # --- words of a history

    def write(self, verb, start, end, record=ALICE, capsule=HERE, status="ok", **more):
        token = None
        if "delete" not in verb:
            self.tokens += 1
            token = more.pop("token", f"w.{self.tokens}.0")
        hashes = frozenset((f"hash of {token}", f"completed {token}"))
        self.history.writes.append(
            Write("w", self.tokens, start, end, verb, record, capsule, token, hashes,
                  more.pop("index", "stays"), more.pop("expected", None), status))
        return token

    def put(self, start, end, **more):
        return self.write("put", start, end, **more)

    def delete(self, start, end, **more):
        return self.write("delete", start, end, **more)

    def read(self, start, end, token=None, record=ALICE, capsule=HERE, **more):
        self.history.reads.append(
            Read("r", more.get("sequence", 0), start, end, more.get("verb", "get"), record, capsule,
                 "ok" if token else "not_found", token, more.get("hash", f"hash of {token}")))

    def walk(self, start, end, rows=(), where=None, capsule=HERE, status="not_found"):
        rows = [(record, token, f"hash of {token}") for record, token in rows]
        self.history.walks.append(
            Walk("r", 0, start, end, ALICE[0], TENANT, capsule, where, status, rows))

    # --- judging

    def kinds(self):
        return {violation.kind for violation in checker.check(self.history).violations}

    def assert_finds(self, *kinds):
        self.assertEqual(set(kinds), self.kinds())

    def assert_right(self):
        found = checker.check(self.history).violations
        self.assertEqual([], [str(violation) for violation in found])


class Right(Planted):
    def test_one_after_the_other(self):
        first = self.put(10, 20)
        self.read(30, 40, first)
        second = self.put(50, 60)
        self.read(70, 80, second)
        self.delete(90, 100)
        self.read(110, 120)
        self.delete(130, 140, status="not_found")
        self.assert_right()

    def test_during_a_write_either(self):
        first = self.put(10, 20)
        second = self.put(30, 90)
        self.read(40, 50, first)
        self.read(60, 70, second)
        self.assert_right()

    def test_killed_write_may_have_landed(self):
        first = self.put(10, 20)
        second = self.put(30, 60, status="killed")
        self.read(70, 80, first)
        self.read(90, 100, first)
        self.put(110, 120, record=BOB)
        self.assert_right()
        self.read(130, 140, second)
        self.assert_finds("stale")  # it can only have landed before 60

    def test_killed_write_that_was_seen(self):
        self.put(10, 20)
        second = self.put(30, 60, status="killed")
        self.read(70, 80, second)
        self.assert_right()

    def test_killed_delete(self):
        first = self.put(10, 20)
        self.delete(30, 60, status="killed")
        self.read(40, 45, first)
        self.read(70, 80)
        self.assert_right()

    def test_completed_value(self):
        first = self.put(10, 20)
        self.read(30, 40, first, hash=f"completed {first}")
        self.assert_right()

    def test_the_other_capsule_while_reads_are_tenant_wide(self):
        first = self.put(10, 20)
        self.read(30, 40, first, capsule=THERE)
        self.read(FLIP + 2, FLIP + 4, first, capsule=THERE)
        self.read(FLIP + 3, FLIP + 5, capsule=THERE)
        self.read(FLIP + 20, FLIP + 30, capsule=THERE)
        self.assert_right()

    def test_conditional_writes(self):
        first = self.write("put_if_absent", 10, 20)
        self.write("put_if_absent", 15, 25, status="conflict")
        self.write("compare_and_put", 30, 40, expected=first)
        self.write("compare_and_put", 35, 45, expected=first, status="conflict")
        self.delete(50, 60)
        self.write("put_if_absent", 70, 80)
        self.assert_right()

    def test_walks(self):
        one, two = self.put(10, 20), self.put(10, 20, record=BOB)
        self.history.seeds[("AccessEntity", TENANT, "s")] = Seed(HERE, frozenset(["hash of -"]))
        self.walk(30, 40, [("a1", one), ("a2", two), ("s", "-")])
        self.delete(50, 60, record=BOB)
        self.walk(55, 90, [("a1", one), ("a2", two), ("s", "-")])
        self.walk(70, 90, [("a1", one), ("s", "-")])
        self.walk(70, 90, [("a1", one)], where="stays")
        self.walk(70, 90, [], status="conflict")
        self.assert_right()

    def test_shared_id(self):
        """One register until the flip, two after it."""
        here = self.put(10, 20)
        there = self.put(30, 40, capsule=THERE)
        self.read(50, 60, there)
        here = self.put(BEGIN + 20, BEGIN + 30)
        there = self.put(BEGIN + 40, BEGIN + 50, capsule=THERE)
        self.read(BEGIN + 60, BEGIN + 70, there)
        self.read(FLIP + 20, FLIP + 30, here)
        self.read(FLIP + 20, FLIP + 30, there, capsule=THERE)
        self.assert_right()


class Wrong(Planted):
    def test_torn(self):
        first = self.put(10, 20)
        self.read(30, 40, first, hash="hash of half of it")
        self.assert_finds("torn")

    def test_not_ours(self):
        self.put(10, 20)
        self.read(30, 40, "-")
        self.assert_finds("torn")

    def test_lost(self):
        self.put(10, 20)
        self.read(30, 40)
        self.assert_finds("lost")

    def test_lost_while_there(self):
        first = self.put(10, 20)
        self.delete(10, 100, status="killed")
        self.read(30, 40)
        self.read(50, 60, first)
        self.assert_finds("lost")

    def test_lost_after_delete_and_put(self):
        self.put(10, 20)
        self.delete(30, 40)
        self.put(50, 60)
        self.delete(70, 80, status="not_found")
        self.assert_finds("lost")

    def test_stale_read(self):
        first = self.put(10, 20)
        self.put(30, 40)
        self.read(50, 60, first)
        self.assert_finds("stale")

    def test_stale_between_readers(self):
        """Neither read is wrong by itself."""
        first, second = self.put(10, 20), self.put(30, 90)
        self.read(40, 50, second)
        self.read(60, 70, first)
        self.assert_finds("stale")

    def test_back_to_the_first(self):
        first, second = self.put(10, 20), self.put(15, 50)
        for start, token in ((60, first), (70, second), (80, first)):
            self.read(start, start + 5, token)
        self.assert_finds("stale")

    def test_resurrected(self):
        first = self.put(10, 20)
        self.delete(30, 40)
        self.read(50, 60, first)
        self.assert_finds("resurrected")

    def test_early(self):
        self.put(50, 60, token="w.1.0")
        self.read(10, 20, "w.1.0")
        self.assert_finds("early")

    def test_refused_and_yet_there(self):
        first = self.write("put_if_absent", 10, 20, status="conflict")
        self.read(30, 40, first)
        self.assert_finds("early")

    def test_foreign_after_the_flip(self):
        first = self.put(10, 20)
        self.read(FLIP + 20, FLIP + 30, first, capsule=THERE)
        self.assert_finds("foreign")

    def test_foreign_in_a_move(self):
        self.history = History(phases("move"))
        first = self.put(10, 20)
        self.read(BEGIN + 20, BEGIN + 30, first, capsule=THERE)
        self.assert_finds("foreign")

    def test_foreign_id(self):
        first = self.put(10, 20)
        second = self.put(10, 20, record=BOB)
        self.read(30, 40, first, record=BOB)
        self.read(30, 40, second, record=BOB)
        self.assert_finds("foreign")

    def test_foreign_in_a_list(self):
        first = self.put(10, 20, capsule=THERE)
        self.walk(FLIP + 20, FLIP + 30, [("a1", first)])
        self.assert_finds("foreign")

    def test_put_if_absent_twice(self):
        self.write("put_if_absent", 10, 20)
        self.write("put_if_absent", 15, 25)
        self.assert_finds("double winner")

    def test_compare_and_put_twice(self):
        first = self.put(10, 20)
        self.write("compare_and_put", 30, 40, expected=first)
        self.write("compare_and_put", 35, 45, expected=first)
        self.assert_finds("double winner")

    def test_delete_twice(self):
        self.put(10, 20)
        self.delete(30, 40)
        self.delete(35, 45)
        self.assert_finds("double winner")

    def test_compare_refused(self):
        first = self.put(10, 20)
        self.write("compare_and_put", 30, 40, expected=first, status="conflict")
        self.read(50, 60, first)
        self.assert_finds("refused")

    def test_put_refused(self):
        self.put(10, 20, status="conflict")
        self.assert_finds("refused")

    def test_not_in_the_list(self):
        self.put(10, 20)
        self.walk(30, 40)
        self.assert_finds("lost")

    def test_seed_not_in_the_list(self):
        self.history.seeds[("AccessEntity", TENANT, "s")] = Seed(HERE, frozenset(["h"]))
        self.walk(30, 40)
        self.assert_finds("missing")

    def test_not_in_the_query(self):
        self.put(10, 20, index="moves-1")
        first = self.put(30, 40, index="moves-2")
        self.walk(50, 60, where="moves-2")
        self.read(70, 80, first)
        self.assert_finds("missing")

    def test_wrong_index(self):
        first = self.put(10, 20, index="moves-1")
        self.walk(30, 40, [("a1", first)], where="moves-2")
        self.assert_finds("wrong index")

    def test_twice_in_a_list(self):
        first = self.put(10, 20)
        self.walk(30, 40, [("a1", first), ("a1", first)])
        self.assert_finds("twice")

    def test_half_of_a_batch(self):
        one = [self.put(10, 20, token="w.1.0"), self.put(10, 20, record=BOB, token="w.1.1")]
        two = [self.put(30, 90, token="w.2.0"), self.put(30, 90, record=BOB, token="w.2.1")]
        for record, token in ((ALICE, one[0]), (BOB, two[1])):
            self.read(40, 50, token, record=record, verb="batch_get", sequence=7)
        self.assert_finds("half")

    def test_shared_id_lost_after_the_flip(self):
        self.put(10, 20)
        self.put(30, 40, capsule=THERE)
        self.put(FLIP + 20, FLIP + 30)
        self.read(FLIP + 40, FLIP + 50)
        self.assert_finds("lost")

    def test_shared_id_stale_before_the_flip(self):
        first = self.put(10, 20)
        self.put(30, 40, capsule=THERE)
        self.read(50, 60, first)
        self.assert_finds("stale")

    def test_every_kind_is_planted(self):
        """But for what the oracle finds, which has tests of its own."""
        planted = set()
        for name in unittest.TestLoader().getTestCaseNames(Wrong):
            if name != "test_every_kind_is_planted":
                test = Wrong(name)
                test.setUp()
                getattr(test, name)()
                planted |= test.kinds()
        self.assertEqual(set(KINDS) - {"store"}, planted)


if __name__ == "__main__":
    unittest.main()
