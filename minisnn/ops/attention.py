"""How far two networks look at different places: the distance of their attention maps."""

from __future__ import annotations

from typing import NamedTuple

from minisnn.arguments import check, cotangent, floating
from minisnn.backend import Array, array_module


class AttentionCache(NamedTuple):
    """What `attention_distance_backward` needs."""

    student: Array  # [B, ..., C]
    length: Array  # [B, 1], |Q| of the student; 1 where it is 0
    q: Array  # [B, P], the student's map of length 1, or 0 where it is 0
    difference: Array  # [B, P], of both maps
    distance: Array  # [B]


def attention_distance_forward(student: Array, teacher: Array) -> tuple[Array, AttentionCache]:
    r"""The distance between attention maps of two layers, as in attention transfer (Zagoruyko and Komodakis 2017).

    $$ Q_p(A) = \sum_c A_{pc}^2, \qquad
       d = \left\lVert \frac{Q(A_s)}{\lVert Q(A_s) \rVert} - \frac{Q(A_t)}{\lVert Q(A_t) \rVert} \right\rVert $$

    student, teacher: activations A [B, ..., C] floating, of the same samples and positions p; they may have different
    numbers of channels. A map that is 0 everywhere stays 0. Spike-Thrift (Kundu 2021) is said to add beta / 2 times
    the distances of some layers to the loss of an ANN that learns from a larger one. This formula is from memory,
    unverified against either paper. Nothing of the teacher's depends on weights that learn, so that it has no gradient.
    Returns d [B] and the cache. Raises ValueError for other dtypes, or samples or positions that differ.
    """
    student, teacher = floating(student=student, teacher=teacher)
    check("student", student.shape, student.ndim >= 2, "[B, ..., C]")
    positions = student.shape[:-1]
    check(
        "teacher", teacher.shape, teacher.shape[:-1] == positions, f"{positions} and channels, like student"
    )
    q, length = _unit_map(student)
    difference = q - _unit_map(teacher)[0]
    distance = (difference**2).sum(1) ** 0.5
    return distance, AttentionCache(student, length, q, difference, distance)


def attention_distance_backward(ddistance: Array, cache: AttentionCache) -> Array:
    r"""Gradient of `attention_distance_forward` with respect to the student's activations.

    $$ \frac{\partial d}{\partial q} = \frac{q - q_t}{d}, \qquad
       \frac{\partial d}{\partial Q} = \frac{1}{\lVert Q \rVert} \Bigl(\frac{\partial d}{\partial q}
       - q \, \bigl(q \cdot \frac{\partial d}{\partial q}\bigr)\Bigr), \qquad
       \frac{\partial d}{\partial A_{pc}} = 2 A_{pc} \frac{\partial d}{\partial Q_p} $$

    ddistance: [B] floating. It is 0 where the maps are equal, and where one is 0 everywhere. Returns dstudent
    [B, ..., C]. Raises ValueError for another shape or dtype.
    """
    student, length, q, difference, distance = cache
    xp = array_module(student)
    d = cotangent("ddistance", ddistance, distance.shape, student)
    dq = (d / xp.where(distance > 0, distance, xp.inf))[:, None] * difference
    dQ = (dq - q * (q * dq).sum(1, keepdims=True)) / length
    return 2 * student * dQ.reshape(*student.shape[:-1], 1)


def _unit_map(A: Array) -> tuple[Array, Array]:
    """Q / |Q|, [B, P], and |Q|, [B, 1], in whose place 1 stands where it is 0."""
    Q = (A**2).sum(-1).reshape(len(A), -1)
    length = (Q**2).sum(1, keepdims=True) ** 0.5
    length = array_module(A).where(length > 0, length, 1)
    return Q / length, length
