"""Source `tfds`: a prepared TensorFlow Datasets data set, of any builder with an image feature.

Input: `data.root` is the folder of a prepared version (it holds dataset_info.json), or a data_dir
    with the builder named in `data.tfds.name`, for example `cifar10` or `patch_camelyon`. Data
    that are not prepared yet are downloaded if `data.tfds.prepare` is set. The image is the
    builder's first Image feature, unless `data.tfds.keys.image` names another.
Labels: a multiclass task takes the names of a ClassLabel (rename with `data.label_columns`, class
    of the task: class of the builder). A binary label is the class of its name, or the index where
    classes are only numbered. Multilabel: a sequence of ClassLabels, or a 0/1 feature for each
    label. `data.tfds.keys` names the feature; by default it is the one with the label's name,
    otherwise the builder's supervised target.
Metadata: `patient_id`, `study_id`, `slide_id`, `site` and subgroups through
    `data.tfds.keys`. Builders rarely tell patients: then every image counts as its own,
    and overlap is not checked. A feature that looks like a patient's id has to be named.
Official split: train, validation (val, valid), test, unlabeled (unsupervised); others as
    `data.tfds.splits` says.
Citation, license: those of the builder (`tfds.builder(NAME).info`).
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.image_example_gen.rows.row import Offer
from components.image_example_gen.sources.tfrecord import TfrecordSource
from components.image_example_gen.tables import patient_ids
from components.image_example_gen.tables.label_names import snake_case
from components.image_example_gen.writing.tf_records import Value
from schemas import features
from schemas.errors import InputError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

_SPLITS = {
    "train": features.TRAIN,
    "validation": features.VALIDATION,
    "valid": features.VALIDATION,
    "val": features.VALIDATION,
    "test": features.TEST,
    "unlabeled": features.UNLABELED,
    "unlabelled": features.UNLABELED,
    "unsupervised": features.UNLABELED,
}


class TfdsSource(TfrecordSource):
    """Rows of the record files that TensorFlow Datasets wrote."""

    def check(self) -> None:
        """See `rows.Source`."""
        for name in self._task.labels:
            self._label_feature(name)
            self._class_values(name)
        super().check()

    def offers(self) -> Offer:
        """See `rows.Source`: patients as far as a feature has, or seems to have, their ids."""
        named = self._data.tfds.keys.get(features.PATIENT_ID, features.PATIENT_ID) in self._features
        tells = named or bool(patient_ids.like_patients(self._feature_names()))
        return dataclasses.replace(super().offers(), patients=tells)

    def patients_advice(self) -> str:
        """See `rows.Source`."""
        return super().patients_advice().replace("data.tfrecord", "data.tfds")

    def _feature_names(self) -> Iterable[str]:
        return self._features

    @functools.cached_property
    def _builder(self) -> tfds.core.DatasetBuilder:
        import tensorflow_datasets as tfds

        root, settings = self._data.root, self._data.tfds
        if not settings.name:
            if not os.path.isfile(os.path.join(root, "dataset_info.json")):
                raise InputError(
                    f"data.root '{root}' contains no dataset_info.json: name the folder of a "
                    "prepared version, or the builder in data.tfds.name"
                )
            return tfds.builder_from_directory(root)
        try:
            builder = tfds.builder(settings.name, data_dir=root)
        except (tfds.core.registered.DatasetNotFoundError, ValueError, AssertionError) as error:
            first = str(error).strip().splitlines() or [type(error).__name__]
            raise InputError(f"data.tfds.name '{settings.name}': {first[0]}") from None
        if not os.path.isfile(os.path.join(builder.data_path, "dataset_info.json")):
            if not settings.prepare:
                raise InputError(
                    f"data.tfds.name '{settings.name}' is not prepared in data.root '{root}': set "
                    "data.tfds.prepare=true, or run `tfds build` with --data_dir"
                )
            builder.download_and_prepare()
        return builder

    @functools.cached_property
    def _places(self) -> dict[str, str]:
        """Record file: split here."""
        import tensorflow_datasets as tfds

        if self._builder.info.file_format != tfds.core.FileFormat.TFRECORD:
            raise InputError(
                f"data.tfds: the data set is stored as {self._builder.info.file_format.value}; "
                "prepare it with the file format tfrecord"
            )
        names = {**_SPLITS, **self._data.tfds.splits}
        places: dict[str, str] = {}
        for name, split in self._builder.info.splits.items():
            if name not in names:
                raise InputError(
                    f"data.tfds.splits: the builder's split '{name}' is not mapped; give "
                    f"{{{name}: SPLIT}} with one of {', '.join(dict.fromkeys(_SPLITS.values()))}"
                )
            places |= dict.fromkeys(split.filenames, names[name])
        return places

    @functools.cached_property
    def _files(self) -> Sequence[str]:
        return sorted(self._places)

    def _folder(self) -> str:
        return os.fspath(self._builder.data_path)

    def _split_of(self, name: str) -> str | None:
        return self._places[name]

    def _pattern(self) -> str:
        return "data.tfds"

    def _image_key(self) -> str:
        import tensorflow_datasets as tfds

        mapped = self._data.tfds.keys.get("image")
        images = [
            key
            for key, feature in self._features.items()
            if isinstance(feature, tfds.features.Image)
        ]
        if (mapped and mapped not in images) or not images:
            raise InputError(
                f"data.tfds.keys.image '{mapped or ''}': the builder's image features are "
                f"{', '.join(images) or 'none'}"
            )
        return mapped or images[0]

    @property
    def _features(self) -> Mapping[str, tfds.features.FeatureConnector]:
        return self._builder.info.features

    def _key(self, name: str, record: Mapping[str, list[Value]]) -> str:
        if name in self._task.labels:
            return self._label_feature(name)
        return self._data.tfds.keys.get(name, name)

    def _label_feature(self, name: str) -> str:
        supervised: Sequence[Any] = self._builder.info.supervised_keys or ()
        target = supervised[1] if len(supervised) > 1 and isinstance(supervised[1], str) else name
        key = self._data.tfds.keys.get(name, name if name in self._features else target)
        if key not in self._features:
            raise InputError(
                f"task.labels names '{name}': the builder has no feature '{key}' and no other "
                f"target; map it in data.tfds.keys to one of {', '.join(self._features)}"
            )
        return key

    def _label(self, number: int, name: str, record: Mapping[str, list[Value]]) -> float | None:
        key, classes = self._label_feature(name), self._class_values(name)
        values = record.get(key, [])
        if classes is None:
            return super()._label(number, name, record)
        if self._is_sequence(key):
            return float(any(classes[int(value)] for value in values))
        # TensorFlow Datasets marks a hidden label with -1.
        if not values or int(values[0]) < 0:
            return None
        return classes[int(values[0])]

    def _is_sequence(self, key: str) -> bool:
        import tensorflow_datasets as tfds

        return isinstance(self._features[key], tfds.features.Sequence)

    @functools.lru_cache(maxsize=256)  # noqa: B019 (a source lives as long as its run)
    def _class_values(self, label: str) -> tuple[float, ...] | None:
        """What each class of the label's feature means; None for a feature without classes."""
        import tensorflow_datasets as tfds

        key = self._label_feature(label)
        feature = self._features[key]
        if self._is_sequence(key):
            feature = feature.feature
        if not isinstance(feature, tfds.features.ClassLabel):
            return None
        if self._task.classes:
            return tuple(float(self._class(key, name)) for name in feature.names)
        meant = self._data.label_columns.get(label, label)
        hits = [meant in (name, snake_case(name)) for name in feature.names]
        if any(hits):
            return tuple(map(float, hits))
        if list(feature.names) == ["0", "1"]:
            return 0.0, 1.0
        raise InputError(
            f"task.labels names '{label}', which is not a class of the builder's '{key}' "
            f"({', '.join(feature.names[:30])}); data.label_columns can map it to one"
        )

    def _class(self, key: str, name: str) -> int:
        renamed = {theirs: ours for ours, theirs in self._data.label_columns.items()}
        for candidate in (renamed.get(name, name), snake_case(name)):
            if candidate in self._task.classes:
                return self._task.classes.index(candidate)
        raise InputError(
            f"the builder's '{key}' has the class '{name}', which is not in task.classes; "
            "rename classes with data.label_columns"
        )

    def _check_keys(self) -> None:
        self._image_key()
        wanted = (*self._data.subgroups, *self._data.tfds.keys)
        for name in wanted:
            key = self._data.tfds.keys.get(name, name)
            if key not in self._features:
                raise InputError(
                    f"data.tfds.keys: '{name}' is expected in the feature '{key}'; the builder "
                    f"has {', '.join(self._features)}"
                )
