#!/usr/bin/env bash
# A newcomer's first minutes: the wheel is built and installed in a fresh environment; then, in an empty folder without the
# repository, every block of code in README, docs/snippets.md and docs/extend.md is followed literally.
# Stops at the first error.        scripts/newcomer.sh [PYTHON]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${1:-$([ -x "$root/.venv/bin/python" ] && echo "$root/.venv/bin/python" || echo python3)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
export MPLBACKEND=agg PIP_DISABLE_PIP_VERSION_CHECK=1
began=$SECONDS

say() { printf '\n=== %s (%d s)\n' "$*" $((SECONDS - began)); }

say "a fresh environment with the built wheel"
"$python" -m venv "$work/venv"
PATH="$work/venv/bin:$PATH"
pip wheel --quiet --no-deps --wheel-dir "$work" "$root"
wheel=$(ls "$work"/minisnn-*.whl)
pip install --quiet --no-compile --constraint "$root/requirements.lock" "$wheel[data,reproduce]"
mkdir "$work/empty"
cd "$work/empty"
python - "$root" <<'END'
import pathlib, sys
import minisnn
where = pathlib.Path(minisnn.__file__).resolve()
assert not where.is_relative_to(sys.argv[1]), f"{where} is in the repository"
print("minisnn", minisnn.__version__, "in", where.parent)
END
minisnn --version

for page in README.md docs/snippets.md docs/extend.md; do
    say "$page"
    mkdir "$work/empty/$(basename "$page" .md)"
    cd "$work/empty/$(basename "$page" .md)"
    python "$root/scripts/steps.py" "$root/$page" > "$work/steps.sh"
    bash -euo pipefail "$work/steps.sh"
done
say "everything on these pages works"
