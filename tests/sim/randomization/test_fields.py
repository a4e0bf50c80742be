import jax
import mujoco
import numpy as np
import pytest

from sim.physics import nominal_field
from sim.randomization import (
    Field,
    FieldSampler,
    Normal,
    RandomizationError,
    Uniform,
    armature,
    effort_limits,
    friction,
    friction_loss,
    gravity,
    joint_damping,
    joint_range,
)

MODEL = mujoco.MjModel.from_xml_string("""
<mujoco>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1" friction="0.9"/>
    <body name="trunk">
      <freejoint name="root"/>
      <geom name="trunk" size=".1" friction="0.7 .01 .001"/>
      <body name="left">
        <joint name="left_hip" type="ball" damping=".3" armature=".02"/>
        <geom name="left_foot" size=".1" friction="0.6"/>
        <body name="left_shank">
          <joint name="left_knee" range="-1 2" damping=".2" armature=".01" frictionloss=".1"/>
          <geom size=".1"/>
        </body>
      </body>
      <body name="right">
        <joint name="right_knee" range="-2 1" damping=".4" armature=".03" frictionloss=".2"/>
        <geom name="right_foot" size=".1" friction="0.5"/>
      </body>
    </body>
  </worldbody>
  <tendon>
    <fixed name="cable" range="-1 1"><joint joint="left_knee" coef="1"/></fixed>
    <fixed name="rope" range="-2 2"><joint joint="left_knee" coef="1"/></fixed>
    <fixed name="string" range="-3 3"><joint joint="right_knee" coef="1"/></fixed>
  </tendon>
  <actuator>
    <position name="left_knee" joint="left_knee" kp="10" forcerange="-5 6"/>
    <position name="right_knee" joint="right_knee" kp="10" forcerange="-7 8"/>
  </actuator>
</mujoco>
""")
SOME = Uniform(0.3, 0.4)

# Each term, the field that it changes, and the entries of the field: rows and columns of a table, or entries of a vector.
CASES = {
    "friction": (friction(SOME, "*_foot"), "geom_friction", [(2, 0), (4, 0)]),
    "friction of one": (friction(SOME, "trunk", "scale"), "geom_friction", [(1, 0)]),
    "armature": (armature(SOME, "*knee"), "dof_armature", [9, 10]),
    "armature of a ball joint": (armature(SOME, "left_hip"), "dof_armature", [6, 7, 8]),
    "damping": (joint_damping(SOME, "*knee"), "dof_damping", [9, 10]),
    "friction loss": (friction_loss(SOME, "right*", "add"), "dof_frictionloss", [10]),
    "gravity": (gravity(SOME), "opt.gravity", [0, 1, 2]),
    "gravity downwards": (Field("opt.gravity", SOME, "add", columns=None), "opt.gravity", [0, 1, 2]),
    "joint range": (joint_range(SOME, "left_knee"), "jnt_range", [(2, 0), (2, 1)]),
    "effort limits": (effort_limits(SOME, "left*"), "actuator_forcerange", [(0, 0), (0, 1)]),
    "upper effort limit": (Field("actuator_forcerange", SOME, columns=(1,)), "actuator_forcerange", [(0, 1), (1, 1)]),
    "body position": (Field("body_pos", SOME, "add", "left*", columns=(0, 2)), "body_pos", [(2, 0), (2, 2), (3, 0), (3, 2)]),
    "impratio": (Field("opt.impratio", SOME, "set"), "opt.impratio", [()]),
    "a table without names": (
        Field("tendon_range", SOME, "add", columns=(1,)),
        "tendon_range",
        [(0, 1), (1, 1), (2, 1)],
    ),
}
ROOT_DOFS = 6


@pytest.mark.parametrize("term, name, entries", CASES.values(), ids=CASES.keys())
def test_a_term_changes_what_it_names_as_it_says_and_nothing_else(term, name, entries):
    values = FieldSampler(MODEL, (term,))(jax.random.key(3))
    assert list(values) == [name]
    old, new = np.asarray(nominal_field(MODEL, name), np.float32), np.asarray(values[name])
    named = np.zeros(old.shape, bool)
    for entry in entries:
        named[entry] = True
    np.testing.assert_array_equal(new[~named], old[~named])
    undo = {"set": lambda x: x, "scale": lambda x: x / old[named], "add": lambda x: x - old[named]}[term.combine]
    sample = undo(new[named])
    assert ((sample > 0.3 - 1e-5) & (sample < 0.4 + 1e-5)).all()
    if term.shared:
        np.testing.assert_allclose(sample, sample[0], rtol=1e-5)
    else:
        assert len(set(sample.round(5).tolist())) == len(entries)


def test_the_root_joint_stays_without_armature_damping_and_friction():
    terms = (armature(SOME), joint_damping(SOME), friction_loss(SOME))
    values = FieldSampler(MODEL, terms)(jax.random.key(0))
    for name in ("dof_armature", "dof_damping", "dof_frictionloss"):
        assert not np.asarray(values[name])[:ROOT_DOFS].any()


@pytest.mark.parametrize(
    "term, name",
    [
        (friction(Uniform(-2, -1)), "geom_friction"),
        (armature(Uniform(-2, -1), combine="add"), "dof_armature"),
        (joint_damping(Normal(-1, 0.1)), "dof_damping"),
        (friction_loss(Uniform(-2, -1), combine="set"), "dof_frictionloss"),
    ],
)
def test_what_cannot_be_negative_is_kept_from_it(term, name):
    assert (FieldSampler(MODEL, (term,))(jax.random.key(0))[name] >= 0).all()


@pytest.mark.parametrize(
    "term, complaint",
    [
        (friction(SOME, "*_toe"), "no geom matches '\\*_toe'; the model has: floor, trunk, left_foot, right_foot"),
        (armature(SOME, "*_elbow"), "no joint matches"),
        (effort_limits(SOME, "trunk"), "no actuator matches"),
        (Field("body_pos", SOME, pattern="world"), "no body matches"),
        (Field("dof_dampingg", SOME), "no field 'dof_dampingg'"),
        (Field("qpos", SOME), "no field 'qpos'"),
        (Field("geom_condim", SOME), "geom_condim holds int32, expected a field of real numbers"),
        (Field("body_mass", SOME), "use the term Mass"),
        (Field("geom_size", SOME), "use the term GeomSize"),
        (Field("opt.gravity", SOME, pattern="trunk"), "opt.gravity has no rows with names"),
        (Field("tendon_range", SOME, pattern="cable"), "tendon_range has no rows with names"),
        (Field("jnt_range", SOME, columns=(2,)), r"jnt_range has 2 columns, found \(2,\)"),
        (Field("jnt_range", SOME, columns=(-1,)), r"jnt_range has 2 columns, found \(-1,\)"),
        (Field("dof_damping", SOME, columns=(0,)), "dof_damping has no columns"),
    ],
)
def test_a_term_that_does_not_fit_the_model_is_named(term, complaint):
    with pytest.raises(RandomizationError, match=rf"Field\(field='{term.field}'.*: .*{complaint}"):
        FieldSampler(MODEL, (term,))
