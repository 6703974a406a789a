"""Between the storage contract and what lies below it: the bridge to event loops, the mover of bytes, fsspec.

A cloud's plugin builds on :mod:`~anystore_doe.fsspec_storage.mover` (ranges in, parts out) and
:mod:`~anystore_doe.fsspec_storage.bridge`; everything else that fsspec can open is served by
:class:`~anystore_doe.fsspec_storage.storage.FsspecStorage`.
"""
