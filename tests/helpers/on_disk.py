"""What tests of files on disk share."""

from pathlib import Path

from anystore_doe.contract import Watch

MIB = 2**20


def key(path: Path) -> str:
    return str(path)[1:]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


class CancelAfter(Watch):
    """A watch that is cancelled once ``limit`` bytes went by."""

    def __init__(self, limit: int) -> None:
        super().__init__(self._seen)
        self.limit = limit
        self.sum = 0

    def _seen(self, n: int) -> None:
        self.sum += n
        if self.sum >= self.limit:
            self.cancel()
