#!/usr/bin/env python3
"""The main job from end to end, with a release binary, over real sockets, in an empty folder.

    scripts/end_to_end.py PATH_OF_LANDFALL [--files N] [--kills N] [--keep]

1. `landfall sim --scenario voices --faults mild`, then `landfall run voices --json`: everything SUCCESS, and the
   simulator's own comparison finds nothing to say.
2. The log has a row a file; a second run writes nothing.
3. The same with `kill -9` again and again while the run is under way.

Prints what it saw, and `N passed, N failed`. Nothing but Python's own library is needed.
"""

import argparse
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

JOB = "voices"
CLEAN = ["missing", "different", "extra", "doubled", "extra_versions", "leftover_sessions", "violations"]
PATIENCE = 900  # Seconds that one run may take.
# A process that is killed between a throttled reply and writing it down cannot know of it, and the next one comes too
# early: the simulator would call that a violation. Kills therefore keep this many seconds after such a reply.
AFTER_THROTTLING = 0.5
# So long a run stands still before it is killed, so that requests under way have their reply.
STANDING_STILL = 0.3


class Failed(Exception):
    """A check that did not hold."""


def check(holds, text):
    if not holds:
        raise Failed(text)


def environment():
    """This process's own, without anything that would configure Landfall."""
    drop = ("LANDFALL_", "AZURE_", "HF_")
    return {name: value for name, value in os.environ.items() if not name.startswith(drop)}


class Simulator:
    """A `landfall sim` of its own, with the configuration that it writes."""

    def __init__(self, binary, folder, *flags):
        config = folder / "landfall.toml"
        self.log = open(folder / "sim.log", "wb")
        self.process = subprocess.Popen(
            [binary, "sim", "--listen", "127.0.0.1:0", "--config", str(config), *flags],
            cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=self.log,
        )
        line = self.process.stdout.readline()
        check(line, f"the simulator did not start: {(folder / 'sim.log').read_text()}")
        self.ready = json.loads(line)

    def ask(self, path, method="GET"):
        request = urllib.request.Request(self.ready["inspect"] + path, method=method)
        with urllib.request.urlopen(request, timeout=300) as reply:
            body = reply.read()
        return json.loads(body) if body else None

    def requests(self):
        return self.ask("/requests")

    def await_requests(self, goal, run):
        """Waits for so many requests in all, and stops the run where no reply was throttled just now."""
        throttled, since = None, time.monotonic()
        while run.poll() is None:
            seen = self.requests()
            now = time.monotonic()
            if seen["throttled"] != throttled:
                throttled, since = seen["throttled"], now
            if seen["total"] >= goal and now - since >= AFTER_THROTTLING and self.stands_still(run, throttled):
                return
            time.sleep(0.005)

    def stands_still(self, run, throttled):
        """Stops the run; it goes on where one of its last requests was throttled."""
        run.send_signal(signal.SIGSTOP)
        time.sleep(STANDING_STILL)
        if self.requests()["throttled"] == throttled:
            return True
        run.send_signal(signal.SIGCONT)
        return False

    def expect_clean(self):
        found = self.ask(f"/compare?job={JOB}")
        for name in CLEAN:
            check(found[name] == [], f"compare: {name}: {found[name][:5]} of {found['totals'].get(name)}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def start_run(binary, folder):
    with open(folder / "run.log", "ab") as log:
        return subprocess.Popen(
            [binary, "run", JOB, "--json"], cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=log,
        )


def finish_run(process, folder):
    out, _ = process.communicate(timeout=PATIENCE)
    tail = (folder / "run.log").read_text(errors="replace")[-2000:]
    check(process.returncode == 0, f"run ended with {process.returncode}: {out.decode()[-2000:]} {tail}")
    return json.loads(out)


def expect_landed(result, files):
    states = result["states"]
    check(states["SUCCESS"] == files, f"states are {states}, expected {files} SUCCESS")
    check(sum(states.values()) == files, f"states are {states}, expected {files} in all")
    check(result["complete"] is True, f"not complete: {result}")
    check(result["skipped"] == {} or not any(result["skipped"].values()), f"skipped: {result['skipped']}")


def expect_log(folder, files):
    logs = [path for path in folder.rglob("upload_log.csv")]
    check(len(logs) == 1, f"upload_log.csv: {logs}")
    with open(logs[0], newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = ["relative_path", "file_name", "file_size_bytes", "status", "timestamp", "comment"]
    check(rows and list(rows[0]) == columns, f"columns of {logs[0].name}: {list(rows[0]) if rows else rows}")
    check(len(rows) == files, f"{len(rows)} rows in the log, expected {files}")
    check(len({row["relative_path"] for row in rows}) == files, "paths in the log are not unique")
    others = [row for row in rows if row["status"] != "SUCCESS"]
    check(not others, f"not SUCCESS in the log: {others[:3]}")


def second_run(binary, folder, simulator, files):
    simulator.ask("/requests/reset", "POST")
    result = finish_run(start_run(binary, folder), folder)
    expect_landed(result, files)
    seen = simulator.requests()
    check(seen["writes"] == 0, f"a second run wrote: {seen}")
    simulator.expect_clean()
    return seen["total"]


def straight(binary, folder, files):
    """One run from nothing to complete."""
    simulator = Simulator(binary, folder, "--scenario", JOB, "--files", str(files), "--faults", "mild")
    try:
        begun = time.monotonic()
        result = finish_run(start_run(binary, folder), folder)
        seconds = time.monotonic() - begun
        expect_landed(result, files)
        expect_log(folder, files)
        simulator.expect_clean()
        requests = simulator.requests()["total"]
        again = second_run(binary, folder, simulator, files)
        peak = (result.get("peak_rss_bytes") or 0) / 1e6
        return f"{files} files in {seconds:.1f} s, {requests} requests, peak {peak:.0f} MB; second run: {again} requests"
    finally:
        simulator.stop()


def killed(binary, folder, files, kills):
    """Kills the run each time it has sent its share of requests, then lets one live."""
    flags = ["--scenario", JOB, "--files", str(files), "--faults", "mild", "--seed", "2", "--latency", "5ms"]
    simulator = Simulator(binary, folder, *flags)
    try:
        # A run of n files takes at least 2 n requests: so many between kills fit the last one in well before the end.
        share = max(10, 2 * files // (kills + 2))
        done = 0
        while done < kills:
            run = start_run(binary, folder)
            simulator.await_requests(simulator.requests()["total"] + share, run)
            check(run.poll() is None, f"the run ended by itself after {done} kills: {run.returncode}")
            run.send_signal(signal.SIGKILL)
            run.communicate()
            done += 1
        result = finish_run(start_run(binary, folder), folder)
        expect_landed(result, files)
        expect_log(folder, files)
        simulator.expect_clean()
        requests = simulator.requests()["total"]
        again = second_run(binary, folder, simulator, files)
        return f"{files} files over {done} kills, {requests} requests; second run: {again} requests"
    finally:
        simulator.stop()


def holds(name, case, keep):
    """Runs a case in a folder of its own, and says what became of it."""
    folder = Path(tempfile.mkdtemp(prefix="landfall-"))
    try:
        print(f"{name}: {case(folder)}", flush=True)
        passed = True
    except (Failed, KeyError, OSError, ValueError, subprocess.TimeoutExpired) as error:
        print(f"{name}: FAILED: {error}", flush=True)
        passed = False
    if keep or not passed:
        print(f"  kept: {folder}", flush=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return passed


def main():
    parser = argparse.ArgumentParser(description="The main job from end to end.")
    parser.add_argument("landfall", type=Path)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--keep", action="store_true", help="keep the folders and name them")
    given = parser.parse_args()
    binary = str(given.landfall.resolve())
    cases = [
        ("a straight run", lambda folder: straight(binary, folder, given.files)),
        (f"a run killed {given.kills} times", lambda folder: killed(binary, folder, given.files, given.kills)),
    ]
    # Both mostly wait, as the service tells them to; each has a simulator of its own.
    with ThreadPoolExecutor(len(cases)) as pool:
        failed = sum(pool.map(lambda case: not holds(*case, given.keep), cases))
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
