#!/usr/bin/env python3
"""Calls a server in every way that its API's description allows, and in many that it does not; install.sh comes first.

It is run in a network of its own, with nothing in it but the loopback: whatever addresses are made up for webhooks, nobody is
called. What is wanted: no fault of the server, no answer that is not told of, nothing for a token that may do nothing, and
nothing of one project for another's owner.

usage: run.py SERVER [--seconds N] [--seed N] [--only RUN]
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOOL = HERE.parents[1] / "target/schemathesis"
ALONE = "WARREN_ALONE"
RUNS = ["owner", "operator", "powerless", "foreign"]
# What answers are held to in every run.
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
          "response_schema_conformance", "unsupported_method", "allow_header_conformance", "ignored_auth", "never_lets_in"]
# What is not called, and why.
LEFT_OUT = {"/sse": "a stream has no end that could be waited for; tests/it/event_streams.rs reads it, and its refusals"}
# Fewer calls than this were no run at all.
LEAST_CALLS = 500
# How long a line of a report may be.
LINE_CHARS = 300


def alone():
    """Runs this program again in a network of its own; says so and ends where that is not allowed."""
    if os.environ.get(ALONE) == "1":
        return
    command = "ip link set lo up && exec \"$@\""
    again = ["sh", "-c", command, "sh", sys.executable, *sys.argv]
    for way in (["unshare", "-n"], ["unshare", "-rn"]):
        possible = shutil.which("unshare") and subprocess.run(
            [*way, "sh", "-c", "ip link set lo up"], stderr=subprocess.DEVNULL).returncode == 0
        if possible:
            # What is compiled on the way is not left among the sources.
            os.environ |= {ALONE: "1", "PYTHONDONTWRITEBYTECODE": "1"}
            os.execvp(way[0], [*way, *again])
    print("SKIPPED: the API was not called by its description: no network namespace can be made here (unshare, ip)")
    sys.exit(1 if os.environ.get("WARREN_REQUIRE_SCHEMATHESIS") == "1" else 0)


def runs(world):
    """Each run: its name, the description, the token, and who is to be refused."""
    from world import ADMIN, OWNER
    return {
        "owner": (world.copy(), OWNER, ""),
        "operator": (world.copy(of_admin=True), ADMIN, ""),
        "powerless": (world.copy(names_only_known=True), world.powerless, "powerless"),
        "foreign": (world.copy(names_only_known=True), world.foreign, "foreign"),
    }


def run(name, world, description, token, refused, options):
    """Runs schemathesis once; returns whether it found nothing, with its counts."""
    folder = TOOL / f"run-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "openapi.json").write_text(json.dumps(description))
    env = os.environ | {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE), "WARREN_REFUSED": refused}
    command = [
        TOOL / "venv/bin/st", "run", folder / "openapi.json", "--url", world.url,
        "--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing,stateful",
        "--max-time", str(max(10, options.seconds // len(RUNS))), "--seed", str(options.seed), "--workers", "1",
        "--header", f"Authorization: {token}", "--request-timeout", "40", "--no-color", "--warnings", "off",
        "--continue-on-failure", "--max-failures", "40", "--generation-database", "none",
        "--output-truncate", "false"]
    for path in LEFT_OUT:
        command += ["--exclude-path", path]
    done = subprocess.run(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    (folder / "output.txt").write_text(done.stdout)
    print(f"--- as {name}, seed {options.seed}")
    found = re.search("=== (ERRORS|FAILURES|SUMMARY) ===", done.stdout)
    lines = done.stdout[found.start() if found else 0:].splitlines()
    print("\n".join(line[:LINE_CHARS] for line in lines))
    selected, tested = (int(found[1]) if (found := re.search(pattern, done.stdout)) else 0
                        for pattern in (r"Selected: (\d+)/", r"Tested: (\d+)"))
    calls = int(found[1]) if (found := re.search(r"(\d+) generated", done.stdout)) else 0
    if tested < selected or calls < LEAST_CALLS:
        print(f"{tested} of {selected} operations were called, {calls} times: too little to say anything")
        return False
    return done.returncode == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("server")
    parser.add_argument("--seconds", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=RUNS)
    options = parser.parse_args()
    alone()
    from world import World
    server = str(pathlib.Path(options.server).resolve())
    for path, reason in LEFT_OUT.items():
        print(f"not called: {path}: {reason}")
    well = True
    with tempfile.TemporaryDirectory() as name:
        world = World(server, pathlib.Path(name))
        try:
            for which, parts in runs(world).items():
                if options.only in (None, which):
                    well = run(which, world, *parts, options) and well
        finally:
            code = world.stop()
        words = world.words()
        if code != 0 or "panicked" in words:
            print(f"the server ended with {code} and said:\n{words[-4000:]}")
            well = False
    print("the API answers as it is described" if well else "the API does not answer as it is described")
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
