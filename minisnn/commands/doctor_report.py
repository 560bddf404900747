"""What minisnn finds on this machine, and what would make it faster."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

import minisnn
from data_loaders.catalogue import where
from data_loaders.common.machine import in_browser
from minisnn.backend import gpu_name, no_gpu
from minisnn.faster.blocks import threads

NARROW = ("HASWELL", "ZEN", "SANDYBRIDGE", "NEHALEM", "PRESCOTT")  # OpenBLAS kernels without AVX-512


def report() -> str:
    """Versions, processor, BLAS and its kernels, threads, GPU, data."""
    lines = [
        f"minisnn {minisnn.__version__}, NumPy {np.__version__}, Python {platform.python_version()}",
        f"processor: {processor()}",
        *(
            f"BLAS: {pool['internal_api']} {pool['version']}, {pool.get('architecture', 'unknown')} kernels"
            for pool in threadpool_info()
            if pool["user_api"] == "blas"
        ),
        "in a browser: one thread, 32 bits"
        if in_browser()
        else f"threads: {threads()} (OPENBLAS_NUM_THREADS and its like decide)",
    ]
    advice = better_kernels()
    if advice:
        lines.append(f"advice: this processor has AVX-512, but OpenBLAS does not use it: {advice}")
    missing = no_gpu()
    lines.append(f"GPU: none. {missing}" if missing else f"GPU: {gpu_name()}")
    lines.append(f"data: {where()} (see minisnn data list)")
    return "\n".join(lines)


def better_kernels() -> str:
    """What to do about it where the processor has AVX-512 and OpenBLAS does not use it; empty if all is well.

    Matrix products take almost twice as long without.
    """
    chosen = [
        pool.get("architecture", "") for pool in threadpool_info() if pool["internal_api"] == "openblas"
    ]
    unaware = any(name.upper() in NARROW for name in chosen)
    if not unaware or "avx512vl" not in _cpuinfo("flags").split():
        return ""
    setting = os.environ.get("OPENBLAS_CORETYPE")
    if setting:
        return f"unset OPENBLAS_CORETYPE, which is {setting}"
    return "set OPENBLAS_CORETYPE=SkylakeX before Python starts"


def processor() -> str:
    """Its name, and whether it has AVX-512."""
    wide = "yes" if "avx512f" in _cpuinfo("flags") else "no"
    return f"{_cpuinfo('model name') or platform.processor() or platform.machine()}, AVX-512: {wide}"


def _cpuinfo(field: str) -> str:
    """The first line of that name in Linux's /proc/cpuinfo; empty elsewhere."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")
