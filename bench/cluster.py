#!/usr/bin/python3
"""Measures a cluster on one machine: a run over one node and over two beside a run in one process,
control traffic, and an application's operations beside what nng alone takes.

    bench/cluster.py BUILD_DIR [--records N] [--tenants N] [--value-bytes N] [--seed N]
                               [--rounds N] [--seconds N] [--only PART]... [--dir SCRATCH] [--json]

PART is run, traffic or client; `run` is a scenario of bench/rekey-bench too. bench/README.md says
what is measured, and how to read it.
"""
import argparse
import contextlib
import itertools
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time

from cluster_nodes import Cluster
from rekeybench import machine
from rekeybench.measure import Found, spread
from rekeybench.process import Failure, Process, run
from rekeybench.site import MOVE, Site, shipped_spec
from rekeybench.targets import ratios

SPEC = shipped_spec(MOVE)
THREADS = (1, 4, 16)
OVER = ("nng", "cluster", "local")
PARTS = ("run", "traffic", "client")
NNG_HEADERS = 8 + 4  # the length of a message, the number of a request
SIZES_COUNT = 500  # operations from which sizes are taken
MASK = (1 << 64) - 1


class Bench(Site):
    def __init__(self, options, work):
        super().__init__(options.build, work)
        self.options = options
        self.closing = contextlib.ExitStack()
        self.ops = self.program("bench/client_ops")
        self.echo = self.program("bench/nng_echo")

    def say(self, text=""):
        print(text, file=sys.stderr if self.options.json else sys.stdout, flush=True)

    def cluster(self, name, count, scheme="ipc"):
        cluster = Cluster(self.rekey, self.path(name), count, scheme)
        self.closing.callback(cluster.close)
        return cluster

    def seeded(self, name, count, scheme="ipc"):
        """A cluster with the benchmark's data and a plan, its nodes at rest."""
        cluster = self.cluster(name, count, scheme)
        cluster.seed(SPEC, "--tenants", self.options.tenants, "--records", self.options.records,
                     "--value-bytes", self.options.value_bytes, "--seed", self.options.seed)
        cluster.start()
        run(self.rekey, "plan", SPEC, "--cluster", cluster.file, "-o", self.path(name + ".plan"))
        cluster.stop()
        cluster.keep()
        return cluster

    def expect_moved(self, *stores):
        """All records at new keys, and, over all stores, the bytes of the run in one process."""
        counts = [self.counts(store) for store in stores]
        if [sum(shape) for shape in zip(*counts)] != [0, self.options.records, 0]:
            raise Failure(f"old, new and other records: {counts}")
        return sum(self.digest(store) for store in stores) & MASK


# --- a run --------------------------------------------------------------------------------------


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Runs:
    """Contestants, in turns. A result counts only after it was checked."""

    def __init__(self, bench):
        self.bench = bench
        self.rates = {}
        self.digest = None
        self.one = bench.seeded("one", 1)
        self.two = bench.seeded("two", 2)
        run(bench.rekey, "plan", SPEC, "--store", "lmdb:" + self.one.stores()[0] + ".base",
            "-o", bench.path("store.plan"))
        self.share = self.largest_share()
        bench.say(f"placement  of two nodes, the larger has {self.share:.0%} of the records")

    def largest_share(self):
        """Two nodes are at most one divided by this faster than one node."""
        counts = [self.bench.counts(store + ".base")[0] for store in self.two.stores()]
        return max(counts) / sum(counts)

    def timed(self, name, command, nodes=None):
        """The whole command, from its start to its end."""
        busy = children_seconds() + (nodes.processor_seconds() if nodes else 0)
        began = time.monotonic()
        result = json.loads(run(*command))
        wall = time.monotonic() - began
        busy = children_seconds() + (nodes.processor_seconds() if nodes else 0) - busy
        if result["changes"] != self.bench.options.records:
            raise Failure(f"{name}: other changes than {self.bench.options.records}: "
                          f"{result['changes']}")
        return wall, busy, result["seconds"]

    def keep(self, name, wall, busy, own, digest):
        if self.digest is None:
            self.digest = digest
        if digest != self.digest:
            raise Failure(f"{name}: not the bytes that the run in one process makes")
        rate = self.bench.options.records / wall
        self.rates.setdefault(name, []).append(rate)
        self.bench.say(f"  {name:10} {wall:7.3f} s {rate:9.0f} records/s   the run itself "
                       f"{own:6.3f} s   processors {busy:6.3f} s")

    def store(self):
        bench = self.bench
        self.one.renew()
        store = self.one.stores()[0]
        timed = self.timed("store", (bench.rekey, "run", bench.path("store.plan"), "--store",
                                     "lmdb:" + store, "--until", "backfilled", "--json"))
        run(bench.rekey, "verify", "--store", "lmdb:" + store)
        self.keep("store", *timed, bench.expect_moved(store))

    def nodes(self, name, cluster, bound=False):
        bench = self.bench
        cluster.renew()
        cluster.start(bound)
        timed = self.timed(name, (bench.rekey, "run", cluster.folder + ".plan", "--cluster",
                                  cluster.file, "--until", "backfilled", "--json"), cluster)
        run(bench.rekey, "verify", "--cluster", cluster.file)
        cluster.stop()
        self.keep(name, *timed, bench.expect_moved(*cluster.stores()))

    def apart(self):
        """What the machine has for two: the two halves' stores at once, without a cluster."""
        bench = self.bench
        self.two.renew()
        stores = self.two.stores()
        for store in stores:
            run(bench.rekey, "plan", SPEC, "--store", "lmdb:" + store, "-o", store + ".plan")
        busy, began, processes = children_seconds(), time.monotonic(), []
        for store in stores:
            processes.append(Process(store + ".log", bench.rekey, "run", store + ".plan", "--store",
                                     "lmdb:" + store, "--until", "backfilled", "--json"))
        codes = [process.child.wait() for process in processes]
        wall = time.monotonic() - began
        if any(codes):
            raise Failure(f"apart: ended with {codes}")
        self.keep("apart", wall, children_seconds() - busy, wall, bench.expect_moved(*stores))

    def measure(self):
        for number in range(self.bench.options.rounds):
            self.bench.say(f"round {number + 1}")
            self.store()
            self.nodes("one node", self.one)
            self.nodes("two nodes", self.two)
            self.apart()
            if len(os.sched_getaffinity(0)) > 1:
                self.nodes("one bound", self.one, bound=True)
                self.nodes("two bound", self.two, bound=True)


def run_parts(bench):
    """What each contestant came to, as a scenario of bench/rekey-bench has it."""
    runs = Runs(bench)
    runs.measure()
    found = [Found(name, name, "records/s", rounds=rates) for name, rates in runs.rates.items()]
    return found, runs.share


def measure_run(bench):
    found, share = run_parts(bench)
    result = {each.name.replace(" ", "_"): spread(each.rounds) for each in found}
    result["larger_share"] = share
    bench.say()
    for each in found:
        bench.say(f"{each.name:10} median {statistics.median(each.rounds):9.0f} records/s   "
                  f"spread {min(each.rounds):.0f} to {max(each.rounds):.0f}")
    for ratio in ratios("cluster", found, {}, bench.options.records):
        value = spread(ratio.rounds)
        result[ratio.name.replace(" / ", " of ").replace(" ", "_")] = value
        bench.say(f"ratio      {value['median']:.2f} ({value['least']:.2f} to "
                  f"{value['most']:.2f})   {ratio.name}   {ratio.words}".rstrip())
    bench.say()
    return result


def as_scenario(site, options, sizes):
    """The scenario `cluster` of bench/rekey-bench: contestants, and what else goes to its JSON."""
    told = argparse.Namespace(build=site.build, records=sizes.records, tenants=sizes.tenants,
                              value_bytes=sizes.value_bytes, seed=sizes.seed,
                              rounds=options.rounds, seconds=options.seconds, json=True)
    bench = Bench(told, site.work)
    with bench.closing:
        found, share = run_parts(bench)
    return found, {"larger_share": share}


# --- control traffic ----------------------------------------------------------------------------


def measure_traffic(bench):
    """All that passes between the command and two nodes over tcp, of a whole run to `verified`."""
    cluster = bench.seeded("metered", 2, "metered")
    cluster.renew()
    cluster.start()
    before = cluster.traffic()
    run(bench.rekey, "run", bench.path("metered.plan"), "--cluster", cluster.file, "--json")
    sent, received = (now - then for now, then in zip(cluster.traffic(), before))
    cluster.stop()
    bench.expect_moved(*cluster.stores())
    moved = bench.options.records * bench.options.value_bytes
    bench.say(f"traffic    {sent} bytes to the nodes, {received} from them, for {moved} bytes of "
              f"values moved: {100 * (sent + received) / moved:.4f} %")
    bench.say()
    return {"sent_bytes": sent, "received_bytes": received, "moved_bytes": moved,
            "percent": 100 * (sent + received) / moved}


# --- an application's operations ----------------------------------------------------------------


def registered(bench, name, scheme):
    cluster = bench.cluster(name, 1, scheme)
    cluster.seed(SPEC, "--tenants", bench.options.tenants, "--records",
                 min(bench.options.records, 10000))
    cluster.start()
    run(bench.rekey, "register", SPEC, "--cluster", cluster.file)
    return cluster


def client_ops(bench, location, *options):
    lines = run(bench.ops, location, "--tenants", bench.options.tenants, *options).splitlines()
    return dict(zip(("put", "get"), map(json.loads, lines)))


def message_sizes(bench):
    """Request and reply of one put and of one get, as nng is given them."""
    cluster = registered(bench, "sizes", "metered")

    def passed(count, again, first):
        before = cluster.traffic()
        client_ops(bench, "cluster:" + cluster.file, "--count", count, "--again", again, "--first",
                   first)
        return [now - then for now, then in zip(cluster.traffic(), before)]

    few = passed(SIZES_COUNT, 1, 0)
    gets = [more - less for more, less in zip(passed(SIZES_COUNT, 2, 10**6), few)]
    both = [more - less for more, less in zip(passed(2 * SIZES_COUNT, 1, 2 * 10**6), few)]
    cluster.stop()
    sizes = {"put": [b - g for b, g in zip(both, gets)], "get": gets}
    return {verb: [round(size / SIZES_COUNT) - NNG_HEADERS for size in pair]
            for verb, pair in sizes.items()}


class Clients:
    """Puts and gets of one client with some threads: over a cluster, in one process, and the same
    sizes through nng with nothing in it."""

    def __init__(self, bench):
        self.bench = bench
        self.sizes = message_sizes(bench)
        self.found = {}
        self.first = 0
        self.cluster = registered(bench, "client", "ipc")
        self.local = bench.path("local")
        run(bench.rekey, "seed", SPEC, "--store", "lmdb:" + self.local, "--tenants",
            bench.options.tenants, "--records", min(bench.options.records, 10000))
        run(bench.rekey, "register", SPEC, "--store", "lmdb:" + self.local)
        self.url = f"ipc://{bench.work}/echo.sock"
        self.server = Process(bench.path("echo.log"), bench.echo, "serve", self.url, 8)
        bench.closing.callback(self.server.stop)
        self.server.wait_for("listens")

    def keep(self, name, verb, threads, found):
        self.found.setdefault((verb, threads, name), []).append(
            (found["count"] / found["seconds"], found["p50_us"], found["p99_us"]))

    def echo(self, verb, threads):
        found = json.loads(run(self.bench.echo, "call", self.url, threads,
                               self.bench.options.seconds, *self.sizes[verb]))
        self.keep("nng", verb, threads, found)

    def operations(self, name, location, threads):
        found = client_ops(self.bench, location, "--threads", threads, "--seconds",
                           self.bench.options.seconds, "--first", self.first)
        self.first += 10**9
        for verb in ("put", "get"):
            self.keep(name, verb, threads, found[verb])

    def measure(self):
        for _ in range(self.bench.options.rounds):
            for threads in THREADS:
                self.echo("put", threads)
                self.echo("get", threads)
                self.operations("cluster", "cluster:" + self.cluster.file, threads)
                self.operations("local", "lmdb:" + self.local, threads)
        self.server.stop()
        self.cluster.stop()

    def result(self):
        out = []
        for verb, threads, name in itertools.product(("put", "get"), THREADS, OVER):
            rate, p50, p99 = map(spread, zip(*self.found[verb, threads, name]))
            out.append({"verb": verb, "threads": threads, "over": name, "rate": rate,
                        "p50_us": p50, "p99_us": p99})
        return out


def measure_client(bench):
    clients = Clients(bench)
    clients.measure()
    bench.say("client     request and reply, bytes: " + ", ".join(
        f"{verb} {pair[0]} and {pair[1]}" for verb, pair in clients.sizes.items()))
    bench.say(f"{'':4} {'threads':>7} {'over':8} {'a second':>24} {'p50 us':>22} {'p99 us':>24}")
    for row in clients.result():
        cells = [f"{row[of]['median']:8.0f} ({row[of]['least']:.0f}..{row[of]['most']:.0f})"
                 for of in ("rate", "p50_us", "p99_us")]
        bench.say(f"{row['verb']:4} {row['threads']:7} {row['over']:8} {cells[0]:>24} "
                  f"{cells[1]:>22} {cells[2]:>24}")
    return {"sizes": clients.sizes, "rows": clients.result()}


# ------------------------------------------------------------------------------------------------


def parse(words):
    parser = argparse.ArgumentParser(description="Measures a cluster on one machine.")
    parser.add_argument("build", help="a build folder")
    parser.add_argument("--records", type=int, default=1000000)
    parser.add_argument("--tenants", type=int, default=100)
    parser.add_argument("--value-bytes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of operations, each time")
    parser.add_argument("--only", action="append", choices=PARTS, help="a part; may be repeated")
    parser.add_argument("--dir", default=tempfile.gettempdir(), help="where the stores are made")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(words)


def describe(bench):
    for line in machine.lines(machine.describe(bench.options.dir)):
        bench.say(line)
    bench.say(f"data        {bench.options.records} records of "
              f"{bench.options.value_bytes} bytes, {bench.options.tenants} tenants, strategy move, "
              "no index")
    bench.say()


def main():
    options = parse(sys.argv[1:])
    measures = {"run": measure_run, "traffic": measure_traffic, "client": measure_client}
    work = tempfile.mkdtemp(prefix="rekey-cluster.", dir=options.dir)
    result = {"records": options.records, "rounds": options.rounds}
    try:
        bench = Bench(options, work)
        with bench.closing:
            describe(bench)
            for part in options.only or PARTS:
                result[part] = measures[part](bench)
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(work)
    if options.json:
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
