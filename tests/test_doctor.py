"""What `minisnn doctor` says of this machine, and of others."""

import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import minisnn
from minisnn import backend, cli
from minisnn.backend import NoGPUError, to_device
from minisnn.commands import doctor_report as doctor
from minisnn.faster.blocks import use_threads


@pytest.fixture
def cupy(monkeypatch):
    """Put a CuPy that finds so many GPUs, or raises, in the place of the real one; None: not installed."""

    def install(devices):
        def count():
            if isinstance(devices, Exception):
                raise devices
            return devices

        runtime = SimpleNamespace(getDeviceCount=count, getDeviceProperties=lambda n: {"name": b"Toy GPU"})
        fake = (
            None if devices is None else SimpleNamespace(cuda=SimpleNamespace(runtime=runtime), asarray=list)
        )
        monkeypatch.setitem(sys.modules, "cupy", fake)
        monkeypatch.setattr(sys, "platform", "linux")  # not a browser, wherever this runs
        backend.no_gpu.cache_clear()

    yield install
    backend.no_gpu.cache_clear()


def test_the_report(cupy, capsys, monkeypatch):
    cupy(None)
    monkeypatch.delenv("MINISNN_DATA", raising=False)
    assert cli.main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"minisnn {minisnn.__version__}, NumPy {np.__version__}, Python 3.")
    for line in (r"processor: .*, AVX-512: (yes|no)", r"BLAS: \w+ .* kernels", r"threads: \d+ \(OPENBLAS_NUM_THREADS",
                 "GPU: none. CuPy cannot be imported .* for CUDA 12", "data: MINISNN_DATA is not set"):  # fmt: skip
        assert re.search("^" + line, text, re.M), line
    monkeypatch.setenv("MINISNN_DATA", "/somewhere")
    with use_threads(2):
        assert "threads: 2 (" in doctor.report()
    assert "data: MINISNN_DATA=/somewhere is not a folder" in doctor.report()


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        (None, "CuPy cannot be imported"),
        (0, "CuPy is installed but there is no GPU"),
        (
            RuntimeError("no driver"),
            "CuPy is installed but finds no GPU (no driver): is there an NVIDIA driver?",
        ),
    ],
)
def test_why_there_is_no_gpu(cupy, devices, message):
    cupy(devices)
    assert f"GPU: none. {message}" in doctor.report()
    with pytest.raises(NoGPUError, match=re.escape(message)):
        to_device(np.zeros(2), "gpu")


def test_a_browser_has_one_thread_and_no_gpu(cupy, monkeypatch):
    cupy(1)
    monkeypatch.setattr(sys, "platform", "emscripten")
    report = doctor.report()
    assert re.search("^in a browser: one thread, 32 bits$", report, re.M)
    assert "NUM_THREADS" not in report
    assert "GPU: none. a browser offers none" in report


def test_a_gpu_is_named(cupy):
    cupy(1)
    assert "GPU: Toy GPU" in doctor.report()
    assert to_device(np.zeros(2), "gpu") == [0, 0]


def test_unknown_devices_are_refused():
    with pytest.raises(ValueError, match="device must be cpu or gpu, found 'tpu'"):
        to_device(np.zeros(2), "tpu")


@pytest.mark.parametrize(
    ("kernels", "flags", "advice"),
    [
        ("Haswell", "avx2 avx512f avx512vl", True),
        ("SkylakeX", "avx512f avx512vl", False),
        ("Zen", "avx2", False),
    ],
)
def test_advice_on_kernels(monkeypatch, kernels, flags, advice):
    pool = {"user_api": "blas", "internal_api": "openblas", "version": "0.3", "architecture": kernels}
    monkeypatch.setattr(doctor, "threadpool_info", lambda: [pool])
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    monkeypatch.setattr(doctor, "_cpuinfo", lambda field: flags if field == "flags" else "Toy CPU")
    report = doctor.report()
    assert f"processor: Toy CPU, AVX-512: {'yes' if 'avx512f' in flags else 'no'}" in report
    assert f"BLAS: openblas 0.3, {kernels} kernels" in report
    assert ("set OPENBLAS_CORETYPE=SkylakeX before Python starts" in report) == advice
    monkeypatch.setenv("OPENBLAS_CORETYPE", kernels)
    assert (f"unset OPENBLAS_CORETYPE, which is {kernels}" in doctor.report()) == advice


def test_a_machine_without_cpuinfo(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "Path", lambda path: tmp_path / "nothing")
    assert doctor.processor().endswith("AVX-512: no")
    assert doctor.better_kernels() == ""
