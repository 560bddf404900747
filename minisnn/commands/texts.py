"""What `minisnn train KIND --help` says: what happens, examples, what a run leaves."""

from __future__ import annotations

from typing import Any

ESL_MLP_TEXTS: dict[str, Any] = {
    "help": "ESL-SNNs' multi-layer network of neurons that fire once",
    "description": "Train ESL-SNNs' multi-layer first-spike network, sparse from the first step "
    "(ESL Eq. 1-6, Algorithm 1).",
    "epilog": """\
what happens
  Images become spike times (bright pixels spike first), layers of neurons that fire at most once answer
  with the class whose output neuron fires first, and gradients of that time train the weights.
  The weights into each hidden layer start as an Erdős-Rényi random graph; every --t-iter iterations a
  shrinking fraction of its connections, initially --alpha, is pruned and as many are grown.

examples
  minisnn train esl-mlp                                 sparse, on the embedded 8x8 digits, in seconds
  minisnn train esl-mlp --density 1                     the dense net, for comparison
  minisnn train esl-mlp --data mnist --epsilon 60       the sparse net of ESL's Table 1
  minisnn train esl-mlp --grow momentum                 another pair of rules
  minisnn train esl-mlp --alpha 0                       a random graph that is never rewired
  minisnn train --resume runs/esl-mlp                   go on where a run was interrupted
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
  camera is cut into --T frames with equal event counts, whose counts are the currents of the steps. In a notation nC3
  is a convolution of 3x3 to n channels with batch norm and neurons, AP2 and MP2 are pools, nFC is a linear layer, with
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
    "description": "Train a convolutional network of integrate-and-fire neurons whose channels are pruned and regrown: "
    "pruned by spiking activity, regrown by the gradient of batch norm's gamma (SCA Eq. 4, Algorithm 1).",
    "epilog": """\
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
}
TEXTS = {"esl-mlp": ESL_MLP_TEXTS, "lif": LIF_TEXTS, "sca-vgg16": SCA_TEXTS}
