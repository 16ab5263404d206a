"""The measurements of performance-test as one SVG file, 390 px wide: a row for each figure of each mount."""

import re
from collections.abc import Sequence

from jts_storage.measurements import BYTES, OPERATIONS, P99, TESTS, History, Trend, short, signed
from jts_storage.program import printable

WIDTH = 390
MARGIN = 12
# Of a row: where its line begins and ends.
LEFT, RIGHT = 136, 276
ROW, HEAD, FOOT = 40, 46, 24
CHARACTERS = 44
# Class → colour on a light and on a dark screen.
COLOURS = {
    "paper": ("#f6f7f5", "#12161b"),
    "panel": ("#ffffff", "#1a2027"),
    "ink": ("#1b2530", "#e9eef3"),
    "muted": ("#515d69", "#a9b5c1"),
    "warning": ("#a80f35", "#ff93a8"),
    "rule": ("#98a3ae", "#64717e"),
    "hot": ("#a8401a", "#f2996f"),
    "warm": ("#7d5a00", "#dfb458"),
    "cold": ("#1d5c9f", "#7fb8f2"),
}
NAMES = dict(zip(TESTS, ("write in sequence", "read in sequence", "write at random", "read at random"), strict=True))
UNITS = {BYTES: "bytes/s", OPERATIONS: "operations/s", P99: "99 % within"}


def draw(mounts: Sequence[tuple[History, Sequence[Trend]]], limit_percent: float) -> str:
    """
    The SVG file's text. It asks nothing of the network, and runs no script.

    @param mounts  each with its trends
    @param limit_percent  by how much what is marked is slower, for the legend
    """
    parts: list[str] = []
    y = 58.0
    for history, trends in mounts:
        parts += _mount(history, trends, y)
        y += HEAD + ROW * len(trends) + FOOT + MARGIN
    if not mounts:
        parts.append(_text(MARGIN, y + 16, "muted", "No measurements are kept."))
        y += 32
    title = "Measurements of the storage tiers"
    words = f"Each line shows the last runs, the newest on the right. Red: slower by more than {limit_percent:g} %."
    legend = [
        _text(MARGIN, 24, "ink bold", title, 16),
        _text(MARGIN, 44, "muted", f"Dashes: median of the earlier runs. Red: {limit_percent:g} % slower.", 12),
    ]
    size = f'viewBox="0 0 {WIDTH} {y:g}" width="{WIDTH}" height="{y:g}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc">',
            f'<title id="title">{title}</title>',
            f'<desc id="desc">{words}</desc>',
            f"<style>{_style()}</style>",
            f'<rect class="paper" width="{WIDTH}" height="{y:g}"/>',
            *legend,
            *parts,
            "</svg>",
            "",
        ]
    )


def _mount(history: History, trends: Sequence[Trend], y: float) -> list[str]:
    height = HEAD + ROW * len(trends) + FOOT
    times = [run.at for run in history.runs]
    path = _escape(history.path)
    # The end of a path says more than its beginning.
    shown = path if len(history.path) <= CHARACTERS else f"…{_escape(history.path[1 - CHARACTERS :])}"
    bottom = y + height - 10
    return [
        f"<g><title>{_escape(history.tier)} {path}, {_escape(history.size)}</title>",
        f'<rect class="panel" x="4" y="{y:g}" width="{WIDTH - 8}" height="{height:g}" rx="6"/>',
        _text(MARGIN, y + 20, f"{_tier(history)} bold", f"{_escape(history.tier)}, {_escape(history.size)}", 14),
        _text(MARGIN, y + 37, "ink mono", shown, 12),
        *(line for index, trend in enumerate(trends) for line in _row(history, trend, y + HEAD + ROW * index)),
        _text(LEFT, bottom, "muted", times[0][:10], 11),
        *([_text(RIGHT, bottom, "muted end", times[-1][:10], 11)] if len(times) > 1 else []),
        "</g>",
    ]


def _row(history: History, trend: Trend, y: float) -> list[str]:
    # From zero, so that a small change looks small.
    most = max(*trend.values, trend.median or 0, 1e-9)
    step = (RIGHT - LEFT) / max(1, len(trend.values) - 1)
    points = [
        (LEFT + step * index if len(trend.values) > 1 else RIGHT, y + ROW - 6 - value / most * (ROW - 12))
        for index, value in enumerate(trend.values)
    ]
    line = " ".join(f"{x:.1f},{height:.1f}" for x, height in points)
    values = ", ".join(short(value, trend.figure) for value in trend.values)
    colour = "warning" if trend.is_slower else _tier(history)
    median = []
    if trend.median is not None:
        level = f"{y + ROW - 6 - trend.median / most * (ROW - 12):.1f}"
        median = [f'<line class="rule dashes" x1="{LEFT}" y1="{level}" x2="{RIGHT}" y2="{level}"/>']
    word, radius = ("slower ", 4) if trend.is_slower else ("", 3)
    last = short(trend.values[-1], trend.figure)
    parts = [
        _text(MARGIN, y + 17, "ink", NAMES[trend.test], 12),
        _text(MARGIN, y + 32, "muted", UNITS[trend.figure], 11),
        f'<line class="rule" x1="{LEFT}" y1="{y + ROW - 6:g}" x2="{RIGHT}" y2="{y + ROW - 6:g}"/>',
        *median,
        f'<polyline class="{_tier(history)}" points="{line}"/>',
        f'<circle class="{colour}" cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="{radius}"/>',
        _text(WIDTH - MARGIN, y + 17, "ink bold end", last, 13),
    ]
    title = f"{trend.test} {trend.figure}: {values}"
    if trend.change_percent is not None:
        change = f"{word}{signed(trend.change_percent)}"
        title = f"{title}; {change}"
        parts.append(_text(WIDTH - MARGIN, y + 32, "warning bold end" if trend.is_slower else "muted end", change, 11))
    return [f"<g><title>{title}</title>", *parts, "</g>"]


def _tier(history: History) -> str:
    return history.tier if history.tier in COLOURS else "ink"


def _text(x: float, y: float, classes: str, text: str, size: int = 12) -> str:
    """@param text  escaped"""
    return f'<text class="{classes}" x="{x:g}" y="{y:g}" font-size="{size}">{text}</text>'


def _style() -> str:
    def colours(theme: int) -> str:
        return "".join(
            f".{name}{{fill:{both[theme]}}}line.{name},polyline.{name}{{fill:none;stroke:{both[theme]}}}"
            for name, both in COLOURS.items()
        )

    return (
        "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}"
        ".mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}"
        ".bold{font-weight:600}.end{text-anchor:end}.dashes{stroke-dasharray:3 3}"
        f"{colours(0)}@media (prefers-color-scheme: dark){{{colours(1)}}}"
        "polyline{stroke-width:2;stroke-linejoin:round}"
        # Phones lay out a file of its own 980 px wide, and then show it small.
        "@media (pointer:coarse) and (max-width:980px){svg{width:100%;height:auto}}"
    )


def _escape(text: str) -> str:
    """For XML; what XML cannot hold, or would turn the direction of writing, is shown as U+FFFD."""
    plain = re.sub("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]", "\ufffd", str(printable(text)))
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
