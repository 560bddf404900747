"""Chapter 17, channel scores: solutions, each in a second form, and what to know when it is taught."""

import math

import numpy as np

MINUTES = {
    "score_of_four_steps": 4,
    "relative_score": 10,
    "channel_scores": 6,
    "deciding_exponent": 6,
    "inhibited": 12,
}
NOTES = """\
Let the class rank three channels by hand, one silent and strongly inhibited, one that fires at every step, one in
between, with each of the readings. Then show the picture: three quarters of the score is inhibition. Whether that is
meant is a question to discuss, and the paper's own words are in the text."""
ANSWERS = (
    "The one after the reset: its potential is 0 at all times, and the spikes are not counted.",
    "If all mean scores lie within a factor of 16.",
    "Its potentials far below 0 count without a limit. Silence it, and measure by how much the loss rises.",
)

score_of_four_steps = (0.6 + 1 + 0.6 + 1) / 4


def relative_score(u, a, v_th, v_reset):
    return a + abs(np.where(a, v_reset, u) - v_reset) / (v_th - v_reset)


def relative_score_2(u, a, v_th, v_reset):
    units = np.abs(u - v_reset) / (v_th - v_reset)
    return np.where(a, 1.0, units)


def channel_scores(u, a):
    v = np.where(a, 0, u)
    return (a + abs(v)).mean((0, 1, 2, 3))


def channel_scores_2(u, a):
    scores = np.where(a, 1.0, np.abs(u)).reshape(-1, u.shape[-1])
    return scores.sum(0) / len(scores)


deciding_exponent = math.log(2) / math.log(64 / 4)


def inhibited(I, decay, T):
    return I / (1 - decay) * (1 - decay * (1 - decay**T) / (T * (1 - decay)))


def inhibited_2(I, decay, T):
    t = np.arange(1, T + 1)
    return (I * (1 - decay**t) / (1 - decay)).mean()
