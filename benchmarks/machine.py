"""The machine that a figure was measured on."""

import os
import platform
from pathlib import Path

import jax


def machine() -> dict[str, object]:
    """Processor, cores, accelerator and load: what must stand beside every measured figure."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "accelerator": jax.devices()[0].device_kind if jax.default_backend() != "cpu" else None,
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "jax": jax.__version__,
    }


def memory_of(compiled: jax.stages.Compiled) -> int | None:
    """Bytes that a compiled program takes on its device: arguments, results and what it works with; arrays that it is given to
    write over count once. None where the backend does not tell."""
    told = compiled.memory_analysis()
    if told is None:
        return None
    return told.argument_size_in_bytes + told.output_size_in_bytes + told.temp_size_in_bytes - told.alias_size_in_bytes


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
