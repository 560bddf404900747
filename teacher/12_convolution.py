"""Chapter 12, convolution: solutions, each in a second form, and what to know when it is taught."""

import numpy as np

MINUTES = {
    "rows_of_the_output": 3,
    "pixel_gradient": 12,
    "conv_1d": 4,
    "channels_that_pay": 6,
    "values_filter": 25,
}
NOTES = """\
The chapter has two halves, and the first is enough for a course on spiking networks. Say "adjoint" often: copying and
adding, padding and cropping. In the second half do F(2, 3) with numbers first; the step from polynomials to convolution
is the hard one."""
ANSWERS = (
    "Adding up what the four patches send back.",
    "Its backward is the exact adjoint of a wrong forward: the pair agrees with itself, not with a convolution.",
    "They are no longer 0 and 1, and no longer sparse: on spiking hardware the direct sum is cheaper.",
)

rows_of_the_output = (11 + 2 * 2 - 5) // 3 + 1


def pixel_gradient(dy, w, H, W, stride):
    dx, k = np.zeros((H, W)), len(w)
    for i, j in np.ndindex(dy.shape):
        dx[stride * i : stride * i + k, stride * j : stride * j + k] += dy[i, j] * w
    return dx


def pixel_gradient_2(dy, w, H, W, stride):
    dx, (rows, columns) = np.zeros((H, W)), dy.shape
    for u, v in np.ndindex(w.shape):
        dx[u : u + stride * rows : stride, v : v + stride * columns : stride][:rows, :columns] += w[u, v] * dy
    return dx


def conv_1d(x, w, padding):
    padded = np.concatenate([np.zeros(padding), x, np.zeros(padding)])
    return np.array([padded[i : i + len(w)] @ w for i in range(len(padded) - len(w) + 1)])


def conv_1d_2(x, w, padding):
    return np.correlate(np.pad(x, padding), w, "valid")


channels_that_pay = 9


def values_filter(x, w, points):
    sizes = len(w), len(x) - len(w) + 1, len(x)
    G, A, S = (np.vstack([np.vander(points, n, increasing=True), np.eye(n)[-1]]) for n in sizes)
    products = (G @ w) * np.linalg.solve(S.T, x)
    return products, A.T @ products


def values_filter_2(x, w, points):
    def values(n):
        rows = [[point**k for k in range(n)] for point in points]
        return np.array([*rows, [0.0] * (n - 1) + [1.0]])

    B = np.linalg.inv(values(len(x)))
    products = (values(len(w)) @ w) * (x @ B)
    return products, products @ values(len(x) - len(w) + 1)
