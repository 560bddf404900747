"""Array libraries for every test that asks for `xp`, and hypothesis without chance in CI."""

import functools
import importlib.util
import os
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import settings
from strict_array import xp as strict

from data_loaders import event_digits
from data_loaders.common.declaration import REGISTERED
from minisnn.runs import pictures

# Notebooks are read by jsonschema, which takes this, where it is installed, to check addresses: compiling
# the grammars of all kinds of addresses takes seconds at every start, and no notebook's schema asks for it.
sys.modules.setdefault("rfc3987_syntax", None)

settings.register_profile("default", deadline=None, max_examples=25)
settings.register_profile("ci", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@functools.cache
@functools.wraps(event_digits.load)
def _event_digits(T=event_digits.T_DEFAULT, by="number"):
    data = event_digits.load(T, by)
    for split in data.splits.values():
        split.images.flags.writeable = False  # the next test gets the same
    return data


# To simulate the recordings takes longer than most trainings here: each kind is made once.
REGISTERED["event-digits"] = replace(REGISTERED["event-digits"], load=_event_digits)


@pytest.fixture
def own_data_sets(monkeypatch):
    """What a test declares or imports as a data set is forgotten when it ends."""
    declared = dict(REGISTERED)
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules = set(sys.modules)
    yield
    REGISTERED.clear()
    REGISTERED.update({name: found for name, found in declared.items() if not found.is_own})
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if "pytest" in file and not name.startswith("test_"):  # in a temporary folder
            del sys.modules[name]


def _cupy():
    import cupy

    cupy.cuda.runtime.getDeviceCount()
    return cupy


@pytest.fixture(params=["numpy", "strict", "cupy"], scope="session")
def xp(request):
    """NumPy, the strict double, and CuPy where there is a GPU."""
    if request.param == "cupy":
        if importlib.util.find_spec("cupy") is None:
            pytest.skip("CuPy is not installed")
        try:
            return _cupy()
        except Exception as error:
            pytest.skip(f"no GPU: {error}")
    return {"numpy": np, "strict": strict}[request.param]


@pytest.fixture(autouse=True)
def few_pictures(request):
    """A run's pictures take ten times as long as its training here: only tests marked `pictures` draw them."""
    with pytest.MonkeyPatch.context() as patch:
        if not request.node.get_closest_marker("pictures"):
            patch.setattr(pictures, "draw_all", lambda folder, shown: None)
        yield
