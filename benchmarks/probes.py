"""What it matters to be wrong about a material: an object slides, is pushed, dropped, tilted and squeezed in simulation.

    errors = compare(thing, truth, {"predicted": predicted, "class mean": table})
    errors["predicted"]["slide"]                            # 0.08: 8 % longer or shorter than the true object slides
    probed(data, index, {"predictor": predictor, ...})      # the same of a made sample and what is believed of it

Each probe answers to other properties: how far it slides to its friction, how fast a push makes it to its mass, how high it
bounces to its restitution, at what angle it tips over to where its mass is, how much it gives to Young's modulus and Poisson's
ratio. All run in MuJoCo's C engine, on the object as it would be put into a scene.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import mujoco
import numpy as np
import trimesh

from assets.materials.believed import Believed, Believer
from assets.materials.classes import CLASSES
from assets.materials.data.shards import Data
from assets.materials.embody import embody
from assets.materials.field import MaterialField
from assets.materials.predict import believed_field
from assets.materials.seen import Cube, Seen
from assets.materials.soft import lattice
from assets.objects.mjcf import add_hull, touching
from assets.objects.object import Object
from assets.objects.simple import of_pieces

TIMESTEP = 0.001
"""s"""

SLIDE_SPEED = 1.0
"""m/s"""

DROP = 0.2
"""m"""

PUSH_SECONDS = 0.02
PUSH_DENSITY = 500.0
"""kg/m³: a push gives a solid of that density 1 m/s."""

TILT_RATE = math.radians(10)
"""rad/s"""

SQUEEZE_STRAIN = 0.002
"""Of the true object, about."""

_LONGEST = 6.0  # s, of a slide
_STILL = 0.01  # m/s
_TIPPED = math.radians(0.2)
_BOXES = 3  # of a squeezed lattice, along its longest edge
_MODULUS = 1e5  # Pa, that the true object has while it is squeezed: what is linear may be scaled
_POINT_MASS = 0.05  # kg, of its points: how it settles does not matter, and the solver likes no featherweights
_SETTLES = 0.3  # s


@dataclass(frozen=True)
class Outcomes:
    """What the probes measure."""

    slide: float
    """Distance that it slides, launched at SLIDE_SPEED (m)."""
    push: float
    """Speed after a push (m/s)."""
    drop: float
    """Height that it rebounds to, dropped from DROP (m)."""
    tilt: float
    """Angle of the floor at which it tips over its outline's lowest edge (rad)."""
    squeeze: float
    """Strain under SQUEEZE_STRAIN times a reference modulus."""


PROBES = ("slide", "push", "drop", "tilt", "squeeze")


def of_sample(data: Data, index: int) -> tuple[Object, Cube]:
    """A made sample as an object, each of its parts convex, and the cube that it was seen in.

    Beliefs are compared on the same body, so that it need not have every dent of the sample's. Raises ObjectError where no part
    of it has a volume.
    """
    seen, part = data.seen(index), data.part(index)
    cube = Cube(seen.resolution, seen.size, (0, 0, 0), (0.0, 0.0, 0.0))
    corners = cube.size / 2 * np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    pieces = []
    for number in np.unique(part):
        centers = cube.centers(seen.voxel[part == number].astype(np.int64))
        pieces.append(trimesh.PointCloud((centers[:, None] + corners).reshape(-1, 3)).convex_hull)
    return of_pieces(f"sample_{index}", *pieces), cube


@dataclass(frozen=True)
class Truth:
    """Believes of a made sample what it is."""

    data: Data
    index: int

    def believe(self, seen: Seen) -> Believed:
        truth = self.data.truth(self.index).astype(float)
        return Believed(np.eye(len(CLASSES))[truth[:, 0].astype(int)], truth[:, 1:], np.zeros_like(truth[:, 1:]))


def probed(data: Data, index: int, believers: Mapping[str, Believer]) -> dict[str, dict[str, float]]:
    """`compare` of what is believed of a made sample."""
    thing, cube = of_sample(data, index)
    seen = data.seen(index)
    fields = {name: believed_field(thing, believer, seen, cube) for name, believer in believers.items()}
    return compare(thing, believed_field(thing, Truth(data, index), seen, cube), fields)


def compare(thing: Object, truth: MaterialField, beliefs: Mapping[str, MaterialField]) -> dict[str, dict[str, float]]:
    """Relative errors of what the probes measure, by belief and probe."""
    modulus = lattice(thing, truth, boxes=_BOXES).young
    true = outcomes(thing, truth, modulus)
    told = {}
    for name, field in beliefs.items():
        found = outcomes(thing, field, modulus)
        told[name] = {probe: relative_error(getattr(found, probe), getattr(true, probe)) for probe in PROBES}
    return told


def relative_error(found: float, true: float) -> float:
    """Infinite where nothing was found, as of what is squeezed flat."""
    if not math.isfinite(found):
        return math.inf
    return abs(found - true) / abs(true) if true else float(found != 0)


def outcomes(thing: Object, field: MaterialField, modulus: float) -> Outcomes:
    """`modulus` (Pa) is that in units of which the object is squeezed: the true object's."""
    made = embody(thing, field, timestep=TIMESTEP)
    return Outcomes(slide(made), push(made), drop(made), tilt(made), squeeze(thing, field, modulus))


def slide(made: Object) -> float:
    """On a level floor, without turning."""
    model = _scene(made, axes=((1, 0, 0), (0, 0, 1)))
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data, int(_SETTLES / TIMESTEP))
    start = data.qpos[0]
    data.qvel[0] = SLIDE_SPEED
    for _ in range(int(_LONGEST / TIMESTEP)):
        mujoco.mj_step(model, data)
        if abs(data.qvel[0]) < _STILL:
            break
    return float(data.qpos[0] - start)


def push(made: Object) -> float:
    """By a steady force through the middle of its outline, in free flight: its centre of mass's speed."""
    spec = made.spec()
    spec.option.timestep = TIMESTEP
    spec.option.gravity = (0, 0, 0)
    model = spec.compile()
    data = mujoco.MjData(model)
    body = model.body(made.name).id
    force = np.array([made.solid.volume * PUSH_DENSITY / PUSH_SECONDS, 0.0, 0.0])
    for _ in range(round(PUSH_SECONDS / TIMESTEP)):
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        middle = data.xpos[body] + data.xmat[body].reshape(3, 3) @ made.solid.bounds.mean(0)
        data.qfrc_applied[:] = 0
        mujoco.mj_applyFT(model, data, force, np.zeros(3), middle, body, data.qfrc_applied)
        mujoco.mj_step(model, data)
    mujoco.mj_forward(model, data)
    mujoco.mj_subtreeVel(model, data)
    return float(np.linalg.norm(data.subtree_linvel[body]))


def drop(made: Object) -> float:
    """On a level floor, without turning: the highest that it comes after it has touched."""
    model = _scene(made, axes=((0, 0, 1),))
    data = mujoco.MjData(model)
    data.qpos[0] = DROP
    highest, touched = 0.0, False
    for _ in range(int(3.2 * math.sqrt(2 * DROP / 9.81) / TIMESTEP)):
        mujoco.mj_step(model, data)
        touched = touched or data.ncon > 0
        highest = max(highest, float(data.qpos[0])) if touched else 0.0
        if touched and highest > 0 and data.qvel[0] < 0 < data.qpos[0]:
            break
    return highest


def tilt(made: Object) -> float:
    """Of a floor that is tilted slowly, with a rail at the lowest edge of its outline to tip over."""
    low, high = made.solid.bounds
    spec = mujoco.MjSpec()
    spec.option.timestep = TIMESTEP
    body = _body(spec, made)
    body.add_joint(type=mujoco.mjtJoint.mjJNT_HINGE, axis=(0, 1, 0), pos=(high[0], 0, low[2]), range=(0, math.pi), limited=True)
    model = spec.compile()
    data = mujoco.MjData(model)
    angle = 0.0
    while data.qpos[0] < _TIPPED and angle < math.pi / 2:
        angle += TILT_RATE * TIMESTEP
        model.opt.gravity[:] = 9.81 * math.sin(angle), 0, -9.81 * math.cos(angle)
        mujoco.mj_step(model, data)
    return angle


def squeeze(thing: Object, field: MaterialField, modulus: float) -> float:
    """Upright, between a floor and a plate: shortening over height."""
    soft = lattice(thing, field, boxes=_BOXES, yields=False)
    masses = np.full(len(soft.points), _POINT_MASS)
    soft = replace(soft, young=soft.young / modulus * _MODULUS, damping=_SETTLES / 30, masses=masses)
    height = soft.points[:, 2]
    bottom, top = height < height.min() + 1e-9, height > height.max() - 1e-9
    spec = soft.spec()
    spec.option.gravity, spec.option.timestep = (0, 0, 0), 2 * TIMESTEP
    for i in np.flatnonzero(bottom):
        spec.delete(spec.body(f"{soft.name}_{i}").joints[2])  # it may widen, but not go down
    model = spec.compile()
    model.flex_contype[:] = model.flex_conaffinity[:] = 0
    data = mujoco.MjData(model)
    boxes = [np.unique(box) for box in soft.tetrahedra.reshape(-1, 24)]  # six of four points each
    share = np.bincount(np.concatenate(boxes), minlength=len(height))[top]  # of the plate's area
    share = share / share.sum()
    force = -SQUEEZE_STRAIN * _MODULUS * thing.solid.volume / float(np.ptp(height))
    ids = [model.body(f"{soft.name}_{i}").id for i in np.flatnonzero(top)]
    data.xfrc_applied[ids, 2] = force * share
    mujoco.mj_step(model, data, int(_SETTLES / (2 * TIMESTEP)))
    return float(share @ (height[top] - data.xpos[ids, 2])) / float(np.ptp(height))


def _body(spec: mujoco.MjSpec, made: Object) -> mujoco.MjsBody:
    """The object without looks, fixed, its lowest point on the ground."""
    body = spec.worldbody.add_body(name=made.name, pos=(0, 0, -made.bottom), explicitinertial=True)
    body.mass, body.ipos, body.fullinertia = made.inertial.mass, made.inertial.com, made.inertial.inertia
    for i, (hull, contact) in enumerate(zip(made.hulls, made.contacts, strict=True)):
        add_hull(spec, f"hull_{i}", hull)
        touching(body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=f"hull_{i}", mass=0), contact)
    return body


def _scene(made: Object, axes: tuple[tuple[int, int, int], ...]) -> mujoco.MjModel:
    """The object on a floor, free to move along these axes."""
    spec = mujoco.MjSpec()
    spec.option.timestep = TIMESTEP
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 0.1])
    body = _body(spec, made)
    for axis in axes:
        body.add_joint(type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis)
    return spec.compile()
