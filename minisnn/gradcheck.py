"""Is this backward the derivative of this forward? One random tangent against one random cotangent.

For y = f(x), a tangent v and a cotangent u, the directional derivative can be had in two ways:

    u . (f(x + h v) - f(x - h v)) / 2h    by two extra forward calls (for each input of f), and
    f_backward(u) . v                     by one backward call.

If they agree for random u and v, the backward is right in every entry (up to chance of measure 0).
The cotangent is never ones: for batch norm or softmax the true gradient of a sum is 0, so that any
backward that returns 0 would pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minisnn.arguments import check, floating, generator, number
from minisnn.backend import Array, array_module


class GradientError(AssertionError):
    """A backward is not the derivative of its forward."""


def check_gradient(
    forward: Callable[..., tuple[Array, Any]],
    backward: Callable[[Array, Any], Array | Sequence[Array]],
    inputs: Sequence[Array],
    rng: np.random.Generator,
    step: float = 1e-6,
    rtol: float = 1e-6,
    atol: float = 0.0,
) -> float:
    r"""Compare `backward(dy, cache)` with finite differences of `forward(*inputs) -> y, cache`.

    $$ u \cdot \frac{f(x + h v) - f(x - h v)}{2 h} \approx f'(u) \cdot v, \qquad u, v \sim N(0, 1) $$

    inputs: a sequence of floating arrays or lists, float64 for the default step; backward returns a gradient for each,
    of its shape. rng: for u and v. step: h. Outputs that are not finite (neurons that never fire) take no part.
    atol: what may be missed besides, in the unit of the gradient. Numbers around 1 are rounded by some 1e-16, so the
    differences by 1e-16 / h = 1e-10; 0 allows nothing, which gradients above 1e-4 do not need.
    Returns the largest relative error. Raises GradientError if it exceeds rtol, naming the input and both numbers, or
    if a gradient is missing or has the wrong shape; ValueError for inputs that are not floating, or a seed for rng.
    """
    check("step", step, number("step", step) > 0, "above 0")
    check("atol", atol, number("atol", atol) >= 0, "at least 0")
    rng = generator("rng", rng)
    if hasattr(inputs, "dtype") or not len(inputs):
        raise ValueError("inputs must be a sequence of arrays, such as (x,), found a single array or nothing")
    inputs = floating(**{f"input {n}": x for n, x in enumerate(inputs)})
    (y, cache), xp = forward(*inputs), array_module(inputs[0])
    y = _floating(xp.asarray(y))
    finite = xp.isfinite(y)
    u = xp.where(finite, _normal(rng, y), 0)
    grads = _several(backward(u, cache))
    if len(grads) != len(inputs):
        raise GradientError(f"{len(inputs)} inputs, but backward returned {len(grads)} gradients")
    worst = 0.0
    for n, (x, dx) in enumerate(zip(inputs, grads, strict=True)):
        _check_shape(n, x, dx)
        v = _normal(rng, x)
        ends = (forward(*inputs[:n], x + h * v, *inputs[n + 1 :])[0] for h in (step, -step))
        # where(): inf - inf of neurons that never fire would be NaN
        high, low = (xp.where(finite, xp.asarray(end), 0) for end in ends)
        numeric, analytic = float((u * (high - low)).sum()) / (2 * step), float((dx * v).sum())
        # the size that dx . v has on average; |dx . v| itself may be small by chance
        size = max(abs(numeric), float((dx * dx).sum()) ** 0.5, 1e-12)
        error = 0.0 if abs(numeric - analytic) <= atol else abs(numeric - analytic) / size  # of NaN, NaN
        if not error <= rtol:
            raise GradientError(
                f"input {n}: finite differences give {numeric:.9g}, backward {analytic:.9g}; "
                f"relative error {error:.2g}, allowed {rtol:.2g}"
            )
        worst = max(worst, error)
    return worst


def _floating(y: Array) -> Array:
    """The output. Raises GradientError for bools, whose cotangent would be ones."""
    if y.dtype.kind != "f":
        what = "spikes have no derivative, smooth ones do"
        raise GradientError(f"the output must be floating, found {y.dtype}: {what}")
    return y


def _several(grads: Any) -> Sequence[Array]:
    return grads if isinstance(grads, (tuple, list)) else (grads,)


def _check_shape(n: int, x: Array, dx: Any) -> None:
    """Raise GradientError unless the gradient of input n has its shape."""
    if getattr(dx, "shape", None) != x.shape:
        found = dx.shape if hasattr(dx, "shape") else f"is {type(dx).__name__}"
        raise GradientError(f"input {n} has the shape {x.shape}, its gradient {found}")


def _normal(rng: np.random.Generator, like: Array) -> Array:
    """A standard normal array of the same shape and dtype, drawn on the host."""
    return array_module(like).asarray(rng.standard_normal(like.shape).astype(like.dtype))
