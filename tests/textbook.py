"""The first-spike layer in scalar loops, neuron by neuron: an oracle that shares nothing with the library's arrays."""

import numpy as np

from minisnn.ops.first_spike import EPS, Z_MAX


def textbook_forward(z_in, weight):
    """ESL Eq. 5 by prefix search, one neuron at a time: z_out and slopes [B, M], and the causal sets [B, N, M]."""
    z_out, slope = (np.full((len(z_in), weight.shape[1]), np.inf) for _ in range(2))
    causal = np.zeros((*z_in.shape, weight.shape[1]), bool)
    for b, z in enumerate(z_in):
        order = [i for i in np.argsort(z, kind="stable") if z[i] < np.inf]
        for j, w in enumerate(weight.T):
            for n, i in enumerate(order):
                last = n + 1 == len(order)
                if not last and z[order[n + 1]] == z[i]:
                    continue  # test a tie only when all of it has arrived
                C = order[: n + 1]
                A, B = w[C].sum(), (w[C] * z[C]).sum()
                if A - 1 > EPS and min(Z_MAX if last else z[order[n + 1]], Z_MAX) >= B / (A - 1):
                    z_out[b, j], slope[b, j] = B / (A - 1), A - 1
                    causal[b, C, j] = True
                    break
    return z_out, slope, causal


def textbook_backward(dz_out, z_in, weight, z_out, slope):
    """dz_in and dweight, synapse by synapse."""
    dz_in, dweight = np.zeros(z_in.shape), np.zeros(weight.shape)
    for b, i, j in np.ndindex(*z_in.shape, weight.shape[1]):
        if z_in[b, i] < z_out[b, j] < np.inf:
            dz_in[b, i] += dz_out[b, j] * weight[i, j] / slope[b, j]
            dweight[i, j] -= dz_out[b, j] * (z_out[b, j] - z_in[b, i]) / slope[b, j]
    return dz_in, dweight
