"""Networks whose channels go and come back, and leave for good (SCA Fig. 2-4, Table 1)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from minisnn.arguments import check, one_of
from minisnn.compose import scored
from minisnn.data.dataset import DataSet
from minisnn.ops.lif import SCORES
from minisnn.recipes.images import Images, with_stand_ins
from minisnn.structure.channel_graph import ChannelGraph
from minisnn.structure.channels import MODES, SCA, channel_counts
from minisnn.structure.learner import StructureLearner
from minisnn.training import Setup


@dataclass(frozen=True, kw_only=True)
class SCANet(Images):
    """A convolutional network with channels that are pruned by activity and regrown by |dgamma|.

    The defaults are those of the authors' script for VGG16 on CIFAR-10; with p = 0 and q = 0 it is the dense network.
    Raises ValueError for a name or a value that makes no sense, saying what would.
    """

    data: str = "cifar10"
    net: str = "vgg16"
    paper: str | None = "sca"
    epochs: int = 300
    schedule: str = "step"
    l1: float = 3e-5
    shift: int = 4
    flip: bool = True
    p: float = 0.5  # fraction of all channels that is masked
    q: float = 0.1  # fraction of all channels that is pruned, and as many regrown, besides; 0 only prunes
    every: int = 1  # epochs from one update of the masks to the next
    end: float = 1.0  # fraction of the epochs after which masks change no more, and are held
    mode: str = (
        "soft"  # masked channels learn on until the next update; hard: they stand still; random: an ablation
    )
    score: str = "code"
    per_map: bool = False  # scores are sums over a channel's map, not means
    strict: bool = False  # channels without a gradient do not regrow

    def __post_init__(self) -> None:
        super().__post_init__()
        channel_counts(1, self.p, self.q)
        check("every", self.every, self.every >= 1, "at least 1")
        check("end", self.end, 0 < self.end <= 1, "above 0 and at most 1")
        check(
            "every", self.every, self.every <= self.last, f"at most {self.last}, where masks may change last"
        )
        one_of("mode", self.mode, MODES)
        one_of("score", self.score, SCORES)

    @property
    def last(self) -> int:
        """The last epoch that may change masks."""
        return max(1, round(self.end * self.epochs))

    def setup(self, data: DataSet) -> Setup:
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
