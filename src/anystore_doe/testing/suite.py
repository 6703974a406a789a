"""What the suites of the kit share: known deviations as strict xfail, and how long contents are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping


def difference(there: bytes, expected: bytes) -> str:
    """Say where ``there`` differs from ``expected``; ``""``: nowhere.

    Compared with ``==``, pytest would look for the likeness of two long contents, which takes it minutes.
    """
    if there == expected:
        return ""
    at = next(
        (n for n, (a, b) in enumerate(zip(there, expected, strict=False)) if a != b), min(len(there), len(expected))
    )
    return f"{len(there)} bytes where {len(expected)} were expected, the first difference at byte {at}"


class Suite:
    """A suite of tests that a plugin author subclasses.

    Attributes:
        deviations: Name of a test (or ``name[parameter]``) to the reason why it is known to fail. It still runs, and
            it is an error once it passes, so that the list can not rot.
    """

    deviations: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls) -> None:
        """Refuse a deviation from a test that does not exist: it would excuse nothing."""
        super().__init_subclass__()
        for name in cls.deviations:
            if not hasattr(cls, name.partition("[")[0]):
                msg = f"{cls.__name__}.deviations names {name}, and there is no such test"
                raise TypeError(msg)

    @pytest.fixture(autouse=True)
    def _deviation(self, request: pytest.FixtureRequest) -> None:
        node = request.node
        reason = self.deviations.get(node.name) or self.deviations.get(getattr(node, "originalname", ""))
        if reason:
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
