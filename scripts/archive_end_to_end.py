#!/usr/bin/env python3
"""The archive workload from end to end, with a release binary, over real sockets, in an empty folder.

    scripts/archive_end_to_end.py PATH_OF_LANDFALL [PATH_OF_RCLONE] [--files N] [--seed N] [--kills N] [--keep]

1. `landfall sim --scenario archive`, then `verify` (finds), `repair --remove-leaks`, `run`, `verify` (finds nothing, exit 0).
2. The simulator's own check against its answer file: every pattern, every untouched row, nothing plain that was new.
3. A second `repair` and `run` change neither a repository nor a byte of the database.
4. Everything is downloaded as it lies on the Hub and opened by rclone with the same `rclone.conf`; what lies locally too
   must be the same.
5. In a small world of its own `repair` and `run` are killed (`kill -9`) at drawn moments, N times, then settled: all of
   1 to 3 must hold there too.

Prints what it saw, then what failed, and `N passed, N failed`. Nothing but Python's own library is needed.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

JOB = "tweets"
PATIENCE = 1200  # Seconds that one command may take.
KILLED_FILES = 600  # Files of the world in which processes are killed.
SOON = 0.05  # Seconds after which a process is killed at the earliest.


class Failed(Exception):
    """A check that did not hold."""


def check(holds, text):
    if not holds:
        raise Failed(text)


def environment():
    """This process's own, without anything that would configure Landfall or rclone."""
    drop = ("LANDFALL_", "AZURE_", "HF_", "RCLONE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(drop)}


class World:
    """A `landfall sim` of its own, with everything that it writes."""

    def __init__(self, binary, folder, files, seed):
        self.binary, self.folder = binary, folder
        self.longest = 2.0
        self.log = open(folder / "sim.log", "wb")
        flags = ["--scenario", "archive", "--files", str(files), "--seed", str(seed)]
        self.process = subprocess.Popen(
            [binary, "sim", "--listen", "127.0.0.1:0", "--config", "landfall.toml", *flags],
            cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=self.log,
        )
        self.ready = json.loads(self.process.stdout.readline())

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def call(self, *words):
        """One command: its exit code and its final JSON object."""
        begun = time.monotonic()
        with open(self.folder / "commands.log", "ab") as log:
            ended = subprocess.run(
                [self.binary, *words, "--json"],
                cwd=self.folder, env=environment(), stdout=subprocess.PIPE, stderr=log, timeout=PATIENCE,
            )
        lines = ended.stdout.decode().strip().splitlines()
        print(f"  landfall {' '.join(words)}: exit {ended.returncode}, {time.monotonic() - begun:.1f} s")
        return ended.returncode, json.loads(lines[-1]) if lines else {}

    def kill(self, chance, *words):
        """Starts one command and kills it at a drawn moment: the seconds it had, and whether it was still at work."""
        wait = chance.uniform(SOON, self.longest)
        begun = time.monotonic()
        with open(self.folder / "commands.log", "ab") as log:
            process = subprocess.Popen(
                [self.binary, *words], cwd=self.folder, env=environment(), stdout=log, stderr=log,
            )
            try:
                process.wait(wait)
            except subprocess.TimeoutExpired:
                process.kill()
            process.wait()
        at_work = process.returncode == -signal.SIGKILL
        if not at_work:
            # One that ends by itself shows how long the next ones may be given.
            self.longest = max(2 * SOON, time.monotonic() - begun)
        return wait, at_work

    def look(self, path):
        with urllib.request.urlopen(self.ready["inspect"] + path, timeout=PATIENCE) as answer:
            return json.load(answer)

    def hub(self, path):
        request = urllib.request.Request(self.ready["hub"] + path)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.read()

    def database(self):
        return hashlib.sha256((self.folder / "data/eventmonitor.db").read_bytes()).hexdigest()

    def heads(self):
        return {repo: self.hub(f"/__sim/commits?repo={urllib.parse.quote(repo)}") for repo in self.repos()}

    def repos(self):
        return [json.loads(line)["id"] for line in self.hub("/__sim/repos").decode().splitlines()]


def settle(world):
    """Repairs and runs until nothing is postponed any more."""
    for _ in range(6):
        # A plain file that is left on the Hub is a finding of every verify after.
        code, _ = world.call("repair", JOB, "--remove-leaks")
        check(code in (0, 1, 6), f"repair ended with {code}")
        if code == 0:
            break
        time.sleep(5)
        world.call("verify", JOB)
    # What is final with a reason keeps a job incomplete: exit 1.
    code, _ = world.call("run", JOB)
    check(code in (0, 1), f"run ended with {code}")


def the_workload(world, _):
    code, before = world.call("verify", JOB)
    check(code == 6, f"the first verify ended with {code}, not with findings")
    settle(world)
    code, after = world.call("verify", JOB)
    print("  found at first:", json.dumps(before.get("findings", {})), "settled at last:", json.dumps(after.get("settled", {})))
    check(code == 0, f"the last verify ended with {code}: {json.dumps(after)[:2000]}")


def the_answer_file(world, _):
    answer = world.look("/check")
    print("  patterns (hold, do not):", json.dumps(answer.get("patterns")))
    check(answer.get("clean"), json.dumps({k: answer.get(k) for k in ("violated", "orphans")}, ensure_ascii=False)[:4000])


def nothing_twice(world, _):
    database, heads = world.database(), world.heads()
    world.call("repair", JOB)
    world.call("run", JOB)
    check(world.database() == database, "the database changed")
    check(world.heads() == heads, "a repository got a commit")


def rclone_opens_it(world, rclone):
    check(rclone is not None, "no rclone was given")
    lies = world.folder / "eventmonitor_encrypted_files"
    count = 0
    for repo in world.repos():
        listing = world.hub(f"/__sim/files?repo={urllib.parse.quote(repo)}").decode().splitlines()
        for line in listing:
            path = json.loads(line)["path"]
            if not path.startswith(("encrypted_", "batch_encrypted/")):
                continue
            query = urllib.parse.urlencode({"repo": repo, "path": path})
            target = lies / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(world.hub(f"/__sim/read?{query}"))
            count += 1
    opened = world.folder / "opened"
    ended = subprocess.run(
        [rclone, "--config", "rclone.conf", "copy", "secret:", str(opened), "-q"],
        cwd=world.folder, env=environment(), capture_output=True, timeout=PATIENCE,
    )
    check(ended.returncode == 0, f"rclone ended with {ended.returncode}: {ended.stderr.decode()[-2000:]}")
    files = [path for path in opened.rglob("*") if path.is_file()]
    same = different = alone = 0
    for path in files:
        kind = next((part for part in path.parts if part in ("encrypted_images", "encrypted_videos")), None)
        local = world.folder / str(kind).removeprefix("encrypted_") / path.parent.name / path.name
        if kind is None or not local.is_file() or local.stat().st_size == 0:
            alone += 1
        elif local.read_bytes() == path.read_bytes():
            same += 1
        else:
            different += 1
    print(f"  {count} objects, {len(files)} opened: {same} as the local file, {alone} without one, {different} different")
    check(different == 0, f"{different} files differ from the local ones")
    check(same > 0 and len(files) > count // 2, "hardly anything was opened")


def killed(binary, folder, args):
    """Processes die at drawn moments in a small world; afterwards nothing of it is to be seen."""
    chance = random.Random(args.seed)
    world = World(binary, folder, KILLED_FILES, args.seed + 1)
    try:
        code, _ = world.call("verify", JOB)
        check(code == 6, f"the first verify ended with {code}, not with findings")
        moments = []
        for number in range(args.kills):
            word = ("repair", "run")[number % 2]
            wait, at_work = world.kill(chance, word, JOB)
            moments.append(f"{word} {wait:.2f} s" if at_work else f"{word} (ended by itself)")
        print("  killed:", ", ".join(moments))
        world.call("verify", JOB)
        settle(world)
        code, after = world.call("verify", JOB)
        check(code == 0, f"the last verify ended with {code}: {json.dumps(after)[:2000]}")
        the_answer_file(world, None)
        nothing_twice(world, None)
        dead = sum("itself" not in moment for moment in moments)
        check(2 * dead >= args.kills, f"only {dead} of {args.kills} were still at work when they were killed")
        print(f"  {dead} of {args.kills} killed at work, {after.get('present')} URLs present at last")
    finally:
        world.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("rclone", nargs="?")
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    binary = str(Path(args.binary).resolve())
    folder = Path(tempfile.mkdtemp(prefix="landfall-archive-"))
    passed, failures = 0, []

    def attempt(step, *arguments):
        nonlocal passed
        name = step.__name__.replace("_", " ")
        print(name)
        begun = time.monotonic()
        try:
            step(*arguments)
            passed += 1
        except (Failed, subprocess.TimeoutExpired, OSError, ValueError) as error:
            print(f"  FAILED: {error}")
            failures.append(f"{name}: {error}")
        print(f"  {time.monotonic() - begun:.0f} s")

    whole, small = folder / "whole", folder / "killed"
    whole.mkdir()
    small.mkdir()
    try:
        world = World(binary, whole, args.files, args.seed)
        try:
            for step in (the_workload, the_answer_file, nothing_twice, rclone_opens_it):
                attempt(step, world, args.rclone)
        finally:
            world.close()
        if args.kills:
            attempt(killed, binary, small, args)
    finally:
        if args.keep or failures:
            print(f"everything lies in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
