"""Makes the virtual environment of the local AWS, once. Runs on any Python 3.10 or later, with its standard library only.

    python3 environment.py DIRECTORY

Several processes may run this at the same time: the first installs, the others wait for it. Where Python came without
`ensurepip` (a fresh Debian), pip is fetched as a wheel of a fixed version and checksum.
"""

import fcntl
import hashlib
import html.parser
import os
import pathlib
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
PIP_WHEEL = "pip-26.0.1-py3-none-any.whl"
PIP_SHA256 = "bdb1b08f4274833d62c1aa29e20907365a2ceb950410df15fc9521bad440122b"


def say(message):
    print(message, file=sys.stderr, flush=True)


def wanted():
    """What the environment has to be made of; it is made anew where this differs from the marker."""
    return hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()


class Links(html.parser.HTMLParser):
    """Collects the links of a package index page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def fetch_pip(directory):
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/pip/"
    links = Links()
    with urllib.request.urlopen(index, timeout=60) as answer:
        links.feed(answer.read().decode())
    for link in links.found:
        address = urllib.parse.urljoin(index, link).split("#")[0]
        if address.endswith("/" + PIP_WHEEL):
            with urllib.request.urlopen(address, timeout=60) as answer:
                content = answer.read()
            if hashlib.sha256(content).hexdigest() != PIP_SHA256:
                raise SystemExit(f"{PIP_WHEEL} is not what it should be: its checksum differs")
            wheel = directory / PIP_WHEEL
            wheel.write_bytes(content)
            return wheel
    raise SystemExit(f"{index} does not offer {PIP_WHEEL}; install python3-venv instead and run this again")


def make(directory):
    environment = directory / "venv"
    shutil.rmtree(environment, ignore_errors=True)
    say(f"Making a Python environment in {environment} (once, about half a minute)")
    try:
        import ensurepip  # noqa: F401

        has_pip = True
    except ImportError:
        has_pip = False
    command = [sys.executable, "-m", "venv"] + ([] if has_pip else ["--without-pip"]) + [str(environment)]
    if subprocess.run(command, stdout=sys.stderr).returncode != 0:
        raise SystemExit("Python could not make a virtual environment: install python3-venv and run this again")
    python = environment / "bin" / "python"
    pip = [str(python), "-m", "pip"] if has_pip else [str(python), str(fetch_pip(directory) / "pip")]
    # One command for all: in two, the second would upgrade what the first had pinned.
    install = pip + ["install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement", str(REQUIREMENTS)]
    if subprocess.run(install, stdout=sys.stderr).returncode != 0:
        raise SystemExit("pip could not install the local AWS: see above; a package index must be reachable")


def main():
    directory = pathlib.Path(sys.argv[1]).absolute()
    directory.mkdir(parents=True, exist_ok=True)
    marker = directory / "venv" / "complete"
    if marker.is_file() and marker.read_text() == wanted():
        return
    with open(directory / "environment.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if marker.is_file() and marker.read_text() == wanted():
            return
        make(directory)
        marker.write_text(wanted())


main()
