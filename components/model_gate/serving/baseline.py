"""The last pushed model, found in the push destination.

It uses no Resolver: the folder shows what is being served, and the same graph runs on Kubeflow,
which has no Resolver.
"""

from __future__ import annotations

from pathlib import Path

from components.predictor.originals.pushed import model_digest
from schemas.model_versions import PushedModel, versions


def last_pushed(baseline_dir: str, candidate: str) -> PushedModel | None:
    """The newest pushed model that is not the candidate itself.

    The gate may judge a model that was already pushed; compared with itself, it would always pass.

    Args:
        baseline_dir: The push destination; may be missing.
        candidate: Folder of the exported model that is being judged.

    Raises:
        OSError: A version folder can't be read, or `baseline_dir` is not a path: treating an
            address as an empty folder would silently waive the comparison.
    """
    if "://" in baseline_dir:
        raise OSError("it is an address; give the path of a mounted folder")
    pushed = versions(Path(baseline_dir))
    if not pushed:
        return None
    own = model_digest(Path(candidate))
    return next((model for model in pushed if model_digest(model.folder) != own), None)


def folder_size(folder: Path) -> int:
    """Size in bytes of all files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
