#!/usr/bin/env bash
# Renews the lock files: exact versions with hashes, no addresses. Usage: infra/lock.sh .venv/bin
set -euo pipefail
bin=$1
compile() { "$bin/uv" pip compile -q --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 "$@"; }
compile pyproject.toml infra/build-requirements.in -o requirements.lock
compile pyproject.toml infra/build-requirements.in --extra scale -c requirements.lock -o requirements-scale.lock
compile pyproject.toml infra/build-requirements.in --extra dev --extra scale -c requirements-scale.lock -o requirements-dev.lock
compile pyproject.toml --extra train -c requirements.lock -o requirements-train.lock
