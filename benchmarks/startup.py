"""Start-up: ``--help`` and ``plugins`` beside ``python -c pass``."""

from __future__ import annotations

import sys

from measuring import CLI, Figure, alternated, measured, publish

ROUNDS = 15


def main() -> None:
    """Measure and publish."""
    nothing, help_, plugins = alternated(
        ROUNDS,
        lambda: measured([sys.executable, "-c", "pass"]),
        lambda: measured([*CLI, "--help"]),
        lambda: measured([*CLI, "plugins"]),
    )
    floor = [one.wall_s * 1000 for one in nothing]
    publish(
        "startup",
        [
            Figure(
                name=name,
                unit="ms",
                ours=[one.wall_s * 1000 for one in taken],
                peer_name="python -c pass",
                peer=floor,
                demanded=10,
                rss_mb=max(one.rss_bytes for one in taken) / 2**20,
            )
            for name, taken in (("anystore-doe --help", help_), ("anystore-doe plugins", plugins))
        ],
    )


if __name__ == "__main__":
    main()
