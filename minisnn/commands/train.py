"""`minisnn train`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from minisnn.commands.options import (
    ESL_MLP_TEXTS,
    LIF_TEXTS,
    SCA_TEXTS,
    add_option,
    common_options,
    esl_mlp_options,
    lif_options,
    sca_options,
)
from minisnn.recipes import ESL_MLP_DEFAULTS, LIF_DEFAULTS, SCA_VGG16_DEFAULTS


def add(commands: Any) -> None:
    """The parser of `minisnn train`."""
    train = commands.add_parser("train", help="train a network of the papers")
    kinds = train.add_subparsers(required=True, metavar="NETWORK")
    for name, defaults, options, texts in (
        ("esl-mlp", ESL_MLP_DEFAULTS, esl_mlp_options, ESL_MLP_TEXTS),
        ("lif", LIF_DEFAULTS, lif_options, LIF_TEXTS),
        ("sca-vgg16", SCA_VGG16_DEFAULTS, sca_options, SCA_TEXTS),
    ):
        kind = kinds.add_parser(
            name,
            **texts,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            argument_default=argparse.SUPPRESS,
        )
        kind.add_argument(
            "--data", choices=list(defaults), metavar="NAME",
            help="data set, see minisnn data list (default digits)",
        )  # fmt: skip
        option = partial(add_option, kind, defaults["digits"], defaults["mnist"])
        options(kind, option)
        common_options(kind, option, name)
        kind.set_defaults(run=partial(_train, name, defaults))


def _train(name: str, defaults: dict[str, Any], arguments: argparse.Namespace) -> None:
    from minisnn import runs  # matplotlib takes longest to import: not before it is needed

    known = {field.name for field in fields(defaults["digits"])}
    given = {key: value for key, value in vars(arguments).items() if key in known}
    if arguments.resume:
        if given or arguments.out:
            raise ValueError("--resume goes on with a run as it was configured: it takes no other settings")
        folder, result = arguments.resume, runs.resume(arguments.resume, progress="training")
    else:
        recipe = defaults[given.get("data", "digits")]
        if "density" in given and "epsilon" in known:
            given["epsilon"] = None
        if "hidden" in given:
            given["hidden"] = tuple(given["hidden"])
        recipe = replace(recipe, **given)
        folder = arguments.out or Path(f"runs/{name}-{recipe.data}-seed{recipe.seed}")
        try:
            result = runs.run(recipe, folder, progress="training")
        except KeyboardInterrupt:
            print(f"go on with: minisnn train {name} --resume {folder}", file=sys.stderr)
            raise
    if arguments.json:
        print(json.dumps(result))
    else:
        print(
            f"test accuracy {result['test_accuracy']:.2f} % (validation {result['val_accuracy']:.2f} %) with "
            f"{result['connections']:,} connections, density {result['density']:.3f}, "
            f"{result['synops']:,.0f} synaptic operations an image, in {result['seconds']:.0f} s\n"
            f"{folder}/ holds the log, the checkpoint and pictures"
        )
