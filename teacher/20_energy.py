"""Chapter 20, energy: solutions, each in a second form, and what to know when it is taught."""

import numpy as np

MINUTES = {"corner_synops": 3, "saved": 10, "linear_synops": 5, "estimate_too_high": 5, "break_even_rate": 8}
NOTES = """\
Bring a table of joules from a recent paper and ask what was counted. Students tend to take SynOps for energy: the last
section shows how much hangs on memory. The border factor surprises; draw a 4x4 map with its padding."""
ANSWERS = (
    "Connections at entries of a kernel work at every position: where the connections are decides.",
    "The border, where it is too high, and who is heard: it is too low where inputs that fire often have many connections.",
    "Nothing: no spike was counted. It says how many connections there are.",
)

corner_synops = 3 * 3 * 3


def saved(E, m, E_out, m_out):
    return E @ m + E_out * m_out.sum(1)


def saved_2(E, m, E_out, m_out):
    came = np.where(m, np.asarray(E)[:, None], 0).sum(0)
    went = np.where(m_out, np.asarray(E_out)[:, None], 0).sum(1)
    return came + went


def linear_synops(x, mask):
    return ((x != 0) @ mask.astype(int)).sum()


def linear_synops_2(x, mask):
    events = np.count_nonzero(x, axis=(0, 1))
    return events @ mask.sum(1)


estimate_too_high = 1 / ((3 * 2 - 2) / (3 * 2)) ** 2


def break_even_rate(T, mac, ac, fetch, state):
    return (mac + fetch) / (T * (ac + fetch + state))


def break_even_rate_2(T, mac, ac, fetch, state):
    events = (mac + fetch) / (ac + fetch + state)  # per synapse and image
    return events / T
