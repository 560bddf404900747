"""What the library tells its user besides results: warnings of one sentence."""

from __future__ import annotations

import warnings


class MinisnnWarning(UserWarning):
    """Training goes on, but what it does may not be what was meant."""


def warn(text: str) -> None:
    """Warn in one line, which says all: where in our source it was noticed tells a user nothing.

    A notebook shows "<minisnn>:1: MinisnnWarning: text", the command line "minisnn: warning: text". Filters work as for
    any warning, by the category or by the module, minisnn; each call counts, not only the first with this text.
    """
    warnings.warn_explicit(text, MinisnnWarning, filename="<minisnn>", lineno=1, module="minisnn")


SILENT, SATURATED = 1e-4, 0.99  # outside these firing rates a layer tells the next ones almost nothing


def warn_of_silence(
    firing: dict[str, float], epoch: int, fires_once: bool = False, known: frozenset[str] = frozenset()
) -> frozenset[str]:
    """Warn of layers that never or always fire: nothing is learned behind a layer that says nothing.

    firing: spikes per neuron and step of each layer. known: what was returned after the epoch before; a layer is
    reported in the epoch in which it begins, and not again while it stays as it is.
    """
    silent = [name for name, rate in firing.items() if rate < SILENT]
    always = [name for name, rate in firing.items() if rate > SATURATED and not fires_once]
    dead = [name for name in silent if name not in known]
    full = [name for name in always if name not in known]
    if dead and len(silent) == len(firing):
        warn(
            f"epoch {epoch}: the network is silent, no layer fires. Are inputs and initial weights large enough?"
        )
    elif dead:
        warn(
            f"epoch {epoch}: dead layer: {', '.join(dead)} fires less than {SILENT:g} times per neuron and step"
        )
    if full:
        warn(
            f"epoch {epoch}: saturated layer: {', '.join(full)} fires at more than {SATURATED:.0%} of all steps"
        )
    return frozenset((*silent, *always))
