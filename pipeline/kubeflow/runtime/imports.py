"""Prevents a step from importing what only other steps need.

`tfx.components` imports every component, TFX's description of their parameters imports TensorFlow
Model Analysis, and TensorFlow imports Keras, which imports scikit-learn and Matplotlib. This is
half of the time of a step that copies a schema file. Here, importing these packages does not run
their `__init__`. It runs when a name that is not one of the package's modules is requested.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from typing import Any

_TFMA = "tensorflow_model_analysis"
_EVALUATOR = "tfx.components.evaluator.executor"
# TensorFlow's last line imports it, for what Keras 2 registers then; Keras 3 registers nothing.
_EAGER = "keras.src.optimizers"


def defer_packages() -> None:
    """Defers the heavy packages. Call before anything imports TensorFlow or TFX."""
    _import_tensorflow()
    importlib.import_module("tfx")
    for name in (_TFMA, "tfx.components"):
        if name not in sys.modules:
            _DeferredPackage.enter(name)


def spare_evaluator() -> None:
    """Prevents TFX's entrypoint from importing the Evaluator in other steps.

    TFX only checks whether the executor's class derives from the Evaluator's. Call this after
    importing the class: if that did not import the Evaluator, the answer is no.
    """
    if _EVALUATOR not in sys.modules:
        absent = types.ModuleType(_EVALUATOR, "Stands for TFX's Evaluator in other steps.")
        vars(absent)["Executor"] = type("Executor", (), {})
        sys.modules[_EVALUATOR] = absent


def _import_tensorflow() -> None:
    """Imports TensorFlow without Keras, unless either is already imported."""
    if not {"tensorflow", "keras"} & set(sys.modules):
        _DeferredPackage.enter("keras")
        modules: dict[str, Any] = sys.modules
        modules[_EAGER] = None  # an import of it fails, which TensorFlow expects
        importlib.import_module("tensorflow")
        del modules[_EAGER]


class _DeferredPackage(types.ModuleType):
    """A package whose modules can be imported before its own code runs."""

    @classmethod
    def enter(cls, name: str) -> None:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.submodule_search_locations is None:
            raise ModuleNotFoundError(f"no package is called {name}", name=name)
        module = cls(name)
        module.__spec__, module.__loader__, module.__file__ = spec, spec.loader, spec.origin
        module.__path__, module.__package__ = list(spec.submodule_search_locations), name
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)
        if importlib.util.find_spec(f"{self.__name__}.{name}"):
            return importlib.import_module(f"{self.__name__}.{name}")
        # From here on, it is a package like any other.
        object.__setattr__(self, "__class__", types.ModuleType)
        if self.__spec__ is not None and self.__spec__.loader is not None:
            self.__spec__.loader.exec_module(self)
        if self.__name__ == _TFMA:
            _complete_tfma(self)
        return getattr(self, name)


def _complete_tfma(package: types.ModuleType) -> None:
    """TFMA 0.52 names its configuration messages at top level only in some import orders."""
    config = importlib.import_module(f"{_TFMA}.proto.config_pb2")
    for name in config.DESCRIPTOR.message_types_by_name:
        if not hasattr(package, name):
            setattr(package, name, getattr(config, name))
