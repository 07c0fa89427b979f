#!/usr/bin/env bash
# Judges the simulated Hub by three clients that nobody here wrote, unmodified and without xet: huggingface_hub 2.4.0 and
# 0.36.2, @huggingface/hub from npm. Everything runs twice: regular files answered in place, and behind a redirect.
# Arguments: the program that serves a Hub (the example serve_hub), the Python of each of the two, and the folder that
# holds node_modules. Exits non-zero on the first difference; every client has three minutes.
set -euo pipefail

serve=$1
python_now=$2
python_before=$3
modules=$4
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
simulator=
finish() {
    if [[ -n $simulator ]]; then kill "$simulator" 2>/dev/null || true; fi
    rm -rf "$scratch"
}
trap finish EXIT
export TMPDIR=$scratch

for cached in false true; do
    "$serve" --page 3 --multipart-above 100000 --chunk 40000 --resolve-cache "$cached" >"$scratch/ready" &
    simulator=$!
    for _ in $(seq 100); do
        if [[ -s $scratch/ready ]] || ! kill -0 "$simulator" 2>/dev/null; then break; fi
        sleep 0.1
    done
    ready=$(head -1 "$scratch/ready")
    test -n "$ready"
    timeout 180 "$python_now" "$here/hub_python.py" "$ready" judge-now
    timeout 180 "$python_before" "$here/hub_python.py" "$ready" judge-before
    timeout 180 node "$here/hub_js.mjs" "$ready" "$modules"
    kill "$simulator"
    wait "$simulator" 2>/dev/null || true
    simulator=
done
echo "hub: all well"
