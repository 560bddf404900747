"""The tasks of chapter 20, energy."""

import numpy as np
from scipy.optimize import brentq

from minisnn.course.declare import number, task

# warm-up: an event in a corner, 5x5, padding 2, three channels
(
    number(20, "warm-up", "corner_synops", 27)
    .usual(
        75,
        "the event is seen through all entries of the kernel, as in the middle of a large image",
        "The derivation",
    )
    .usual(9, "the three channels out are left out: each is an addition of its own", "The question")
    .usual(12, "a kernel of 3x3 is taken", "The equation, naively")
    .usual(3, "only the position at the corner itself is counted", "The derivation")
    .usual(48, "one row and one column too many are counted")
)


# core: what a neuron costs
@task(
    20,
    "core",
    valid=lambda E, m, E_out, m_out: m.shape == (len(E), len(E_out)) and len(m_out) == len(E_out) > 0,
)
def saved(E, m, E_out, m_out):
    """Counted with and without each neuron, connection by connection."""

    def synops(without):
        came = sum(E[i] for i, j in np.argwhere(m) if j != without)
        return came + sum(E_out[j] for j, _ in np.argwhere(m_out) if j != without)

    return np.array([synops(None) - synops(j) for j in range(len(E_out))])


@saved.cases
def _(rng):
    yield np.array([2]), np.array([[True]]), np.array([3]), np.array([[True]])
    yield (
        np.array([2, 1]),
        np.array([[True, True], [False, True]]),
        np.array([3, 0]),
        np.array([[True], [True]]),
    )
    for _ in range(8):
        N, M, K = (int(n) for n in rng.integers(2, 6, 3))
        yield rng.integers(0, 9, N), rng.random((N, M)) < 0.5, rng.integers(0, 9, M), rng.random((M, K)) < 0.5


@saved.wrong("the operations that the neuron causes behind it are left out", "Core: what a neuron costs")
def in_only(E, m, E_out, m_out):
    return E @ m


@saved.wrong("the operations that arrive at the neuron are left out", "Core: what a neuron costs")
def out_only(E, m, E_out, m_out):
    return E_out * m_out.sum(1)


@saved.wrong("connections are counted, and not events", "The question")
def connections(E, m, E_out, m_out):
    return m.sum(0) + m_out.sum(1)


@saved.wrong(
    "the neuron's own spikes are counted for what comes in, too: those are the inputs' spikes",
    "Core: what a neuron costs",
)
def own_spikes(E, m, E_out, m_out):
    return E_out * (m.sum(0) + m_out.sum(1))


@saved.wrong("all inputs are taken to be connected", "The question")
def dense(E, m, E_out, m_out):
    return E.sum() + E_out * m_out.sum(1)


# break it: a counter that multiplies
@task(20, "break it", valid=lambda x, mask: x.shape[-1] == len(mask) and x.ndim == 3)
def linear_synops(x, mask):
    """One event after the other."""
    return sum(int(mask[i].sum()) for *_, i in np.argwhere(x))


@linear_synops.cases
def _(rng):
    yield np.array([[[1.0]]]), np.array([[True]])
    yield np.array([[[0.25]]]), np.array([[True]])
    yield np.array([[[1.0, 0.5]]]), np.array([[True, True], [False, True]])
    for _ in range(8):
        x = rng.integers(0, 5, (2, 2, 4)) / 4 * (rng.random((2, 2, 4)) < 0.6)
        yield x, rng.random((4, 3)) < 0.5


@linear_synops.wrong(
    "values are added up, where events are to be counted", "Break it: a counter that multiplies"
)
def planted(x, mask):
    return (x @ mask).sum()


@linear_synops.wrong("pruned connections are counted, too", "Break it")
def all_weights(x, mask):
    return np.count_nonzero(x) * mask.shape[1]


@linear_synops.wrong("nothing is counted unless all values are 0 or 1", "Break it")
def all_or_none(x, mask):
    return ((x > 0) @ mask.astype(int)).sum() if np.isin(x, (0, 1)).all() else 0


@linear_synops.wrong("only full spikes are counted: after a pool smaller values are events, too", "Break it")
def full_only(x, mask):
    return ((x >= 1) @ mask.astype(int)).sum()


@linear_synops.wrong("the mean over the samples is taken, where all are asked for")
def per_sample(x, mask):
    return ((x > 0) @ mask.astype(int)).sum() / x.shape[1]


@linear_synops.wrong(
    'bools are multiplied by bools: NumPy\'s sum of products is then an "or", 1 at most. Turn one of them into numbers'
)
def bool_product(x, mask):
    return ((x != 0) @ mask).sum()


@linear_synops.wrong("values are rounded: after a pool small values are events, too", "Break it")
def rounded(x, mask):
    return (np.round(x) @ mask).sum()


# explore: small maps
(
    number(20, "explore", "estimate_too_high", 2.25)
    .usual(4 / 9, "this is the share that is counted rightly: its inverse was asked for", "The derivation")
    .usual(1.5, "one side of the kernel is forgotten: rows and columns count", "The derivation")
    .usual(1.25, "this is by how much it is too high, not the factor")
    .usual(1.44, "this is the factor for 4 rows", "The derivation")
)


# derive: where spikes stop paying
@task(
    20,
    "derive",
    valid=lambda T, mac, ac, fetch, state: T >= 1 and min(mac, ac) > 0 and min(fetch, state) >= 0,
)
def break_even_rate(T, mac, ac, fetch, state):
    """Found by SciPy: where the difference of the two costs is 0."""
    return brentq(
        lambda rate: T * rate * ac + T * rate * (fetch + state) - mac - fetch, 0, 1e6, xtol=1e-14, rtol=1e-14
    )


@break_even_rate.cases
def _(rng):
    yield from (
        (1, 4.6, 0.9, 0.0, 0.0),
        (4, 4.6, 0.9, 0.0, 0.0),
        (4, 4.6, 0.9, 5.0, 0.0),
        (4, 4.6, 0.9, 5.0, 10.0),
    )
    for _ in range(6):
        yield int(rng.integers(1, 9)), *(float(x) for x in rng.uniform(0.5, 10, 4))


@break_even_rate.wrong("the number of steps is left out: each step may bring an event", "Joules")
def no_steps(T, mac, ac, fetch, state):
    return (mac + fetch) / (ac + fetch + state)


@break_even_rate.wrong("the conventional net fetches its weights for nothing", "Joules")
def free_fetch(T, mac, ac, fetch, state):
    return mac / (T * (ac + fetch + state))


@break_even_rate.wrong("the fraction is upside down", "Joules")
def upside_down(T, mac, ac, fetch, state):
    return T * (ac + fetch + state) / (mac + fetch)


@break_even_rate.wrong("the potential that a spike reads and writes is left out", "Joules")
def no_state(T, mac, ac, fetch, state):
    return (mac + fetch) / (T * (ac + fetch))


@break_even_rate.wrong("only the arithmetic is counted, and no memory", "Joules")
def arithmetic(T, mac, ac, fetch, state):
    return mac / (T * ac)


@break_even_rate.wrong("the weight is fetched once per image, where each event fetches it anew", "Joules")
def fetched_once(T, mac, ac, fetch, state):
    return mac / (T * (ac + state))
