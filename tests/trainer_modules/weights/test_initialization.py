"""First weights: every array of a released-layout file, and every way such a file is wrong."""

import hashlib
import io
import json
import pickle
import zipfile

import h5py
import numpy as np
import pytest

from schemas.errors import InputError
from trainer_modules.backbones.registry import build_backbone
from trainer_modules.settings import InitSettings, ModelSettings
from trainer_modules.weights.initialization import initialize

TINY = ModelSettings(units=(1, 2), root_filters=8)


def released_arrays(backbone, classes=5, seed=0):
    """Random arrays under the names of the released files, head included."""
    rng = np.random.default_rng(seed)
    arrays = {
        f"resnet/{weight.path}": rng.standard_normal(weight.shape, "float32")
        for weight in backbone.weights
    }
    width = backbone.output_shape[-1]
    arrays["resnet/head/conv2d/kernel"] = np.zeros((1, 1, width, classes), "float32")
    arrays["resnet/head/conv2d/bias"] = np.zeros(classes, "float32")
    return arrays


@pytest.fixture
def backbone():
    return build_backbone(TINY)


@pytest.fixture
def arrays(backbone):
    return released_arrays(backbone)


def load(backbone, path, source="bit_npz", **settings):
    return initialize(backbone, InitSettings(source=source, path=str(path), **settings))


def save(path, arrays, **kwargs):
    np.savez(path, **arrays, **kwargs)
    return path


KERNEL = "resnet/block2/unit02/b/standardized_conv2d/kernel"


def test_random_needs_no_file(backbone):
    assert initialize(backbone, InitSettings()).model_dump() == {"source": "random"}


def test_every_array_is_loaded_and_the_head_ignored(backbone, arrays, tmp_path):
    path = save(tmp_path / "BiT-tiny.npz", arrays)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    found = load(backbone, path, sha256=digest)
    assert found.model_dump() == {
        "source": "bit_npz",
        "file": "BiT-tiny.npz",
        "sha256": digest,
        "arrays": len(arrays) - 2,
    }
    json.loads(found.model_dump_json())  # goes to the model's card
    for weight in backbone.weights:
        np.testing.assert_array_equal(np.array(weight), arrays[f"resnet/{weight.path}"])


@pytest.mark.slow
def test_all_153_arrays_of_r50x1(tmp_path):
    backbone = build_backbone(ModelSettings(depth=50))
    arrays = released_arrays(backbone, classes=1000)
    assert len(arrays) == 153
    path = save(tmp_path / "BiT-S-R50x1.npz", arrays)
    assert load(backbone, path).arrays == 151
    for weight in backbone.weights:
        np.testing.assert_array_equal(np.array(weight), arrays[f"resnet/{weight.path}"])


def test_a_wrong_shape_is_found_in_every_array(backbone, arrays, tmp_path):
    path = tmp_path / "w.npz"
    for key in arrays:
        if "/head/" in key:
            continue
        save(path, arrays | {key: arrays[key][..., None]})
        with pytest.raises(InputError, match=f"{key} is "):
            load(backbone, path)


def test_fortran_order_and_compression_are_fine(backbone, arrays, tmp_path):
    ordered = {key: np.asfortranarray(array) for key, array in arrays.items()}
    np.savez_compressed(tmp_path / "w.npz", **ordered)
    load(backbone, tmp_path / "w.npz")
    for weight in backbone.weights:
        np.testing.assert_array_equal(np.array(weight), arrays[f"resnet/{weight.path}"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a | {KERNEL: a[KERNEL][..., :-1]}, r"unit02/b/.* is \(3, 3, 16, 15\), expected"),
        (lambda a: a | {KERNEL: a[KERNEL].astype("float64")}, "is float64, expected float32"),
        (lambda a: a | {KERNEL: a[KERNEL].astype(">f4")}, "is >f4, expected float32"),
        (lambda a: a | {KERNEL: a[KERNEL].astype("float16")}, "is float16, expected float32"),
        (lambda a: a | {KERNEL: np.array([{}], object)}, "is object, expected float32"),
        (lambda a: a | {KERNEL: np.full_like(a[KERNEL], np.nan)}, "not finite"),
        (lambda a: {k: v for k, v in a.items() if k != KERNEL}, f"Missing in the file: {KERNEL}"),
        (lambda a: a | {"resnet/block3/x": np.zeros(2, "f4")}, "only in the file: resnet/block3"),
        (lambda a: {}, "it holds 0 arrays besides the head"),
    ],
)
def test_arrays_that_do_not_fit(backbone, arrays, tmp_path, change, message):
    path = tmp_path / "wrong.npz"
    np.savez(path, allow_pickle=True, **change(arrays))
    before = backbone.get_weights()
    with pytest.raises(InputError, match=message) as caught:
        load(backbone, path)
    assert "wrong.npz" in str(caught.value)
    if "finite" not in message:  # headers are judged before any weight is replaced
        for old, new in zip(before, backbone.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


def test_nothing_is_unpickled(backbone, tmp_path, monkeypatch):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a file was unpickled",))

    for name in ("raw.npz", "inside.npz"):
        path = tmp_path / name
        if name == "raw.npz":
            path.write_bytes(pickle.dumps(Bomb()))
        else:
            with zipfile.ZipFile(path, "w") as archive:
                for weight in backbone.weights:
                    archive.writestr(f"resnet/{weight.path}.npy", pickle.dumps(Bomb()))
        with pytest.raises(InputError, match=name):
            load(backbone, path)


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_truncated_files(backbone, arrays, tmp_path, keep):
    path = save(tmp_path / "cut.npz", arrays)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if keep < 1 else keep])
    with pytest.raises(InputError, match=r"cut.npz is not a complete .npz file"):
        load(backbone, path)


def test_flipped_bits_are_caught_by_the_checksum(backbone, arrays, tmp_path):
    path = save(tmp_path / "flipped.npz", arrays)
    content = bytearray(path.read_bytes())
    position = content.find(arrays[KERNEL].tobytes()[:64])
    content[position + 40] ^= 0x01
    path.write_bytes(content)
    with pytest.raises(InputError, match="CRC"):
        load(backbone, path)


def test_a_large_claim_is_refused_from_its_header(backbone, arrays, tmp_path):
    path = tmp_path / "bomb.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 28,)}
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            data = header.getvalue() + bytes(1 << 22) if key == KERNEL else buffer.getvalue()
            archive.writestr(f"{key}.npy", data)
    with pytest.raises(InputError, match=r"\(268435456,\), expected \(3, 3, 16, 16\)"):
        load(backbone, path)


def test_data_beyond_the_header_is_refused(backbone, arrays, tmp_path):
    path = tmp_path / "more.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            archive.writestr(
                f"{key}.npy", buffer.getvalue() + bytes(1 << 20 if key == KERNEL else 0)
            )
    with pytest.raises(InputError, match="does not match its shape"):
        load(backbone, path)


def test_wrong_sha256(backbone, arrays, tmp_path):
    path = save(tmp_path / "w.npz", arrays)
    with pytest.raises(InputError, match="expected " + "0" * 64):
        load(backbone, path, sha256="0" * 64)


@pytest.mark.parametrize("source", ["bit_npz", "encoder"])
def test_missing_file(backbone, tmp_path, source):
    with pytest.raises(InputError, match=r"model.init.path: no file .*nowhere"):
        load(backbone, tmp_path / "nowhere", source)


def test_bit_file_for_another_family(arrays, tmp_path):
    simclr = build_backbone(ModelSettings(family="simclr", depth=18, units=(1,), root_filters=8))
    with pytest.raises(InputError, match=r"needs model.family 'bit'"):
        load(simclr, save(tmp_path / "w.npz", arrays))


@pytest.mark.slow
def test_encoder_of_an_earlier_run(backbone, tmp_path):
    folder = tmp_path / "pushed" / "assets.extra"
    folder.mkdir(parents=True)
    other = build_backbone(TINY)
    other.save_weights(folder / "encoder.weights.h5")
    for path in (folder / "encoder.weights.h5", folder, folder.parent):
        fresh = build_backbone(TINY)
        found = load(fresh, path, "encoder")
        assert found.arrays == len(fresh.weights)
        assert found.file == "encoder.weights.h5"
        for old, new in zip(other.get_weights(), fresh.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    "change",
    [{"units": (1, 1)}, {"units": (1, 3)}, {"units": (1, 2, 1)}, {"root_filters": 16}],
)
def test_encoder_of_another_network(backbone, tmp_path, change):
    path = tmp_path / "encoder.weights.h5"
    backbone.save_weights(path)
    other = build_backbone(TINY.model_copy(update=change))
    with pytest.raises(InputError, match="written for another backbone"):
        load(other, path, "encoder")


def test_encoder_file_that_is_none(backbone, tmp_path):
    path = tmp_path / "encoder.weights.h5"
    path.write_bytes(b"not an HDF5 file")
    with pytest.raises(InputError, match="not a complete HDF5"):
        load(backbone, path, "encoder")
    backbone.save_weights(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match=r"not a complete HDF5|does not fit"):
        load(backbone, path, "encoder")


@pytest.mark.parametrize("kind", ["external", "virtual", "linked"])
def test_encoder_file_whose_values_lie_in_another_file(backbone, tmp_path, kind):
    path, other = tmp_path / "encoder.weights.h5", tmp_path / "other"
    backbone.save_weights(path)
    with h5py.File(path, "r+") as file:
        found = {}
        file.visititems(lambda name, item: found.update({name: item}))
        name, array = next((n, i) for n, i in found.items() if isinstance(i, h5py.Dataset))
        shape, size = array.shape, array.nbytes
        del file[name]
        if kind == "external":
            other.write_bytes(bytes(size))
            file.create_dataset(name, shape, "float32", external=[(str(other), 0, size)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout(shape, "float32")
            layout[...] = h5py.VirtualSource(str(other), "values", shape)
            file.create_virtual_dataset(name, layout)
        else:
            file[name] = h5py.ExternalLink(str(other), "values")
    message = "written for another" if kind == "linked" else "lie in another file"
    with pytest.raises(InputError, match=message):
        load(backbone, path, "encoder")


def test_encoder_file_with_a_value_that_is_not_finite(backbone, tmp_path):
    path = tmp_path / "encoder.weights.h5"
    broken = build_backbone(TINY)
    broken.weights[0].assign(broken.weights[0] * np.nan)
    broken.save_weights(path)
    with pytest.raises(InputError, match=f"{broken.weights[0].path} holds values that are not"):
        load(build_backbone(TINY), path, "encoder")
