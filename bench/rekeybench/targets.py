"""The ratios that a scenario shows and the bounds that they have: data, and how a ratio is made.

A ratio divides two quantities round by round: contestants' rates, peaks of memory in MiB
("NAME RssAnon MiB"), or what a scenario measured besides. `of` None: the quantity itself. {records}
and {tenth} stand for numbers of records of a sweep.
"""
from dataclasses import dataclass

from .measure import per_round, spread

KIB_PER_MIB = 1024


@dataclass(frozen=True)
class Target:
    scenario: str
    value: str
    of: str = None
    bound: float = None  # None: shown, and not judged
    sense: str = "least"  # the bound is the least that the median may be, or the most
    words: str = ""


MEMORY = "memory outside the map"
SHORT = "a bare loop with short transactions, too"
TARGETS = (
    Target("move", "rekey", "bare", 0.95),
    Target("move", "rekey-50ms", "bare", 0.95),
    Target("move", "rekey RssAnon MiB", None, 64, "most", MEMORY),
    Target("move-gsi1", "rekey", "bare", 0.9),
    Target("move-gsi1", "rekey-50ms", "bare", 0.9),
    Target("move-gsi1", "rekey", "bare-500", words=SHORT),
    Target("move-gsi1", "rekey RssAnon MiB", None, 64, "most", MEMORY),
    Target("dual-write", "rekey", "bare"),
    Target("dual-write", "rekey-50ms", "bare"),
    Target("dual-write-gsi1", "rekey", "bare"),
    Target("dual-write-gsi1", "rekey-50ms", "bare"),
    Target("dual-write-gsi1", "rekey", "bare-500", words=SHORT),
    Target("scripts", "rekey", "dump-awk-load", 5),
    Target("scripts", "rekey", "python", 3),
    Target("scripts", "rekey", "one-by-one", 150),
    Target("scripts", "rekey-50ms", "dump-awk-load", 5),
    Target("scripts", "rekey-50ms", "python", 3),
    Target("scripts", "rekey-50ms", "one-by-one", 150),
    Target("scripts", "rekey", "bare"),
    Target("plan", "rekey", "bare-hash", 0.6, words="a scan that reads every byte"),
    Target("plan", "rekey", "bare-scan", words="a walk that reads no value"),
    Target("plan", "rekey", "bare-capsules", words="a scan that also finds the capsules"),
    Target("plan", "rekey RssAnon MiB", None, 64, "most", MEMORY),
    Target("verify", "rekey", "bare-hash", 0.8),
    Target("verify", "rekey RssAnon MiB", None, 64, "most", MEMORY),
    Target("contract", "rekey", "bare", 1.0),
    Target("contract", "rekey-50ms", "bare", 1.0),
    Target("contract", "rekey", "bare-checked"),
    Target("contract", "rekey-50ms", "bare-checked"),
    Target("contract", "rekey RssAnon MiB", None, 64, "most", MEMORY),
    Target("contract-gsi1", "rekey", "bare"),
    Target("contract-gsi1", "rekey-50ms", "bare"),
    Target("records", "rekey-{tenth}", "rekey-{records}", 1.3, "most",
           "cost of a record with ten times the records"),
    Target("records", "rekey-50ms-{tenth}", "rekey-50ms-{records}", 1.3, "most",
           "cost of a record with ten times the records"),
    Target("records", "bare-{tenth}", "bare-{records}", words="the same of the bare loop"),
    Target("records", "rekey-{records} RssAnon MiB", None, 64, "most", MEMORY),
    Target("foreground", "put p99", "(lock_hold_ms + 2 idle p99)", 1.0, "most"),
    Target("foreground", "beside", "alone", 0.5, "least", "the run, with puts and without"),
    Target("cluster", "one node", "store", words="one node, of the run in one process"),
    Target("cluster", "two nodes", "one node"),
    Target("cluster", "apart", "store", words="two processes without a cluster, of one"),
    Target("cluster", "two nodes", "apart"),
    Target("cluster", "two bound", "one bound", words="two nodes with a processor each"),
)


@dataclass(frozen=True)
class Ratio:
    name: str
    rounds: list
    bound: float
    sense: str
    words: str

    @property
    def met(self):
        """None where nothing is asked."""
        if self.bound is None:
            return None
        value = spread(self.rounds)["median"]
        return value >= self.bound if self.sense == "least" else value <= self.bound

    def as_json(self):
        found = spread(self.rounds)
        return {"name": self.name, "value": found["median"], "least": found["least"],
                "most": found["most"], "rounds": self.rounds, "target": self.bound,
                "sense": self.sense, "met": self.met}


def _quantities(found, more):
    out = {each.name: each.rounds for each in found}
    for each in found:
        if each.rss_kib is not None:
            out[each.name + " RssAnon MiB"] = [each.rss_kib / KIB_PER_MIB]
    return out | more


def ratios(scenario, found, more, records):
    """Those of the table whose quantities were measured."""
    have = _quantities(found, more)
    out = []
    for target in TARGETS:
        if target.scenario != scenario:
            continue
        value, of = (word and word.format(records=records, tenth=records // 10)
                     for word in (target.value, target.of))
        if value not in have or (of is not None and of not in have):
            continue
        rounds = have[value] if of is None else per_round(have[value], have[of])
        out.append(Ratio(f"{value} / {of}" if of else value, rounds, target.bound, target.sense,
                         target.words))
    return out
