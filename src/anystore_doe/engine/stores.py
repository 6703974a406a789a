"""What a plan says about the stores it touches: bytes in and out, where they are, and what they can not do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anystore_doe.contract.storage import Capabilities, Place
    from anystore_doe.model import PinnedInput


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTotal:
    """What moves between this machine and one store.

    Attributes:
        url: The store's root.
        region: Where it is, as far as it tells; ``""``: it does not.
        bytes_in: Inputs of the runs that are to be run, each as often as it is fetched.
        bytes_out: Outputs of the runs that are committed.
    """

    url: str
    region: str = ""
    bytes_in: int = 0
    bytes_out: int = 0


def totals(
    inputs: Iterable[PinnedInput], outputs: Iterable[tuple[str, int]], open_storage: Callable[[str], Place]
) -> tuple[StoreTotal, ...]:
    """Sum up per store, in the order they are met.

    Args:
        inputs: Of the runs that are to be run.
        outputs: Output URL of each run and the bytes that it has committed.
        open_storage: URL to place.
    """
    found: dict[str, list[int]] = {}
    regions: dict[str, str] = {}

    def count(url: str, column: int, size: int) -> None:
        storage = open_storage(url).storage
        found.setdefault(storage.url, [0, 0])[column] += size
        regions[storage.url] = storage.region

    for one in inputs:
        count(one.url, 0, sum(obj.size for obj in one.objects))
    for url, size in outputs:
        count(url, 1, size)
    return tuple(
        StoreTotal(url=url, region=regions[url], bytes_in=bytes_in, bytes_out=bytes_out)
        for url, (bytes_in, bytes_out) in found.items()
    )


def shortcomings(
    inputs: Iterable[str], outputs: Iterable[str], open_storage: Callable[[str], Place]
) -> tuple[str, ...]:
    """Say once per store what it can not do, as far as a sweep would miss it.

    Args:
        inputs: URLs that are read.
        outputs: URLs that are written.
        open_storage: URL to place.
    """
    read = {storage.url: storage.capabilities for storage in (open_storage(url).storage for url in inputs)}
    written = {storage.url: storage.capabilities for storage in (open_storage(url).storage for url in outputs)}
    said = []
    for url in dict.fromkeys([*written, *read]):
        missing = [*_missed_by_outputs(written.get(url)), *_missed_by_inputs(read.get(url))]
        if missing:
            said.append(f"{url} has {'; '.join(missing)}")
    return tuple(said)


def _missed_by_outputs(can: Capabilities | None) -> list[str]:
    if can is None or can.create_only:
        return []
    words = ["no create-only writes: run this sweep from one machine at a time"]
    if not can.checksums:
        words.append("no checksums: outputs are read back up to 64 MiB, above that their sizes are compared")
    return words


def _missed_by_inputs(can: Capabilities | None) -> list[str]:
    if can is None or can.pinned_reads:
        return []
    return ["no pinned reads: an input that is replaced while it is fetched is noticed by its size and time only"]
