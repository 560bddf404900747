"""A double of CuPy that runs anywhere: an array library that refuses to mix its arrays with NumPy's.

`StrictArray` holds a NumPy array that nobody else may touch. Operators and methods accept other
`StrictArray`s and Python numbers; an ndarray, or a NumPy function called on a StrictArray, is an
error, as on a GPU it would be an error or a hidden copy. `asarray` and `.get()` are the only doors.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


def _wrap(x):
    if isinstance(x, (np.ndarray, np.generic)):
        return StrictArray(np.asarray(x))
    return type(x)(map(_wrap, x)) if isinstance(x, (tuple, list)) else x


def _unwrap(x):
    if type(x) is StrictArray:
        return x._array
    if isinstance(x, np.ndarray):
        raise TypeError("a host array among device arrays")
    if isinstance(x, (tuple, list)):
        return type(x)(map(_unwrap, x))
    return x


def _call(function, args, kwargs):
    """A function of NumPy's, of StrictArrays."""
    if kwargs:
        kwargs = {key: _unwrap(value) for key, value in kwargs.items()}
    return _wrap(function(*map(_unwrap, args), **kwargs))


def _operators():
    """`+`, `-` ... of StrictArrays: as NumPy's mixin has them, without the slow way through __array_ufunc__."""

    def forward(ufunc):
        return lambda self, other: _wrap(ufunc(self._array, _unwrap(other)))

    def reflected(ufunc):
        return lambda self, other: _wrap(ufunc(_unwrap(other), self._array))

    def in_place(ufunc):
        def operator(self, other):
            ufunc(self._array, _unwrap(other), out=self._array)
            return self

        return operator

    names = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "matmul": np.matmul,
        "and": np.bitwise_and, "or": np.bitwise_or,
    }  # fmt: skip
    found = {
        f"__{kind}{name}__": make(ufunc)
        for name, ufunc in names.items()
        for kind, make in (("", forward), ("r", reflected), ("i", in_place))
    }
    compare = {"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal}
    return found | {f"__{name}__": forward(ufunc) for name, ufunc in compare.items()}


class StrictArray(NDArrayOperatorsMixin):
    vars().update(_operators())

    def __init__(self, array):
        self._array = array

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **kwargs):
        if out:
            kwargs["out"] = _unwrap(out)
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        result = function(*map(_unwrap, inputs), **kwargs)
        return out[0] if out else _wrap(result)

    def __array_function__(self, func, types, args, kwargs):
        raise TypeError(
            f"numpy.{func.__name__} called on a device array: use array_module(x).{func.__name__}"
        )

    def __array__(self, *args, **kwargs):
        raise TypeError("implicit copy of a device array to the host: use to_host(x)")

    def __array_namespace__(self):
        return xp

    def get(self):
        return self._array.copy()

    def __getattr__(self, name):
        if name.startswith("__array_"):  # NumPy would copy by __array_interface__ and never ask __array__
            raise AttributeError(name)
        value = getattr(self._array, name)
        if not callable(value):
            return _wrap(value) if isinstance(value, np.ndarray) else value
        return lambda *args, **kwargs: _call(value, args, kwargs)

    # what __getattr__ would find as well; it is asked for so often that this is twice as fast

    @property
    def shape(self):
        return self._array.shape

    @property
    def ndim(self):
        return self._array.ndim

    @property
    def dtype(self):
        return self._array.dtype

    def __getitem__(self, index):
        return _wrap(self._array[_unwrap(index)])

    def __setitem__(self, index, value):
        self._array[_unwrap(index)] = _unwrap(value)

    def __len__(self):
        return len(self._array)

    def __iter__(self):
        return (self[n] for n in range(len(self)))

    def __bool__(self):
        return bool(self._array)

    def __float__(self):
        return float(self._array)

    def __int__(self):
        return int(self._array)

    def __index__(self):
        return self._array.__index__()

    def __repr__(self):
        return f"Strict{self._array!r}"


class _Namespace:
    """numpy's functions and constants, for StrictArrays."""

    @property
    def lib(self):  # of the modules below numpy's, the one that CuPy has too
        def as_strided(x, shape, strides):
            return _wrap(np.lib.stride_tricks.as_strided(_unwrap(x), shape, strides))

        return SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=as_strided))

    def __getattr__(self, name):
        value = getattr(np, name)
        if not callable(value) or isinstance(value, type):
            return value

        def function(*args, **kwargs):
            return _call(value, args, kwargs)

        setattr(self, name, function)  # found at once from now on
        return function

    def asarray(self, x, dtype=None):
        if isinstance(x, StrictArray):
            return StrictArray(np.asarray(x._array, dtype))
        made = np.array(x, dtype)
        if made.dtype.kind not in "biufc":
            raise ValueError(f"Unsupported dtype {made.dtype}")  # as CuPy has it
        return StrictArray(made)


xp = _Namespace()
