"""The subcommands of `minisnn`, one file each, with their options.

Each has `add(commands)`, which adds its parser. Importing these is cheap: what draws pictures is imported when it runs.
"""

from __future__ import annotations

from minisnn.commands import (
    compare,
    data,
    demo,
    doctor,
    evaluate,
    grade,
    inspect,
    predict,
    reproduce,
    slim,
    sweep,
    train,
)

COMMANDS = (demo, doctor, train, predict, evaluate, inspect, sweep, compare, slim, reproduce, data, grade)
"""In the order of the help."""
