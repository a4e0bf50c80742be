"""A frozen model compiles to the model it was, to the last bit, wherever it is read."""

from pathlib import Path

import mujoco
import numpy as np
import pytest
import trimesh

from assets.robots import GO2
from assets.scene import compile_for_physics, scene_spec
from sim.frozen_model import FrozenModel, FrozenModelError, freeze_model


def _trajectory(model: mujoco.MjModel) -> np.ndarray:
    data = mujoco.MjData(model)
    random = np.random.default_rng(0)
    states = []
    for _ in range(100):
        data.ctrl[:] = random.normal(size=model.nu)
        mujoco.mj_step(model, data)
        states.append(np.concatenate([data.qpos, data.qvel]))
    return np.array(states)


def test_it_moves_as_the_model_it_was_to_the_last_bit() -> None:
    spec = scene_spec(GO2)
    frozen = freeze_model(spec)
    expected = _trajectory(compile_for_physics(spec))
    np.testing.assert_array_equal(_trajectory(frozen.compile()), expected)
    # The text alone would not do.
    assert not np.array_equal(_trajectory(frozen.spec().compile()), expected)


def _robot_with_a_mesh(folder: Path) -> mujoco.MjSpec:
    (folder / "assets").mkdir()
    trimesh.creation.icosphere(subdivisions=2, radius=0.1).export(folder / "assets" / "ball.stl")
    trimesh.creation.icosphere(subdivisions=3, radius=0.1).export(folder / "assets" / "look.stl")
    (folder / "robot.xml").write_text(
        """
        <mujoco>
          <compiler meshdir="assets"/>
          <asset><mesh name="ball" file="ball.stl" scale="1 1 1.1"/><mesh name="look" file="look.stl"/></asset>
          <worldbody>
            <geom type="plane" size="0 0 1"/>
            <body pos="0 0 0.3"><freejoint/>
              <geom type="mesh" mesh="ball" euler="10 20 30"/>
              <geom type="mesh" mesh="look" contype="0" conaffinity="0"/>
            </body>
          </worldbody>
        </mujoco>
        """
    )
    return mujoco.MjSpec.from_file(str(folder / "robot.xml"))


def test_it_brings_the_meshes_that_collide_and_no_others(tmp_path: Path) -> None:
    spec = _robot_with_a_mesh(tmp_path)
    expected = _trajectory(compile_for_physics(spec))
    frozen = freeze_model(spec)
    for file in (tmp_path / "assets").iterdir():
        file.unlink()
    assert [len(content) for content in frozen.files.values()] == [84 + 50 * 320]  # a binary STL of 320 triangles
    np.testing.assert_array_equal(_trajectory(frozen.compile()), expected)


def test_the_spec_that_is_frozen_stays_as_it_was(tmp_path: Path) -> None:
    spec = _robot_with_a_mesh(tmp_path)
    freeze_model(spec)
    assert [mesh.file for mesh in spec.meshes] == ["ball.stl", "look.stl"]
    assert spec.compile().nmesh == 2


def test_errors_name_the_part() -> None:
    with pytest.raises(FrozenModelError, match="doesn't compile"):
        FrozenModel("<mujoco><worldbody><body><freejoint/></body></worldbody></mujoco>", {}, {}).compile()
    with pytest.raises(FrozenModelError, match="can't be read"):
        FrozenModel("<mujoco", {}, {}).compile()
    with pytest.raises(FrozenModelError, match="no field 'body_wings'"):
        FrozenModel("<mujoco/>", {}, {"body_wings": (np.zeros(1, int), np.zeros(1))}).compile()
    with pytest.raises(FrozenModelError, match="'body_mass' do not fit its 1 entries"):
        FrozenModel("<mujoco/>", {}, {"body_mass": (np.array([7]), np.zeros(1))}).compile()
