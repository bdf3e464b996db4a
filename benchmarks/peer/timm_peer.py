"""Runs in .setup/peer (PyTorch, timm): features of given weights, or train steps to time.

parity.py and bench_train_step.py call it from the project's environment; the two sides exchange
`.npz` files and JSON.
"""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.machinery
import json
import sys
import types
from unittest import mock


class _StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Provides an empty torchvision: timm imports it everywhere, but its models don't use it."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torchvision":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__getattr__ = lambda name: mock.MagicMock(name=f"{spec.name}.{name}")
        module.__version__ = "0.0"
        return module

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, _StandIn())

import numpy as np  # noqa: E402
import timm  # noqa: E402
import torch  # noqa: E402
from timing import serve  # noqa: E402


def features(args: argparse.Namespace) -> None:
    """Pooled features of images [B, H, W, 3] in [0, 1] with the weights of an npz file.

    Computed in float64, so that a difference is ours; also prints the error of float32 here.
    """
    model = timm.create_model(args.model, pretrained=False, num_classes=0)
    model.load_pretrained(args.weights, prefix="resnet/")
    model.eval()
    images = torch.from_numpy(np.load(args.images)["images"].transpose(0, 3, 1, 2) * 2 - 1)
    with torch.inference_mode():
        rounded = model(images).numpy()
        exact = model.double()(images.double()).numpy()
    np.savez(args.out, features=exact)
    error = np.abs(rounded - exact).max() / np.abs(exact).max()
    print(json.dumps({"relative_error_of_timm_in_float32": float(error)}))


def speed(args: argparse.Namespace) -> None:
    """Serves training steps and forward passes on request."""
    torch.set_num_threads(args.threads)
    model = timm.create_model(args.model, pretrained=False, num_classes=args.classes)
    model = model.to(memory_format=torch.channels_last)
    images = torch.rand(args.batch, 3, args.size, args.size)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, args.classes, (args.batch,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.003, momentum=0.9)
    bf16 = args.precision == "bf16"

    def train() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()

    def forward() -> None:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            model(images)

    model.train()
    serve({"train": train, "forward": forward})


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("features")
    for name in ("model", "weights", "images", "out"):
        one.add_argument(f"--{name}", required=True)
    one.set_defaults(run=features)
    two = commands.add_parser("speed")
    two.add_argument("--model", default="resnetv2_50x1_bit")
    two.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    for name, default in (("batch", 16), ("size", 224), ("threads", 2), ("classes", 10)):
        two.add_argument(f"--{name}", type=int, default=default)
    two.set_defaults(run=speed)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
