"""What predicted materials are worth to a policy: `panda-push` trained with nominal, blindly varied and predicted ones.

For each seed there are `OBJECTS` objects that are held out: textured boxes of one kind of material, as a work cell has one kind
of goods. Nobody is told what they are made of; the predictor sees how they look. A policy is trained for `MINUTES` on

    nominal      the objects' shapes, all of one usual material
    blind        the same shapes, of anything: density, friction, restitution and stiffness over all that materials have
    predicted    the same shapes, of what the predictor believes of each, drawn with its uncertainty

with all else the same, and evaluated on the objects as they truly are. Policies see the object's pose, not its material.

The runs are in OUT/push; a benchmark that was interrupted goes on where it was, and ZEROGAP_PUSH_SEEDS=1 runs fewer seeds.
"""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from assets.json_file import write_json
from assets.materials.classes import Kind
from assets.materials.data.looks import Look as Appearance
from assets.materials.data.looks import drawn_look
from assets.materials.embody import drawn, embody
from assets.materials.field import MaterialField
from assets.materials.kinds import KINDS
from assets.materials.known import uniform_field
from assets.materials.properties import DENSITY, FRICTION, POISSON, RESTITUTION, YIELD, YOUNG
from assets.objects.mesh_file import Look
from assets.objects.object import Object
from assets.objects.shelf import Shelf
from assets.robots.panda import PANDA
from benchmarks.seeds import seed_by_seed, seed_count
from envs.push import TIMESTEP, push
from envs.registry import make_env
from envs.task import Task
from rl.evaluate import PolicyEvaluator, hold_places, load_policy
from rl.run import Run
from rl.train import start_run, train_in_all

SEEDS = 5
_FEWER = "ZEROGAP_PUSH_SEEDS"
MINUTES = 12.0
ARMS = ("nominal", "blind", "predicted")
OBJECTS, DRAWS = 3, 24
ROBOTS, SECONDS = 256, 8.0
_EVALUATION = 20261123
METRICS = ("settled_distance", "arrived", "distance")

HELD_OUT = ("polyolefin", "soft rubber", "steel", "hardwood", "dense foam")
"""Kinds of the goods, one after the other over the seeds."""

NOMINAL = {DENSITY: 1000.0, YOUNG: 1e9, POISSON: 0.3, FRICTION: 0.6, RESTITUTION: 0.4, YIELD: 1e7}
BLIND = {
    DENSITY: (30.0, 8000.0),
    YOUNG: (1e5, 2e11),
    POISSON: (0.1, 0.48),
    FRICTION: (0.08, 1.2),
    RESTITUTION: (0.05, 0.85),
    YIELD: (1e4, 1e9),
}
"""Ranges, of which two standard deviations to either side are taken."""

_PIXELS = 24  # of a face's picture
_FACES = (((1, 2), 0, -1), ((1, 2), 0, 1), ((0, 2), 1, -1), ((0, 2), 1, 1), ((0, 1), 2, -1), ((0, 1), 2, 1))
"""Of a box: the axes along it, and the axis and side that it is on."""


def __getattr__(name: str) -> Any:
    """`benchmarks.push:predicted_3` is a task: that of the arm and the seed."""
    arm, _, seed = name.rpartition("_")
    if arm in ARMS and seed.isdecimal():
        return partial(arm_task, arm, int(seed))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def arm_task(arm: str, seed: int) -> Task:
    """What a policy of the arm is trained on."""
    things = {"nominal": _nominal, "blind": _blind, "predicted": _predicted}[arm](seed)
    return replace(push(PANDA, Shelf.of_primitives(things, parts=1)), name=f"panda-push-{arm}-{seed}")


def true_task(seed: int) -> Task:
    """What all are evaluated on."""
    things = [embody(thing, truth, timestep=TIMESTEP) for thing, truth in held_out(seed)]
    return replace(push(PANDA, Shelf.of_primitives(things, parts=1)), name=f"panda-push-true-{seed}")


# Objects


@cache
def held_out(seed: int) -> tuple[tuple[Object, MaterialField], ...]:
    """Objects and what they truly are made of."""
    rng = np.random.default_rng([seed, 6])
    kind = KINDS[HELD_OUT[seed % len(HELD_OUT)]]
    return tuple(_box(f"box_{i}", kind, rng) for i in range(OBJECTS))


def _box(name: str, kind: Kind, rng: np.random.Generator) -> tuple[Object, MaterialField]:
    from trimesh import creation

    from assets.objects.simple import of_pieces

    edges = rng.uniform((0.06, 0.05, 0.05), (0.14, 0.09, 0.08))
    plain = of_pieces(name, creation.box(edges))
    thing = replace(plain, looks=(_painted(edges, drawn_look(kind, rng)),))
    wall = rng.uniform(*kind.wall)
    hollow = 1 - np.prod(np.maximum(1 - 2 * wall / edges, 0)) if rng.random() < kind.hollow else 1.0
    return thing, uniform_field(thing, kind, kind.drawn(rng), np.zeros(6), fill=float(hollow))


def _painted(edges: np.ndarray, appearance: Appearance) -> Look:
    """A box with a picture on each face, all six side by side in one."""
    half = edges / 2
    at = (np.arange(_PIXELS) + 0.5) / _PIXELS * 2 - 1
    vertices, faces, uv, pictures = [], [], [], []
    for i, (along, axis, side) in enumerate(_FACES):
        u, v = np.meshgrid(at, -at)  # a picture's first row is its top
        points = np.zeros((_PIXELS**2, 3))
        points[:, along[0]], points[:, along[1]], points[:, axis] = u.ravel(), v.ravel(), side
        normals = np.zeros_like(points)
        normals[:, axis] = side
        colours = appearance.colours(points * half, normals)
        pictures.append((255 * colours).round().astype(np.uint8).reshape(_PIXELS, _PIXELS, 4))
        corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float)
        places = np.zeros((4, 3))
        places[:, along], places[:, axis] = corners, side
        vertices.append(places * half)
        uv.append(np.stack([(i + (corners[:, 0] + 1) / 2) / len(_FACES), (corners[:, 1] + 1) / 2], 1))
        outward = np.cross(places[1] - places[0], places[2] - places[0])[axis] * side > 0
        order = np.array([(0, 1, 2), (0, 2, 3)] if outward else [(0, 2, 1), (0, 3, 2)])
        faces.append(order + 4 * i)
    image = Image.fromarray(np.concatenate(pictures, axis=1), "RGBA")
    return Look(np.concatenate(vertices), np.concatenate(faces).astype(np.int32), np.concatenate(uv), image)


def _nominal(seed: int) -> list[Object]:
    mean = [float(prop.to_scale(value)) for prop, value in NOMINAL.items()]
    kind = KINDS["styrenic"]  # of which only the class is asked, which no physics reads
    fields = [(thing, uniform_field(thing, kind, mean, np.zeros(6))) for thing, _ in held_out(seed)]
    return [embody(thing, field, timestep=TIMESTEP) for thing, field in fields]


def _blind(seed: int) -> list[Object]:
    ends = np.array([[float(prop.to_scale(end)) for end in BLIND[prop]] for prop in NOMINAL])
    mean, std = ends.mean(1), np.ptp(ends, axis=1) / 4
    kind, things = KINDS["styrenic"], []
    for i, (thing, _) in enumerate(held_out(seed)):
        things += drawn(thing, uniform_field(thing, kind, mean, std), DRAWS, seed=100 * seed + i, timestep=TIMESTEP)
    return things


def _predicted(seed: int) -> list[Object]:
    things = []
    for i, (thing, _) in enumerate(held_out(seed)):
        things += drawn(thing, believed(thing), DRAWS, seed=100 * seed + i, timestep=TIMESTEP)
    return things


def believed(thing: Object) -> MaterialField:
    """By the model that comes with zerogap, from the object's looks."""
    from assets.materials.predict import predict_object

    return predict_object(thing)


# The comparison


def run(out: Path) -> dict[str, Any]:
    count = seed_count(_FEWER, SEEDS)
    same = {"minutes": MINUTES, "objects": OBJECTS, "draws": DRAWS, "robots": ROBOTS, "seconds": SECONDS}
    store = out / "push.partial.json"
    figures = seed_by_seed(store, same, count, lambda seed: one(out / "push", seed), _tell)
    figures["summary"] = summary(figures["runs"])
    write_json(out / "push.json", figures)
    _plot(figures, out / "push.png")
    if count >= SEEDS:
        store.unlink(missing_ok=True)
    return figures


def one(folder: Path, seed: int, minutes: float = MINUTES, robots: int = ROBOTS, num_envs: int | None = None) -> dict[str, Any]:
    """Trains the three policies of a seed, each from where it is, and evaluates them. Raises SystemExit where someone
    interrupted."""
    env = make_env(hold_places(true_task(seed)), robots)
    evaluate: PolicyEvaluator | None = None
    told: dict[str, Any] = {"seed": seed, "kind": HELD_OUT[seed % len(HELD_OUT)]}
    for arm in ARMS:
        directory = folder / f"seed-{seed}" / arm
        task = f"{__name__}:{arm}_{seed}"
        if not train_in_all(directory, minutes, lambda d=directory, t=task: start_run(t, d, None, num_envs, seed)):
            raise SystemExit(130)
        ppo, state = load_policy(Run.open(directory), 1)
        evaluate = evaluate or PolicyEvaluator(env, ppo.act_in, SECONDS)  # policies differ in nothing but their parameters
        evaluation = evaluate(state.policy, seed=_EVALUATION)
        told[arm] = {name: evaluation.metrics[name] for name in METRICS} | {"lost": evaluation.falls}
    return told


def _tell(told: dict[str, Any]) -> str:
    arms = (f"{arm} {1e3 * told[arm]['settled_distance']:.0f} mm, {told[arm]['arrived']:.0%}" for arm in ARMS)
    return f"{told['kind']}: {'; '.join(arms)}"


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the seeds, and by how much predicted materials are better than the others, seed by seed."""
    told: dict[str, Any] = {
        arm: {name: float(np.mean([run[arm][name] for run in runs])) for name in (*METRICS, "lost")} for arm in ARMS
    }
    for other in ARMS[:-1]:
        less = [run[other]["settled_distance"] - run["predicted"]["settled_distance"] for run in runs]
        told[f"nearer_than_{other}"] = {"metres": less, "mean": float(np.mean(less)), "seeds": sum(x > 0 for x in less)}
    told["reached"] = all(told[f"nearer_than_{other}"]["mean"] > 0 for other in ARMS[:-1])
    return told


def _plot(figures: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    runs = figures["runs"]
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for axis, name, scale, title in (
        (axes[0], "settled_distance", 1e3, "distance from the goal, 4 s and more after it was set (mm)"),
        (axes[1], "arrived", 100, "of that time within 3 cm (%)"),
    ):
        for run in runs:
            values = [scale * run[arm][name] for arm in ARMS]
            axis.plot(ARMS, values, "o-", color="0.7", zorder=1)
            axis.annotate(run["kind"], (len(ARMS) - 1, values[-1]), xytext=(6, 0), textcoords="offset points", fontsize=7)
        axis.bar(ARMS, [scale * figures["summary"][arm][name] for arm in ARMS], color="#1f77b4", alpha=0.4)
        axis.set_title(title, fontsize="small")
        axis.set_ylim(0, None)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
