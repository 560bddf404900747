"""The CUDA kernels of lif_cuda.py: run on the host, compiled by NVRTC, and run on a GPU where there is one."""

import ctypes
import importlib.util
import shutil
import subprocess
from ctypes.util import find_library
from functools import partial
from itertools import product, starmap
from pathlib import Path
from random import Random
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from minisnn.backend import to_host
from minisnn.faster import lif, lif_cuda
from minisnn.faster.lif import adjoint, integrate
from minisnn.ops.neuron import Neuron
from minisnn.ops.surrogate.arctan import ArcTan
from minisnn.ops.surrogate.rectangle import Rectangle
from minisnn.ops.surrogate.sigmoid import Sigmoid
from minisnn.ops.surrogate.triangle import Triangle

SHAPES = [(1, 1), (7, 3 * lif_cuda.THREADS + 11), (4, lif_cuda.THREADS)]
SURROGATES = [Triangle(2), Rectangle(1.5), Sigmoid(3), ArcTan(2.2)]  # of int and float
OTHERS = Random(0).choices(list(product([0.5, 0.9, 1], [1, 0.3], [1, 0.7])), k=48)
BRANCHES = product([None, 0.0, -0.3], [False, True], [False, True], SURROGATES)
NEURONS = [Neuron(*others, *branch) for others, branch in zip(OTHERS, BRANCHES, strict=True)]
CASES = list(product(NEURONS, [np.float32, np.float64]))
SOURCE = lif_cuda.lif_cuda_source(Neuron(), np.float64)
DAMAGES = {
    "v = (1 - a_t) * u_t;": "v = u_t;", "u_t > real": "u_t >= real", "v * real(0.5)": "v * real(0.499)",
    " - carry * u_t": "", "carry * !spikes[i]": "carry", "i += n": "i += blockDim.x",
}  # fmt: skip
SHIM = """#include <cmath>
using std::exp; using std::fabs;
#define __global__
static struct { unsigned x; } blockIdx, threadIdx, blockDim;
typedef void* P;
extern "C" void launch(P kernel, unsigned grid, unsigned block, P* a, int T, long long n) {
    for (blockDim.x = block, blockIdx.x = 0; blockIdx.x < grid; blockIdx.x++)
        for (threadIdx.x = 0; threadIdx.x < block; threadIdx.x++)
            if (a[3]) ((void (*)(P, P, P, P, int, long long))kernel)(a[0], a[1], a[2], a[3], T, n);
            else ((void (*)(P, P, P, int, long long))kernel)(a[0], a[1], a[2], T, n);
}
"""


def together(codes):
    """All sources in one, the kernels numbered, so that the compiler starts once."""
    codes = (code.replace("ward(", f"ward{k}(") for k, code in enumerate(codes))
    return "".join(f"namespace k{k} {{\n{code}}}\n" for k, code in enumerate(codes))


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """NumPy with CuPy's RawModule, whose kernels run on the host."""
    compiler = shutil.which("c++") or shutil.which("g++") or pytest.skip("no C++ compiler")
    codes = [
        *starmap(lif_cuda.lif_cuda_source, CASES),
        *(SOURCE.replace(*damage) for damage in DAMAGES.items()),
    ]
    so = tmp_path_factory.getbasetemp() / "kernels.so"
    command = [compiler, "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-o", so, "-xc++", "-"]
    subprocess.run(command, input=SHIM + together(codes), text=True, check=True)
    library = ctypes.CDLL(str(so))

    def run(name, grid, block, args):
        *arrays, T, n = args
        assert (type(T), type(n)) == (np.int32, np.int64)
        assert all(a.flags.c_contiguous and a.shape == (T, n) for a in arrays)
        pointers = (ctypes.c_void_p * 4)(*(a.ctypes.data for a in arrays))
        library.launch(library[name], *grid, *block, pointers, ctypes.c_int(T), ctypes.c_longlong(n))

    def raw_module(code, options):
        return SimpleNamespace(get_function=lambda name: partial(run, f"{name}{codes.index(code)}"))

    vars(fake := ModuleType("fake")).update(vars(np), RawModule=raw_module)
    return fake


def compare(xp, neuron, dtype, shape):
    """Both twins, for half of the neurons on a grid that meets the threshold; one has inf, one NaN."""
    rng = np.random.default_rng(0)
    current, dspikes = rng.normal(0.4, 1, (2, *shape)).astype(dtype)
    current[:, ::2] = rng.integers(-4, 9, current[:, ::2].shape) / 4 * neuron.v_th / neuron.gain
    current[-1, -1:], current[0, -2:-1] = np.inf, np.nan
    u, spikes, dcurrent = np.empty_like(current), np.empty(shape, bool), np.empty_like(current)
    with np.errstate(all="ignore"):
        integrate(current, neuron, u, spikes)
        adjoint(dspikes, u, spikes, dcurrent, neuron)
    mine = lif_cuda.lif_cuda_forward(xp.asarray(current), neuron)
    d = lif_cuda.lif_cuda_backward(xp.asarray(dspikes), *mine, neuron)
    np.testing.assert_array_equal(to_host(mine[1]), spikes)
    np.testing.assert_array_equal(to_host(mine[0]), u)  # no exp in it: to the last bit
    np.testing.assert_allclose(to_host(d), dcurrent, *[1e-5 if dtype == np.float32 else 1e-12] * 2)


@pytest.mark.parametrize(("neuron", "dtype"), CASES)
def test_the_source_on_the_host_equals_the_readable_twin(host, monkeypatch, neuron, dtype):
    monkeypatch.setattr(lif_cuda, "array_module", lambda x: host)
    monkeypatch.setattr(lif, "runs_here", lambda x, neuron: False)  # or the kernel would be its own twin
    for shape in SHAPES:
        compare(host, neuron, dtype, shape)


@pytest.mark.parametrize("line", DAMAGES)
def test_a_damaged_source_is_caught(host, monkeypatch, line):
    monkeypatch.setattr(lif_cuda, "array_module", lambda x: host)
    monkeypatch.setattr(lif, "runs_here", lambda x, neuron: False)  # or the kernel would be its own twin
    assert SOURCE.count(line) == 1
    code = SOURCE.replace(line, DAMAGES[line])
    monkeypatch.setattr(lif_cuda, "_kernel", lambda xp, name, *_: xp.RawModule(code, ()).get_function(name))
    with pytest.raises(AssertionError, match="equal"):
        compare(host, Neuron(), np.float64, SHAPES[1])


@pytest.mark.parametrize(("dtype", "exp"), [*product([np.float32, np.float64], [False, True])])
def test_nvrtc_compiles_the_source(dtype, exp):
    """NVIDIA's compiler needs no GPU. It finds no double in a float32 kernel, and fuses nothing but in its own exp."""
    nvidia = importlib.util.find_spec("nvidia")
    folders = nvidia.submodule_search_locations if nvidia else ()
    wheels = [str(so) for folder in folders for so in Path(folder).glob("*/lib/libnvrtc.so.*")]
    name = (wheels or [find_library("nvrtc")])[0] or pytest.skip("no NVRTC")
    nvrtc, program, size = ctypes.CDLL(name), ctypes.c_void_p(), ctypes.c_size_t()

    def text(what):
        nvrtc[f"nvrtcGet{what}Size"](program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        nvrtc[f"nvrtcGet{what}"](program, buffer)
        return buffer.value.decode()

    neurons = [neuron for neuron in NEURONS if isinstance(neuron.surrogate, Sigmoid) == exp]
    code = together(lif_cuda.lif_cuda_source(neuron, dtype) for neuron in neurons).encode()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), code, b"lif.cu", 0, None, None) == 0
    options = (ctypes.c_char_p * 1)(*(option.encode() for option in lif_cuda.EXACT))
    assert nvrtc.nvrtcCompileProgram(program, 1, options) == 0, text("ProgramLog")
    assert ("f64" in text("PTX"), "fma." in text("PTX")) == (dtype == np.float64, exp)


@pytest.mark.parametrize("xp", ["cupy"], indirect=True)
def test_on_a_gpu_they_equal_the_readable_twin(xp):
    for (neuron, dtype), shape in product(CASES, SHAPES):
        compare(xp, neuron, dtype, shape)


def test_what_has_no_kernel_says_so():
    other = type("Other", (Triangle,), {})()  # with another slope, for all we know
    assert not lif_cuda.supports(Neuron(), "float16")
    for neuron in Neuron(smooth=True), Neuron(surrogate=other), Neuron(v_th=np.inf):
        assert not lif_cuda.supports(neuron, "float32")
        with pytest.raises(ValueError, match="no kernel for"):
            lif_cuda.lif_cuda_source(neuron, "float32")
    with pytest.raises(ValueError, match="expected one shape"):
        lif_cuda.lif_cuda_backward(np.ones((2, 3)), np.ones((2, 1)), np.ones((2, 3), bool), Neuron())
