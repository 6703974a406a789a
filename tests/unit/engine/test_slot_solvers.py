"""A solver in a slot: how it ends and what is recorded of it, and what it is given."""

import os
import signal
import sys
from pathlib import Path

import pytest

# ── how a solver ends ────────────────────────────────────────────────────────────────────────────


def test_a_solver_that_ends_well_is_ok_and_is_measured(solve, tmp_path):
    record = solve("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo out; echo err >&2")
    assert record.ok
    assert (record.how, record.code, record.signal, record.strays, record.detail) == ("exited", 0, None, 0, "")
    assert 0 < record.cpu_s < 20
    assert 0 < record.wall_s < 20
    assert 500_000 < record.max_rss_bytes < 2**30
    assert (tmp_path / "stdout.log").read_text() == "out\n"
    assert (tmp_path / "stderr.log").read_text() == "err\n"


def test_memory_of_the_largest_process_is_told_in_bytes(solve):
    record = solve(sys.executable, "-I", "-S", "-c", "b = bytearray(100_000_000); b[::4096] = b'x' * len(b[::4096])")
    assert 100_000_000 < record.max_rss_bytes < 200_000_000


def test_an_exit_code_is_kept(solve):
    record = solve("sh", "-c", "exit 3")
    assert (record.how, record.code, record.ok) == ("exited", 3, False)


def test_a_signal_is_kept(solve):
    record = solve("sh", "-c", "kill -SEGV $$")
    assert (record.how, record.code, record.signal) == ("signalled", None, signal.SIGSEGV)


def test_logs_are_made_anew(solve, tmp_path):
    solve("sh", "-c", "echo a long first line")
    solve("echo", "x")
    assert (tmp_path / "stdout.log").read_text() == "x\n"


def test_both_streams_may_go_to_one_file(solve, tmp_path):
    both = str(tmp_path / "both.log")
    solve("sh", "-c", "echo 1; echo 2 >&2; echo 3", stdout=both, stderr=both)
    assert Path(both).read_text() == "1\n2\n3\n"


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("no-such-solver",), "command not found: no-such-solver (in the PATH"),
        (("./no-such-solver",), "command not found: ./no-such-solver"),
        (("./plain",), "./plain is not executable"),
        (("./lost",), "./lost is there, but the interpreter that its first line names is not"),
        (("./unknown",), "./unknown is no program for this machine"),
        (("true", "a\0b"), "holds a NUL"),
        (("true", *["x" * 100_000] * 100), "longer than this system allows"),
    ],
)
def test_what_can_not_be_started_says_why(solve, tmp_path, argv, says):
    for name, text, mode in (("plain", "", 0o644), ("lost", "#!/no/such/sh\n", 0o755), ("unknown", "\x01\x02", 0o755)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    record = solve(*argv)
    assert record.how == "not-started"
    assert says in record.detail
    assert (record.code, record.ok) == (None, False)


def test_a_missing_folder_and_a_log_that_can_not_be_made_are_named(solve, tmp_path):
    record = solve("true", cwd=str(tmp_path / "gone"))
    assert (record.how, record.detail) == (
        "not-started",
        f"can not enter the folder {tmp_path}/gone: No such file or directory",
    )
    record = solve("true", stdout=str(tmp_path / "gone" / "log"))
    assert (record.how, record.detail) == (
        "not-started",
        f"can not start the solver: {tmp_path}/gone/log: No such file or directory",
    )
    assert solve("true").ok


# ── what a solver is given ───────────────────────────────────────────────────────────────────────


def test_a_solver_gets_its_environment_and_nothing_else_but_the_mark(solve, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-of-the-engine")
    env = {"PATH": "/usr/bin:/bin", "NAME": "ä b\n€", "RAW": os.fsdecode(b"\xff\xfe"), "LONG": "x" * 100_000}
    assert solve("env", "-0", env=env).ok
    seen = dict(entry.split(b"=", 1) for entry in (tmp_path / "stdout.log").read_bytes().split(b"\0") if entry)
    mark = seen.pop(b"ANYSTORE_DOE_TOKEN")
    assert len(mark) == 32
    assert seen == {os.fsencode(name): os.fsencode(value) for name, value in env.items()}


def test_the_supervisor_keeps_no_secret_that_a_solver_could_read(solve, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-of-the-engine")
    assert solve("sh", "-c", "cat /proc/$PPID/environ /proc/$PPID/cmdline").ok
    assert b"canary" not in (tmp_path / "stdout.log").read_bytes()


def test_a_solver_starts_clean(solve, tmp_path):
    """No open files but three, no signal blocked or ignored, a session of its own, stdin at its end."""
    script = "ls /proc/self/fd; cat; cut -d' ' -f6 /proc/$$/stat; echo $$; grep -E 'Sig(Blk|Ign)' /proc/self/status"
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert solve("sh", "-c", script).ok
    finally:
        signal.signal(signal.SIGHUP, previous)
    lines = (tmp_path / "stdout.log").read_text().split("\n")
    assert lines[:4] == ["0", "1", "2", "3"]  # 3 is the folder that ls itself reads
    assert lines[4] == lines[5]
    of_libc = 0b11 << 31  # signals 32 and 33 are the C library's own: whoever inherits them ignored can not change it
    assert [int(line.split()[1], 16) & ~of_libc for line in lines[6:8]] == [0, 0]


def test_file_names_need_not_be_text(solve, tmp_path):
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xff folder")
    Path(folder).mkdir()
    assert solve("sh", "-c", "echo x > here", cwd=folder, stdout=f"{folder}/out").ok
    assert sorted(path.name for path in Path(folder).iterdir()) == ["here", "out"]


def test_commands_are_looked_for_in_the_path_of_their_own_environment(solve, tmp_path):
    tool = tmp_path / "bin" / "tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\nexit 7\n")
    tool.chmod(0o755)
    assert solve("tool", env={"PATH": f"/no/such/folder:{tool.parent}"}).code == 7
    assert solve("tool").how == "not-started"
    assert solve("true", env={}).ok
