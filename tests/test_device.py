"""Whole runs where arrays live on a device: on the strict double, which refuses host arrays, and on CuPy."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from slow import slow_but
from strict_array import StrictArray
from strict_array import xp as strict

from minisnn.recipes import ESL_MLP_DEFAULTS, LIF_DEFAULTS
from minisnn.runs import start
from minisnn.training import checkpoint

CONV = replace(
    LIF_DEFAULTS["digits"], net="8C3-MP2-8C3-AP2-10FC", epochs=2, batch_size=400, T=2, device="gpu"
)
SPARSE = replace(
    ESL_MLP_DEFAULTS["digits"], hidden=(30,), epsilon=4.0, epochs=2, batch_size=400, t_iter=2, device="gpu"
)
RECIPES = {
    "conv": replace(CONV, l1=1e-4, flip=True, shift=1, accumulate=2),
    "conv, SCA": replace(CONV, paper="sca", l1=1e-4, l1_on="gamma"),
    "conv, sparse": replace(
        CONV,
        density=0.3,
        t_iter=2,
        grow="longest-inactive",
        redistribute="momentum",
        exclude_pruned=True,
        keep_weights=True,
        reset_moments=True,
    ),
    "conv, Deep R": replace(CONV, density=0.3, learner="deep-r", learner_options={"temperature": 1e-4}),
    "conv, Grad R": replace(CONV, density=0.3, distribution="uniform", learner="grad-r"),
    "conv, STDS": replace(CONV, density=0.3, learner="stds", learner_options={"D": 0.01}),
    "conv, RigL": replace(CONV, density=0.3, learner="rigl", learner_options={"every": 3}),
    "conv, SNIP": replace(CONV, density=0.3, learner="snip"),
    "conv, gmp": replace(CONV, density=0.3, learner="gmp"),
    "conv, magnitude": replace(CONV, density=0.3, learner="magnitude", learner_options={"scope": "global"}),
    "conv, ADMM": replace(CONV, density=0.3, learner="admm"),
    "mlp": replace(CONV, net="mlp", lam=0.01),
    "first spike": replace(SPARSE, prune="set", grow="momentum", optimizer="adam", normalise="neurons"),
    "first spike, unfired": replace(SPARSE, grow="random-unfired", shift=1),
}


@pytest.mark.filterwarnings("ignore:the density asked for")
@pytest.mark.parametrize(
    "name", slow_but([name for name, r in RECIPES.items() if r.learner == "evolve"], RECIPES)
)
@pytest.mark.parametrize("xp", ["strict", "cupy"], indirect=True)
def test_runs_on_a_device(xp, monkeypatch, tmp_path, name):
    """Training, evaluation, the checkpoint and resuming from it."""
    if xp is strict:
        for module in [
            m for name, m in sys.modules.items() if name.startswith("minisnn.") and hasattr(m, "to_device")
        ]:
            monkeypatch.setattr(
                module, "to_device", lambda x, device: x if isinstance(x, StrictArray) else xp.asarray(x)
            )
    whole = start.train(RECIPES[name], out=tmp_path / "run").result
    saved = checkpoint.load(tmp_path / "run" / "checkpoint.npz")
    assert all(isinstance(w, np.ndarray) for w in saved.params.values())
    assert start.resume(tmp_path / "run").result["test_loss"] == pytest.approx(whole["test_loss"], rel=1e-5)
    monkeypatch.undo()
    host = start.train(replace(RECIPES[name], device="cpu"), test=False).result
    assert abs(host["val_accuracy"] - whole["val_accuracy"]) < 10  # the same start; rounding soon parts them
