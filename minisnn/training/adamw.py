"""AdamW: Adam whose weight decay is no part of the gradient."""

from __future__ import annotations

from dataclasses import dataclass

from minisnn.backend import Array
from minisnn.lookup import register
from minisnn.training.optim import OPTIMIZERS, Adam


@register(OPTIMIZERS, "adamw")
@dataclass(frozen=True)
class AdamW(Adam):
    r"""Adam with decoupled weight decay (Loshchilov and Hutter 2019, as in PyTorch).

    $$ m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
       w \leftarrow w - \eta \lambda w - \frac{\eta}{1 - \beta_1^k} \frac{m}{\sqrt{v / (1 - \beta_2^k)} + \epsilon} $$

    weight_decay: lambda, 0 or more. The moments do not see it: every weight decays at the same rate, however large its
    gradients are. It is in proportion to the learning rate, and falls with it.
    """

    def update(self, lr: float, k: int, w: Array, g: Array, m: Array, v: Array) -> None:
        """Step k for the weights of one array, in place; all operations are elementwise."""
        w *= 1 - lr * self.weight_decay
        self.adapt(lr, k, w, g, m, v)
