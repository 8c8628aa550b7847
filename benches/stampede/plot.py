"""The picture: docs/stampede.svg."""

import pathlib
from collections.abc import Callable

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402  (the backend comes first)
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator  # noqa: E402

from measure import Outcome  # noqa: E402
from results import Results  # noqa: E402
from ways import WAYS  # noqa: E402

STYLES = {
    "plain": ("#7f7f7f", "o", "-"),
    "setnx": ("#e08214", "s", "-"),
    "redis-py-lock": ("#b35806", "D", "-"),
    "local": ("#8073ac", "^", "-"),
    "memcached": ("#35978f", "v", "-"),
    "memcached-stale": ("#35978f", "v", ":"),
    "fill": ("#c2185b", "o", "-"),
    "fill-stale": ("#c2185b", "o", ":"),
}
"""Colour, marker, line: dotted lines serve stale values, announced as such."""


def draw(results: Results, path: pathlib.Path) -> None:
    """Writes the picture; the same results give the same bytes."""
    plt.rcParams.update({"svg.hashsalt": "stampede", "svg.fonttype": "none", "font.size": 9, "axes.axisbelow": True})
    figure, axes = plt.subplots(2, 2, figsize=(10.5, 7.6), layout="constrained")
    _sweep(axes[0][0], results, "calls_per_expiry", "Origin calls per expiry or new version")
    _sweep(axes[0][1], results, "p99_ms", "99th percentile of a request, ms")
    _stale(axes[1][0], results)
    _recoveries(axes[1][1], results)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def _sweep(axes: Axes, results: Results, field: str, title: str) -> None:
    _lines(axes, results, lambda outcome: float(getattr(outcome, field)))
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.minorticks_off()
    axes.set_title(title)


def _stale(axes: Axes, results: Results) -> None:
    _lines(axes, results, lambda outcome: 1000 * outcome.stale / max(1, outcome.requests))
    axes.set_ylim(bottom=-0.5)
    axes.set_title("Stale reads per 1,000 requests")


def _lines(axes: Axes, results: Results, figure_of: Callable[[Outcome], float]) -> None:
    numbers = list(results.settings.processes)
    for way in results.ways():
        colour, marker, line = STYLES[way]
        outcomes: list[Outcome] = [results.outcome(way, number) for number in numbers]
        width = 2.4 if way.startswith("fill") else 1.4
        values = [figure_of(outcome) for outcome in outcomes]
        axes.plot(numbers, values, line, color=colour, marker=marker, ms=4, lw=width, label=WAYS[way].title)
    axes.set_xscale("log", base=2)
    axes.set_xticks(numbers, [str(number) for number in numbers])
    axes.xaxis.minorticks_off()
    axes.set_xlabel("processes that share the callers")
    axes.grid(alpha=0.3)


def _recoveries(axes: Axes, results: Results) -> None:
    rows = list(reversed(results.recoveries))
    names = [WAYS[row.way].title for row in rows]
    axes.barh(names, [row.last_ms for row in rows], color=[STYLES[row.way][0] for row in rows], alpha=0.35)
    axes.barh(names, [row.first_ms for row in rows], color=[STYLES[row.way][0] for row in rows])
    axes.set_title("A leader killed: ms to the first and last value")
    axes.grid(axis="x", alpha=0.3)
