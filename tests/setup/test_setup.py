"""setup.sh in a world of stand-ins: a Python that makes empty environments, a uv that installs two
folders, and a PATH that holds nothing else than the tools named here. No network, no real packages.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = (
    *("awk", "basename", "bash", "cat", "cmp", "comm", "cp", "cut", "date", "df", "dirname"),
    *("find", "grep", "head", "id", "ln", "mkdir", "mv", "ps", "rm", "sed", "sha256sum", "sh"),
    *("shasum", "sleep", "sort", "tail", "touch"),
)

PYTHON = """#!/bin/sh
case "$*" in
  *"-m venv"*)
    for folder; do :; done
    mkdir -p "$folder/bin" "$folder/lib/python3.11/site-packages"
    cp "$0" "$folder/bin/python"
    case "$*" in *--without-pip*) ;; *) touch "$folder/bin/pip" ;; esac ;;
  *"-m pip --version"*) [ -z "${OWN_PIP:-}" ] && exit 1; echo "pip $OWN_PIP from somewhere" ;;
  *"-m pip --python "*" install"*) cp "$WORLD/uv" "$(dirname "$5")/uv" ;;
  *"-m pip install"*) cp "$WORLD/uv" "$(dirname "$0")/uv" ;;
  *"-m pip config"*) exit 1 ;;
  *"-S -c"*version_info*) echo 3.11.9 ;;
  *"-S -c"*) ;;
  *"-I -c"*) echo 3.11.9; echo "$0"; echo ;;
esac
"""

UV = """#!/bin/sh
[ "$1" = --version ] && exit 0
echo "$*" >>"$WORLD/uv-calls"
while [ "$1" != --python ]; do shift; done
packages="$(dirname "$2")/../lib/python3.11/site-packages"
mkdir -p "$packages/first"
if [ -e "$WORLD/uv-message" ]; then cat "$WORLD/uv-message" >&2; exit 1; fi
sleep "${UV_SECONDS:-0}"
mkdir -p "$packages/second"
"""


PROGRESS = (
    "setup: using Python",
    "setup: installing the installer",
    "setup: installing the locked packages into",
)


class World:
    """A checkout with stand-ins around it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.checkout = folder / "checkout"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.checkout.mkdir()
        shutil.copy(ROOT / "setup.sh", self.checkout)
        (self.checkout / "requirements.lock").write_text("first==1\n")
        (self.checkout / "requirements-gate.lock").write_text("first==1\n")
        (self.checkout / "requirements-dev.lock").write_text("uv==1\npatchelf==1\nsecond==1\n")
        for tool in TOOLS:
            if found := shutil.which(tool):
                (self.bin / tool).symlink_to(found)
        self.tool("uname", '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo x86_64\n')
        self.tool("getconf", "#!/bin/sh\necho glibc 2.41\n")
        self.tool("python3.11", PYTHON)
        self.tool("uv", UV, folder)

    def tool(self, name: str, script: str, folder: Path | None = None) -> Path:
        path = (folder or self.bin) / name
        path.write_text(script)
        path.chmod(0o755)
        return path

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            [self.bin / "bash", self.checkout / "setup.sh", *arguments],
            env={
                "PATH": str(self.bin),
                "HOME": str(self.folder),
                "WORLD": str(self.folder),
                **environment,
            },
            stderr=subprocess.PIPE,
            text=True,
        )

    def setup(self, *arguments: str, **environment: str) -> tuple[int, list[str]]:
        """Runs the set-up; returns its exit status and its lines."""
        process = self.start(*arguments, **environment)
        _, errors = process.communicate(timeout=30)
        return process.returncode, errors.splitlines()

    @property
    def installs(self) -> int:
        calls = self.folder / "uv-calls"
        return len(calls.read_text().splitlines()) if calls.exists() else 0

    @property
    def packages(self) -> Path:
        return self.checkout / ".venv/lib/python3.11/site-packages"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def ready(world: World) -> World:
    status, lines = world.setup()
    assert status == 0, lines
    assert (world.packages / "second").is_dir()
    return world


class TestASetUpThatIsDone:
    def test_second_call_does_nothing_and_takes_under_a_second(self, ready):
        began = time.monotonic()
        assert ready.setup() == (0, [])
        assert time.monotonic() - began < 1
        assert ready.installs == 1

    def test_changed_lock_is_synced_into_the_same_environment(self, ready):
        mark = ready.checkout / ".venv/mark"
        mark.touch()
        (ready.checkout / "requirements.lock").write_text("first==2\n")
        assert ready.setup()[0] == 0
        assert ready.installs == 2
        assert mark.exists()

    @pytest.mark.parametrize(
        "damage",
        [
            "rm -r .venv/lib/python3.11/site-packages/first",
            "rm .venv/bin/python",
            "printf 'exit 1' >.venv/bin/python",
            "rm .venv/setup-stamp",
            ": >.venv/setup-stamp",
            "sed -i.bak 2q .venv/setup-stamp",
        ],
    )
    def test_damage_is_repaired_by_building_anew(self, ready, damage):
        mark = ready.checkout / ".venv/mark"
        mark.touch()
        subprocess.run(damage, shell=True, check=True, cwd=ready.checkout)
        assert ready.setup()[0] == 0
        assert (ready.packages / "first").is_dir()
        assert not mark.exists()
        assert ready.setup() == (0, [])

    def test_another_python_builds_anew(self, ready):
        other = ready.tool("other", PYTHON.replace("3.11.9", "3.12.1"))
        assert ready.setup(PYTHON=str(other))[0] == 0
        assert ready.installs == 2
        assert ready.setup(PYTHON=str(other)) == (0, [])

    def test_moved_checkout_is_set_up_for_its_new_place(self, ready):
        ready.checkout = ready.checkout.rename(ready.folder / "elsewhere")
        assert ready.setup()[0] == 0
        assert ready.installs == 2


class TestTheGatesEnvironment:
    """`setup.sh gate`: a small environment beside the large one."""

    def test_it_stands_by_itself(self, world):
        status, lines = world.setup("gate")
        assert status == 0, lines
        assert lines[-1].endswith(".venv-gate/bin/python")
        assert (world.checkout / ".venv-gate/lib/python3.11/site-packages/second").is_dir()
        assert not (world.checkout / ".venv").exists()
        (call,) = (world.folder / "uv-calls").read_text().splitlines()
        assert call.endswith(f"--only-binary :all: {world.checkout}/requirements-gate.lock")
        assert "--require-hashes" in call
        assert world.setup("gate") == (0, [])
        assert world.installs == 1

    def test_neither_environment_is_renewed_for_the_others_lock(self, ready):
        assert ready.setup("gate")[0] == 0
        (ready.checkout / "requirements-gate.lock").write_text("first==2\n")
        assert ready.setup() == (0, [])
        assert ready.setup("gate")[0] == 0
        assert ready.installs == 3
        (ready.checkout / "requirements.lock").write_text("first==2\n")
        assert ready.setup("gate") == (0, [])

    def test_systems_without_tensorflow_will_do(self, world):
        world.tool("getconf", "#!/bin/sh\necho glibc 2.28\n")
        world.tool("uname", '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo aarch64\n')
        assert world.setup()[0] == 2
        assert world.setup("gate")[0] == 0

    def test_another_word_is_refused(self, world):
        status, lines = world.setup("gates")
        assert status == 2
        assert lines == [
            'setup: "gates" is not known; give nothing (all packages) or gate (those of the gate)'
        ]


class TestPip:
    """The installer is installed with the Python's own pip, if that can."""

    @pytest.mark.parametrize(("version", "own"), [("24.0", True), ("22.0.2", False), ("", False)])
    def test_a_recent_one_is_used_an_old_one_replaced(self, world, version, own):
        assert world.setup(OWN_PIP=version)[0] == 0
        log = (world.checkout / ".setup/log").read_text()
        tools = world.checkout / ".setup/tools/bin"
        assert (f"$ {world.bin}/python3.11 -I -m venv --without-pip {tools.parent}" in log) == own
        assert (tools / "pip").exists() != own
        assert (tools / "uv").exists()
        # An environment whose tools are there asks the same pip for its settings.
        (world.checkout / "requirements.lock").write_text("first==2\n")
        assert world.setup(OWN_PIP=version)[0] == 0
        assert world.installs == 2


class TestInterruption:
    def test_failed_install_starts_over(self, world):
        message = world.folder / "uv-message"
        message.write_text("error: disk quota exceeded\n")
        status, lines = world.setup()
        assert status == 2
        assert "disk quota exceeded" in lines[-1]
        assert ".setup/log" in lines[-1]
        message.unlink()
        (world.packages / "leftover").mkdir()
        assert world.setup()[0] == 0
        assert not (world.packages / "leftover").exists()

    def test_lock_of_a_dead_set_up_is_taken_over(self, world):
        dead = subprocess.Popen(["true"])
        dead.wait()
        held = world.checkout / ".setup/lock"
        held.mkdir(parents=True)
        (held / "pid").write_text(f"{dead.pid}\n")
        assert world.setup()[0] == 0
        assert not held.exists()

    def test_uv_of_a_killed_set_up_is_ended(self, world):
        uv = world.checkout / ".setup/tools/bin/uv"
        uv.parent.mkdir(parents=True)
        shutil.copy(shutil.which("sleep"), uv)
        orphan = subprocess.Popen([uv, "30"])
        assert world.setup()[0] == 0
        assert orphan.wait(timeout=1) != 0

    def test_two_at_once_install_once(self, world):
        both = [world.start(UV_SECONDS="0.5") for _ in range(2)]
        outputs = [process.communicate(timeout=30)[1] for process in both]
        assert [process.returncode for process in both] == [0, 0]
        assert world.installs == 1
        assert "waiting for it" in "".join(outputs)


class TestRefusals:
    """Each is one line that says what is wrong and what to do, with exit status 2."""

    def refused(self, world: World, **environment: str) -> str:
        status, lines = world.setup(**environment)
        assert status == 2
        refusal = [line for line in lines if not line.startswith(PROGRESS)]
        assert len(refusal) == 1, lines
        return refusal[0]

    def test_asked_python_is_too_old(self, world):
        old = world.tool("old", "#!/bin/sh\necho is 3.10\nexit 1\n")
        line = self.refused(world, PYTHON=str(old))
        assert "is 3.10" in line
        assert "3.11, 3.12 or 3.13" in line

    def test_asked_python_does_not_exist(self, world):
        assert "PYTHON=/nowhere/python" in self.refused(world, PYTHON="/nowhere/python")

    def test_python_without_venv(self, world):
        world.tool("python3.11", "#!/bin/sh\necho 'lacks the module ensurepip'\nexit 1\n")
        assert "lacks the module ensurepip" in self.refused(world)

    def test_shim_that_refuses_to_run_is_passed_over(self, world):
        world.tool("python3.11", "#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n")
        world.tool("python3.12", PYTHON.replace("3.11.9", "3.12.1"))
        assert world.setup()[0] == 0

    def test_no_python(self, world):
        (world.bin / "python3.11").unlink()
        assert "install Python 3.11, 3.12 or 3.13" in self.refused(world)

    def test_old_glibc_without_apt(self, world):
        world.tool("getconf", "#!/bin/sh\necho glibc 2.31\n")
        line = self.refused(world)
        assert "glibc 2.31" in line
        assert "Dockerfile" in line

    def test_no_glibc(self, world):
        world.tool("getconf", "#!/bin/sh\nexit 1\n")
        assert "Dockerfile" in self.refused(world)

    def test_unsupported_machine(self, world):
        world.tool("uname", '#!/bin/sh\n[ "$1" = -s ] && echo Darwin || echo x86_64\n')
        line = self.refused(world)
        assert "Darwin" in line
        assert "Dockerfile" in line

    def test_linux_on_arm(self, world):
        world.tool("uname", '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo aarch64\n')
        assert "--platform linux/amd64" in self.refused(world)

    def test_no_network(self, world):
        (world.folder / "uv-message").write_text(
            "error: Failed to fetch: `keras`\n  Caused by: dns error: Name or service not known\n"
        )
        assert "check the network" in self.refused(world)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
    def test_folder_that_cannot_be_written(self, world):
        world.checkout.chmod(0o555)
        assert "folder of yours" in self.refused(world)
