"""One record as an atomic register: do the operations on it have an order that explains them?

Each operation took effect at one moment between its start and its end. No two writes put the same
value, so a value and all who saw it form a cluster, and with f the earliest end in a cluster and s
the latest start, the register surely held the value from f to s if f < s: the cluster's zone. An
order exists only if no two zones overlap and nothing else happened wholly inside a zone (Gibbons
and Korach, "Testing shared memories", 1997; for values these conditions are sufficient too).
"Not there" is no value of its own, since every delete leads to it; its reads are held against the
zones, and against the last write that surely came before them.

Every condition here is a necessary one: what is reported is wrong, whatever the order was.
"""
import bisect
from dataclasses import dataclass

from history import NEVER


@dataclass(frozen=True)
class Violation:
    kind: str  # one of KINDS
    record: tuple
    text: str

    def __str__(self):
        return f"{self.kind}: {' '.join(map(str, self.record))}: {self.text}"


KINDS = {
    "torn": "bytes that no write put there, or not all of them",
    "foreign": "a record of another scope",
    "lost": "an acknowledged write is not there",
    "stale": "a value that was superseded before the read began, or a later write",
    "resurrected": "a value that was deleted before the read began",
    "early": "a value that nobody had written yet, or whose write was refused",
    "double winner": "two conditional writes of which one had to fail",
    "missing": "a record that was there during a whole walk and was not given",
    "twice": "a record that a walk gave more than once",
    "half": "one record of a batch without the other",
    "refused": "an operation that had to succeed did not",
    "wrong index": "a query gave a record that is not of its value",
    "store": "the store itself breaks an invariant",
}


@dataclass
class Cluster:
    token: str
    write: object  # None for what was there before
    first_end: int
    last_start: int
    last_seen: object = None  # the operation that started last

    def is_zone(self):
        return self.first_end < self.last_start

    def see(self, operation):
        self.first_end = min(self.first_end, operation.end)
        if operation.start > self.last_start:
            self.last_start, self.last_seen = operation.start, operation


class Register:
    """Give it all writes that may have touched it, then all reads; then check()."""

    def __init__(self, record, absent_before=True):
        self.record = record
        self.absent_before = absent_before
        self.violations = []
        self.clusters = {}  # by token
        self.puts = []
        self.deletes = []  # that may have landed
        self.refused = []  # compare_and_puts
        self.absent = []  # operations that found nothing
        self.winners = {"put_if_absent": [], "delete": [], "compare_and_put": []}

    def report(self, kind, text):
        self.violations.append(Violation(kind, self.record, text))

    # --- what happened

    def add_before(self, token, until):
        """A value that may have been written before we look, at the latest at `until`."""
        self.clusters[token] = Cluster(token, None, until, NEVER)

    def add_write(self, write, certain=True):
        """`certain` False: its status says nothing about this register."""
        if not write.may_have_landed():
            if write.is_delete() and write.status == "not_found" and certain:
                self.absent.append(write)
            if write.verb == "compare_and_put" and write.status == "conflict" and certain:
                self.refused.append(write)
            return
        if write.is_delete():
            self.deletes.append((write, certain and write.is_done()))
        else:
            self.puts.append(write)
            cluster = Cluster(write.token, write, write.end, write.start, write)
            self.clusters[write.token] = cluster
        if certain and write.is_done():
            self._add_winner(write)

    def _add_winner(self, write):
        if write.verb == "put_if_absent":
            self.absent.append(write)
        if write.verb in self.winners:
            self.winners[write.verb].append(write)

    def see(self, token, operation):
        """The operation found this value; None: nothing."""
        if token is None:
            self.absent.append(operation)
            return
        cluster = self.clusters.get(token)
        if cluster is None:
            self.report("early", f"{operation} gave {token}, whose write was refused or is none")
        elif cluster.write is not None and operation.end < cluster.write.start:
            self.report("early", f"{operation} gave {token} before its write began")
        else:
            cluster.see(operation)

    # --- judging

    def check(self):
        self._see_compared()
        self._sort_zones()
        self._check_zones()
        self._check_inside()
        self._check_absent()
        self._check_winners()
        return self.violations

    def _see_compared(self):
        """A compare_and_put that succeeded has seen what it asked for, and nobody else has."""
        winners = {}
        for write in self.winners["compare_and_put"]:
            if write.expected in winners:
                self.report("double winner",
                            f"{write} and {winners[write.expected]} both replaced "
                            f"{write.expected}")
            winners[write.expected] = write
            if write.expected in self.clusters:
                self.clusters[write.expected].see(write)
            else:
                self.report("early", f"{write} found {write.expected}, which nobody wrote")

    def _sort_zones(self):
        self.zones = sorted((c for c in self.clusters.values() if c.is_zone()),
                            key=lambda cluster: cluster.first_end)
        self.zone_starts = [zone.first_end for zone in self.zones]

    def zone_around(self, start, end):
        """The cluster whose value the register surely held from start to end, or None."""
        at = bisect.bisect_left(self.zone_starts, start) - 1
        if at >= 0 and end < self.zones[at].last_start:
            return self.zones[at]
        return None

    def _check_zones(self):
        last = None
        for zone in self.zones:
            if last is not None and zone.first_end < last.last_start:
                self.report("stale", f"{last.last_seen} saw {last.token} after {zone.token} was "
                                     f"there, and it was there again after that")
            if last is None or zone.last_start > last.last_start:
                last = zone

    def _check_inside(self):
        for cluster in self.clusters.values():
            if cluster.write is None or cluster.is_zone() or not self._happened(cluster):
                continue
            zone = self.zone_around(cluster.last_start, cluster.first_end)
            if zone is not None:
                self.report("stale", f"{zone.last_seen} saw {zone.token}, which was there before "
                                     f"{cluster.write}")
        for write, certain in self.deletes:
            zone = self.zone_around(write.start, write.end) if certain else None
            if zone is not None:
                self.report("resurrected", f"{zone.last_seen} saw {zone.token}, which was there "
                                           f"before {write}")

    @staticmethod
    def _happened(cluster):
        """Acknowledged, or seen by somebody."""
        return cluster.write.is_done() or cluster.last_seen is not cluster.write

    # --- what was not there

    def _check_absent(self):
        """Either nobody had put it, or a delete may have come after the last put."""
        puts = sorted((c.first_end, c.write.start) for c in self.clusters.values()
                      if c.write is not None and self._happened(c))
        ends, latest_start = [], []
        for end, start in puts:
            ends.append(end)
            latest_start.append(max(start, latest_start[-1] if latest_start else NEVER))
        deletes = sorted((write.start, write.end) for write, _ in self.deletes)
        starts, latest_end = [], []
        for start, end in deletes:
            starts.append(start)
            latest_end.append(max(end, latest_end[-1] if latest_end else NEVER))
        for read in self.absent:
            self._check_one_absent(read, (ends, latest_start), (starts, latest_end))

    def _check_one_absent(self, read, puts, deletes):
        zone = self.zone_around(read.start, read.end)
        if zone is not None:
            self.report("lost", f"{read} found nothing while {zone.token} was there")
            return
        before = bisect.bisect_left(puts[0], read.start) - 1
        if before < 0:
            if self.absent_before:
                return
            put_start = NEVER
        else:
            put_start = puts[1][before]
        began = bisect.bisect_right(deletes[0], read.end) - 1
        gone = began >= 0 and deletes[1][began] >= put_start
        if not gone and before >= 0:
            self.report("lost", f"{read} found nothing, after a put and no delete since")
        elif not gone:
            self.report("lost", f"{read} found nothing, and nobody has deleted it")

    # --- conditional writes

    def _check_winners(self):
        deletes = [write for write, _ in self.deletes]
        self._check_between(self.winners["put_if_absent"], deletes, "nothing was deleted")
        self._check_between(self.winners["delete"], self.puts, "nothing was put")
        for write in self.refused:
            zone = self.zone_around(write.start, write.end)
            if zone is not None and zone.token == write.expected:
                self.report("refused", f"{write} asked for {zone.token}, which was there")

    def _check_between(self, winners, others, why):
        """Between two of them in any order, one of the others must have come."""
        others = sorted(others, key=lambda write: write.start)
        starts = [write.start for write in others]
        latest_end = []
        for write in others:
            latest_end.append(max(write.end, latest_end[-1] if latest_end else NEVER))
        winners = sorted(winners, key=lambda write: write.start)
        for one, two in zip(winners, winners[1:]):
            began = bisect.bisect_right(starts, max(one.end, two.end)) - 1
            if began < 0 or latest_end[began] < min(one.start, two.start):
                self.report("double winner", f"{one} and {two}, and {why} between them")

    # --- for lists

    def surely_held(self, start, end):
        """The token that it held all the time, or None."""
        zone = self.zone_around(start, end)
        return zone.token if zone else None
