"""The comparison's parts: objects that are held out, what each arm is trained on, and figures that say who is nearer."""

import numpy as np
import pytest

from assets.materials.properties import FRICTION
from benchmarks import push as bench
from benchmarks.push import ARMS, DRAWS, OBJECTS, arm_task, held_out, summary, true_task
from envs.registry import make_task
from envs.task import TaskError
from sim.randomization import AnyObject


def frictions(task) -> np.ndarray:
    return task.randomization.model[0].shelf.table["geom_friction"][:, 0, 0]


def test_held_out_objects_are_those_of_their_seed():
    one, same, other = held_out(0), held_out.__wrapped__(0), held_out(1)
    for (thing, field), (again, field_again) in zip(one, same, strict=True):
        np.testing.assert_array_equal(thing.solid.vertices, again.solid.vertices)
        np.testing.assert_array_equal(np.asarray(thing.looks[0].image), np.asarray(again.looks[0].image))
        np.testing.assert_array_equal(field.mean, field_again.mean)
    assert not np.array_equal(one[0][0].solid.vertices, other[0][0].solid.vertices)


def test_a_painted_box_is_the_box_with_its_pictures_outside():
    (thing, _), *_ = held_out(0)
    look = thing.looks[0]
    triangles = look.vertices[look.faces]
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    assert (np.einsum("ij,ij->i", normals, triangles.mean(1)) > 0).all()
    np.testing.assert_allclose(np.ptp(look.vertices, axis=0), np.ptp(thing.solid.vertices, axis=0))
    assert look.uv is not None
    assert (look.uv.min(), look.uv.max()) == (0, 1)


def test_all_are_evaluated_on_what_the_objects_truly_are():
    found = frictions(true_task(0))
    truth = [float(FRICTION.to_unit(field.mean[0, 0, 0, 3])) for _, field in held_out(0)]
    np.testing.assert_allclose(found, truth, rtol=1e-5)


def test_arms_differ_in_what_objects_are_of_and_in_nothing_else():
    nominal, blind = arm_task("nominal", 0), arm_task("blind", 0)
    np.testing.assert_allclose(frictions(nominal), 0.6, rtol=1e-5)
    assert len(frictions(blind)) == OBJECTS * DRAWS
    assert frictions(blind).min() < 0.15
    assert frictions(blind).max() > 0.7
    for task in (nominal, blind):
        assert isinstance(task.randomization.model[0], AnyObject)
        assert task.randomization.model[1:] == true_task(0).randomization.model[1:]
        assert [term.name for term in task.rewards] == [term.name for term in true_task(0).rewards]


def test_tasks_are_found_by_name_as_a_run_finds_them_again():
    assert make_task("benchmarks.push:nominal_3").name == "panda-push-nominal-3"
    with pytest.raises(TaskError, match="has no 'guessed_3'"):
        make_task("benchmarks.push:guessed_3")


def test_the_summary_tells_by_how_much_and_in_how_many_seeds():
    runs = [
        {arm: {"settled_distance": d, "arrived": 0.5, "distance": 0.1, "lost": 0} for arm, d in zip(ARMS, row, strict=True)}
        for row in ((0.05, 0.04, 0.03), (0.03, 0.02, 0.025))
    ]
    told = summary(runs)
    assert told["nearer_than_nominal"]["seeds"] == 2
    assert told["nearer_than_blind"]["seeds"] == 1
    assert told["nearer_than_blind"]["mean"] == pytest.approx(0.0025)
    assert told["reached"]


def test_it_is_a_benchmark():
    from benchmarks.registry import BENCHMARKS

    assert "push" in BENCHMARKS
    assert callable(bench.run)
