#!/usr/bin/env bash
# Makes .setup/peer, the environment of PyTorch and timm, from the registry pip is configured for.
set -euo pipefail
cd "$(dirname "$0")/../.."
requirements=benchmarks/peer/requirements.txt
stamp=.setup/peer/requirements.txt
if cmp -s "$requirements" "$stamp"; then exit 0; fi
rm -rf .setup/peer
mkdir -p .setup
"${PYTHON:-python3}" -m venv .setup/peer
# torch with what it needs; the rest of the list as it stands, without timm's torchvision.
.setup/peer/bin/pip install -qq "$(grep '^torch==' "$requirements")"
.setup/peer/bin/pip install -qq $(grep -v '^\(#\|torch==\|timm==\)' "$requirements")
.setup/peer/bin/pip install -qq --no-deps "$(grep '^timm==' "$requirements")"
cp "$requirements" "$stamp"
