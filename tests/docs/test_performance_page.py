"""The page of figures says what the benchmarks left, and plainly when there is nothing."""

import json
import sys

import pytest
from docs_pages import DOCS, ROOT


@pytest.fixture(scope="module")
def performance():
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        from from_code import performance
    finally:
        sys.path.remove(str(DOCS / "_ext"))
    return performance


def test_without_a_file_every_figure_is_not_measured(performance, tmp_path):
    rows = [line for line in performance.write(tmp_path).splitlines() if "| at most " in line]
    assert len(rows) == 4
    assert all("| not measured |" in row for row in rows)


def test_a_file_fills_its_row_and_leaves_the_others(performance, tmp_path):
    figure = {
        "name": "20 runs",
        "unit": "s",
        "ours": [10.9, 11.1, 11.0],
        "peer_name": "bound",
        "peer": [10.5],
        "demanded": 1.1,
        "note": "",
        "cpu_s": 2.0,
        "rss_mb": 90.4,
        "ratio": 11.0 / 10.5,
    }
    body = {
        "benchmark": "pipeline",
        "date": "2026-01-02",
        "machine": {"cores": "2", "python": "3.11.7", "system": "Linux 6.1"},
        "remarks": {"runs": "20"},
        "figures": [figure],
    }
    (tmp_path / "pipeline.json").write_text(json.dumps(body))
    text = performance.write(tmp_path)
    assert "| at most 1.10 × the bound | 1.05 × | 2026-01-02, 2 cores, Linux 6.1, Python 3.11.7 |" in text
    assert "| 20 runs | 11 s (10.9 to 11.1) | bound: 10.5 s | 1.05 | CPU 2 s, peak RSS 90 MB |" in text
    assert text.count("not measured") == 3


def test_a_figure_above_what_is_demanded_is_said_to_be_missed(performance, tmp_path):
    figure = {"name": "peak", "unit": "MB", "ours": [301.0], "peer_name": "", "peer": [], "demanded": 300, "note": ""}
    figure |= {"cpu_s": None, "rss_mb": None, "ratio": None}
    machine = {"cores": "2", "python": "3.11.7", "system": "Linux 6.1"}
    body = {"benchmark": "memory", "date": "2026-01-02", "machine": machine, "remarks": {}, "figures": [figure]}
    (tmp_path / "memory.json").write_text(json.dumps(body))
    assert "| **301 MB: missed** |" in performance.write(tmp_path)
    (tmp_path / "memory.json").write_text(json.dumps({**body, "figures": [{**figure, "ours": [299.0]}]}))
    assert "| 299 MB |" in performance.write(tmp_path)


def test_every_demanded_figure_has_its_script(performance):
    for name, _, _ in performance.DEMANDED:
        assert (ROOT / "benchmarks" / f"{name}.py").is_file()
