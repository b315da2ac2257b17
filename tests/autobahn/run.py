#!/usr/bin/env python3
"""Runs the Autobahn cases against a server that was built with the feature `echo`, sockets served in the way that
WARREN_SOCKET says; install.sh comes first.

usage: run.py SERVER
"""
import json
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "target/autobahn"
# All but 9.3, 9.4 and the bigger messages of 9.1 and 9.2, which repeat these cases with more bytes, and 12 and 13: the
# server speaks no permessage-deflate. Each row is run beside the others: most cases wait more than they work.
ROWS = [
    ["1.*", "2.*", "3.*"],
    ["4.*", "5.*", "10.*"],
    ["6.1.*", "6.2.*", "6.3.*", "6.4.*", "6.5.*", "6.6.*", "6.7.*", "6.8.*", "6.9.*", "6.10.*"],
    ["6.11.*", "6.12.*", "6.13.*", "6.14.*", "6.15.*", "6.16.*", "6.17.*", "6.18.*", "6.19.*", "6.20.*"],
    ["6.21.*", "6.22.*", "6.23.*"],
    ["7.*"],
    ["9.1.1", "9.1.2", "9.2.1", "9.2.2", "9.5.*", "9.6.*", "9.7.*", "9.8.*"],
]
# How many cases the rows are; with fewer, the patterns do not match what is installed.
CASES = 275
# Behaviours that are no failure.
FINE = ("OK", "NON-STRICT", "INFORMATIONAL")
# Enough for the biggest message, whole and as its echo.
CONFIG = "[limits]\nframe-bytes = 16_777_216\noutbox-bytes = 67_108_864\n"
START_SECONDS = 20
MINUTES = 10


def start(server, folder):
    """Starts the server; returns it with its address once it says that it is ready."""
    (folder / "warren.toml").write_text(CONFIG)
    env = os.environ | {"WARREN_LISTEN": "127.0.0.1:0", "WARREN_DATA": str(folder / "data")}
    process = subprocess.Popen([server], cwd=folder, env=env, stdout=subprocess.PIPE, text=True)
    ready = queue.Queue()

    def read():
        for line in process.stdout:
            if line.startswith("ready: http://"):
                ready.put(line.removeprefix("ready: http://").strip().rstrip("/"))
        ready.put(None)

    threading.Thread(target=read, daemon=True).start()
    try:
        address = ready.get(timeout=START_SECONDS)
    except queue.Empty:
        address = None
    if address is None:
        process.kill()
        sys.exit("the server does not start")
    return process, address


def run(way, address):
    """Runs all rows; returns what became of each case."""
    env = os.environ | {"PYTHONPATH": str(TOOL / "suite")}
    running = []
    for number, cases in enumerate(ROWS):
        out = TOOL / f"report-{way}-{number}"
        shutil.rmtree(out, ignore_errors=True)
        spec = TOOL / f"spec-{way}-{number}.json"
        spec.write_text(json.dumps({
            "outdir": str(out), "cases": cases, "exclude-cases": [], "exclude-agent-cases": {},
            "servers": [{"agent": way, "url": f"ws://{address}/__echo"}]}))
        command = [TOOL / "venv/bin/python", "-W", "ignore", "-m", "wstest3", spec]
        running.append((out, subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)))
    ends = time.monotonic() + MINUTES * 60
    outcomes = {}
    try:
        for out, process in running:
            if process.wait(timeout=max(1, ends - time.monotonic())) != 0:
                sys.exit(f"the client of {out.name} crashed")
            outcomes |= json.loads((out / "index.json").read_text())[way]
    finally:
        for _, process in running:
            process.kill()
    return outcomes


def judge(way, outcomes):
    """Says what is not plainly well; returns whether all of it is fine."""
    in_order = sorted(outcomes.items(), key=lambda case: [int(part) for part in case[0].split(".")])
    for behaviour in FINE[1:]:
        cases = [case for case, outcome in in_order if outcome["behavior"] == behaviour]
        print(f"{behaviour.lower()}: {', '.join(cases) or 'none'}")
    failed = [(case, outcome) for case, outcome in in_order
              if outcome["behavior"] not in FINE or outcome["behaviorClose"] not in ("OK", "INFORMATIONAL")]
    for case, outcome in failed:
        print(f"failed: {way} {case}: {outcome['behavior']}, its close: {outcome['behaviorClose']}, "
              f"code {outcome['remoteCloseCode']}")
    print(f"{len(outcomes) - len(failed)} conformance cases passed, {len(failed)} failed")
    if len(outcomes) != CASES:
        print(f"{len(outcomes)} cases were run instead of {CASES}")
    return not failed and len(outcomes) == CASES


def main():
    server = str(pathlib.Path(sys.argv[1]).resolve())
    way = os.environ.get("WARREN_SOCKET", "stream")
    with tempfile.TemporaryDirectory() as name:
        process, address = start(server, pathlib.Path(name))
        try:
            outcomes = run(way, address)
        finally:
            process.terminate()
            process.wait(timeout=30)
    sys.exit(0 if judge(way, outcomes) else 1)


if __name__ == "__main__":
    main()
