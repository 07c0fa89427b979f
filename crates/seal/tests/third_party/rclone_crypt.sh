#!/usr/bin/env bash
# Judges the crate landfall-seal by rclone 1.75, unmodified: each reads what the other wrote, names and content, in every
# mode. Arguments: the path of rclone (default: PATH), and the example program `seal` (default: built here).
# Exits non-zero on the first difference.
set -euo pipefail

rclone=${1:-rclone}
seal=${2:-}
if [[ -z $seal ]]; then
    cd "$(dirname "$0")/../../../.."
    cargo build --quiet --locked -p landfall-seal --example seal
    seal=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/debug/examples/seal
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export LC_ALL=C.UTF-8
unset "${!RCLONE_@}"

plain=$scratch/plain
mkdir -p "$plain/利用者/写真" "$plain/b"
python3 - "$plain" <<'PYTHON'
import random, sys
from pathlib import Path
root, random = Path(sys.argv[1]), random.Random(1)
sizes = [0, 1, 16, 65535, 65536, 65537, 131072, 200000, 1048579]
names = ["空.txt", "一.jpg", "利用者/写真/花火大会①.mp4", "利用者/写真/!感嘆!.png", "b/é.bin", "b/report-v2024-01-02-030405-678.pdf",
         "利用者/half-v2024-13-02-030405-678.pdf", "b/trailing .", "利用者/0123456789 ÿ.jpeg"]
for size, name in zip(sizes, names):
    (root / name).write_bytes(random.randbytes(size))
PYTHON

password=$("$rclone" obscure '合言葉 potato')
password2=$("$rclone" obscure '塩')
remote() { "$rclone" --config "$scratch/rclone.conf" --retries 1 "$@"; }
ours() { "$seal" "$scratch/rclone.conf" "$@"; }
# The files below a folder, one path a line.
files() { (cd "$1" && find . -type f | sed 's,^\./,,' | sort); }

# Both directions with the configuration that stands in rclone.conf; the argument says which.
both_ways() {
    local mode=$1 path sealed
    rm -rf "$scratch/theirs" "$scratch/ours" "$scratch/opened"
    mkdir -p "$scratch/theirs" "$scratch/ours"

    # We read what rclone wrote.
    remote copy "$plain" "box:theirs"
    while IFS= read -r sealed; do
        path=$(ours plain-name "$sealed")
        cmp -s <(ours name "$path") <(printf '%s\n' "$sealed") || { echo "$mode: $path is not $sealed" >&2; return 1; }
        ours decrypt "$scratch/theirs/$sealed" "$scratch/opened" >"$scratch/digest"
        cmp "$scratch/opened" "$plain/$path"
        test "$(cat "$scratch/digest")" = "$(sha256sum <"$plain/$path" | cut -d' ' -f1)"
        printf '%s\n' "$path" >>"$scratch/paths"
    done < <(files "$scratch/theirs")
    sort "$scratch/paths" | cmp - <(files "$plain")
    rm "$scratch/paths"

    # rclone reads what we wrote.
    while IFS= read -r path; do
        sealed=$(ours name "$path")
        mkdir -p "$(dirname "$scratch/ours/$sealed")"
        ours encrypt "$plain/$path" "$scratch/ours/$sealed" >"$scratch/digest"
        test "$(cat "$scratch/digest")" = "$(sha256sum <"$scratch/ours/$sealed" | cut -d' ' -f1)"
    done < <(files "$plain")
    remote check "$plain" "box:ours" --download --one-way 2>"$scratch/log" || { cat "$scratch/log" >&2; return 1; }
    remote lsf -R --files-only "box:ours" 2>"$scratch/log" | sort | cmp - <(files "$plain")
    test ! -s "$scratch/log" || { cat "$scratch/log" >&2; return 1; }
    echo "rclone crypt: $mode: both ways"
}

# The wrapped path ends where the two trees begin, whose names are therefore plain.
configure() {
    {
        printf '[lower]\ntype = alias\nremote = %s\n\n' "$scratch"
        printf '[box]\ntype = combine\nupstreams = theirs=sealed_theirs: ours=sealed_ours:\n\n'
        local side
        for side in theirs ours; do
            printf '[sealed_%s]\ntype = crypt\nremote = lower:%s\npassword = %s\n' "$side" "$side" "$password"
            printf '%s\n' "$@" ''
        done
    } >"$scratch/rclone.conf"
}

for mode in standard obfuscate off; do
    for encoding in base32 base64 base32768; do
        if [[ $mode != standard && $encoding != base32 ]]; then continue; fi
        for directories in true false; do
            configure "filename_encryption = $mode" "filename_encoding = $encoding" \
                "directory_name_encryption = $directories" "password2 = $password2"
            both_ways "$mode, $encoding, directories $directories"
        done
    done
done
configure "directory_name_encryption = false"
both_ways "no second password"
configure "password2 = $password2" "filename_encryption = off" "suffix = none"
both_ways "no suffix"
configure "password2 = $password2" "no_data_encryption = true"
both_ways "names only"

# The key check, with the object of a file that is large enough.
configure "password2 = $password2" "directory_name_encryption = false"
both_ways "before the key check"
object=$scratch/theirs/b/$(basename "$(ours name "b/report-v2024-01-02-030405-678.pdf")")
test "$(ours check "$object")" = Fits
password=$("$rclone" obscure '別の合言葉')
configure "password2 = $password2" "directory_name_encryption = false"
test "$(ours check "$object")" = WrongKey
test -z "$(remote lsf -R --files-only box:theirs 2>/dev/null)" # rclone shows an empty archive.

# An encrypted configuration, with a password that NFKC changes.
plain_text=$scratch/config_pass
printf 'ﾊﾟｽﾜｰﾄﾞ①\n' >"$plain_text"
remote --password-command "cat $plain_text" config encryption set >/dev/null 2>&1
grep -q '^RCLONE_ENCRYPT_V0:' "$scratch/rclone.conf"
if ours name あ 2>/dev/null; then echo "an encrypted configuration was read without its password" >&2; exit 1; fi
if RCLONE_CONFIG_PASS=wrong ours name あ 2>/dev/null; then echo "a wrong password was taken" >&2; exit 1; fi
RCLONE_CONFIG_PASS=$(cat "$plain_text") ours name 写真.jpg >"$scratch/name"
remote --password-command "cat $plain_text" backend encode sealed_ours: 写真.jpg | cmp - "$scratch/name"
echo "rclone crypt: all well"
