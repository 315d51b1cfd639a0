"""An application's puts, idle and beside a run, on one store; and the run without them."""
import json
import shlex
from dataclasses import dataclass, field

from .ground import expect_changes, seed
from .measure import Found, spread
from .process import Failure, run
from .site import fresh_copy, setting

SPANS = ("idle", "backfill", "verify", "after")  # of the puts beside a run, in order
FIELDS = ("p50_us", "p99_us", "p999_us", "max_us")
US_PER_MS = 1000


@dataclass
class Latency:
    """The puts of one line, over the rounds."""
    name: str
    rounds: list = field(default_factory=list)
    series: list = field(default_factory=list)  # of the last round: (second, microseconds)

    def values(self, of):
        return [found[of] for found in self.rounds]

    def as_json(self):
        return {"name": self.name, "puts": sum(self.values("count")),
                "over": sum(self.values("over")),
                **{of: spread(self.values(of)) for of in FIELDS}}


class Foreground:
    def __init__(self, site, options, sizes):
        self.site = site
        self.options = options
        self.sizes = sizes
        self.spec = options.spec
        self.puts = site.program("bench/put_latency")
        self.bare_commit = site.program("bench/bare_commit")
        self.lock_hold_ms = int(setting(self.spec, "lock_hold_ms"))
        self.base = site.path("foreground.base")
        self.plan = site.path("foreground.plan")
        seed(site, self.spec, self.base, sizes)
        run(site.rekey, "register", self.spec, "--store", "lmdb:" + self.base)
        run(site.rekey, "plan", self.spec, "--store", "lmdb:" + self.base, "-o", self.plan)
        self.latencies = {name: Latency(name) for name in ("commit",) + SPANS}
        self.runs = {name: Found(name, name, "records/s") for name in ("alone", "beside")}

    def keep(self, name, found):
        self.latencies[name].rounds.append(found)
        self.site.say(f"  {name:9} {found['count']:7} puts  p50 {found['p50_us']:7.0f}  p99 "
                      f"{found['p99_us']:7.0f}  max {found['max_us']:7.0f} us  {found['over']} "
                      "over the bound")

    def keep_run(self, name, text, least):
        result = json.loads(text)
        if result["changes"] < least:
            raise Failure(f"{name}: wrong result: {result['changes']} changes of {least}")
        self.runs[name].rounds.append(result["changes"] / result["seconds"])
        self.site.say(f"  {name:9} {self.runs[name].rounds[-1]:9.0f} records/s")
        return result

    def run_words(self, store, until):
        return (self.site.rekey, "run", self.plan, "--store", "lmdb:" + store, "--until", until,
                "--json")

    def commit(self):
        store = fresh_copy(self.base, self.site.path("turn"))
        out = run(self.bare_commit, store, setting(self.spec, "database"), self.options.seconds)
        self.keep("commit", json.loads(out))

    def alone(self):
        store = fresh_copy(self.base, self.site.path("turn"))
        result = self.keep_run("alone", run(*self.run_words(store, "backfilled")),
                               self.sizes.records)
        expect_changes("alone", result, self.sizes.records)

    def span(self, name, store, first, words, bound_us=0):
        """Puts for as long as `words` say; how many there were."""
        samples = self.site.path(name + ".samples")
        found = json.loads(run(self.puts, "lmdb:" + store, "--pace", self.options.pace, "--tenants",
                               self.sizes.tenants, "--first", first, "--samples", samples,
                               "--bound-us", bound_us, "--json", *words))
        self.keep(name, found)
        with open(samples, encoding="ascii") as file:
            self.latencies[name].series = [tuple(map(float, line.split())) for line in file]
        return found

    def beside(self):
        store = fresh_copy(self.base, self.site.path("turn"))
        out = self.site.path("run.json")
        alone_for = ("--seconds", self.options.seconds)
        idle = self.span("idle", store, 0, alone_for)
        first = idle["count"]
        # What a put may take at most: a batch's time with the lock, and the commit of its own.
        bound_us = self.lock_hold_ms * US_PER_MS + idle["p999_us"]
        for name, until in (("backfill", "backfilled"), ("verify", "verified")):
            command = f"exec {shlex.join(self.run_words(store, until))} >{shlex.quote(out)}"
            first += self.span(name, store, first, ("--during", command), bound_us)["count"]
            if name == "backfill":
                with open(out, encoding="utf-8") as file:
                    self.keep_run("beside", file.read(), self.sizes.records)
        first += self.span("after", store, first, alone_for)["count"]
        # Only what was acknowledged and can be read counts.
        run(self.puts, "lmdb:" + store, "--check", first, "--tenants", self.sizes.tenants)
        self.site.expect_clean("beside", store)

    def measure(self):
        for number in range(self.options.rounds):
            self.site.say(f"round {number + 1} of {self.options.rounds}")
            self.commit()
            self.alone()
            self.beside()
        return list(self.runs.values())

    def quantities(self):
        """What ratios are made of, besides the runs' records a second; per round."""
        idle = self.latencies["idle"].values("p99_us")
        hold_us = self.lock_hold_ms * US_PER_MS
        return {"put p99": self.latencies["backfill"].values("p99_us"),
                "(lock_hold_ms + 2 idle p99)": [hold_us + 2 * p99 for p99 in idle]}
