"""Inputs in each other's way end their run with the run's own class; many metrics are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sweeping import zipped

if TYPE_CHECKING:
    from sweeping import Desk, FileBucket


def test_a_file_where_another_input_has_a_folder(desk: Desk, files: FileBucket) -> None:
    one, tree = files.put("in/a", b"x"), files.put("tree/a/b", b"y").removesuffix("a/b")
    desk.write("runs.csv", f"one_input,two_input\n{one},{tree}\n")
    failed = desk("run", "runs.csv", "-o", f"{files.url}/out", "--", "true", exit_code=1)
    assert "two inputs bring the same path 'a'" in failed.stdout
    assert one in failed.stdout
    assert f"{tree}a/b" in failed.stdout


def test_a_template_where_the_input_has_a_folder(desk: Desk, files: FileBucket) -> None:
    case = files.put("in/case.zip", zipped({"run.sh/x": "1"}))
    desk.write("runs.csv", "n\n1\n")
    desk.write("run.sh", "true\n")
    failed = desk("run", "runs.csv", "-t", "run.sh", "-i", case, "-o", f"{files.url}/out", exit_code=1)
    assert "the inputs brought a folder of that name" in failed.stdout


def test_an_archive_with_the_longest_name_there_can_be(desk: Desk, files: FileBucket) -> None:
    case = files.put(f"in/{'x' * 251}.zip", zipped({"x": "1"}))
    desk.write("runs.csv", "n\n1\n")
    desk("run", "runs.csv", "-i", case, "-o", f"{files.url}/out", "--", "cp", "x", "y")
    assert files.get("out/0001/y") == b"1"


def test_all_of_many_metrics_are_kept(desk: Desk, files: FileBucket) -> None:
    desk.write("runs.csv", "n\n1\n")
    metrics = f"seq -f 'm%.0f\t{'1' * 90}' 900"
    desk("run", "runs.csv", "-o", f"{files.url}/out", "--metrics", metrics, "--", "true")
    (row,) = desk.results("runs.csv")
    assert sum(name.startswith("m") for name in row) == 900
