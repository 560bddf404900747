"""Chapter 01, Erdős–Rényi: solutions, each in a second form, and what to know when it is taught."""

import numpy as np

MINUTES = {
    "which_epsilon": 3,
    "distinct": 10,
    "keep_budget": 10,
    "who_is_cut_off": 6,
    "variance_of_inputs": 15,
}
NOTES = """\
Toss real coins for a layer of 3 × 4 first: the class sees that the count varies, and that nobody chose it. In the core
task many try to count collisions pair by pair; send them back to one position and ask whether it is missed. ESL's layer
would miss 7.2 % of its connections. The budget is the only place where ERK can go wrong unseen: ask what would have
shown it."""
ANSWERS = (
    "Twice as many connections among four times as many positions: the density is halved.",
    "One position is 1 with probability ρ in both. With coins the positions are independent and the count varies; "
    "with an exact count two positions are 1 together less often, and the count does not vary.",
    "To the layers that are not dense: their common ε grows until the network has the density that was asked for.",
)

which_epsilon = 0.2 * 64 * 100 / (64 + 100)


def distinct(N, D):
    return N * (1 - (1 - 1 / N) ** D)


def distinct_2(N, D):
    taken = 0.0
    for _ in range(D):
        taken += 1 - taken / N  # the next draw is new with the fraction of positions that are still free
    return taken


def keep_budget(omega, size, density):
    dense = np.zeros(len(size), bool)
    while True:
        budget = density * size.sum() - size[dense].sum()
        epsilon = budget / (omega * size)[~dense].sum()
        above = ~dense & (epsilon * omega > 1 + 1e-12)
        if not above.any():
            return np.where(dense, 1.0, epsilon * omega)
        dense |= above


def keep_budget_2(omega, size, density):
    order = np.argsort(-omega)  # those that exceed 1 first come first
    result, left = np.ones(len(size)), density * size.sum()
    for n, i in enumerate(order):
        rest = order[n:]
        epsilon = left / (omega[rest] @ size[rest])
        if epsilon * omega[i] <= 1:
            result[rest] = epsilon * omega[rest]
            break
        left -= size[i]
    return result


who_is_cut_off = "b"


def variance_of_inputs(n_in, n_out, count):
    N = n_in * n_out
    rho = count / N
    return n_in * rho * (1 - rho) * (N - n_in) / (N - 1)


def variance_of_inputs_2(n_in, n_out, count):
    N = n_in * n_out
    both = count / N * (count - 1) / (N - 1)
    return n_in * count / N + n_in * (n_in - 1) * both - (n_in * count / N) ** 2
