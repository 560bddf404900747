"""Array libraries for every test that asks for `xp`, and hypothesis without chance in CI."""

import functools
import importlib.util
import os
import sys

import numpy as np
import pytest
from hypothesis import settings
from strict_array import xp as strict

from minisnn import run_pictures
from minisnn.data import EVENT_LOADERS, load_event_digits

# Notebooks are read by jsonschema, which takes this, where it is installed, to check addresses: compiling
# the grammars of all kinds of addresses takes seconds at every start, and no notebook's schema asks for it.
sys.modules.setdefault("rfc3987_syntax", None)

settings.register_profile("default", deadline=None, max_examples=25)
settings.register_profile("ci", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@functools.cache
def _event_digits(T=10, by="number"):
    data = load_event_digits(T, by)
    for split in data.splits.values():
        split.images.flags.writeable = False  # the next test gets the same
    return data


# To simulate the recordings takes longer than most trainings here: each kind is made once.
EVENT_LOADERS["event-digits"] = _event_digits


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
            patch.setattr(run_pictures, "draw_all", lambda folder, shown: None)
        yield
