"""The metrics script of sweep-one-zip."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest


@pytest.fixture
def post(examples, tmp_path):
    def start() -> subprocess.CompletedProcess[str]:
        script = examples / "sweep-one-zip" / "post.py"
        return subprocess.run([sys.executable, script], cwd=tmp_path, text=True, capture_output=True, timeout=30)

    return start


def test_figures_come_from_the_column_file(post, tmp_path):
    (tmp_path / "engine.echo").write_text("# echo\n 0.1  bore\n 0.2  stroke\n")
    rows = ["-1 2.0 900 1e-4 1e-3 0", "0 5.0 1800 1e-4 1e-3 40", "2 4.0 1700 1e-4 1e-3 157.08"]
    (tmp_path / "thermo.out").write_text("# head\n" + "\n".join(rows) + "\n")
    done = post()
    assert done.returncode == 0, done.stderr
    figures = {name: float(value) for name, value in (line.split("\t") for line in done.stdout.splitlines())}
    assert figures == {
        "peak_pressure_bar": 50,
        "peak_pressure_at_deg": 0,
        "peak_temperature_K": 1800,
        "max_rise_bar_per_deg": 30,
        "imep_bar": pytest.approx(157.08 / (math.pi / 4 * 0.01 * 0.2) / 1e5, rel=1e-4),
    }


def test_a_column_file_without_rows_is_an_error(post, tmp_path):
    (tmp_path / "engine.echo").write_text(" 0.1  bore\n 0.2  stroke\n")
    (tmp_path / "thermo.out").write_text("# head\n")
    done = post()
    assert done.returncode != 0
    assert "thermo.out has no rows" in done.stderr
