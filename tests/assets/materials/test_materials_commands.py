import json
from pathlib import Path

import jax
import mujoco
import numpy as np
import pytest
from PIL import Image
from trimesh import creation

from assets.materials.model.card import Card
from assets.materials.model.encoding import Scales
from assets.materials.model.network import Network
from assets.materials.model.predictor import Predictor, shapes_of
from zerogap import main


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two boxes with their masses."""
    path = tmp_path_factory.mktemp("boxes")
    for name, edge in (("crate", 0.2), ("brick", 0.1)):
        creation.box((edge, edge / 2, edge / 3)).export(path / f"{name}.obj")
    (path / "mass_kg.json").write_text(json.dumps({"crate": 1.0, "brick": 0.2}))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained predictor of two small members."""
    card = Card(base=4, members=2)
    begin, inputs = jax.jit(Network(base=4).init), shapes_of(card)
    members = [begin(jax.random.key(i), *(np.zeros(s.shape, s.dtype) for s in inputs)) for i in (0, 1)]
    scales = Scales(*(np.stack([np.zeros(s.shape[-1]), np.ones(s.shape[-1])]) for s in (inputs.cells, inputs.own)))
    path = tmp_path_factory.mktemp("model") / "predictor.npz"
    Predictor(card, members, scales).write(path)
    return path


def test_a_mesh_becomes_an_object_with_its_mass_and_a_picture(folder: Path, model: Path, tmp_path: Path):
    out, told = tmp_path / "crate", tmp_path / "told.json"
    asked = ["materials", "predict", str(folder / "crate.obj"), "--out", str(out), "--model", str(model), "--json", str(told)]
    assert main(asked) == 0
    figures = json.loads(told.read_text())
    compiled = mujoco.MjModel.from_xml_path(str(out / "crate.xml"))
    assert compiled.body("crate").mass[0] == pytest.approx(figures["mass"], rel=1e-6)
    assert figures["mass_low"] < figures["mass"] < figures["mass_high"]
    touching = compiled.geom_contype > 0
    friction = figures["properties"]["friction"]
    np.testing.assert_allclose(compiled.geom_friction[touching, 0], friction["value"], rtol=0.05)
    assert (compiled.geom_priority[touching] == 1).all()
    assert (compiled.geom_solref[touching] < 0).all(), "restitution and stiffness, per mass"
    assert sum(figures["classes"].values()) == pytest.approx(1.0)
    for row in figures["properties"].values():
        assert row["low"] <= row["value"] <= row["high"]
    with Image.open(out / "materials.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert (pixels.reshape(-1, 3).std(0) > 10).all()
    assert main(asked) == 2, "what is there is not overwritten"


def test_the_object_can_be_one_file_and_nothing_there_is_touched(folder: Path, model: Path, tmp_path: Path):
    out = tmp_path / "made" / "thing.xml"
    asked = ["materials", "predict", str(folder / "crate.obj"), "--out", str(out), "--model", str(model)]
    assert main(asked) == 0
    assert {path.name for path in out.parent.iterdir()} == {"thing.xml", "thing_assets", "thing_materials.png"}
    assert mujoco.MjModel.from_xml_path(str(out)).body("crate").mass[0] > 0
    written = out.read_bytes()
    assert main(asked) == 2
    out.unlink()
    assert main(asked) == 2, "its meshes are still there"
    out.write_bytes(written)
    assert mujoco.MjModel.from_xml_path(str(out)).ngeom > 0


def test_what_is_soft_becomes_a_flex_where_asked_for_and_what_is_not_is_refused(
    folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    asked = ["materials", "predict", str(folder / "crate.obj"), "--soft", "--model", str(model)]
    assert main([*asked, "--out", str(tmp_path / "hard.xml")]) == 2, "what nobody has trained believes the mean of all"
    assert "embody it as a rigid object" in capsys.readouterr().err.replace("\n", " ")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("assets.materials.soft.SOFT", 1e12)
    assert main([*asked, "--out", str(tmp_path / "soft.xml")]) == 0
    assert mujoco.MjModel.from_xml_path(str(tmp_path / "soft.xml")).nflex == 1


def test_masses_are_compared_object_by_object(folder: Path, model: Path, tmp_path: Path):
    told = tmp_path / "masses.json"
    assert main(["materials", "eval", "--meshes", str(folder), "--model", str(model), "--json", str(told)]) == 0
    figures = json.loads(told.read_text())
    ratios = [row["predicted"] / row["mass"] for row in figures["objects"].values()]
    assert set(figures["objects"]) == {"crate", "brick"}
    assert figures["alde"] == pytest.approx(np.mean(np.abs(np.log(ratios))))
    assert figures["mnre"] == pytest.approx(np.mean(np.minimum(ratios, 1 / np.array(ratios))))


def test_bad_input_is_told_in_a_line(folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "mass_kg.json").write_text('{"mug": -1}')
    for asked, expected in (
        (["eval", "--meshes", str(tmp_path), "--model", str(model)], "positive masses"),
        (["eval", "--model", str(model)], "either --data"),
        (["predict", str(folder / "none.obj"), "--model", str(model)], "can't be read"),
        (["predict", str(folder / "crate.obj"), "--model", str(folder / "crate.obj")], "crate.obj"),
        (["train", str(tmp_path), "--out", str(tmp_path / "run")], "make-data"),
    ):
        assert main(["materials", *asked]) == 2
        assert expected in capsys.readouterr().err.replace("\n", " ")
