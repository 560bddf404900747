"""The options of `minisnn train`, and its texts."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minisnn import optim
from minisnn.data.cifar10_dvs import SPLITS
from minisnn.data.frames import BY
from minisnn.networks import NETWORKS, STYLES
from minisnn.ops.lif import SCORES
from minisnn.recipes import DEVICES, ESL_MLP_DEFAULTS
from minisnn.structure import grow, masks, prune, redistribute
from minisnn.structure.channels import MODES
from minisnn.structure.choice import LEARNERS

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
  The image is the input current of the first layer at each of --T steps (direct coding); a recording of an event
  camera is cut into --T frames of as many events, whose counts are the currents of the steps. In a notation nC3 is
  a convolution of 3x3 to n channels with batch norm and neurons, AP2 and MP2 are pools, nFC is a linear layer, with
  neurons unless it is the last. The class is the output that is largest on average over time.

examples
  minisnn train lif                                           a small conv net on the embedded 8x8 digits
  minisnn train lif --data event-digits                       the digits before a simulated event camera
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
SCA_TEXTS: dict[str, Any] = {
    "help": "SCA's networks, whose channels are pruned and regrown while they learn",
    "description": "Train a convolutional network of integrate-and-fire neurons whose channels go and come back: "
    "pruned by spiking activity, regrown by the gradient of batch norm's gamma (SCA Eq. 4, Algorithm 1).",
    "epilog": """\
what happens
  After every --every epochs the channels of all layers are ranked by their activity. The fraction 1 - p - q is kept;
  of the others the fraction q with the largest |dgamma| comes back; the rest, p, is masked. Accuracies and
  costs are those of the network without it. `minisnn slim` then removes it for good.
  The network is VGG16 where images are large enough for its five pools, else a small VGG; 5Conv+1FC for cifar10-dvs.

examples
  minisnn train sca-vgg16                                   on the embedded 8x8 digits
  minisnn train sca-vgg16 --p 0.8                           a fifth of the channels
  minisnn train sca-vgg16 --q 0                             an ablation: prune only
  minisnn train sca-vgg16 --mode random                     an ablation: drawn at the start, never changed
  minisnn train sca-vgg16 --mode hard                       masked channels stand still until they come back
  minisnn train sca-vgg16 --net pre-resnet18 --data mnist   or resnet19, 5conv, vggsnn, any notation
  minisnn slim runs/sca-vgg16-digits-seed0

a run leaves in --out
  config.json, log.csv (a row for each epoch, with every layer's channels), checkpoint.npz, result.json and pictures
""",
}


def add_option(
    parser: argparse.ArgumentParser, digits: Any, mnist: Any, flag: str, text: str, **kwargs: object
) -> None:
    """An option for one field of a recipe; its default is that of the data set."""
    name = flag.strip("-").replace("-", "_")
    a, b = getattr(digits, name), getattr(mnist, name)
    a, b = (" ".join(map(str, x)) if isinstance(x, tuple) else x for x in (a, b))
    default = f" (default {a})" if a == b else f" (default {a} for digits, {b} for mnist)"
    default = "" if a is None or a is False else default
    parser.add_argument(flag, help=text + default, **kwargs)  # type: ignore[arg-type]


def common_options(parser: argparse.ArgumentParser, option: Callable[..., None], name: str) -> None:
    """The options that all networks have."""
    option("--epochs", "passes over the training data", type=int, metavar="N")
    option("--batch-size", "images in a step", type=int, metavar="N")
    option("--accumulate", "take a batch in so many parts: less memory, the same step", type=int, metavar="N")
    option("--optimizer", "SGD with momentum 0.9, or Adam", choices=list(optim.OPTIMIZERS))
    option("--schedule", "how the learning rate falls", choices=list(optim.SCHEDULES))
    option(
        "--shift",
        "augment by random shifts of up to so many pixels; frames roll round",
        type=int,
        metavar="N",
    )
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


def structure_options(option: Callable[..., None]) -> None:
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


def images_options(option: Callable[..., None]) -> None:
    """The options of all LIF networks."""
    option("--net", f"{', '.join(NETWORKS)}, or a notation such as 64C3-AP2-10FC")
    option(
        "--paper",
        "whose neurons and training (without it the net's own; esl for a notation)",
        choices=list(STYLES),
    )
    option("--T", "time steps; of recordings, frames", type=int, metavar="N")
    option("--by", "recordings are cut into frames of as many events, or as long ones", choices=list(BY))
    option(
        "--split",
        "test set of CIFAR10-DVS: each class's last files, its first, or the last in the order of names",
        choices=list(SPLITS),
    )
    option("--width", "multiplies the width of all layers but the last", type=float)
    option(
        "--loss",
        "at each step, or of the mean over time (default tet for esl, mean for sca)",
        choices=["tet", "mean"],
    )
    option("--lam", "lambda of TET's second term", type=float)
    option("--lr", "learning rate at first (without it 0.001 with adam, 0.01 with sgd)", type=float)
    option("--lr-end", "learning rate at last (default 0 if cosine, else a hundredth of --lr)", type=float)
    option("--l1", "price of the L1 norm", type=float)
    option("--l1-on", "of convolutions (SCA's code), or of batch norm's gamma", choices=["conv", "gamma"])
    option("--images", "train on the first so many images (default all)", type=int, metavar="N")
    option("--flip", "augment by mirror images", action=argparse.BooleanOptionalAction)


def sca_options(parser: argparse.ArgumentParser, option: Callable[..., None]) -> None:
    """The options of networks whose channels come and go."""
    images_options(option)
    option("--p", "fraction of all channels that is masked", type=float)
    option(
        "--q",
        "fraction of all channels that is pruned, and as many regrown, besides; 0 only prunes",
        type=float,
    )
    option("--every", "epochs between updates of the masks", type=int, metavar="N")
    option("--end", "fraction of the epochs after which masks change no more", type=float, metavar="F")
    option(
        "--mode",
        "masked channels learn on until the next update, stand still, or are drawn once",
        choices=MODES,
    )
    option(
        "--score", "spikes and potential after the reset (SCA's code), or a potential alone", choices=SCORES
    )
    option("--per-map", "scores are sums over a channel's map, not means", action="store_true")
    option("--strict", "channels without a gradient do not regrow", action="store_true")


def lif_options(parser: argparse.ArgumentParser, option: Callable[..., None]) -> None:
    """The options of networks with sparse connections."""
    images_options(option)
    option("--density", "of all weights together, above 0 and at most 1; 1 is the dense net", type=float)
    option("--distribution", "of the density over the layers", choices=list(masks.DISTRIBUTIONS))
    option("--same-size", "instead: dense, and so narrow that it has as many weights", action="store_true")
    structure_options(option)


def esl_mlp_options(parser: argparse.ArgumentParser, option: Callable[..., None]) -> None:
    """The options that only the first-spike network has."""
    option("--hidden", "neurons of the hidden layers", type=int, nargs="+", metavar="N")
    density = parser.add_mutually_exclusive_group()
    density.add_argument(
        "--epsilon",
        type=float,
        help="how many connections, Eq. 1: epsilon (n_in + n_out) "
        f"(default {ESL_MLP_DEFAULTS['digits'].epsilon} for digits, {ESL_MLP_DEFAULTS['mnist'].epsilon} for mnist)",
    )
    density.add_argument(
        "--density", type=float, help="the same as a fraction, above 0 and at most 1; 1 is the dense net"
    )
    structure_options(option)
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
