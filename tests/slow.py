"""What `make test` leaves to `make slow`: cases of a test that its other cases stand for."""

import pytest


def slow_but(quick, cases):
    """The cases of `pytest.mark.parametrize`, those that are not among `quick` marked as slow."""
    known = [*cases]
    assert all(case in known for case in quick), "a case that there is not"
    return [case if case in quick else _slow(case) for case in known]


def _slow(case):
    return pytest.param(*(case if isinstance(case, tuple) else [case]), marks=pytest.mark.slow)
