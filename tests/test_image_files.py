"""`minisnn predict`, `evaluate` and `inspect`: files and data in, sentences and pictures out."""

import csv
import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest

from data_loaders import load
from data_loaders.common.errors import DataError
from data_loaders.common.info import DataInfo
from minisnn import cli, load_digits
from minisnn.commands.predict import predict_files
from minisnn.recipes import ESL_MLP_DEFAULTS, LIF_DEFAULTS
from minisnn.runs import start
from minisnn.runs.image_files import read_images

Image = pytest.importorskip("PIL.Image")
pytestmark = pytest.mark.filterwarnings(r"ignore:epoch \d+. (dead|saturated) layer")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "lif"
    recipe = replace(LIF_DEFAULTS["digits"], net="8C3-AP2-10FC", T=2, epochs=3, batch_size=50, lr=0.01)
    start.train(recipe, out=out, pictures=False)
    return out


@pytest.fixture(scope="module")
def run(folder):
    return start.load(folder)


IMAGES = load_digits().test.images[:6]  # 0 to 16


def png(path, image, mode="L", **options):
    grey = np.rint(image[..., 0] * (255 / 16)).astype(np.uint8)
    Image.fromarray(grey).convert(mode).save(path, **options)
    return path


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_a_png_is_the_image_that_it_was(tmp_path, run, mode):
    for image in IMAGES:
        found = read_images(png(tmp_path / "a.png", image, mode), run.info)
        np.testing.assert_array_equal(found, image[None])


def test_sixteen_bits_and_jpg(tmp_path, run):
    deep = np.rint(IMAGES[0, ..., 0] * (65535 / 16)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_images(tmp_path / "deep.png", run.info), IMAGES[:1])
    found = read_images(png(tmp_path / "a.jpg", IMAGES[0], quality=100), run.info)
    assert abs(found.astype(int) - IMAGES[:1]).max() <= 1


def test_colour(tmp_path, run):
    x = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    info = replace(run.info, shape=(5, 7, 3), max_value=255, mean=(0.5,) * 3, std=(0.1,) * 3)
    Image.fromarray(x).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_images(tmp_path / "a.png", info), x[None])
    Image.fromarray(x[..., 0]).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_images(tmp_path / "grey.png", info), x[None, ..., :1].repeat(3, -1))


def several(folder):
    """Files of six images, and the rows that they should have."""
    png(folder / "first.PNG", IMAGES[0])
    np.save(folder / "one.npy", IMAGES[1, ..., 0])
    np.savez(folder / "many.npz", images=IMAGES[2:], labels=np.zeros(4))
    return [folder / name for name in ("first.PNG", "one.npy", "many.npz")]


def test_several_files(tmp_path, run, folder, capsys):
    files = several(tmp_path)
    rows = predict_files(run, files)
    assert [row["class"] for row in rows] == run.predict(IMAGES).tolist()
    assert [row["score"] for row in rows] == pytest.approx(run.scores(IMAGES).max(1).tolist())
    assert [(row["file"], row["index"]) for row in rows] == [
        (str(files[0]), 0), (str(files[1]), 0), *((str(files[2]), n) for n in range(4)),
    ]  # fmt: skip
    words = ["predict", str(folder), *map(str, files)]
    assert cli.main([*words, "--json", "--out", str(tmp_path / "out.csv")]) == 0
    assert json.loads(capsys.readouterr().out) == rows
    with (tmp_path / "out.csv").open(newline="") as file:
        assert [row["class"] for row in csv.DictReader(file)] == [str(row["class"]) for row in rows]
    assert cli.main(words) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["file", "class", "score"]
    assert [line.split()[1] for line in lines] == [str(row["class"]) for row in rows]
    assert [line.split()[0] for line in lines][-1] == f"{files[2]}[3]"


def test_no_class_has_no_score(tmp_path, capsys):
    out = tmp_path / "mlp"
    run = start.train(
        replace(ESL_MLP_DEFAULTS["digits"], hidden=(20,), epsilon=4.0, epochs=1), out=out, pictures=False
    )
    run.state.params["output.weight"][:] = 0
    np.save(tmp_path / "a.npy", IMAGES)
    rows = predict_files(run, [tmp_path / "a.npy"])
    assert {(row["class"], row["score"]) for row in rows} == {(-1, None)}
    json.dumps(rows, allow_nan=False)
    run.info = replace(run.info, class_names=tuple("abcdefghij"))
    assert {row["class"] for row in predict_files(run, [tmp_path / "a.npy"])} == {"none"}


def made(path, how):
    """A file that cannot be used."""
    if how == "folder":
        path.mkdir()
    elif isinstance(how, bytes):
        path.write_bytes(how)
    elif callable(how):
        how(path)
    return path


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        ("a.png", None, "there is no such file"),
        ("a.png", "folder", "there is no such file"),
        ("a.txt", b"x", "expected a file with the ending .png, .jpg, .jpeg, .bmp, .npy, .npz"),
        ("a.png", b"", "cannot be read as a PNG"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(50), "cannot be read as a PNG"),
        ("a.jpg", b"\xff\xd8\xff\xe0" + bytes(50), "cannot be read as a PNG"),
        ("a.png", lambda p: Image.new("L", (9, 8)).save(p), "expected a picture of 8x8, found 8x9"),
        ("a.npy", b"", "cannot be read as an array"),
        ("a.npy", b"\x93NUMPY\x01\x00v\x00" + bytes(100), "cannot be read as an array"),
        ("a.npz", b"PK\x03\x04" + bytes(60), ""),
        ("a.npy", lambda p: np.save(p, np.array([{}], object), allow_pickle=True), "cannot be read as an array"),
        ("a.npz", lambda p: np.savez(p, pictures=IMAGES), "expected arrays named images, .* found 'pictures'"),
        ("a.npz", lambda p: np.savez(p, labels=IMAGES), "expected an array named images, found labels"),
        ("a.npz", lambda p: np.savez(p), "expected an array named images, found none"),
        ("a.npy", lambda p: np.save(p, IMAGES[:, :7]), r"images must be \[B, 8, 8, 1\] .* found shape \(6, 7, 8, 1\)"),
        ("a.npy", lambda p: np.save(p, IMAGES * 15), "images must be integers from 0 to 16, found 0 to 240"),
        ("a.npy", lambda p: np.save(p, IMAGES[:0]), r"found shape \(0, 8, 8, 1\)"),
        ("a.npy", lambda p: np.save(p, np.full((8, 8), np.nan)), "images must be from 0 to 1"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used(tmp_path, run, folder, capsys, name, how, message):
    path = made(tmp_path / name, how)
    with pytest.raises(DataError, match=rf"{path}: .*{message}" if "there is" not in message else message):
        read_images(path, run.info)
    out = tmp_path / "out.csv"
    good = tmp_path / "good.npy"
    np.save(good, IMAGES)
    assert cli.main(["predict", str(folder), str(good), str(path), "--out", str(out)]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("minisnn: error: ")
    assert str(path) in said.err
    assert said.err.count("\n") == 1
    assert said.out.count("good.npy") == len(IMAGES)  # the others are predicted
    with out.open(newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == [str(good)] * len(IMAGES)
    assert cli.main(["predict", str(folder), str(path), "--json"]) == 2
    assert capsys.readouterr().out == "[]\n"


def test_half_a_picture(tmp_path, run):
    whole = png(tmp_path / "a.png", IMAGES[0]).read_bytes()
    for cut in range(0, len(whole), 7):
        (tmp_path / "a.png").write_bytes(whole[:cut])
        try:
            np.testing.assert_array_equal(read_images(tmp_path / "a.png", run.info), IMAGES[:1])
        except DataError as error:
            assert "a.png" in str(error)


def test_recordings(tmp_path):
    recipe = replace(LIF_DEFAULTS["event-digits"], net="4C3-AP4-10FC", epochs=1, batch_size=100)
    run = start.train(recipe, out=tmp_path / "run", pictures=False)
    frames = load("event-digits", 5).test.images[:3]
    np.savez(tmp_path / "a.npz", images=frames)
    rows = predict_files(run, [tmp_path / "a.npz"])
    assert [row["class"] for row in rows] == run.predict(frames).tolist()
    with pytest.raises(DataError, match=r"a.png: the network takes recordings: give their frames"):
        read_images(png(tmp_path / "a.png", IMAGES[0]), run.info)
    two = vars(load_digits().info) | {"shape": (8, 8, 2), "mean": (0.5,) * 2, "std": (0.1,) * 2}
    with pytest.raises(DataError, match="the network takes 2 channels, a picture has 1 or 3"):
        read_images(tmp_path / "a.png", DataInfo(**two))


def test_evaluate(folder, run, capsys):
    assert cli.main(["evaluate", str(folder)]) == 0
    expected = run.result["test_accuracy"]
    assert f"accuracy {expected:.2f} %" in (said := capsys.readouterr().out)
    assert "355 images of digits (test)" in said
    assert cli.main(["evaluate", str(folder), "--data", "digits", "--split", "validation", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "data": "digits", "split": "validation", "accuracy": pytest.approx(run.result["val_accuracy"]),
        "loss": pytest.approx(run.log[-1]["val_loss"]), "n": 140,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "mnist-stand-in"], "needs data like 'digits'"),
        (["--data", "event-digits"], "found 'event-digits'"),
        (["--data", "no such"], "no such"),
    ],
)
@pytest.mark.parametrize("command", ["evaluate", "inspect"])
def test_other_data(folder, capsys, command, words, message):
    before = sorted(folder.iterdir())
    assert cli.main([command, str(folder), *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("minisnn: error: ")
    assert message in said
    assert said.count("\n") == 1
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("command", [["predict", "RUN", "a.png"], ["evaluate", "RUN"], ["inspect", "RUN"]])
def test_folders_that_are_no_run(tmp_path, capsys, command):
    words = [str(tmp_path) if word == "RUN" else word for word in command]
    assert cli.main(words) == 2
    assert capsys.readouterr().err == f"minisnn: error: {tmp_path} holds no run: there is no config.json\n"


def test_inspect(folder, tmp_path, capsys):
    out = tmp_path / "page.png"
    assert cli.main(["inspect", str(folder), "--sample", "3", "--out", str(out)]) == 0
    assert f"sample 3 of digits is of class {load_digits().test.labels[3]}, the network predicts" in (
        said := capsys.readouterr().out
    )
    assert f"{out} is the picture" in said
    assert out.read_bytes().startswith(b"\x89PNG")
    assert cli.main(["inspect", str(folder)]) == 0
    assert (folder / "sample-0.png").exists()
    (folder / "sample-0.png").unlink()
    for n in ("-1", "355"):
        assert cli.main(["inspect", str(folder), "--sample", n]) == 2
        assert (
            f"sample must be 0 to 354, as the test set of digits has 355, found {n}"
            in capsys.readouterr().err
        )


def test_help_teaches(capsys):
    for command in ("predict", "evaluate", "inspect"):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        assert f"minisnn {command} runs/" in capsys.readouterr().out


def test_a_run_of_a_gpu_is_used_without_one(folder, tmp_path, capsys, monkeypatch):
    """What was trained there predicts on any machine."""
    config = json.loads((folder / "config.json").read_text())
    config["recipe"]["device"] = "gpu"
    away = shutil.copytree(folder, tmp_path / "away")
    (away / "config.json").write_text(json.dumps(config))
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert cli.main(["evaluate", str(away)]) == 2
    assert "CuPy" in capsys.readouterr().err
    np.save(tmp_path / "a.npy", IMAGES)
    for words in (["evaluate", str(away)], ["predict", str(away), str(tmp_path / "a.npy")],
                  ["inspect", str(away), "--out", str(tmp_path / "page.png")]):  # fmt: skip
        assert cli.main([*words, "--device", "cpu"]) == 0
    assert start.load(away, "cpu").predict(IMAGES).tolist() == start.load(folder).predict(IMAGES).tolist()
