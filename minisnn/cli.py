"""The `minisnn` command."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from minisnn import __version__, optim
from minisnn.data import LOADERS
from minisnn.recipes import ESL_MLP, ESLMLP
from minisnn.structure import grow, masks, prune

TRAIN_EPILOG = """\
what happens
  Images become spike times (bright pixels spike first), layers of neurons that fire at most once answer
  with the class whose output neuron fires first, and gradients of that time train the weights.
  The weights into each hidden layer start as an Erdős-Rényi random graph; every --t-iter iterations a
  shrinking fraction of its connections, --alpha at first, is pruned and as many are grown.

examples
  minisnn train esl-mlp                                 sparse, on the embedded 8x8 digits, in seconds
  minisnn train esl-mlp --density 1                     the dense net, for comparison
  minisnn train esl-mlp --data mnist --epsilon 60       the sparse net of ESL's Table 1
  minisnn train esl-mlp --grow momentum                 another pair of rules
  minisnn train esl-mlp --alpha 0                       a random graph that is never rewired
  minisnn train esl-mlp --resume runs/esl-mlp           go on where a run was interrupted
  MINISNN_DATA=~/data minisnn train esl-mlp --data mnist   with MNIST files that you have already

a run leaves in --out
  config.json, log.csv (a row for each epoch), checkpoint.npz, result.json and pictures
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        arguments.run(arguments)
    except (ValueError, OSError) as error:  # DataError and CheckpointError are ValueErrors
        print(f"minisnn: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("minisnn: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="minisnn", description="Sparse spiking networks down to the last derivative."
    )
    parser.add_argument("--version", action="version", version=f"minisnn {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo",
        help="train the dense and the sparse first-spike net on real digits and compare them",
        description="Train the dense and the ESL-sparse first-spike net on the embedded digits (under a minute), "
        "print ESL's Table 1 for this run and draw what happened to the connections.",
    )
    demo.add_argument(
        "--out", type=Path, default=Path("runs/demo"), help="folder for the pictures (%(default)s)"
    )
    demo.add_argument("--seed", type=int, default=0, help="seed of weights, masks and order (%(default)s)")
    demo.set_defaults(run=_demo)

    train = commands.add_parser("train", help="train a network of the papers")
    networks = train.add_subparsers(required=True, metavar="NETWORK")
    esl = networks.add_parser(
        "esl-mlp",
        help="ESL-SNNs' multi-layer network of neurons that fire once",
        description="Train ESL-SNNs' multi-layer first-spike network, sparse from the first step "
        "(ESL Eq. 1-6, Algorithm 1).",
        epilog=TRAIN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    _esl_mlp_options(esl)
    esl.set_defaults(run=_train_esl_mlp)
    return parser


def _esl_mlp_options(parser: argparse.ArgumentParser) -> None:
    """One option for each field of ESLMLP; those not given keep the defaults of the data set."""
    d, m = ESL_MLP["digits"], ESL_MLP["mnist"]

    def default(name: str) -> str:
        a, b = getattr(d, name), getattr(m, name)
        a, b = (" ".join(map(str, x)) if isinstance(x, tuple) else x for x in (a, b))
        return f"(default {a})" if a == b else f"(default {a} for digits, {b} for mnist)"

    def option(flag: str, help: str, **kwargs: object) -> None:  # noqa: A002 - argparse's own name
        name = flag.strip("-").replace("-", "_")
        parser.add_argument(flag, help=f"{help} {default(name)}", **kwargs)  # type: ignore[arg-type]

    parser.add_argument("--data", choices=list(LOADERS), help="data set (default digits)")
    option("--hidden", "neurons of the hidden layers", type=int, nargs="+", metavar="N")
    density = parser.add_mutually_exclusive_group()
    density.add_argument(
        "--epsilon",
        type=float,
        help=f"how many connections, Eq. 1: epsilon (n_in + n_out) {default('epsilon')}",
    )
    density.add_argument(
        "--density", type=float, help="the same as a fraction, above 0 and at most 1; 1 is the dense net"
    )
    option("--sample", "draw each connection by itself, or their exact number", choices=list(masks.SAMPLERS))
    option("--prune", "which connections go", choices=list(prune.RULES))
    option("--grow", "which connections come", choices=list(grow.RULES))
    option("--alpha", "fraction of connections replaced at first; 0 never rewires", type=float)
    option("--t-iter", "iterations from one rewiring to the next", type=int, metavar="N")
    option("--t-end", "when rewiring ends, as a fraction of training", type=float, metavar="F")
    option("--epochs", "passes over the training data", type=int, metavar="N")
    option("--batch-size", "images in a step", type=int, metavar="N")
    option("--optimizer", "SGD with momentum 0.9, or Adam", choices=list(optim.OPTIMIZERS))
    option("--schedule", "how the learning rate falls", choices=list(optim.SCHEDULES))
    parser.add_argument(
        "--lr",
        type=float,
        help="learning rate at first (default for sgd 0.3 dense, 0.45 sparse; for adam 0.01)",
    )
    parser.add_argument("--lr-end", type=float, help="learning rate at last (default a hundredth of --lr)")
    option("--normalise", "what is limited of the gradient", choices=list(optim.NORMALISATIONS))
    option("--limit", "to what its norm is limited", type=float)
    option("--weight-sum", "price K of incoming weights that sum to less than 1", type=float, metavar="K")
    option(
        "--levels", "grey levels of the input, each its own spike time; 2 binarises", type=int, metavar="N"
    )
    option("--shift", "augment by random shifts of up to so many pixels", type=int, metavar="N")
    option("--seed", "of weights, masks and the order of the data", type=int)
    parser.add_argument(
        "--out", type=Path, default=None, help="folder of the run (default runs/esl-mlp-DATA-seedN)"
    )
    parser.add_argument(
        "--resume", type=Path, default=None, metavar="FOLDER", help="go on with the run in this folder"
    )
    parser.add_argument(
        "--json", action="store_true", default=False, help="print the result as one JSON object, last"
    )


def _train_esl_mlp(arguments: argparse.Namespace) -> None:
    from minisnn import run  # matplotlib takes longest to import: not before it is needed

    known = {field.name for field in fields(ESLMLP)}
    given = {key: value for key, value in vars(arguments).items() if key in known}
    if arguments.resume:
        if given or arguments.out:
            raise ValueError("--resume goes on with a run as it was configured: it takes no other settings")
        folder, result = arguments.resume, run.resume(arguments.resume, progress="training")
    else:
        recipe = ESL_MLP[given.get("data", "digits")]
        if "density" in given:
            given["epsilon"] = None
        if "hidden" in given:
            given["hidden"] = tuple(given["hidden"])
        recipe = replace(recipe, **given)
        folder = arguments.out or Path(f"runs/esl-mlp-{recipe.data}-seed{recipe.seed}")
        try:
            result = run.run(recipe, folder, progress="training")
        except KeyboardInterrupt:
            print(f"go on with: minisnn train esl-mlp --resume {folder}", file=sys.stderr)
            raise
    if arguments.json:
        print(json.dumps(result))
    else:
        print(
            f"test accuracy {result['test_accuracy']:.2f} % (validation {result['val_accuracy']:.2f} %) with "
            f"{result['connections']:,} connections, density {result['density']:.3f}, "
            f"in {result['seconds']:.0f} s\n{folder}/ holds the log, the checkpoint and pictures"
        )


def _demo(arguments: argparse.Namespace) -> None:
    from minisnn.demo import demo

    demo(arguments.out, arguments.seed)
