"""Prints the licences of what the program is made of, crates and scripts of its pages, each text once with what it is of."""

import json
import pathlib
import re
import subprocess
import sys

#: This repository.
ROOT = pathlib.Path(__file__).resolve().parents[1]
#: Files that a licence wants to be passed on.
NAMES = re.compile(r"(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|UNLICENSE)", re.IGNORECASE)


def metadata():
    """What cargo says of this repository's packages on this platform."""
    host = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    platform = re.search(r"^host: (.*)$", host, re.MULTILINE)[1]
    command = ["cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={platform}"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT).stdout)


def linked(said):
    """The packages that are linked into the program, but for those of this repository."""
    packages = {package["id"]: package for package in said["packages"]}
    nodes = {node["id"]: node for node in said["resolve"]["nodes"]}
    waiting, seen = [said["resolve"]["root"]], set()
    while waiting:
        at = waiting.pop()
        if at in seen:
            continue
        seen.add(at)
        for dependency in nodes[at]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    found = (packages[at] for at in seen)
    return sorted((p for p in found if p["source"]), key=lambda p: (p["name"], p["version"]))


def texts(package):
    """The texts in a package, of what it has vendored too."""
    folder = pathlib.Path(package["manifest_path"]).parent
    for path in sorted(folder.rglob("*")):
        if path.is_file() and NAMES.match(path.name) and path.suffix.lower() in ("", ".txt", ".md"):
            yield path.read_text(encoding="utf-8", errors="replace").strip()


def main():
    """Prints the list, then the texts."""
    packages = linked(metadata())
    if len(packages) < 50:
        sys.exit(f"only {len(packages)} packages: that cannot be all")
    print("Warren is made with these libraries, each under its own licence; the texts follow.\n")
    of_text = {}
    for package in packages:
        name = f"{package['name']} {package['version']}"
        licence = package["license"] or "see its file"
        print(f"{name}: {licence}{', ' + package['repository'] if package['repository'] else ''}")
        for text in texts(package):
            of_text.setdefault(text, []).append(name)
    vendored = sorted(ROOT.glob("static/vendor/*.LICENSE.txt"))
    if not vendored:
        sys.exit("no licence in static/vendor")
    for path in vendored:
        name = f"{path.name.split('.')[0]}, in the pages"
        print(f"{name}: static/vendor in the sources")
        of_text.setdefault(path.read_text(encoding="utf-8").strip(), []).append(name)
    for text, names in of_text.items():
        print(f"\n{'=' * 78}\n{', '.join(dict.fromkeys(names))}\n{'-' * 78}\n{text}")


main()
