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
        "ops.plif": "plif_forward, plif_backward, PLIFCache",
        "ops.recurrent_lif": "recurrent_lif_forward, recurrent_lif_backward, RecurrentLIFCache",
        "ops.dropout": "dropout_forward, dropout_backward, DropoutCache",
        "ops.score": "potential_magnitude",
        "ops.attention": "attention_distance_forward, attention_distance_backward, AttentionCache",
        "ops.linear": "linear_forward, linear_backward, LinearCache",
        "ops.conv": "conv_forward, conv_backward, ConvCache",
        "ops.im2col": "im2col, col2im",
        "ops.pool": "average_pool_forward, average_pool_backward, sum_pool_forward, sum_pool_backward, "
        "global_pool_forward, global_pool_backward",
        "ops.max_pool": "max_pool_forward, max_pool_backward",
        "ops.windows": "PoolCache",
        "ops.norm": "batch_norm_forward, batch_norm_backward, BatchNormCache, RunningStats",
        "faster.winograd": "winograd_forward, winograd_backward, WinogradCache",
        "faster.norm_lif": "norm_lif_forward, norm_lif_backward, NormLIFCache",
        "faster.lif_cuda": "lif_cuda_forward, lif_cuda_backward",
        "gradcheck": "check_gradient, GradientError",
    },
    "neurons": {
        "ops.neuron": "Neuron, leaky, integrate_and_fire",
        "ops.surrogate.base": "Surrogate",
        "ops.surrogate.triangle": "Triangle",
        "ops.surrogate.rectangle": "Rectangle",
        "ops.surrogate.sigmoid": "Sigmoid",
        "ops.surrogate.arctan": "ArcTan",
    },
    "losses": {
        "training.losses": "first_spike_loss_forward, first_spike_loss_backward, FirstSpikeLossCache, "
        "first_spike_prediction, tet_loss_forward, tet_loss_backward, TETCache, mean_loss_forward, "
        "mean_loss_backward, mean_prediction, weight_sum_cost_forward, weight_sum_cost_backward, "
        "WeightSumCache, l1_cost_forward, l1_cost_backward, Objective",
    },
    "networks": {
        "networks.build": "build",
        "networks.registry": "network",
        "networks.architectures": "first_spike_mlp, mlp, vggsnn, five_conv, resnet19, vgg16, pre_resnet18",
        "networks.notation": "from_notation, NotationError, Style",
        "networks.compose": "Sequential, Residual, firing_rates, activities, scored",
        "faster.walk": "fast",
        "networks.describe": "to_text, from_text",
        "networks.shapes": "parameter_shapes, weight_shapes",
        "networks.stages.base": "Stage, Plain, Arrivals",
        "networks.stages.first_spike": "FirstSpike",
        "networks.stages.weights": "Linear, Conv",
        "networks.stages.norm": "BatchNorm",
        "networks.stages.lif": "LIF",
        "networks.stages.plif": "PLIF",
        "networks.stages.recurrent_lif": "RecurrentLIF",
        "networks.stages.dropout": "Dropout",
        "networks.stages.pools": "AveragePool, SumPool, MaxPool, GlobalPool",
        "networks.stages.rearrange": "Flatten, Select, Repeat",
        "networks.stages.readouts": "MeanOverTime, CumulativeSum",
    },
    "optimisers": {
        "training.optim": "Optimizer, SGD, Adam, exponential_lr, cosine_lr, step_lr, restarting_lr, unlimited, "
        "clip_layers, clip_neurons, clip_rows, divide_by_norm",
        "training.adamw": "AdamW",
    },
    "structure": {
        "structure.masks": "erdos_renyi_density, erk_densities, er_densities, uniform_densities, bernoulli_mask, "
        "exact_mask, highest_masks, check_masks",
        "structure.prune": "prune_magnitude, prune_set",
        "structure.grow": "GrowthStatistics, grow_random, grow_random_unfired, grow_longest_inactive, "
        "grow_gradient, grow_momentum",
        "structure.redistribute": "Layer, return_what_was_lost, draw_binomially, share_by_momentum",
        "structure.schedule": "cosine_fraction, round_up",
        "structure.learner": "StructureLearner, SparseLearner, TimedLearner",
        "structure.evolve": "Evolve, prune_layer, grow_layer",
        "training.state": "TrainingState",
    },
    "methods": {
        "methods.grad_r": "GradR",
        "methods.deep_r": "DeepR",
        "methods.stds": "STDS, sine_threshold, linear_threshold",
        "methods.admm": "ADMM",
        "methods.rigl": "RigL",
        "methods.snip": "Snip",
        "methods.sd_snn": "SDSNN",
        "methods.dpap": "DPAP",
        "methods.attention_free": "AttentionFree",
        "methods.gradual": "GradualPruning, cubic_sparsity",
        "methods.magnitude": "MagnitudePruning",
    },
    "channels": {
        "structure.channels": "SCA, channel_counts, keep_most_active, regrow, draw_channels",
        "structure.channel_graph": "ChannelGraph, ChannelGroup, Channels",
        "structure.slim": "Slimmer",
        "runs.slim": "slim_run as slim",
    },
    "cost": {
        "networks.cost": "connections, Connections, measure, LayerCost, total",
    },
    "data": {
        "data_loaders.common.dataset": "DataSet",
        "data_loaders.catalogue.by_name": "load as load_data, load_stand_in",
        "data_loaders.common.rows": "Split, Rows, hold_out, stratified",
        "data_loaders.common.info": "DataInfo",
        "data_loaders.common.measure": "mean_and_std",
        "data_loaders.common.errors": "DataError",
        "data_loaders.digits": "load as load_digits",
        "data_loaders.mnist": "load as load_mnist",
        "data_loaders.fashion_mnist": "load as load_fashion_mnist",
        "data_loaders.cifar10": "load as load_cifar10",
        "data_loaders.cifar100": "load as load_cifar100",
        "data_loaders.tiny_imagenet": "load as load_tiny_imagenet",
        "data_loaders.cifar10_dvs": "load as load_cifar10_dvs",
        "data_loaders.event_digits": "load as load_event_digits",
        "data_loaders.cifar10_dvs_simulated": "load as load_simulated_dvs",
        "batches.encode": "latency_code, direct_code, event_code",
        "batches.augment": "shift, flip, roll, in_turn",
        "data_loaders.events.camera": "EventCamera",
        "data_loaders.events.frames": "count_frames, duration_frames, time_surface, resize",
        "data_loaders.formats.aedat": "Events, read_aedat, parse_aedat, write_aedat",
    },
    "runs": {
        "runs.start": "train, load, resume",
        "runs.run": "Run, Evaluation",
        "runs.prediction": "Trace, LIFTrace, FirstSpikeTrace",
        "recipes": "make, Recipe, ESLMLP, LIFNet, SCANet",
        "recipes.settings": "setting, again",
        "grids.sweeps": "sweep",
        "grids.comparison": "compare, Comparison",
        "targets.reproduce": "reproduce",
        "targets.target": "Target, Reproduction",
    },
}
"""Page -> file -> its names; "x as y" is known here as y. Files are those of minisnn, or of data_loaders."""


def _module(file: str) -> str:
    return file if file.startswith("data_loaders.") else f"minisnn.{file}"


_HOMES = {
    name.rpartition(" as ")[2]: (_module(file), name.partition(" as ")[0])
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
    found = globals()[name] = getattr(import_module(file), original)
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
