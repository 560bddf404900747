"""The tasks of chapter 12, convolution."""

import numpy as np
from scipy.signal import correlate2d

from minisnn.course.declare import number, task

# warm-up: 11 rows, kernel 5, padding 2, stride 3
(
    number(12, "warm-up", "rows_of_the_output", 4)
    .usual(3, "the first position is not counted, or the padding is missing on a side", "The derivation")
    .usual(13 / 3, "the number is not rounded down: what is left over belongs to no patch", "The derivation")
    .usual(5, "the number is rounded up, or the kernel's length is not subtracted", "The derivation")
    .usual(6, "the kernel's length is not subtracted", "The derivation")
    .usual(11, "the stride is left out", "The derivation")
)


def _fits(dy, w, H, W, stride):
    k = len(w)
    return (
        w.shape == (k, k)
        and stride >= 1
        and min(H, W) >= k
        and dy.shape == ((H - k) // stride + 1, (W - k) // stride + 1)
    )


# core: back to the pixels
@task(12, "core", rtol=1e-8, valid=_fits)
def pixel_gradient(dy, w, H, W, stride):
    """Pixel by pixel: how the output of an image with this pixel alone agrees with dy."""
    found = np.zeros((H, W))
    for pixel in np.ndindex(H, W):
        image = np.zeros((H, W))
        image[pixel] = 1
        found[pixel] = (correlate2d(image, w, "valid")[::stride, ::stride] * dy).sum()
    return found


@pixel_gradient.cases
def _(rng):
    one = np.array([[1.0]])
    yield one, np.array([[2.0]]), 1, 1, 1
    yield one, np.array([[1.0, 2.0], [3.0, 4.0]]), 2, 2, 1
    yield np.ones((1, 2)), np.array([[1.0, 2.0], [3.0, 4.0]]), 2, 3, 1
    yield np.ones((1, 2)), np.array([[1.0, 2.0], [3.0, 4.0]]), 2, 5, 2
    for _ in range(10):
        k, stride = (int(n) for n in rng.integers(1, 4, 2))
        H, W = (int(n) for n in rng.integers(k, 7, 2))
        shape = (H - k) // stride + 1, (W - k) // stride + 1
        yield rng.normal(size=shape), rng.normal(size=(k, k)), H, W, stride


def _back(dy, w, H, W, stride, step=None, assign=False):
    found, k = np.zeros((H, W)), len(w)
    for i, j in np.ndindex(dy.shape):
        square = np.s_[(step or stride) * i :, (step or stride) * j :]
        part = found[square][:k, :k]
        part[...] = dy[i, j] * w[: part.shape[0], : part.shape[1]] + (0 if assign else part)
    return found


@pixel_gradient.wrong("squares that overlap overwrite each other: they must add up", "Break it")
def assigned(dy, w, H, W, stride):
    return _back(dy, w, H, W, stride, assign=True)


@pixel_gradient.wrong("the kernel is flipped: each entry goes back to where it came from", "The derivation")
def flipped(dy, w, H, W, stride):
    return _back(dy, w[::-1, ::-1], H, W, stride)


@pixel_gradient.wrong("the kernel's rows and columns are swapped", "The derivation")
def transposed(dy, w, H, W, stride):
    return _back(dy, w.T, H, W, stride)


@pixel_gradient.wrong("the stride is left out: positions are that far apart", "The question")
def no_stride(dy, w, H, W, stride):
    return _back(dy, w, H, W, stride, step=1)


@pixel_gradient.wrong("each square gets the sum of the kernel and not the kernel", "The derivation")
def summed(dy, w, H, W, stride):
    return _back(dy, np.full(w.shape, w.sum()), H, W, stride)


# break it: one output too few
@task(
    12,
    "break it",
    rtol=1e-8,
    valid=lambda x, w, padding: padding >= 0 and 0 < len(w) <= len(x) + 2 * padding and len(x) > 0,
)
def conv_1d(x, w, padding):
    """The sum of the equation, output by output, with zeros outside."""
    outputs = len(x) + 2 * padding - len(w) + 1
    inside = dict(enumerate(x.tolist()))
    return np.array(
        [sum(inside.get(i + k - padding, 0.0) * w[k] for k in range(len(w))) for i in range(outputs)]
    )


@conv_1d.cases
def _(rng):
    yield np.array([1.0]), np.array([2.0]), 0
    yield np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]), 0
    yield np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 2.0]), 1
    yield np.array([1.0, 2.0]), np.array([1.0, 3.0]), 1
    for _ in range(8):
        padding = int(rng.integers(0, 3))
        n = int(rng.integers(3, 8))
        yield rng.normal(size=n), rng.normal(size=int(rng.integers(1, 4))), padding


@conv_1d.wrong("the last position is left out: there is one more", "The derivation")
def planted(x, w, padding):
    return conv_1d(x, w, padding)[:-1]


@conv_1d.wrong("the kernel is flipped, as in mathematics; networks do not flip it", "The question")
def mathematical(x, w, padding):
    return conv_1d(x, w[::-1], padding)


@conv_1d.wrong("zeros stand on one side only", "The question")
def one_side(x, w, padding):
    return np.correlate(np.concatenate([x, np.zeros(2 * padding)]), w, "valid")


@conv_1d.wrong("what lies beyond one end comes from the other: outside there are zeros", "The question")
def circular(x, w, padding):
    return np.correlate(np.pad(x, padding, mode="wrap"), w, "valid")


@conv_1d.wrong("the image goes on beyond its ends: outside there are zeros", "The question")
def edges(x, w, padding):
    return np.correlate(np.pad(x, padding, mode="edge"), w, "valid")


# explore: from how many channels on?
(
    number(12, "explore", "channels_that_pay", 9, rtol=1e-6)
    .usual(8.8, "the number is not whole", "Explore: from how many channels on?")
    .usual(8, "the number is rounded down: with 8 channels it costs more")
    .usual(7, "the map back to the output is left out")
    .usual(3, "the map of the input is left out")
)


# derive: any points do
@task(
    12,
    "derive",
    rtol=1e-6,
    atol=1e-8,
    valid=lambda x, w, points: 0 < len(w) <= len(x) == len(points) + 1 and len(set(points)) == len(points),
)
def values_filter(x, w, points):
    """Polynomials that are 1 at one point and 0 at all others, for the products; the sum itself for the outputs."""
    products = []
    for n, point in enumerate(points):
        others = [other for k, other in enumerate(points) if k != n]
        basis = np.append(np.atleast_1d(np.poly(others))[::-1], 0.0) / np.prod(
            [point - other for other in others]
        )
        products.append(np.polyval(w[::-1], point) * (basis @ x))
    products.append(w[-1] * (np.poly(points)[::-1] @ x))
    return np.array(products), np.correlate(x, w, "valid")


@values_filter.cases
def _(rng):
    yield np.array([1.0, 2.0]), np.array([3.0]), (0.0,)
    yield np.array([1.0, 2.0]), np.array([3.0, 1.0]), (0.0,)
    yield np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 1.0, 3.0]), (0.0, 1.0, -1.0)
    for points in ((0.0, 1.0, -1.0), (3.0, -2.0, 0.5, 1.0), (0.0, 1.0, -1.0, 2.0, -2.0)):
        for n in (2, 3):
            yield rng.normal(size=len(points) + 1), rng.normal(size=n), points


def _maps(x, w, points, infinity=True):
    sizes = len(w), len(x) - len(w) + 1, len(x)
    return [np.vstack([np.vander(points, n, increasing=True), infinity * np.eye(n)[-1]]) for n in sizes]


@values_filter.wrong(
    "the coefficients of the input are taken, not what Bᵀ makes of them",
    "The derivation of Winograd's algorithm",
)
def values_of_both(x, w, points):
    G, A, S = _maps(x, w, points)
    products = (G @ w) * (S @ x)
    return products, A.T @ products


@values_filter.wrong("B is not transposed", "The derivation of Winograd's algorithm")
def not_transposed(x, w, points):
    G, A, S = _maps(x, w, points)
    products = (G @ w) * np.linalg.solve(S, x)
    return products, A.T @ products


@values_filter.wrong("the kernel is flipped", "The derivation of Winograd's algorithm")
def kernel_flipped(x, w, points):
    return values_filter(x, w[::-1], points)


@values_filter.wrong(
    "the value at ∞ of the kernel is its first coefficient, where it is the last",
    "The derivation of Winograd's algorithm",
)
def infinity_first(x, w, points):
    G, A, S = _maps(x, w, points)
    G[-1] = np.eye(len(w))[0]
    products = (G @ w) * np.linalg.solve(S.T, x)
    return products, A.T @ products


@values_filter.wrong(
    "the products are those of the direct sum, one for each entry of the kernel",
    "The derivation of Winograd's algorithm",
)
def direct(x, w, points):
    return np.concatenate([w * x[j : j + len(w)] for j in range(len(x) - len(w) + 1)]), np.correlate(
        x, w, "valid"
    )


@values_filter.wrong(
    "`np.vander` begins with the highest power, and the row for ∞ with the lowest: say `increasing=True`"
)
def highest_first(x, w, points):
    sizes = len(w), len(x) - len(w) + 1, len(x)
    G, A, S = (np.vstack([np.vander(points, n), np.eye(n)[-1]]) for n in sizes)
    products = (G @ w) * np.linalg.solve(S.T, x)
    return products, A.T @ products
