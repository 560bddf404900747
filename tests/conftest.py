"""Array libraries for every test that asks for `xp`, and hypothesis without chance in CI."""

import functools
import gc
import importlib.util
import os
import sys
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg  # noqa: F401  brings a BLAS of its own: loaded later, no test of threads would know it
from hypothesis import settings
from matplotlib.figure import Figure
from strict_array import xp as strict

from data_loaders import digits, event_digits
from data_loaders.common.declaration import REGISTERED
from data_loaders.events.camera import EventCamera
from minisnn.runs import pictures

# Notebooks are read by jsonschema, which takes this, where it is installed, to check addresses: compiling
# the grammars of all kinds of addresses takes seconds at every start, and no notebook's schema asks for it.
sys.modules.setdefault("rfc3987_syntax", None)

settings.register_profile("default", deadline=None, max_examples=15)  # others at every run
settings.register_profile("ci", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

os.fsync = lambda file: None  # no test cuts the power, and the disk takes its time


@functools.cache
@functools.wraps(event_digits.load)
def _event_digits(T=event_digits.T_DEFAULT, by="number"):
    data = event_digits.load(T, by)
    for split in data.splits.values():
        split.images.flags.writeable = False  # the next test gets the same
    return data


def _recorded_once(record):
    """However they are cut into frames, the digits move before the camera once."""
    known = {}

    def recorded(camera, images, path, times, rng):
        key = camera, images.tobytes(), path.tobytes(), times.tobytes()
        if key not in known:
            known[key] = record(camera, images, path, times, rng)
        return known[key]

    return recorded


class _Camera(EventCamera):
    record = _recorded_once(EventCamera.record)


# To simulate the recordings takes longer than most trainings here: each kind is made once.
event_digits.EventCamera = _Camera
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


@pytest.fixture
def few_digits(monkeypatch):
    """A fifth of the digits, for tests that train and do not ask how well."""
    whole = digits.load()
    fifths = {name: part.take(np.arange(0, len(part.labels), 5)) for name, part in whole.splits.items()}
    load = functools.wraps(digits.load)(lambda: replace(whole, **fifths))
    monkeypatch.setitem(REGISTERED, "digits", replace(REGISTERED["digits"], load=load))


_savefig = Figure.savefig


def _coarse(figure, *args, **options):
    """A file of few pixels: to draw and to compress them all takes longest."""
    return _savefig(figure, *args, **options | {"dpi": 50})


@pytest.fixture(autouse=True)
def few_pictures(request):
    """A run's pictures take ten times as long as its training here: only tests marked `pictures` draw them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", _coarse)
        if not request.node.get_closest_marker("pictures"):
            patch.setattr(pictures, "draw_all", lambda folder, shown: None)
        yield


def pytest_collection_finish():
    """What thousands of tests are made of stays: nobody looks through it for garbage again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(
    scope="module"
)  # as long as it is open, an event loop runs: tests of notebooks could not start theirs
def chromium():
    """A headless Chromium."""
    from browsing import browser

    with browser() as found:
        yield found
