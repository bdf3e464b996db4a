"""Builds the image's root file system without a container engine, and runs a command in it.

    sudo python tests/image/build_in_chroot.py FOLDER [COMMAND ...]

Follows the Dockerfile line by line in chroots. Only the base image is a stand-in: Debian 13 by
debootstrap, with this machine's Python 3.11 in /usr/local. COMMAND (the image's CMD when there is
none) runs as the image's user. Needs root, Debian's debootstrap and archive keyring, and the
package mirrors that this machine uses.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITE = "trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What pip and uv take from the environment, and who they trust.
_PASSED = re.compile(r"(PIP|UV)_|(https?|no)_proxy$|SSL_CERT_FILE$", re.IGNORECASE)
_ENTER = (
    "mount --rbind /dev {0}/dev && mount -t proc proc {0}/proc && "
    "exec chroot --userspec={1} {0} /bin/sh -euc {2}"
)


class Stage:
    """One stage of the Dockerfile: a root file system and the state that instructions change."""

    def __init__(self, root: Path, base: Path) -> None:
        self.root = root
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root"}
        self.folder, self.user, self.command = "/", "0", ["python"]
        subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(root)], check=True)

    def run(self, script: str) -> int:
        script = f"cd {shlex.quote(self.folder)} && {script}"
        user = f"{self.user}:{self.user}"
        inner = _ENTER.format(shlex.quote(str(self.root)), user, shlex.quote(script))
        passed = {name: value for name, value in os.environ.items() if _PASSED.match(name)}
        return subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", inner],
            env={**passed, **self.environment},
        ).returncode

    def copy(self, sources: list[Path], target: str) -> None:
        place = self.root / os.path.join(self.folder, target).lstrip("/")
        for source in sources:
            into_folder = target.endswith(("/", ".")) or len(sources) > 1
            wanted = place / source.name if into_folder else place
            wanted.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, wanted, symlinks=True, dirs_exist_ok=True, ignore=ignored)
            else:
                shutil.copy2(source, wanted)


def make_base(root: Path) -> None:
    """Debian 13 with Python 3.11, which stands for python:3.11-slim-trixie."""
    mirrors = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    libraries = "ca-certificates,libssl3t64,libffi8,libsqlite3-0,zlib1g,libbz2-1.0,liblzma5"
    options = ["--variant=minbase", f"--keyring={KEYRING}", f"--include={libraries}"]
    subprocess.run(["debootstrap", *options, SUITE, str(root), mirrors[0]], check=True)
    home = Path(sys.base_prefix)
    version = f"python{sysconfig.get_python_version()}"
    ignored = shutil.ignore_patterns("site-packages", "__pycache__", "test", "idlelib")
    target = root / "usr/local"
    shutil.copytree(home / "lib" / version, target / "lib" / version, ignore=ignored)
    for library in (home / "lib").glob("libpython3*.so*"):
        shutil.copy2(library, target / "lib", follow_symlinks=False)
    shutil.copy2(home / "bin" / version, target / "bin" / version)
    for name in ("python", "python3"):
        (target / "bin" / name).symlink_to(version)
    for file in ("/etc/resolv.conf", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"):
        if os.path.exists(file):
            shutil.copy(file, root / file.lstrip("/"))
    subprocess.run(["chroot", str(root), "/sbin/ldconfig"], check=True)
    subprocess.run(["chroot", str(root), "/usr/local/bin/python", "-m", "ensurepip"], check=True)


def instructions(text: str) -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in joined.splitlines()]


def context() -> list[Path]:
    """What .dockerignore lets into the image."""
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    return [ROOT / rule[1:] for rule in rules if rule.startswith("!")]


def build(folder: Path) -> Stage:
    """Follows the Dockerfile; returns its last stage."""
    stages: dict[str, Stage] = {}
    stage = None
    for word, rest in instructions((ROOT / "Dockerfile").read_text()):
        print(f"--- {word} {rest}", flush=True)
        if word == "FROM":
            name = rest.partition(" AS ")[2] or "final"
            stage = stages[name] = Stage(folder / name, folder / "base")
        elif word == "RUN" and stage.run(rest):
            raise SystemExit(f"failed: RUN {rest}")
        elif word in ("ENV", "ARG") and stage:  # before the first FROM it names the base
            for item in shlex.split(rest):
                name, _, value = item.partition("=")
                value = os.environ.get(name, value) if word == "ARG" else value
                stage.environment[name] = value.replace("$PATH", stage.environment["PATH"])
        elif word == "WORKDIR":
            stage.folder = rest
            (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "USER":
            stage.user = rest
        elif word == "CMD":
            stage.command = json.loads(rest)
        elif word == "COPY":
            *sources, target = rest.split()
            if sources[0].startswith("--from="):
                origin = stages[sources.pop(0).removeprefix("--from=")].root
                stage.copy([origin / source.lstrip("/") for source in sources], target)
            else:
                found = context() if sources == ["."] else [ROOT / source for source in sources]
                stage.copy(found, target)
        elif word not in ("RUN", "ARG", "LABEL"):
            raise SystemExit(f"instruction {word} is not known here")
    return stage


def main(arguments: list[str]) -> int:
    """Builds, says how large the image is, runs the command."""
    folder = Path(arguments[0]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "base").is_dir():
        make_base(folder / "base")
    for name in ("packages", "final"):
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
    stage = build(folder)
    sizes = ("base", "final/opt/venv", "final")
    subprocess.run(["du", "-sh", *(str(folder / name) for name in sizes)], check=True)
    command = arguments[1:] or stage.command
    print("--- as user", stage.user, *command, flush=True)
    return stage.run(shlex.join(command))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
