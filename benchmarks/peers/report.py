"""What a run found: as a table at the terminal, as JSON, as a page with a plot.

`docs/performance.md` keeps its prose; only what stands between a pair of markers is written here.
"""

import json
import os
import platform
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "performance.svg"


@dataclass(frozen=True)
class Goal:
    """A figure that was promised, and what it is."""

    figure: str
    promised: str
    found: str
    reached: bool | None
    """None where it could not be measured."""

    @property
    def verdict(self) -> str:
        return {True: "reached", False: "MISSED", None: "not measured"}[self.reached]


def at_least(figure: str, factor: float, ours: float | None, other: float | None, than: str) -> Goal:
    """Return the goal that ours is so many times the other."""
    promised = f"≥ {factor:g} × {than}"
    if not ours or not other:
        return Goal(figure, promised, "", None)
    return Goal(figure, promised, f"{ours / other:.2f} ×", ours / other >= factor)


def at_most(figure: str, factor: float, ours: float | None, other: float | None, than: str) -> Goal:
    """Return the goal that ours is at most so many times the other."""
    promised = f"≤ {factor:.3g} × {than}"
    if not ours or not other:
        return Goal(figure, promised, "", None)
    return Goal(figure, promised, f"{ours / other:.3g} ×", ours / other <= factor)


def below(figure: str, limit: float, ours: float | None, unit: str) -> Goal:
    """Return the goal that ours stays below a limit."""
    promised = f"≤ {limit:g} {unit}"
    return Goal(figure, promised, "" if ours is None else f"{ours:.3g} {unit}", None if ours is None else ours <= limit)


def quantile(values: Sequence[float], q: float) -> float | None:
    """Return the nearest-rank quantile; None of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else None


def circumstances(redis: str) -> dict[str, Any]:
    """Return where and with what a run was made, in general words."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "redis": redis,
        "scalr_tasks": version("scalr-tasks"),
        "redis_py": version("redis"),
    }


# -- tables ------------------------------------------------------------------------------


def number(value: float | None) -> str:
    """Return a figure in three digits, a dash for none."""
    if value is None:
        return "–"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table for a terminal: the first column to the left, figures to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *rows)
    )


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table for the page."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def goal_rows(goals: Sequence[dict[str, Any]] | Sequence[Goal]) -> list[list[str]]:
    """Return the rows of the table of goals."""
    known = [goal if isinstance(goal, Goal) else Goal(**goal) for goal in goals]
    return [[goal.figure, goal.promised, goal.found, goal.verdict] for goal in known]


GOAL_HEAD = ["figure", "goal", "found", ""]


# -- files -------------------------------------------------------------------------------


def save(name: str, found: dict[str, Any]) -> None:
    """Keep a run as JSON, and write the page anew from every kept run."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    render()


def render() -> None:
    """Write what stands between the markers of the page, and the plot."""
    page = PAGE.read_text()
    for name, make in SECTIONS.items():
        kept = RESULTS / f"{name}.json"
        if kept.exists():
            body = make(json.loads(kept.read_text()))
            page = re.sub(
                rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end -->)",
                lambda match, body=body: f"{match[1]}{body}\n{match[2]}",
                page,
                flags=re.DOTALL,
            )
    PAGE.write_text(page)
    engine = RESULTS / "engine.json"
    if engine.exists():
        PLOT.write_text(plot(json.loads(engine.read_text())))


def _head(found: dict[str, Any]) -> str:
    on = found["on"]
    return (
        f"Measured on {on['date']}: {on['cores']} cores ({on['machine']}), load {on['load']:g} at the start, Python {on['python']}, "
        f"Redis {on['redis']} without persistence, redis-py {on['redis_py']}; {found['size']} run."
    )


def _section(found: dict[str, Any]) -> str:
    tables = [markdown_table(table["head"], table["rows"]) for table in found["tables"]]
    goals = markdown_table(GOAL_HEAD, goal_rows(found["goals"]))
    lost = [f"Not measured: {label}: {why}." for label, why in found["lost"].items()]
    return "\n\n".join([_head(found), *tables, goals, *lost])


SECTIONS: dict[str, Callable[[dict[str, Any]], str]] = {"enqueue": _section, "engine": _section}


# -- the plot ----------------------------------------------------------------------------

_ROW, _LEFT, _WIDTH, _TOP = 24, 170, 720, 44
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#333}.t{font-weight:600;font-size:15px}"
    ".b{fill:#8a94a6}.o{fill:#2f7d4f}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.b{fill:#727d91}.o{fill:#55b37c}}"
)


def plot(found: dict[str, Any]) -> str:
    """Return a bar chart of the drain rates, readable on a light and on a dark page."""
    bars = sorted(
        ((row["label"], row["drain"], row["key"] == "ours") for row in found["rows"] if row.get("drain")),
        key=lambda bar: -bar[1],
    )
    most = max(bar[1] for bar in bars)
    height = _TOP + _ROW * len(bars) + 12
    room = _WIDTH - _LEFT - 80
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="Jobs per second">',
        f"<style>{_STYLE}</style>",
        '<text class="t" x="12" y="24">No-op jobs per second, one worker process, results kept</text>',
    ]
    for index, (label, rate, ours) in enumerate(bars):
        y = _TOP + index * _ROW
        width = max(1, round(rate / most * room))
        lines += [
            f'<text x="{_LEFT - 10}" y="{y + 15}" text-anchor="end">{label}</text>',
            f'<rect class="{"o" if ours else "b"}" x="{_LEFT}" y="{y + 2}" width="{width}" height="{_ROW - 6}" rx="2"/>',
            f'<text x="{_LEFT + width + 8}" y="{y + 15}">{rate:,.0f}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def tell(found: dict[str, Any], *, as_json: bool) -> int:
    """Print a run; the exit status is 1 where a goal is missed."""
    for table in found["tables"]:
        print(text_table(table["head"], table["rows"]), end="\n\n")
    print(text_table(GOAL_HEAD, goal_rows(found["goals"])))
    for label, why in found["lost"].items():
        print(f"not measured: {label}: {why}", file=sys.stderr)
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    return int(any(goal["reached"] is False for goal in found["goals"]))
