"""Turns of contestants, A B A B, and what they come to: medians, spreads, ratios."""
import statistics
from dataclasses import dataclass, field


@dataclass
class Turn:
    """One contestant's turn, checked."""
    seconds: float
    rate: float  # a second, of what the contestant's unit says
    rss_kib: int = None  # None where memory says nothing
    at: float = None  # where on a sweep's axis, if that is known only now


@dataclass
class Found:
    """One contestant's turns. A sweep has several of each series, each at its place."""
    name: str
    series: str
    unit: str
    at: float = None
    rounds: list = field(default_factory=list)
    places: list = field(default_factory=list)
    rss_kib: int = None

    def add(self, turn):
        self.rounds.append(turn.rate)
        if turn.at is not None:
            self.places.append(turn.at)
            self.at = statistics.median(self.places)
        if turn.rss_kib is not None:
            self.rss_kib = max(turn.rss_kib, self.rss_kib or 0)

    def as_json(self):
        out = {"name": self.name, "unit": self.unit, "rounds": self.rounds,
               **spread(self.rounds), "rss_kib": self.rss_kib}
        return out if self.at is None else {**out, "series": self.series, "at": self.at}


def spread(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def per_round(values, of):
    """Each round's own ratio: a slow minute of the machine hits both sides of it."""
    return [a / b for a, b in zip(values, of)]


def take_turns(site, contestants, rounds):
    found = [Found(each.name, each.series, each.unit, each.at) for each in contestants]
    for number in range(rounds):
        site.say(f"round {number + 1} of {rounds}")
        for each, sheet in zip(contestants, found):
            turn = each.turn()
            sheet.add(turn)
            memory = "" if turn.rss_kib is None else f"   RssAnon {turn.rss_kib} KiB"
            site.say(f"  {each.name:14} {turn.seconds:9.3f} s {turn.rate:11.0f} "
                     f"{each.unit}{memory}")
    return found
