"""What the suites of the kit share: known deviations as strict xfail, and failures that say the rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

E = TypeVar("E", bound=Exception)


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


class must_raise(Generic[E]):  # noqa: N801  it reads as a statement; a class, so that no frame of ours is shown
    """Assert that the block raises an error of one of ``kinds``; what fails otherwise says the ``rule``."""

    def __init__(self, *kinds: type[E], rule: str) -> None:
        self._kinds = kinds
        self._rule = rule
        self._names = " or ".join(kind.__name__ for kind in kinds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        __tracebackhide__ = True
        if isinstance(error, self._kinds):
            self.value: E = error
            return True
        if error is None:
            pytest.fail(f"no {self._names} was raised: {self._rule}")
        if isinstance(error, Exception):
            msg = f"{type(error).__name__} where {self._names} was expected: {self._rule}"
            raise AssertionError(msg) from error
        return False


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
