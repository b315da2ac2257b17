"""The image: what the Dockerfile says is read, its files are made as it makes them, and they are run as it runs them, without a
Docker engine: image.py BINARY FOLDER. The folder becomes the image's root and is removed first. Needs root.

A binary that is not static gets its libraries from this machine, as a stand-in; the size is that of the image only when it
is static."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
#: Bytes; more is refused.
LIMIT = 25_000_000
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def instructions():
    """The Dockerfile as (name, rest), lines joined and comments left out, in stages."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    whole = re.sub(r"\\\n", " ", "\n".join(lines))
    stages = []
    for line in whole.splitlines():
        name, rest = line.split(maxsplit=1)
        if name == "FROM":
            stages.append([])
        if stages:
            stages[-1].append((name, " ".join(rest.split())))
    return stages


def only(stage, name):
    """The rest of the one instruction of that name."""
    found = [rest for at, rest in stage if at == name]
    assert len(found) == 1, (name, found)
    return found[0]


def build(stage, binary, folder):
    """Does what the first stage does behind the compiler: `packaging/rootfs.sh`, with the folders below `folder`."""
    command = re.search(r"&& (packaging/rootfs\.sh .*)$", [rest for name, rest in stage if name == "RUN"][-1])[1]
    script, program, certificates, *outputs = shlex.split(command)
    assert program.endswith("/warren") and certificates == CERTIFICATES, command
    places = {output: folder / output.strip("/") for output in outputs}
    subprocess.run([ROOT / script, binary, certificates, *places.values()], check=True)
    return places


def assemble(stage, places, root):
    """Does the COPYs of the last stage, which take from the first one alone."""
    assert stage[0] == ("FROM", "scratch"), stage[0]
    for name, rest in stage:
        if name == "ADD" or name == "RUN":
            sys.exit(f"{name} in a stage that has no shell and no network: {rest}")
        if name != "COPY":
            continue
        *options, source, target = rest.split()
        options = dict(option.lstrip("-").split("=") for option in options)
        assert options.pop("from") == "build", rest
        place = root / target.strip("/")
        copied = places[source.rstrip("/")]
        shutil.copytree(copied, place, dirs_exist_ok=True)
        if "chown" in options:
            user, group = options.pop("chown").split(":")
            for path in (place, *place.rglob("*")):
                os.chown(path, int(user), int(group))
        assert not options, options


def libraries(binary, root):
    """Copies the libraries of a binary that is not static; whether there were any."""
    said = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False).stdout
    found = re.findall(r"(/\S+) \(0x", said)
    for library in found:
        place = root / library.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, place)
    return bool(found)


def test_size(binary, root):
    """That it is small; a stand-in with libraries is not weighed."""
    size = sum(path.lstat().st_size for path in root.rglob("*") if not path.is_symlink())
    files = sum(path.is_file() for path in root.rglob("*"))
    if libraries(binary, root):
        print("SKIPPED: the image's size: the program is not static (WARREN_DIST=1 builds one that is)")
    else:
        print(f"the image has {files} files of {size / 1e6:.1f} MB")
        assert size <= LIMIT, f"{size} bytes are more than {LIMIT}"


def test_what_it_says(stage, root):
    """That it is run as a user without rights, who has the volume, and stopped in order; its variables."""
    user, volume = only(stage, "USER"), only(stage, "VOLUME")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), f"not a user by number, or root: {user}"
    assert only(stage, "STOPSIGNAL") == "SIGTERM"
    state = (root / volume.strip("/")).stat()
    assert (f"{state.st_uid}:{state.st_gid}", state.st_mode & 0o777) == (user, 0o700)
    variables = dict(pair.split("=", 1) for name, rest in stage if name == "ENV" for pair in shlex.split(rest))
    assert variables["WARREN_DATA"] == volume and variables["WARREN_LISTEN"].endswith(f":{only(stage, 'EXPOSE')}")
    return variables


def test_it_runs(stage, root, variables):
    """That it starts as that user in a root that cannot be written to, gets healthy, and delivers a message."""
    health = json.loads(re.search(r"CMD (\[.*\])$", only(stage, "HEALTHCHECK"))[1])
    serve = json.loads(only(stage, "ENTRYPOINT")) + json.loads(only(stage, "CMD"))
    command = ["tests/packages/room.sh", root, "tests/packages/in-image.sh", health[0], shlex.join(health), shlex.join(serve)]
    room = {
        "PATH": os.environ["PATH"],
        "ROOM_USER": only(stage, "USER"),
        "READ_ONLY": "1",
        "VOLUME": only(stage, "VOLUME"),
        "ROOM_ENVIRONMENT": "\n".join(f"{name}={value}" for name, value in variables.items()),
    }
    subprocess.run(command, cwd=ROOT, env=room, check=True)


def main(binary, folder):
    """Makes it, weighs it, runs it."""
    shutil.rmtree(folder, ignore_errors=True)
    first, last = instructions()
    root = folder / "root"
    root.mkdir(parents=True)
    assemble(last, build(first, binary, folder), root)
    test_size(binary, root)
    test_it_runs(last, root, test_what_it_says(last, root))
    shutil.rmtree(folder)


# What is printed here stands before what the room prints.
sys.stdout.reconfigure(line_buffering=True)
main(sys.argv[1], pathlib.Path(sys.argv[2]).resolve())
