"""The `minisnn` command."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from minisnn import __version__, optim
from minisnn.backend import NoGPUError
from minisnn.networks import NETWORKS, STYLES
from minisnn.recipes import DEVICES, ESL_MLP, LEARNERS, LIF
from minisnn.structure import grow, masks, prune, redistribute

TARGETS = ("esl-table1", "esl-fig2", "esl-fig3", "esl-fig4", "esl-table2", "esl-multispike")
ESL_MLP_TEXTS: dict[str, Any] = {
    "help": "ESL-SNNs' multi-layer network of neurons that fire once",
    "description": "Train ESL-SNNs' multi-layer first-spike network, sparse from the first step "
    "(ESL Eq. 1-6, Algorithm 1).",
    "epilog": """\
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
""",
}
LIF_TEXTS: dict[str, Any] = {
    "help": "any network of LIF neurons: multi-spike MLP, VGGSNN, ResNet-19, VGG16, or your own notation",
    "description": "Train a network of leaky (ESL) or plain (SCA) integrate-and-fire neurons, dense or sparse, with "
    "surrogate gradients, backpropagation through time and the TET loss (ESL Eq. 7-10, SCA Eq. 1-3).",
    "epilog": """\
what happens
  The image is the input current of the first layer at each of --T steps (direct coding). In a notation nC3 is a
  convolution of 3x3 to n channels with batch norm and neurons, AP2 and MP2 are pools, nFC is a linear layer, with
  neurons unless it is the last. The class is the output that is largest on average over time.

examples
  minisnn train lif                                           a small conv net on the embedded 8x8 digits
  minisnn train lif --net mlp --data mnist                    ESL's multi-spike MLP, 784-800-10
  minisnn train lif --net 16C3-AP2-32C3-AP2-10FC --data mnist
  minisnn train lif --net vggsnn --data mnist --T 2           TET's VGGSNN; takes hours on a CPU
  minisnn train lif --net 5conv --paper esl --data mnist      SCA's network with ESL's neurons
  minisnn train lif --density 0.1                             sparse from the first step, rewired while it learns
  minisnn train lif --density 0.1 --alpha 0                   the same with masks that never change
  minisnn train lif --net resnet19 --data mnist --accumulate 4
  minisnn train lif --device gpu                              where there is one

a run leaves in --out
  config.json, log.csv (a row for each epoch, with every layer's firing rate), checkpoint.npz, result.json
  and pictures
""",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        arguments.run(arguments)
    except (
        ValueError,
        OSError,
        NoGPUError,
        ModuleNotFoundError,
    ) as error:  # DataError and CheckpointError are ValueErrors
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

    doctor = commands.add_parser(
        "doctor",
        help="say what this machine has: processor, BLAS, threads, GPU, data",
        description="Say in words what minisnn finds here, what is missing, and what would make it faster.",
    )
    doctor.set_defaults(run=_doctor)

    train = commands.add_parser("train", help="train a network of the papers")
    kinds = train.add_subparsers(required=True, metavar="NETWORK")
    for name, defaults, options, texts in (
        ("esl-mlp", ESL_MLP, _esl_mlp_options, ESL_MLP_TEXTS),
        ("lif", LIF, _lif_options, LIF_TEXTS),
    ):
        kind = kinds.add_parser(
            name,
            **texts,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            argument_default=argparse.SUPPRESS,
        )
        kind.add_argument("--data", choices=list(defaults), help="data set (default digits)")
        option = partial(_option, kind, defaults["digits"], defaults["mnist"])
        options(kind, option)
        _common_options(kind, option, name)
        kind.set_defaults(run=partial(_train, name, defaults))
    _reproduce_command(commands)
    return parser


def _reproduce_command(commands: Any) -> None:
    from minisnn.reproduce.target import SCALES

    scales = "\n".join(f"  {name:6} {text}" for name, text in SCALES.items())
    parser = commands.add_parser(
        "reproduce",
        help="run the grid behind a table or figure of a paper and put ours beside the paper's",
        description="Run every setting of a table or figure with several seeds; draw it, and print it with the paper's "
        "values beside ours.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"""\
scales
{scales}

what it leaves in --out
  TARGET-SCALE.csv (a row for each run), TARGET-SCALE-summary.csv (means and errors), TARGET-SCALE.png, and
  TARGET-SCALE/ with the runs. Called again, it goes on where it stopped.

examples
  minisnn reproduce esl-fig4
  MINISNN_DATA=~/data minisnn reproduce esl-fig2 --scale small --seeds 0 1 2
  minisnn reproduce esl-table2 --scale paper --device gpu
  minisnn reproduce esl-fig4 --scale small --dask tcp://10.0.0.1:8786    with the workers of a Dask cluster
""",
    )
    parser.add_argument("target", choices=TARGETS, metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--scale", choices=list(SCALES), default="smoke", help="(default %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/reproduce"), help="folder of the results (default %(default)s)"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1], metavar="N", help="of each setting (default 0 1)"
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="runs at a time (default one for each core, one on a gpu)"
    )
    parser.add_argument(
        "--device", choices=list(DEVICES), default="cpu", help="where to compute (default cpu)"
    )
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="of a Dask scheduler whose workers have minisnn, and see the same folders",
    )
    parser.set_defaults(run=_reproduce)


def _option(
    parser: argparse.ArgumentParser, digits: Any, mnist: Any, flag: str, text: str, **kwargs: object
) -> None:
    """An option for one field of a recipe; its default is that of the data set."""
    name = flag.strip("-").replace("-", "_")
    a, b = getattr(digits, name), getattr(mnist, name)
    a, b = (" ".join(map(str, x)) if isinstance(x, tuple) else x for x in (a, b))
    default = f" (default {a})" if a == b else f" (default {a} for digits, {b} for mnist)"
    default = "" if a is None or a is False else default
    parser.add_argument(flag, help=text + default, **kwargs)  # type: ignore[arg-type]


def _common_options(parser: argparse.ArgumentParser, option: Callable[..., None], name: str) -> None:
    option("--epochs", "passes over the training data", type=int, metavar="N")
    option("--batch-size", "images in a step", type=int, metavar="N")
    option("--accumulate", "take a batch in so many parts: less memory, the same step", type=int, metavar="N")
    option("--optimizer", "SGD with momentum 0.9, or Adam", choices=list(optim.OPTIMIZERS))
    option("--schedule", "how the learning rate falls", choices=list(optim.SCHEDULES))
    option("--shift", "augment by random shifts of up to so many pixels", type=int, metavar="N")
    option("--device", "where to compute; gpu needs CuPy (see minisnn doctor)", choices=list(DEVICES))
    option("--seed", "of weights, masks and the order of the data", type=int)
    parser.add_argument(
        "--out", type=Path, default=None, help=f"folder of the run (default runs/{name}-DATA-seedN)"
    )
    parser.add_argument(
        "--resume", type=Path, default=None, metavar="FOLDER", help="go on with the run in this folder"
    )
    parser.add_argument(
        "--json", action="store_true", default=False, help="print the result as one JSON object, last"
    )


def _structure_options(option: Callable[..., None]) -> None:
    """The options of everything that can be sparse."""
    option(
        "--learner",
        "how connections change: ESL's way, or, of neither paper, Deep R or Grad R",
        choices=LEARNERS,
    )
    option("--sample", "draw each connection by itself, or their exact number", choices=list(masks.SAMPLERS))
    option("--prune", "which connections go", choices=list(prune.RULES))
    option("--grow", "which connections come", choices=list(grow.RULES))
    option("--alpha", "fraction of connections replaced at first; 0 never rewires", type=float)
    option("--eta-min", "fraction of connections replaced at last", type=float)
    option(
        "--t-iter",
        "iterations between rewirings; below 1, that fraction of training",
        type=float,
        metavar="N",
    )
    option(
        "--t-end", "when rewiring ends: a fraction of training; above 1, iterations", type=float, metavar="F"
    )
    option(
        "--redistribute",
        "how many connections grow in a layer: as many as it lost, that number on average, or by momentum",
        choices=list(redistribute.RULES),
    )
    option("--exclude-pruned", "what was pruned a moment ago may not grow", action="store_true")
    option("--keep-weights", "what grows again at once keeps its weight", action="store_true")
    option("--reset-moments", "new connections start without the optimiser's moments", action="store_true")
    option("--deep-r-l1", "Deep R's pull towards 0", type=float)
    option("--deep-r-temperature", "of Deep R's random walk", type=float)
    option("--grad-r-alpha", "strength of Grad R's prior, which decides how sparse it gets", type=float)


def _lif_options(parser: argparse.ArgumentParser, option: Callable[..., None]) -> None:
    """The options that only LIF networks have."""
    option("--net", f"{', '.join(NETWORKS)}, or a notation such as 64C3-AP2-10FC")
    option(
        "--paper",
        "whose neurons and training (default the net's own; esl for a notation)",
        choices=list(STYLES),
    )
    option("--T", "time steps", type=int, metavar="N")
    option("--width", "multiplies the width of all layers but the last", type=float)
    option("--density", "of all weights together, above 0 and at most 1; 1 is the dense net", type=float)
    option("--distribution", "of the density over the layers", choices=list(masks.DISTRIBUTIONS))
    option("--same-size", "instead: dense, and so narrow that it has as many weights", action="store_true")
    _structure_options(option)
    option(
        "--loss",
        "at each step, or of the mean over time (default tet for esl, mean for sca)",
        choices=["tet", "mean"],
    )
    option("--lam", "lambda of TET's second term", type=float)
    option("--lr", "learning rate at first (default 0.001 with adam, 0.01 with sgd)", type=float)
    option("--lr-end", "learning rate at last (default 0; a hundredth of --lr if exponential)", type=float)
    option("--l1", "price of the L1 norm", type=float)
    option("--l1-on", "of convolutions (SCA's code), or of batch norm's gamma", choices=["conv", "gamma"])
    option("--flip", "augment by mirror images", action="store_true")


def _esl_mlp_options(parser: argparse.ArgumentParser, option: Callable[..., None]) -> None:
    """The options that only the first-spike network has."""
    option("--hidden", "neurons of the hidden layers", type=int, nargs="+", metavar="N")
    density = parser.add_mutually_exclusive_group()
    density.add_argument(
        "--epsilon",
        type=float,
        help="how many connections, Eq. 1: epsilon (n_in + n_out) "
        f"(default {ESL_MLP['digits'].epsilon} for digits, {ESL_MLP['mnist'].epsilon} for mnist)",
    )
    density.add_argument(
        "--density", type=float, help="the same as a fraction, above 0 and at most 1; 1 is the dense net"
    )
    _structure_options(option)
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


def _train(name: str, defaults: dict[str, Any], arguments: argparse.Namespace) -> None:
    from minisnn import run  # matplotlib takes longest to import: not before it is needed

    known = {field.name for field in fields(defaults["digits"])}
    given = {key: value for key, value in vars(arguments).items() if key in known}
    if arguments.resume:
        if given or arguments.out:
            raise ValueError("--resume goes on with a run as it was configured: it takes no other settings")
        folder, result = arguments.resume, run.resume(arguments.resume, progress="training")
    else:
        recipe = defaults[given.get("data", "digits")]
        if "density" in given and "epsilon" in known:
            given["epsilon"] = None
        if "hidden" in given:
            given["hidden"] = tuple(given["hidden"])
        recipe = replace(recipe, **given)
        folder = arguments.out or Path(f"runs/{name}-{recipe.data}-seed{recipe.seed}")
        try:
            result = run.run(recipe, folder, progress="training")
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


def _reproduce(arguments: argparse.Namespace) -> None:
    from minisnn.reproduce import TARGETS, reproduce

    a, target = arguments, TARGETS[arguments.target]
    text = reproduce(a.target, target, a.scale, a.out, a.seeds, a.jobs, a.device, a.dask)
    print(f"\n{text}\n\n{a.out}/{a.target}-{a.scale}.png is the picture")


def _doctor(arguments: argparse.Namespace) -> None:
    from minisnn.doctor import report

    print(report())


def _demo(arguments: argparse.Namespace) -> None:
    from minisnn.demo import demo

    demo(arguments.out, arguments.seed)
