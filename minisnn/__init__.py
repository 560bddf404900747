"""Sparse spiking networks down to the last derivative: ESL-SNNs and SCA in pure NumPy/CuPy, by hand.

    import minisnn as snn

gives every public name at once: `snn.lif_forward`, `snn.LIFNet`, `snn.train`. A name's file is imported when the name
is first used (PEP 562), so that `import minisnn` itself imports nothing, not even NumPy. `_PAGES` says which file
each name lives in, and on which page of docs/reference it is described; `scripts/reference.py` makes the pages and,
for type checkers, `__init__.pyi` from it. A name may not be that of a file beside this one: once imported, the
file would take its place.
"""

__version__ = "0.1.0"

_PAGES = {
    "equations": {
        "ops.first_spike": "first_spike_forward, first_spike_backward, FirstSpikeCache",
        "ops.lif": "lif_forward, lif_backward, LIFCache",
        "ops.score": "potential_magnitude",
        "ops.linear": "linear_forward, linear_backward, LinearCache",
        "ops.conv": "conv_forward, conv_backward, ConvCache",
        "ops.im2col": "im2col, col2im",
        "ops.pool": "average_pool_forward, average_pool_backward, sum_pool_forward, sum_pool_backward, "
        "max_pool_forward, max_pool_backward, global_pool_forward, global_pool_backward, PoolCache",
        "ops.norm": "batch_norm_forward, batch_norm_backward, BatchNormCache, RunningStats",
        "faster.winograd": "winograd_forward, winograd_backward, WinogradCache",
        "faster.norm_lif": "norm_lif_forward, norm_lif_backward, NormLIFCache",
        "faster.lif_cuda": "lif_cuda_forward, lif_cuda_backward",
        "gradcheck": "check_gradient, GradientError",
    },
    "neurons": {
        "ops.neuron": "Neuron, leaky, integrate_and_fire",
        "ops.surrogate": "Surrogate, Triangle, Rectangle, Sigmoid, ArcTan",
    },
    "losses": {
        "losses": "first_spike_loss_forward, first_spike_loss_backward, FirstSpikeLossCache, "
        "first_spike_prediction, tet_loss_forward, tet_loss_backward, TETCache, mean_loss_forward, "
        "mean_loss_backward, mean_prediction, weight_sum_cost_forward, weight_sum_cost_backward, "
        "WeightSumCache, l1_cost_forward, l1_cost_backward",
    },
    "networks": {
        "networks": "build, from_notation, NotationError, Style, first_spike_mlp, mlp, vggsnn, five_conv, "
        "resnet19, vgg16, pre_resnet18",
        "compose": "Sequential, Residual, firing_rates, activities, scored",
        "faster.walk": "fast",
        "describe": "to_text, from_text",
        "stages": "Stage, Plain, FirstSpike, Linear, Conv, BatchNorm, LIF, AveragePool, SumPool, MaxPool, "
        "GlobalPool, Flatten, Select, Repeat, MeanOverTime, CumulativeSum",
    },
    "optimisers": {
        "optim": "Optimizer, SGD, Adam, exponential_lr, cosine_lr, step_lr, unlimited, clip_layers, "
        "clip_neurons, clip_rows, divide_by_norm",
    },
    "structure": {
        "structure.masks": "erdos_renyi_density, erk_densities, er_densities, uniform_densities, bernoulli_mask, "
        "exact_mask, check_masks",
        "structure.prune": "prune_magnitude, prune_set",
        "structure.grow": "GrowthStatistics, grow_random, grow_random_unfired, grow_longest_inactive, "
        "grow_gradient, grow_momentum",
        "structure.redistribute": "Layer, return_what_was_lost, draw_binomially, share_by_momentum",
        "structure.schedule": "cosine_fraction, round_up",
        "structure.learner": "StructureLearner, SparseLearner",
        "structure.evolve": "Evolve, prune_layer, grow_layer",
        "structure.deep_r": "DeepR",
        "structure.grad_r": "GradR",
        "state": "TrainingState",
    },
    "channels": {
        "structure.channels": "SCA, channel_counts, keep_most_active, regrow, draw_channels",
        "structure.channel_graph": "ChannelGraph, ChannelGroup, Channels",
        "structure.slim": "Slimmer",
        "slim_run": "slim_run as slim",
    },
    "cost": {
        "cost": "connections, Connections, measure, LayerCost, total",
    },
    "data": {
        "data.dataset": "DataSet",
        "data.catalogue": "load as load_data",
        "data.rows": "Split, Rows, hold_out, stratified",
        "data.info": "DataInfo",
        "data.measure": "mean_and_std",
        "data.idx": "DataError",
        "data.digits": "load_digits",
        "data.mnist": "load_mnist, load_fashion_mnist",
        "data.cifar": "load_cifar10, load_cifar100",
        "data.tiny_imagenet": "load_tiny_imagenet",
        "data.cifar10_dvs": "load_cifar10_dvs",
        "data.simulated": "load_event_digits, load_simulated_dvs",
        "data.stand_in": "load_stand_in",
        "data.encode": "latency_code, direct_code, event_code",
        "data.augment": "shift, flip, roll, in_turn",
        "data.camera": "EventCamera",
        "data.frames": "count_frames, duration_frames, time_surface, resize",
        "data.aedat": "Events, read_aedat, parse_aedat, write_aedat",
    },
    "runs": {
        "runs": "train, load, resume",
        "run": "Run, Evaluation",
        "prediction": "Trace, LIFTrace, FirstSpikeTrace",
        "recipes": "make, ESLMLP, LIFNet, SCANet",
        "sweeps": "sweep",
        "comparison": "compare, Comparison",
        "targets": "reproduce",
    },
}
"""Page -> file -> its names; "x as y" is known here as y."""

_HOMES = {
    name.rpartition(" as ")[2]: (file, name.partition(" as ")[0])
    for page in _PAGES.values()
    for file, names in page.items()
    for name in names.split(", ")
}

__all__ = [*sorted(_HOMES)]


def __getattr__(name: str) -> object:
    """A public name at its first use. Raises AttributeError, with the nearest name there is."""
    if name not in _HOMES:
        raise AttributeError(
            f"module 'minisnn' has no attribute {name!r}{_nearest(name)}", name=name, obj=None
        )
    from importlib import import_module

    file, original = _HOMES[name]
    found = globals()[name] = getattr(import_module(f"minisnn.{file}"), original)
    return found


def __dir__() -> list[str]:
    here = [name for name in globals() if not name.startswith("_") or name.startswith("__")]
    return [*here, *(name for name in __all__ if name not in globals())]


def _nearest(name: str) -> str:
    if name.startswith("__"):
        return ""
    from difflib import get_close_matches

    near = get_close_matches(name, __all__, 1, 0.7)
    return f": did you mean {near[0]}?" if near else ""
