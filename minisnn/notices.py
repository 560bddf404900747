"""What the library tells its user besides results: warnings of one sentence."""

from __future__ import annotations

import warnings
from threading import Lock


class MinisnnWarning(UserWarning):
    """Training goes on, but what it does may not be what was meant."""


def warn(text: str) -> None:
    """Warn in one line, "minisnn: warning: text": where in our source it was noticed tells a user nothing.

    Filters work as for any warning, by the category or by the module, minisnn; each call counts, not only the first
    with this text. A `warnings.showwarning` or `formatwarning` of the user's own is respected.
    """
    with _format_lock:  # the line's form is ours for as long as this warning takes
        theirs = warnings.formatwarning
        if theirs is _plain_format:
            warnings.formatwarning = _format
        try:
            warnings.warn_explicit(text, MinisnnWarning, filename="<minisnn>", lineno=1, module="minisnn")
        finally:
            warnings.formatwarning = theirs


_format_lock = Lock()
_plain_format = warnings.formatwarning


def _format(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """In place of `warnings.formatwarning`, which begins with file and line."""
    if issubclass(category, MinisnnWarning):
        return f"minisnn: warning: {message}\n"
    return _plain_format(message, category, filename, lineno, line)


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
