"""Results for people: a table of contestants, of latencies, of ratios with their targets."""
from . import machine as machines
from .foreground import FIELDS
from .measure import spread

KIB_PER_MIB = 1024


def show_head(out, machine, scenario, summary, sizes, rounds):
    print(f"scenario    {scenario}: {summary}", file=out)
    for line in machines.lines(machine):
        print(line, file=out)
    print(f"data        {sizes.records} records, values of {sizes.value_bytes} bytes, "
          f"{sizes.tenants} tenants, seed {sizes.seed}; {rounds} rounds, contestants in turns",
          file=out)
    print(file=out)


def show_contestants(out, found):
    width = max(len(each.name) for each in found)
    print(f"{'':{width}} {'median':>12} {'least':>12} {'most':>12} {'unit':10} {'RssAnon MiB':>12}",
          file=out)
    for each in found:
        rate = spread(each.rounds)
        memory = "" if each.rss_kib is None else f"{each.rss_kib / KIB_PER_MIB:.1f}"
        print(f"{each.name:{width}} {rate['median']:12.0f} {rate['least']:12.0f} "
              f"{rate['most']:12.0f} {each.unit:10} {memory:>12}", file=out)
    print(file=out)


def show_latencies(out, latencies):
    if not latencies:
        return
    heads = "".join(f"{name:>25}" for name in ("p50", "p99", "p99.9", "max"))
    print(f"{'puts, us':9}{'count':>8}{heads}{'over':>7}", file=out)
    for each in latencies:
        cells = ""
        for of in FIELDS:
            found = spread(each.values(of))
            text = f"{found['median']:.0f} ({found['least']:.0f}..{found['most']:.0f})"
            cells += f"{text:>25}"
        print(f"{each.name:9}{sum(each.values('count')):8}{cells}{sum(each.values('over')):7}",
              file=out)
    print(file=out)


def show_ratios(out, ratios):
    if not ratios:
        return
    width = max(len(each.name) for each in ratios)
    print(f"{'ratio':{width}} {'median':>8} {'spread':>18}   target", file=out)
    for each in ratios:
        found = spread(each.rounds)
        text = f"{found['least']:.2f}..{found['most']:.2f}"
        target = "-"
        if each.bound is not None:
            sign = ">=" if each.sense == "least" else "<="
            target = f"{sign} {each.bound:g}  {'met' if each.met else 'MISSED'}"
        words = f"   {each.words}" if each.words else ""
        print(f"{each.name:{width}} {found['median']:8.2f} {text:>18}   {target}{words}", file=out)
    print(file=out)
