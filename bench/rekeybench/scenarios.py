"""What can be measured, by name: the contestants of each scenario, and the picture it gives."""
import dataclasses
from dataclasses import dataclass, field

from . import contestants as who
from .foreground import Foreground
from .ground import Flipped, Ground
from .measure import take_turns

HOLDS_MS = (1, 2, 5, 10, 20, 50)
BATCHES = (100, 1000, 10000, 100000)
WORKERS = (1, 2, 4)
VALUE_BYTES = (100, 200, 500, 1000, 2000, 8000)
SIZES_OF_TEN = (100, 10, 1)
USUAL_BYTES = 200
SHORT_RECORDS = 500  # about what rekey does in 5 ms with an index


@dataclass
class Result:
    contestants: list
    latencies: list = field(default_factory=list)
    quantities: dict = field(default_factory=dict)
    more: dict = field(default_factory=dict)  # of the JSON


def _move(strategy, index):
    """With an index, the length of a transaction decides: a loop with short ones stands beside."""
    def measure(site, options, sizes):
        ground = Ground(site, "move", strategy, index, sizes)
        several = [
            who.RekeyRun(ground, "rekey", workers=options.workers),
            who.RekeyRun(ground, "rekey-50ms", who.LONG_MS, options.workers),
            who.BareMove(ground, "bare"),
        ]
        if index:
            several.append(who.BareMove(ground, f"bare-{SHORT_RECORDS}", SHORT_RECORDS))
        return Result(take_turns(site, several, options.rounds))
    return measure


def scripts(site, options, sizes):
    ground = Ground(site, "scripts", "move", False, sizes)
    return Result(take_turns(site, [
        who.RekeyRun(ground, "rekey", workers=options.workers),
        who.RekeyRun(ground, "rekey-50ms", who.LONG_MS, options.workers),
        who.BareMove(ground, "bare"),
        who.DumpAndLoad(ground, "dump-awk-load"),
        who.PythonScript(ground, "python"),
        who.OneByOne(ground, "one-by-one"),
    ], options.rounds))


def plan(site, options, sizes):
    ground = Ground(site, "plan", "dual-write", False, sizes)
    seeded = (sizes.records, 0, 0)
    return Result(take_turns(site, [
        who.RekeyPlan(ground, "rekey"),
        who.BareScan(ground, "bare-hash", ground.base, seeded, "--hash"),
        who.BareScan(ground, "bare-scan", ground.base, seeded),
        who.BareScan(ground, "bare-capsules", ground.base, seeded, "--capsules"),
    ], options.rounds))


def verify(site, options, sizes):
    ground = Ground(site, "verify", "dual-write", False, sizes)
    both = ground.moved()
    return Result(take_turns(site, [
        who.RekeyVerify(ground, "rekey"),
        who.BareScan(ground, "bare-hash", ground.finished, both, "--hash"),
        who.BareScan(ground, "bare-scan", ground.finished, both),
    ], options.rounds))


def _contract(index):
    def measure(site, options, sizes):
        flipped = Flipped(site, "contract", index, sizes)
        return Result(take_turns(site, [
            who.RekeyContract(flipped, "rekey"),
            who.RekeyContract(flipped, "rekey-50ms", who.LONG_MS),
            who.BareDelete(flipped, "bare"),
            who.BareDelete(flipped, "bare-checked", checks=True),
        ], options.rounds))
    return measure


# --- sweeps ---------------------------------------------------------------------------------------


def batch(site, options, sizes):
    ground = Ground(site, "batch", "move", False, sizes)
    several = [who.RekeyRun(ground, f"rekey-{ms}ms", ms, options.workers, series="rekey", at=ms)
               for ms in HOLDS_MS]
    several += [who.BareMove(ground, f"bare-{count}", count, placed_by_length=True, series="bare")
                for count in BATCHES]
    several.append(who.OneByOne(ground, "bare-1", placed_by_length=True, series="bare"))
    return Result(take_turns(site, several, options.rounds))


def _three(ground, mark, at, options):
    """Rekey with both limits and the bare loop at one place of a sweep."""
    return [
        who.RekeyRun(ground, f"rekey-{mark}", workers=options.workers, series="rekey", at=at),
        who.RekeyRun(ground, f"rekey-50ms-{mark}", who.LONG_MS, options.workers,
                     series="rekey-50ms", at=at),
        who.BareMove(ground, f"bare-{mark}", series="bare", at=at),
    ]


def records(site, options, sizes):
    several = []
    for part in SIZES_OF_TEN:
        count = max(1, sizes.records // part)
        ground = Ground(site, f"records-{count}", "move", False,
                        dataclasses.replace(sizes, records=count))
        several += _three(ground, count, count, options)
    return Result(take_turns(site, several, options.rounds))


def values(site, options, sizes):
    """About the same bytes at each size, so that a large one does not need a larger disk."""
    several = []
    for size in VALUE_BYTES:
        count = max(sizes.tenants, sizes.records * USUAL_BYTES // max(size, USUAL_BYTES))
        ground = Ground(site, f"values-{size}", "move", False,
                        dataclasses.replace(sizes, records=count, value_bytes=size))
        several += _three(ground, f"{size}B", size, options)
    return Result(take_turns(site, several, options.rounds))


def workers(site, options, sizes):
    ground = Ground(site, "workers", "move", False, sizes)
    several = []
    for count in WORKERS:
        several.append(who.RekeyRun(ground, f"rekey-{count}", workers=count, series="rekey",
                                    at=count))
        several.append(who.RekeyRun(ground, f"rekey-50ms-{count}", who.LONG_MS, count,
                                    series="rekey-50ms", at=count))
    several.append(who.BareMove(ground, "bare", series="bare", at=1))
    return Result(take_turns(site, several, options.rounds))


# --------------------------------------------------------------------------------------------------


def foreground(site, options, sizes):
    fore = Foreground(site, options, sizes)
    return Result(fore.measure(), list(fore.latencies.values()), fore.quantities(),
                  {"pace": options.pace, "lock_hold_ms": fore.lock_hold_ms})


def cluster(site, options, sizes):
    import cluster as program  # bench/cluster.py, a command of its own
    found, more = program.as_scenario(site, options, sizes)
    return Result(found, more=more)


@dataclass(frozen=True)
class Scenario:
    summary: str
    measure: object
    axis: str = None  # of a sweep's picture
    log: bool = True
    data: str = "{records} records, values of {value_bytes} bytes"


SCENARIOS = {
    "move": Scenario("rekey run, strategy move, no index, beside a bare LMDB loop",
                     _move("move", False)),
    "move-gsi1": Scenario("the same with one index, beside a bare loop that keeps it too",
                          _move("move", True)),
    "dual-write": Scenario("rekey run, strategy dual-write, no index, beside a bare loop",
                           _move("dual-write", False)),
    "dual-write-gsi1": Scenario("the same with one index", _move("dual-write", True)),
    "scripts": Scenario("what else people write: dump, awk and load; python; one transaction a "
                        "record", scripts),
    "plan": Scenario("rekey plan beside bare cursor scans", plan),
    "verify": Scenario("rekey verify of a dual write beside a cursor that hashes both sides",
                       verify),
    "contract": Scenario("rekey contract beside a bare delete loop", _contract(False)),
    "contract-gsi1": Scenario("the same with one index", _contract(True)),
    "batch": Scenario("throughput by length of the write transactions", batch,
                      "write transaction, ms (rekey: lock_hold_ms; bare: measured mean)"),
    "records": Scenario("throughput by number of records: a hundredth, a tenth, all", records,
                        "records", data="up to {records} records, values of {value_bytes} bytes"),
    "workers": Scenario("throughput by scanner threads", workers, "workers", False),
    "values": Scenario("throughput by size of the values, about the same bytes each", values,
                       "bytes of a value", data="{records} records and fewer, about the same "
                       "bytes in all"),
    "foreground": Scenario("an application's puts, idle and beside a run", foreground),
    "cluster": Scenario("one node and two beside one process (bench/cluster.py has more)",
                        cluster),
}
