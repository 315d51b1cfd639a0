"""The command line of bench/rekey-bench."""
import argparse
import dataclasses
import difflib
import json
import os
import shutil
import signal
import sys
import tempfile

from . import machine as machines
from . import plots, table
from .ground import Sizes
from .process import Failure
from .scenarios import SCENARIOS
from .site import BENCH, MOVE, Site, shipped_spec
from .targets import ratios

EXIT_FAILED = 1
EXIT_USAGE = 64
FORMAT = 1
ALL = [name for name in SCENARIOS if name != "cluster"]

HELP = """\
Examples
  bench/rekey-bench move                              one million records, a few minutes
  bench/rekey-bench move --records 10000000 --rounds 3
  bench/rekey-bench move --value-bytes 2048
  bench/rekey-bench scripts verify plan contract      several, one after the other
  bench/rekey-bench batch records workers values --plot pictures
  bench/rekey-bench foreground --pace 100 --plot pictures
  bench/rekey-bench all --records 2000 --rounds 1     a smoke test
  bench/rekey-bench --list

Measures rekey beside what else does the same work on the same data. The contestants take turns; a
result is checked before its time counts."""

EXITS = """\
A scenario prints a table, or with --json one object on a line; progress goes to stderr. `all` is
every scenario but `cluster`. bench/README.md says what is measured, and has the JSON's members.

Exit codes
    0  measured
    1  a wrong result, a missing program, or with --check-targets a target that was missed
   64  usage"""


class Parser(argparse.ArgumentParser):
    def format_help(self):
        return "\n\n".join((HELP, self.format_usage().replace("usage:", "Usage\n ").rstrip(),
                            self.format_options(), EXITS)) + "\n"

    def format_options(self):
        formatter = self._get_formatter()
        formatter.start_section("Options")
        formatter.add_arguments(action for action in self._actions)
        formatter.end_section()
        return formatter.format_help().rstrip().replace("Options:", "Options")

    def error(self, message):
        print(f"rekey-bench: {message}\nhint: rekey-bench --help", file=sys.stderr)
        sys.exit(EXIT_USAGE)


def positive(kind):
    def parse(text):
        number = kind(text)
        if number <= 0:
            raise ValueError
        return number
    parse.__name__ = "positive " + kind.__name__
    return parse


def at_least_zero(text):
    number = float(text)
    if not number >= 0:
        raise ValueError
    return number


def parse(words):
    parser = Parser(prog="rekey-bench", allow_abbrev=False)
    add = parser.add_argument
    add("scenarios", nargs="*", metavar="SCENARIO", help="what to measure, see --list")
    add("--list", action="store_true", help="print the scenarios")
    add("--build", metavar="DIR", default=os.path.join(os.path.dirname(BENCH), "build", "release"),
        help="a build folder (default build/release)")
    add("--records", type=positive(int), default=1000000, metavar="N", help="default 1000000")
    add("--value-bytes", type=positive(int), default=200, metavar="N",
        help="size of a value, about (default 200)")
    add("--tenants", type=positive(int), default=100, metavar="N", help="default 100")
    add("--seed", type=positive(int), default=1, metavar="N",
        help="another number, other values (default 1)")
    add("--rounds", type=positive(int), default=5, metavar="N", help="turns of each (default 5)")
    add("--workers", type=positive(int), metavar="N",
        help="scanner threads of rekey run (default: its own)")
    add("--seconds", type=positive(float), default=3.0, metavar="N",
        help="foreground: of idle puts before and after a run; cluster: of operations (default 3)")
    add("--pace", type=at_least_zero, default=100.0, metavar="N",
        help="foreground: puts a second, 0 is as fast as possible (default 100)")
    add("--spec", metavar="FILE", default=shipped_spec(MOVE),
        help="foreground: another migration; its entity Contract has the one id contract_id")
    add("--dir", metavar="DIR", default=tempfile.gettempdir(),
        help="where the stores are made (default the folder for temporary files)")
    add("--json", action="store_true", help="print JSON on stdout, one object a scenario")
    add("--plot", metavar="DIR", help="draw pictures into this folder, PNG and SVG")
    add("--check-targets", action="store_true", help="exit 1 when a target is missed")
    options = parser.parse_args(words)
    check_names(parser, options)
    return options


def check_names(parser, options):
    for name in options.scenarios:
        if name not in SCENARIOS and name != "all":
            near = difflib.get_close_matches(name, list(SCENARIOS) + ["all"], 1, 0)
            print(f"rekey-bench: unknown scenario {name}\nhint: did you mean {near[0]}?",
                  file=sys.stderr)
            sys.exit(EXIT_USAGE)
    if not options.scenarios and not options.list:
        parser.error("no scenario; --list names them")
    if "all" in options.scenarios:
        options.scenarios = ALL


def draw(folder, name, sizes, result):
    scenario = SCENARIOS[name]
    title = f"{name}: {scenario.data.format(**dataclasses.asdict(sizes))}"
    if scenario.axis:
        yield from plots.lines(folder, name, title, result.contestants, scenario.axis, scenario.log)
        return
    yield from plots.bars(folder, name, title, result.contestants)
    if result.latencies:
        yield from plots.over_time(folder, name + "-latency", "an application's puts beside a run, "
                                   f"{sizes.records} records", result.latencies,
                                   result.more["lock_hold_ms"])


def as_json(name, machine, sizes, options, result, found):
    return {"format": FORMAT, "scenario": name, "machine": machine,
            "durability": machines.DURABILITY,
            "sizes": {"records": sizes.records, "value_bytes": sizes.value_bytes,
                      "tenants": sizes.tenants, "rounds": options.rounds},
            "seed": sizes.seed,
            "contestants": [each.as_json() for each in result.contestants],
            "ratios": [each.as_json() for each in found],
            "latencies": [each.as_json() for each in result.latencies], **result.more}


def measure(name, options, work):
    """True unless a target was missed."""
    sizes = Sizes(options.records, options.value_bytes, min(options.tenants, options.records),
                  options.seed)
    machine = machines.describe(options.dir)
    if not options.json:
        table.show_head(sys.stdout, machine, name, SCENARIOS[name].summary, sizes, options.rounds)
        sys.stdout.flush()
    result = SCENARIOS[name].measure(Site(options.build, work), options, sizes)
    found = ratios(name, result.contestants, result.quantities, sizes.records)
    if options.json:
        print(json.dumps(as_json(name, machine, sizes, options, result, found)), flush=True)
    else:
        table.show_contestants(sys.stdout, result.contestants)
        table.show_latencies(sys.stdout, result.latencies)
        table.show_ratios(sys.stdout, found)
        sys.stdout.flush()
    for path in draw(options.plot, name, sizes, result) if options.plot else ():
        print(f"drawn: {path}", file=sys.stderr)
    return all(each.met is not False for each in found)


def main(words):
    # Ended from outside, it still removes its stores.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_FAILED))
    options = parse(words)
    if options.list:
        for name, scenario in SCENARIOS.items():
            print(f"{name:16} {scenario.summary}")
        return 0
    met = True
    try:
        if options.plot:
            plots.check()
        for name in options.scenarios:
            work = tempfile.mkdtemp(prefix="rekey-bench.", dir=options.dir)
            try:
                met = measure(name, options, work) and met
            finally:
                shutil.rmtree(work)
    except (Failure, OSError) as failure:
        print(f"rekey-bench: {failure}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_FAILED
    if options.check_targets and not met:
        print("rekey-bench: a target was missed", file=sys.stderr)
        return EXIT_FAILED
    return 0
