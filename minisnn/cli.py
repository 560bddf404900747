"""The `minisnn` command."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from minisnn import __version__
from minisnn.arguments import one_of
from minisnn.backend import NoGPUError
from minisnn.options import (
    ESL_MLP_TEXTS,
    LIF_TEXTS,
    SCA_TEXTS,
    add_option,
    common_options,
    esl_mlp_options,
    lif_options,
    sca_options,
)
from minisnn.recipes import DEVICES, ESL_MLP, LIF, SCA_VGG16

# names only: what they stand for draws pictures, and matplotlib takes longest to import
TARGETS = (
    "esl-table1", "esl-fig2", "esl-fig3", "esl-fig4", "esl-table2", "esl-multispike",
    "sca-fig2", "sca-fig3", "sca-fig4", "sca-table1",
)  # fmt: skip
SCALES = {
    "smoke": "two minutes, on the embedded digits: does everything work?",
    "small": "within an hour on two cores, on MNIST or CIFAR-10",
    "paper": "the paper's setting, for a GPU or a cluster",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        arguments.run(arguments)
    # DataError and CheckpointError are ValueErrors
    except (ValueError, OSError, NoGPUError, ModuleNotFoundError) as error:
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
        ("esl-mlp", ESL_MLP, esl_mlp_options, ESL_MLP_TEXTS),
        ("lif", LIF, lif_options, LIF_TEXTS),
        ("sca-vgg16", SCA_VGG16, sca_options, SCA_TEXTS),
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
    _slim_command(commands)
    _reproduce_command(commands)
    _data_command(commands)
    return parser


def _slim_command(commands: Any) -> None:
    parser = commands.add_parser(
        "slim",
        help="remove the masked channels of a run for good",
        description="Remove the masked channels of a run for good, with all that hangs on them, check that the small "
        "network gives the same spikes, and say what it costs before and after (SCA, Section 4.1).",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
examples
  minisnn slim runs/sca-vgg16-digits-seed0
  minisnn slim runs/sca-vgg16-digits-seed0 --epochs 5 --lr 0.01    and train the small network on

what it leaves in --out
  a run like any other: config.json (the network stage by stage), checkpoint.npz, log.csv, result.json, pictures
""",
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a run of sca-vgg16")
    parser.add_argument("--out", type=Path, help="folder of the small network (default RUN-slim)")
    parser.add_argument("--epochs", type=int, default=0, metavar="N", help="train on so long (default 0)")
    parser.add_argument("--lr", type=float, help="learning rate at first (default that of the run)")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object, last")
    parser.set_defaults(run=_slim)


def _reproduce_command(commands: Any) -> None:
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
  TARGET-SCALE/ with the runs. Called again, it goes on where it stopped. SCA's figures share their runs: rows and
  runs are in sca-SCALE.

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


def _data_command(commands: Any) -> None:
    parser = commands.add_parser(
        "data",
        help="which data sets there are; get one, check it, look at it",
        description="Data sets: which there are, what each costs to get, whether it is intact, and a picture of it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
examples
  minisnn data list
  minisnn data fetch fashion-mnist
  MINISNN_DATA=~/data minisnn data check cifar10     files that you have already, in ~/data or ~/data/cifar10
  minisnn data show event-digits

where data are
  $MINISNN_DATA/NAME or $MINISNN_DATA: your own files, as they were published or unpacked; never written to
  $MINISNN_CACHE, or the system's folder for caches: downloads, and arrays that large data sets are converted to once
""",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    texts = {
        "list": "every data set: size, cost, is it here?",
        "fetch": "download what is missing, and convert it if it is larger than memory",
        "check": "read every file and compare it with the published one",
        "show": "a picture of some training samples",
    }
    for action, text in texts.items():
        sub = actions.add_parser(action, help=text, description=text[0].upper() + text[1:] + ".")
        if action != "list":
            sub.add_argument("name", metavar="NAME", help="of a data set; see minisnn data list")
        if action == "show":
            sub.add_argument("--out", type=Path, help="the picture (default NAME.png)")
            sub.add_argument("--seed", type=int, default=0, help="which samples (default %(default)s)")
        sub.set_defaults(run=partial(_data, action))


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


def _slim(arguments: argparse.Namespace) -> None:
    from minisnn.slim_run import slim_run

    a = arguments
    out = a.out or Path(f"{a.folder.resolve()}-slim")  # "." has no name
    try:
        result = slim_run(a.folder, out, a.epochs, a.lr, progress="training on" if a.epochs else None)
    except KeyboardInterrupt:
        if (out / "config.json").exists():
            print(f"go on with: minisnn train lif --resume {out}", file=sys.stderr)
        raise
    if a.json:
        print(json.dumps(result))
        return
    before = result["before"]
    counts = {"channels": (sum(before["channels"].values()), sum(result["channels"].values()))}
    for name in ("parameters", "operations", "synops", "macs"):
        counts[name] = (before[name], result[name])
    print(f"{'':12}{'before':>14}{'after':>14}")
    for name, (b, c) in counts.items():
        print(f"{name:12}{b:14,.0f}{c:14,.0f}" + (f"{100 * c / b:10.1f} %" if b else ""))
    print(f"{'accuracy / %':12}{before['test_accuracy']:14.2f}{result['test_accuracy']:14.2f}")
    print(f"spikes and outputs were the same before any training on; {out}/ is the small network")


def _reproduce(arguments: argparse.Namespace) -> None:
    from minisnn.reproduce import TARGETS, reproduce

    a, target = arguments, TARGETS[arguments.target]
    text = reproduce(a.target, target, a.scale, a.out, a.seeds, a.jobs, a.device, a.dask)
    print(f"\n{text}\n\n{a.out}/{a.target}-{a.scale}.png is the picture")


def _data(action: str, a: argparse.Namespace) -> None:
    from minisnn import data_command
    from minisnn.data.catalogue import CATALOGUE, load

    if action == "list":
        print(data_command.listing())
        return
    one_of("NAME", a.name, CATALOGUE)
    if action == "fetch":
        print(f"{a.name}: {data_command.summary(load(a.name))}")
    elif action == "check":
        print(data_command.check(a.name))
    else:
        print(data_command.show(a.name, a.out or Path(f"{a.name}.png"), a.seed))


def _doctor(arguments: argparse.Namespace) -> None:
    from minisnn.doctor import report

    print(report())


def _demo(arguments: argparse.Namespace) -> None:
    from minisnn.demo import demo

    demo(arguments.out, arguments.seed)
