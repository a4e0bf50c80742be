"""Domain randomisation: typed terms, each a distribution and what it changes. Sampled anew at each episode."""

from sim.randomization.actuators import ActuatorGains, JointOffset, MotorStrength
from sim.randomization.bodies import CenterOfMass, Inertia, Mass, Payload
from sim.randomization.distribution import Distribution, LogUniform, Normal, Uniform
from sim.randomization.disturbances import Latency, Push, SensorBias, SensorNoise
from sim.randomization.fields import (
    Field,
    armature,
    effort_limits,
    friction,
    friction_loss,
    gravity,
    joint_damping,
    joint_range,
)
from sim.randomization.geoms import GeomSize
from sim.randomization.objects import AnyObject
from sim.randomization.randomization import Randomization
from sim.randomization.term import FieldSampler, ModelTerm, RandomizationError

__all__ = [
    "ActuatorGains",
    "AnyObject",
    "CenterOfMass",
    "Distribution",
    "Field",
    "FieldSampler",
    "GeomSize",
    "Inertia",
    "JointOffset",
    "Latency",
    "LogUniform",
    "Mass",
    "ModelTerm",
    "MotorStrength",
    "Normal",
    "Payload",
    "Push",
    "Randomization",
    "RandomizationError",
    "SensorBias",
    "SensorNoise",
    "Uniform",
    "armature",
    "effort_limits",
    "friction",
    "friction_loss",
    "gravity",
    "joint_damping",
    "joint_range",
]
