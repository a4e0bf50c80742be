"""A randomisation: the tuple of terms that a task is trained under."""

from dataclasses import dataclass

from sim.randomization.disturbances import Latency, Push, SensorBias, SensorNoise
from sim.randomization.term import ModelTerm


@dataclass(frozen=True)
class Randomization:
    """All that differs between one simulated robot and the next."""

    model: tuple[ModelTerm, ...] = ()
    """Applied in order; later terms see what earlier ones drew."""
    action_latency: Latency = Latency(longest=0.0)
    observation_latency: Latency = Latency(longest=0.0)
    noise: SensorNoise = SensorNoise()
    bias: SensorBias = SensorBias()
    push: Push | None = None
