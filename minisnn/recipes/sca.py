"""Networks whose channels are pruned and regrown, and finally removed (SCA Fig. 2-4, Table 1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from minisnn.arguments import check
from minisnn.batches.interface import About, Outline
from minisnn.lookup import register
from minisnn.networks.compose import scored
from minisnn.ops.score import SCORES
from minisnn.recipes.base import RECIPES, Recipe, Texts
from minisnn.recipes.images import Images, with_stand_ins
from minisnn.recipes.settings import Named, again, setting
from minisnn.structure.channel_graph import ChannelGraph
from minisnn.structure.channels import MODES, SCA, channel_counts
from minisnn.structure.learner import StructureLearner
from minisnn.training.setup import Setup

TEXTS = Texts(
    help="SCA's networks, whose channels are pruned and regrown while they learn",
    description="Train a convolutional network of integrate-and-fire neurons whose channels are pruned and regrown: "
    "pruned by spiking activity, regrown by the gradient of batch norm's gamma (SCA Eq. 4, Algorithm 1).",
    epilog="""\
what happens
  After every --every epochs the channels of all layers are ranked by their activity. The fraction 1 - p - q is kept;
  of the others the fraction q with the largest |dgamma| is regrown; the rest, p, is masked. Accuracies and
  costs are those of the network without it. `minisnn slim` then removes it for good.
  The network is VGG16 where images are large enough for its five pools, else a small VGG; 5Conv+1FC for cifar10-dvs.

examples
  minisnn train sca-vgg16                                   on the embedded 8x8 digits
  minisnn train sca-vgg16 --p 0.8                           a fifth of the channels
  minisnn train sca-vgg16 --q 0                             an ablation: prune only
  minisnn train sca-vgg16 --mode random                     an ablation: drawn at the start, never changed
  minisnn train sca-vgg16 --mode hard                       masked channels are held until they are regrown
  minisnn train sca-vgg16 --net pre-resnet18 --data mnist   or resnet19, 5conv, vggsnn, any notation
  minisnn slim runs/sca-vgg16-digits-seed0

a run leaves in --out
  config.json, log.csv (a row for each epoch, with every layer's channels), checkpoint.npz, result.json and pictures
""",
    sweep="--p 0.2 0.5 0.8",
)


@register(RECIPES, "sca-vgg16")
@dataclass(frozen=True, kw_only=True)
class SCANet(Images):
    """A convolutional network with channels that are pruned by activity and regrown by |dgamma|.

    The defaults are those of the authors' script for VGG16 on CIFAR-10; with p = 0 and q = 0 it is the dense network.
    Raises ValueError that names the setting, what was found and what was expected.
    """

    texts: ClassVar[Texts] = TEXTS
    convolutions: ClassVar[int] = 2
    pool: ClassVar[str] = "MP2"

    data: str = again(Recipe, "data", "cifar10")
    net: str = again(Images, "net", "vgg16")
    paper: str | None = again(Images, "paper", "sca")
    epochs: int = again(Recipe, "epochs", 300)
    schedule: Named = again(Recipe, "schedule", "step")
    l1: float = again(Images, "l1", 3e-5)
    shift: int = again(Recipe, "shift", 4)
    flip: bool = again(Images, "flip", True)
    p: float = setting(
        0.5, "fraction of all channels that is masked", at_least=0, at_most=1, group="channels"
    )
    q: float = setting(
        0.1,
        "fraction of all channels that is also pruned but regrown each time; 0 only prunes",
        at_least=0,
        at_most=1,
        group="channels",
    )
    every: int = setting(1, "epochs between updates of the masks", at_least=1, metavar="N", group="channels")
    end: float = setting(
        1.0,
        "fraction of the epochs after which masks no longer change, and are held",
        above=0,
        at_most=1,
        metavar="F",
        group="channels",
    )
    mode: str = setting(
        "soft",
        "masked channels learn on until the next update; hard: they stand still; random: an ablation, drawn once",
        choices=MODES,
        group="channels",
    )
    score: str = setting(
        "code",
        "spikes and potential after the reset (SCA's code), or a potential alone",
        choices=SCORES,
        group="channels",
    )
    per_map: bool = setting(False, "scores are sums over a channel's map, not means", group="channels")
    strict: bool = setting(False, "channels without a gradient do not regrow", group="channels")

    def __post_init__(self) -> None:
        super().__post_init__()
        channel_counts(1, self.p, self.q)
        check(
            "every",
            self.every,
            self.every <= self.last,
            f"at most {self.last}, the last epoch that may change masks",
        )

    @classmethod
    def defaults(cls) -> Mapping[str, Recipe]:
        return SCA_VGG16_DEFAULTS

    @classmethod
    def chosen(cls, data: Outline, given: Collection[str] = ()) -> dict[str, Any]:
        side = min(data.shape[:2])
        check("data", side, side >= 4, "at least 4 pixels high and wide for convolutions with pools")
        return super().chosen(data, given)

    @property
    def last(self) -> int:
        """The last epoch that may change masks."""
        return max(1, round(self.end * self.epochs))

    def setup(self, data: About) -> Setup:
        """Everything that training needs, for these data. ValueError if the net cannot be built for them."""
        net, paper = self.build(data)
        if self.p == self.q == 0:
            return self.training(data, net, paper, StructureLearner())
        learner = SCA(
            ChannelGraph(net, data.shape).layers,
            self.p,
            self.q,
            self.every,
            self.last,
            self.mode,
            self.per_map,
            self.strict,
        )
        return self.training(data, scored(net, self.score), paper, learner)


SMALL = "16C3-16C3-MP2-32C3-32C3-MP2-10FC"
DIGITS = SCANet(data="digits", net=SMALL, T=2, epochs=20, batch_size=32, lr=0.05, shift=0, flip=False)
MNIST = SCANet(data="mnist", net=SMALL, T=2, epochs=10, lr=0.05, shift=0, flip=False)
DVS = SCANet(data="cifar10-dvs", net="5conv", T=20, shift=5)  # shift is TET's: the paper does not say
SCA_VGG16_DEFAULTS = with_stand_ins(
    {
        "digits": DIGITS,
        "mnist": MNIST,
        "fashion-mnist": replace(MNIST, data="fashion-mnist"),
        "cifar10": SCANet(),
        "cifar100": SCANet(data="cifar100"),
        "tiny-imagenet": SCANet(data="tiny-imagenet"),
        "event-digits": replace(DIGITS, data="event-digits", T=5),
        "cifar10-dvs": DVS,
        "cifar10-dvs-simulated": replace(DVS, data="cifar10-dvs-simulated"),
    }
)
"""The defaults of `minisnn train sca-vgg16`, by data set: VGG16 where the images are large enough, else a small VGG;
5Conv+1FC for CIFAR10-DVS."""
