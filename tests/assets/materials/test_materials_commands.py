import dataclasses
import json
import shutil
from pathlib import Path

import jax
import mujoco
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image
from rich.console import Console
from rich.status import Status
from trimesh import creation

from assets.materials.data.shards import Data
from assets.materials.data.split import Split
from assets.materials.errors import MaterialError
from assets.materials.field_file import read_field
from assets.materials.model.card import Card
from assets.materials.model.encoding import Scales
from assets.materials.model.network import Network
from assets.materials.model.predictor import Predictor, load_predictor, shapes_of
from assets.materials.pixie import read_material_grid
from assets.materials.predict import predict_object
from assets.materials.providers import OnnxFeatures
from assets.objects.object import load_object
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


def test_a_mesh_becomes_an_object_with_its_mass_and_a_picture(
    folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    shown: list[str] = []
    status = Console.status
    monkeypatch.setattr(Status, "update", lambda self, what: shown.append(what))
    monkeypatch.setattr(Console, "status", lambda self, what: shown.append(what) or status(self, what))
    out, told = tmp_path / "crate", tmp_path / "told.json"
    asked = ["materials", "predict", str(folder / "crate.obj"), "--out", str(out), "--model", str(model), "--json", str(told)]
    assert main(asked) == 0
    assert [what.split()[0] for what in shown] == [
        "reading",
        "reading",
        "closing",
        "dividing",
        "weighing",
        "predicting",
        "drawing",
        "writing",
    ]
    assert "200.0 x 100.0 x 66.7 mm" in capsys.readouterr().out
    figures = json.loads(told.read_text())
    np.testing.assert_allclose(figures["size"], (0.2, 0.1, 0.2 / 3), atol=1e-6)
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
    soft = mujoco.MjModel.from_xml_path(str(tmp_path / "soft.xml"))
    assert (soft.nflex, soft.opt.integrator) == (1, mujoco.mjtIntegrator.mjINT_DISCRETE)
    assert '<option integrator="discrete"/>' in capsys.readouterr().out


def test_what_is_believed_of_each_voxel_is_written_for_others_to_read(folder: Path, model: Path, tmp_path: Path, capsys):
    field, grid = tmp_path / "crate.npz", tmp_path / "pixie" / "material_grid.npy"
    asked = ["materials", "predict", str(folder / "crate.obj"), "--model", str(model), "--field", str(field)]
    assert main([*asked, "--pixie-grid", str(grid)]) == 0
    assert "water" not in capsys.readouterr().out, "its density is predicted"
    thing = load_object(folder / "crate.obj")
    expected, found = predict_object(thing, load_predictor(model)), read_field(field)
    inside = thing.voxels.occupancy > 0
    np.testing.assert_allclose(found.field.mean[inside], expected.mean[inside], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.field.classes, expected.classes, atol=1e-6)
    np.testing.assert_allclose(found.occupancy, thing.voxels.occupancy, rtol=1e-6)
    told = np.load(field)
    assert (told["density_low"][inside] <= told["density"][inside]).all()
    assert (told["density"][inside] <= told["density_high"][inside]).all()
    np.testing.assert_allclose(told["origin"], thing.voxels.origin)
    pixie = read_material_grid(grid)
    assert pixie.mask.any()
    assert not pixie.mask.all()
    both = [*asked, "--pixie-grid", str(tmp_path / "other.npy")]
    assert main(both) == 2, "what is there is not overwritten"
    assert not (tmp_path / "other.npy").exists()
    field.write_bytes(field.read_bytes()[:-500])
    with pytest.raises(MaterialError, match=r"crate\.npz is no field"):
        read_field(field)


def test_masses_are_compared_object_by_object(folder: Path, model: Path, tmp_path: Path):
    told = tmp_path / "masses.json"
    assert main(["materials", "eval", "--meshes", str(folder), "--model", str(model), "--json", str(told)]) == 0
    figures = json.loads(told.read_text())
    ratios = [row["predicted"] / row["mass"] for row in figures["objects"].values()]
    assert set(figures["objects"]) == {"crate", "brick"}
    assert figures["alde"] == pytest.approx(np.mean(np.abs(np.log(ratios))))
    assert figures["mnre"] == pytest.approx(np.mean(np.minimum(ratios, 1 / np.array(ratios))))


def test_one_refused_mesh_does_not_end_the_comparison(
    folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    some, told = tmp_path / "some", tmp_path / "masses.json"
    shutil.copytree(folder, some)
    (some / "sheet.obj").write_text("v 0 0 0\nv .1 0 0\nv 0 .1 0\nf 1 2 3\n")
    (some / "mass_kg.json").write_text(json.dumps({"sheet": 0.1, "crate": 1.0, "lost": 0.3, "brick": 0.2}))
    asked = ["materials", "eval", "--meshes", str(some), "--model", str(model), "--json", str(told)]
    with pytest.raises(SystemExit) as ended:
        main(asked)
    assert ended.value.code == 1
    figures = json.loads(told.read_text())
    assert set(figures["objects"]) == {"crate", "brick"}
    assert set(figures["refused"]) == {"sheet", "lost"}
    assert "sheet.obj" in figures["refused"]["sheet"]
    assert "expected one mesh of 'lost'" in figures["refused"]["lost"]
    ratios = [row["predicted"] / row["mass"] for row in figures["objects"].values()]
    assert figures["alde"] == pytest.approx(np.mean(np.abs(np.log(ratios))))
    assert "refused: " in capsys.readouterr().out
    (some / "mass_kg.json").write_text(json.dumps({"sheet": 0.1}))
    assert main(asked) == 2, "there is nothing to tell"
    assert "none of the 1 objects" in capsys.readouterr().err.replace("\n", " ")


def test_made_data_are_measured_where_the_model_was_trained_with_the_same_split(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    data, told = tmp_path / "data", tmp_path / "told.json"
    made = ["materials", "make-data", "--out", str(data), "--samples", "40", "--seed", "3"]
    assert main([*made, "--json", str(told)]) == 0
    figures = json.loads(told.read_text())
    assert (figures["samples"], figures["provider"], figures["resolution"]) == (40, "colour", 32)
    assert main(made) == 0, "it goes on where it was, and has nothing to do"
    assert main([*made[:-1], "4"]) == 2, "other data"
    asked = ["materials", "eval", "--data", str(data), "--model"]
    assert main([*asked, str(model)]) == 2
    assert "others held out" in capsys.readouterr().err.replace("\n", " ")
    predictor, split = load_predictor(model), Split.drawn(Data.read(data).tags, 0)
    card = dataclasses.replace(predictor.card, held_out=split.held_out)
    Predictor(card, predictor.members, predictor.scales).write(tmp_path / "same.npz")
    assert main([*asked, str(tmp_path / "same.npz"), "--objects", "3", "--json", str(told)]) == 0
    figures = json.loads(told.read_text())
    assert figures["objects"] == 3
    assert figures["unlabelled"] == []
    assert set(figures["error"]) == {"density", "young", "poisson", "friction", "restitution", "yield", "fill"}
    assert main([*asked, str(tmp_path / "same.npz"), "--split-seed", "1"]) == 2
    assert main([*asked, str(tmp_path / "same.npz"), "--onnx", "clip.onnx"]) == 2
    assert "have their features with them" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.long("each member's process imports and compiles for itself")
def test_a_model_with_another_networks_features_from_data_to_measurement(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    data, run, encoder, other = tmp_path / "data", tmp_path / "run", pooling(tmp_path / "pool.onnx", 8), tmp_path / "other"
    made = ["make-data", "--out", str(data), "--samples", "40", "--seed", "3", "--onnx", str(encoder), "--jobs", "2"]
    assert main(["materials", *made]) == 0
    brief = ["--samples", "4", "--batch", "2", "--base", "4", "--members", "1", "--jobs", "1"]
    assert main(["materials", "train", str(data), "--out", str(run), *brief]) == 0
    model, told = str(run / "predictor.npz"), tmp_path / "told.json"
    crate, wrong = str(folder / "crate.obj"), pooling(other / "pool.onnx", 4)
    capsys.readouterr()
    for verb in (["predict", crate], ["eval", "--meshes", str(folder)]):
        asked = ["materials", *verb, "--model", model]
        assert main([*asked, "--onnx", str(encoder), "--json", str(told)]) == 0
        assert main(asked) == 2
        assert main([*asked, "--onnx", str(wrong)]) == 2
        refused = capsys.readouterr().err.replace("\n", " ")
        name, another = OnnxFeatures(encoder).name, OnnxFeatures(wrong).name
        assert refused.count(f"trained with the features of '{name}'") == 2
        assert "'colour'" in refused
        assert f"'{another}'" in refused
    assert main(["materials", "eval", "--data", str(data), "--model", model, "--objects", "2", "--json", str(told)]) == 0
    assert json.loads(told.read_text())["objects"] == 2
    plain = tmp_path / "plain"
    assert main(["materials", "make-data", "--out", str(plain), "--samples", "40", "--seed", "3"]) == 0
    assert main(["materials", "eval", "--data", str(plain), "--model", model]) == 2
    assert "'colour' gives 0" in capsys.readouterr().err.replace("\n", " ")


def pooling(path: Path, side: int) -> Path:
    """A network that gives the mean colour of each square of pixels."""
    path.parent.mkdir(exist_ok=True)
    pictures = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, [None, 3, 224, 224])
    patches = helper.make_tensor_value_info("patches", TensorProto.FLOAT, [None, 3, 224 // side, 224 // side])
    node = helper.make_node("AveragePool", ["pictures"], ["patches"], kernel_shape=[side, side], strides=[side, side])
    graph = helper.make_graph([node], "pooling", [pictures], [patches])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_bad_input_is_told_in_a_line(folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "mass_kg.json").write_text('{"mug": -1}')
    for asked, expected in (
        (["eval", "--meshes", str(tmp_path), "--model", str(model)], "positive masses"),
        (["eval", "--model", str(model)], "either --data"),
        (["predict", str(folder / "none.obj"), "--model", str(model)], "can't be read"),
        (["predict", str(folder / "crate.obj"), "--model", str(folder / "crate.obj")], "crate.obj"),
        (["train", str(tmp_path), "--out", str(tmp_path / "run")], "make-data"),
        (["make-data", "--out", str(tmp_path / "data"), "--seed", "-1"], "seed must be 0 or more, found -1"),
        (["make-data", "--out", str(tmp_path / "data"), "--samples", "0"], "at least one sample"),
        (["make-data", "--out", str(tmp_path / "data"), "--onnx", str(tmp_path / "no.onnx")], "No such file"),
        (["train", str(tmp_path), "--out", str(tmp_path / "run"), "--seed", "-2"], "the seed 0 or more"),
    ):
        assert main(["materials", *asked]) == 2
        assert expected in capsys.readouterr().err.replace("\n", " ")
