"""Pictures, PNG and SVG, drawn by gnuplot: bars, lines over a sweep, puts over time."""
import os
import subprocess

from .foreground import SPANS
from .measure import spread
from .process import Failure, need

TERMINALS = (("png", "pngcairo size 1000,600 font 'sans,11' noenhanced"),
             ("svg", "svg size 1000,600 font 'sans,13' noenhanced background '#ffffff'"))
US_PER_MS = 1000
MARKS = {"idle": "idle", "backfill": "run begins: backfill", "verify": "verify",
         "after": "run ended"}


def check():
    need("gnuplot", "gnuplot-nox")


def _block(name, rows):
    return "\n".join([f"${name} << END", *rows, "END"])


def _quoted(text):
    return "'" + text.replace("'", "''") + "'"


def _draw(folder, name, data, commands):
    os.makedirs(folder, exist_ok=True)
    for ending, terminal in TERMINALS:
        path = os.path.join(folder, f"{name}.{ending}")
        script = "\n".join([data, f"set terminal {terminal}", f"set output {_quoted(path)}",
                            "set grid", "set format y '%.0f'", *commands, "unset output"])
        done = subprocess.run(["gnuplot"], input=script, capture_output=True, text=True,
                              check=False)
        if done.returncode != 0 or not os.path.getsize(path):
            raise Failure(f"gnuplot cannot draw {path}: {done.stderr}")
        yield path


def bars(folder, name, title, found):
    rows = []
    for i, each in enumerate(found):
        rate = spread(each.rounds)
        rows.append(f"{i} {rate['median']} {rate['least']} {rate['most']} \"{each.name}\"")
    yield from _draw(folder, name, _block("data", rows), [
        f"set title {_quoted(title)}", f"set ylabel {_quoted(found[0].unit)}",
        "set yrange [0:*]", "set style fill solid 0.6", "set boxwidth 0.6", "unset key",
        f"set xrange [-0.6:{len(found) - 0.4}]", "set xtics rotate by -20",
        "plot $data using 1:2:xtic(5) with boxes, "
        "$data using 1:2:3:4 with yerrorbars lc rgb 'black' pt 0"])


def lines(folder, name, title, found, axis, log):
    series = {}
    for each in found:
        rate = spread(each.rounds)
        series.setdefault(each.series, []).append(
            (each.at, rate["median"], rate["least"], rate["most"]))
    data = "\n".join(_block(f"data{i}", [" ".join(map(str, row)) for row in sorted(rows)])
                     for i, rows in enumerate(series.values()))
    plots = ", ".join(f"$data{i} using 1:2:3:4 with yerrorlines lw 2 title {_quoted(label)}"
                      for i, label in enumerate(series))
    yield from _draw(folder, name, data, [
        f"set title {_quoted(title)}", f"set xlabel {_quoted(axis)}", "set ylabel 'records/s'",
        "set yrange [0:*]", "set offsets graph 0.05, graph 0.05, 0, 0", "set key outside",
        "set logscale x" if log else "set xtics 1", f"plot {plots}"])


def _mark(at, words):
    return (f"set arrow from first {at}, graph 0 to first {at}, graph 1 nohead dt 2; set label "
            f"{_quoted(words)} at first {at}, graph 0.98 right rotate by 90 offset 0.7,0")


def over_time(folder, name, title, latencies, bound_ms):
    """The last round's puts; each phase in a colour of its own, its beginning marked."""
    spans = [each for each in latencies if each.name in SPANS and each.series]
    start = spans[0].series[0][0]
    marks = [_mark(each.series[0][0] - start, MARKS[each.name]) for each in spans]
    data = "\n".join(_block(each.name, [f"{at - start} {us / US_PER_MS}"
                                        for at, us in each.series]) for each in spans)
    plots = ", ".join(f"${each.name} with points pt 7 ps 0.4 title {_quoted(each.name)}"
                      for each in spans)
    yield from _draw(folder, name, data, [
        f"set title {_quoted(title)}", "set xlabel 'seconds'", "set ylabel 'one put, ms'",
        "set logscale y", "set format y '%g'", "set key outside", *marks,
        f"plot {plots}, {bound_ms} with lines dt 3 lc rgb 'black' title 'lock_hold_ms'"])
