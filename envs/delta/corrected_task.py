"""A task whose simulated robots move as the logged one: `corrected_task(task, model)`.

task = corrected_task(make_task("go2-velocity-flat"), load(Path("runs/delta")), Uniform(0.5, 1.0))
"""

import dataclasses

from envs.delta.errors import DeltaError
from envs.delta.model import DeltaModel
from envs.task import Task
from sim.randomization.distribution import Distribution, Uniform

_EVERYWHERE = Uniform(1.0, 1.0)


def corrected_task(task: Task, model: DeltaModel, scale: Distribution = _EVERYWHERE) -> Task:
    """`scale` is drawn for each episode: how much of the correction there is. Raises DeltaError where the task is another
    robot's, or of another control period."""
    model.check(task.robot)
    if abs(task.control_seconds - model.period) > 1e-9:
        raise DeltaError(
            f"the correction has a control period of {model.period:g} s, and the task {task.name!r} one of"
            f" {task.control_seconds:g} s: learn one for that period"
        )
    return dataclasses.replace(task, correction=model, correction_scale=scale)
