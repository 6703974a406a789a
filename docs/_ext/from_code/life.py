"""The diagram of a sweep and of one run in it: steps in their order, hooks where they are called."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from anystore_doe.model import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOMENTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("load plugins", ()),
    ("open stores", ("anystore_doe_storages",)),
    ("read table,\ntemplates", ()),
    ("choose the\nexecutor", ("anystore_doe_executors",)),
    ("plan\nall rows", ("anystore_doe_archives",)),
    ("workers start,\nruns live", ("anystore_doe_run_event",)),
)
"""What the driver does, in order, and the hooks that are called there. A test watches a real sweep to compare."""

LANES: dict[str, str] = {
    "claim": "in",
    "fetch": "in",
    "unpack": "in",
    "render": "in",
    "solve": "slot",
    "measure": "after",
    "push": "after",
    "commit": "after",
    "clean": "after",
}
"""Where each step of a run happens."""

TITLES = {"in": "while other runs solve", "slot": "in a slot", "after": "the slot is free for the next run"}

WIDTH, GAP, HIGH = 960, 16, 52


def write() -> str:
    """Write the figure as HTML."""
    return "\n".join(
        [
            '<figure class="life">',
            f'<svg viewBox="0 0 {WIDTH} 318" role="img" aria-label="{escape(_spoken())}"'
            ' font-family="inherit" font-size="14.5" fill="currentColor" stroke="none">',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0 L8 4 L0 8 z"/></marker></defs>',
            *_driver(),
            *_run(),
            "</svg>",
            "</figure>",
        ]
    )


def _spoken() -> str:
    hooks = "; ".join(f"{' '.join(what.split())}: {', '.join(names)}" for what, names in MOMENTS if names)
    return f"Steps of a run: {', '.join(STEPS)}. Hooks: {hooks}."


def _driver() -> Iterator[str]:
    """Draw what the driver does, with the hooks below it."""
    yield _text(0, 16, "the driver", bold=True, anchor="start")
    wide = (WIDTH - GAP * (len(MOMENTS) - 1)) / len(MOMENTS)
    for at, (what, hooks) in enumerate(MOMENTS):
        x = at * (wide + GAP)
        yield from _box(x, 28, wide, what.split("\n"), "none")
        if at:
            yield _arrow(x - GAP, 28 + HIGH / 2, x)
        for hook in hooks:
            yield _line(x + wide / 2, 28 + HIGH, x + wide / 2, 98)
            yield _text(x + wide / 2, 114, hook.removeprefix("anystore_doe_"), mono=True)
    yield _text(0, 138, "hooks (each name begins with anystore_doe_)", anchor="start", faint=True)


def _run() -> Iterator[str]:
    """Draw the life of one run, in its three lanes."""
    top = 204
    wide = (WIDTH - GAP * (len(STEPS) - 1)) / len(STEPS)
    yield _text(0, 172, "each run, in a thread of its worker", bold=True, anchor="start")
    for lane, title in TITLES.items():
        places = [at for at, step in enumerate(STEPS) if LANES[step] == lane]
        left, right = places[0] * (wide + GAP), places[-1] * (wide + GAP) + wide
        yield _text((left + right) / 2, top - 10, title, faint=True)
        yield _line(left, top - 4, right, top - 4)
    for at, step in enumerate(STEPS):
        x = at * (wide + GAP)
        fill = "var(--color-brand-primary)" if LANES[step] == "slot" else "none"
        yield from _box(x, top + 4, wide, [step], fill)
        if at:
            yield _arrow(x - GAP, top + 4 + HIGH / 2, x)
        yield _line(x + 8, top + 4 + HIGH, x + 8, top + 4 + HIGH + 16)
    low = top + 4 + HIGH + 34
    yield _text(
        0,
        low,
        'a run event "started" when a step begins, "progress" as bytes move in fetch and push;',
        anchor="start",
        faint=True,
    )
    yield _text(
        0, low + 18, 'at the end one of "committed", "failed", "skipped", "stopped"', anchor="start", faint=True
    )


def _box(x: float, y: float, wide: float, lines: Sequence[str], fill: str) -> Iterator[str]:
    yield (
        f'<rect x="{x + 1:.1f}" y="{y}" width="{wide - 2:.1f}" height="{HIGH}" rx="6" fill="{fill}"'
        ' stroke="currentColor" stroke-width="1.2"/>'
    )
    first = y + HIGH / 2 + 5 - 8 * (len(lines) - 1)
    for at, line in enumerate(lines):
        yield _text(x + wide / 2, first + 16 * at, line, inverse=fill != "none")


def _text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "middle",
    bold: bool = False,
    mono: bool = False,
    faint: bool = False,
    inverse: bool = False,
) -> str:
    style = 'font-weight="600" ' if bold else ""
    style += 'font-family="var(--font-stack--monospace)" ' if mono else ""
    style += 'opacity="0.75" ' if faint else ""
    style += 'fill="var(--color-background-primary)" font-weight="600" ' if inverse else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {style.strip()}>{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f} L{x2:.1f} {y2:.1f}" stroke="currentColor" stroke-width="1" opacity="0.6"/>'


def _arrow(x1: float, y: float, x2: float) -> str:
    return f'<path d="M{x1:.1f} {y:.1f} L{x2:.1f} {y:.1f}" stroke="currentColor" marker-end="url(#tip)"/>'
