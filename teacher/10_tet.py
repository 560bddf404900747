"""Chapter 10, the loss at every time step: solutions, each in a second form, and what to know when it is taught."""

import math

import numpy as np

from minisnn import tet_loss_backward, tet_loss_forward

MINUTES = {
    "tet_of_two_steps": 3,
    "accumulated_gradient": 12,
    "tet_gradient": 5,
    "right_when_it_stops": 5,
    "small_gap": 20,
}
NOTES = """\
Ask first which loss is larger, and let the class vote. The identity with the divergence is the heart of the chapter: it
says what TET asks for in addition. The core task is the transpose of a cumulative sum, which comes back in every
backward through time."""
ANSWERS = (
    "SDT's is the same vector at all steps, so it knows only the mean; TET's knows how wrong each step is.",
    "When all steps have the same probabilities: when their outputs differ by a constant for all classes.",
    "At most 0.01 times 1/(TB) by the right class; under SDT as large as the error of the mean, up to 1 times that.",
)

tet_of_two_steps = (math.log(1 + math.exp(-2)) + math.log(2)) / 2


def accumulated_gradient(outputs, labels):
    _, cache = tet_loss_forward(np.cumsum(outputs, 0), labels)
    return np.cumsum(tet_loss_backward(1.0, cache)[::-1], 0)[::-1]


def accumulated_gradient_2(outputs, labels):
    T, B, K = outputs.shape
    sums = np.tensordot(np.tri(T), outputs, 1)
    p = np.exp(sums - sums.max(2, keepdims=True))
    p /= p.sum(2, keepdims=True)
    return np.tensordot(np.tri(T).T, p - np.eye(K)[labels], 1) / (T * B)


def tet_gradient(outputs, labels):
    T, B, K = outputs.shape
    p = np.exp(outputs - outputs.max(2, keepdims=True))
    p /= p.sum(2, keepdims=True)
    return (p - np.eye(K)[labels]) / (T * B)


def tet_gradient_2(outputs, labels):
    gradient = np.zeros(outputs.shape)
    for t, b in np.ndindex(outputs.shape[:2]):
        weights = np.exp(outputs[t, b] - outputs[t, b].max())
        gradient[t, b] = weights / weights.sum()
        gradient[t, b, labels[b]] -= 1
    return gradient / gradient[..., 0].size


right_when_it_stops = "a"


def small_gap(mean, d):
    p = np.exp(mean - mean.max())
    p /= p.sum()
    return ((d**2 @ p - (d @ p) ** 2) / 2).mean()


def small_gap_2(mean, d):
    p = np.exp(mean) / np.exp(mean).sum()
    hessian = np.diag(p) - np.outer(p, p)
    return 0.5 * sum(d_t @ hessian @ d_t for d_t in d) / len(d)
