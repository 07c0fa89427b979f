#!/usr/bin/env bash
# Judges a running simulator by rclone 1.75, unmodified: copy from drive to library, check, list by delta, copy on the
# server. Arguments: the JSON line that the simulator printed when it was ready, and the path of rclone (default: PATH).
# The simulator must run the scenario `voices` without faults. Exits non-zero on the first failure.
set -euo pipefail

ready=$1
rclone=${2:-rclone}
field() { python3 -c 'import json,sys; v=json.loads(sys.argv[1])
for k in sys.argv[2].split("."): v=v[k]
print(v)' "$ready" "$1"; }

login=$(field login)
inspect=$(field inspect)
tenant=$(field env.AZURE_TENANT_ID)
drives=$(curl -fsS "$inspect/drives")
drive() { python3 -c 'import json,sys
for d in json.loads(sys.argv[1])["drives"]:
    if d["driveType"] == sys.argv[2] and sys.argv[3] in d["site"] and d["name"] in ("OneDrive", "Documents"):
        print(d["id"]); break' "$drives" "$1" "$2"; }

for side in SRC DST; do
    export "RCLONE_CONFIG_${side}_TYPE=onedrive" \
        "RCLONE_CONFIG_${side}_CLIENT_ID=$(field env.AZURE_CLIENT_ID)" \
        "RCLONE_CONFIG_${side}_CLIENT_SECRET=$(field env.AZURE_CLIENT_SECRET)" \
        "RCLONE_CONFIG_${side}_CLIENT_CREDENTIALS=true" \
        "RCLONE_CONFIG_${side}_TENANT=$tenant" \
        "RCLONE_CONFIG_${side}_TOKEN_URL=$login/$tenant/oauth2/v2.0/token" \
        "RCLONE_CONFIG_${side}_TENANT_URL=$login"
done
export RCLONE_CONFIG_SRC_DRIVE_TYPE=business RCLONE_CONFIG_DST_DRIVE_TYPE=documentLibrary
RCLONE_CONFIG_SRC_DRIVE_ID=$(drive business /personal/ada_contoso_com)
RCLONE_CONFIG_DST_DRIVE_ID=$(drive documentLibrary /sites/Archive)
export RCLONE_CONFIG_SRC_DRIVE_ID RCLONE_CONFIG_DST_DRIVE_ID
run() { "$rclone" --config /dev/null --retries 1 --user-agent 'NONISV|Contoso|rclone/1.75' "$@"; }

# Without -M rclone dates the creation of a file by its last change.
run copy -M src:Recordings dst:Voices --create-empty-src-dirs --transfers 4
run check src:Recordings dst:Voices
run check src:Recordings dst:Voices --download

# Listing by delta and listing by folders name the same files.
run lsf -R --files-only --onedrive-delta --fast-list src:Recordings | sort >"${TMPDIR:-/tmp}/sim-delta.$$"
run lsf -R --files-only src:Recordings | sort >"${TMPDIR:-/tmp}/sim-walk.$$"
cmp "${TMPDIR:-/tmp}/sim-delta.$$" "${TMPDIR:-/tmp}/sim-walk.$$"
test -s "${TMPDIR:-/tmp}/sim-walk.$$"
rm -f "${TMPDIR:-/tmp}/sim-delta.$$" "${TMPDIR:-/tmp}/sim-walk.$$"

# The simulator agrees with rclone.
curl -fsS "$inspect/compare?job=voices" | python3 -c 'import json,sys
result = json.load(sys.stdin)
for name in ("missing", "different", "extra", "doubled", "extra_versions", "leftover_sessions", "violations"):
    assert not result[name], (name, result[name])
assert result["totals"]["entries"] > 0'

# A second run changes nothing.
curl -fsS -X POST "$inspect/requests/reset"
run copy -M src:Recordings dst:Voices --create-empty-src-dirs
curl -fsS "$inspect/requests" | python3 -c 'import json,sys
routes = json.load(sys.stdin)["by_route"]
assert "POST createUploadSession" not in routes and "PUT content" not in routes, routes'

# On the server, from drive to library; then rename and delete.
run copy src:Recordings dst:Copied --server-side-across-configs --transfers 16
run check src:Recordings dst:Copied
run moveto dst:Copied dst:Moved
run check src:Recordings dst:Moved
run purge dst:Moved
test -z "$(run lsf dst: | grep -x 'Moved/' || true)"
echo "rclone: all well"
