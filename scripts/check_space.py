"""Build the environment of a Hugging Face Space from what is pushed to it, and start the app there as a Space does.

    python scripts/check_space.py FOLDER [--only install] [--requirements requirements-zerogpu.txt]

Installs requirements.txt, or another file, into FOLDER/environment, with the Python that the README's front matter
names, unless it is there already. Then it copies the committed files, starts app.py with the variables of a Space and
looks at its first page. What a Space has besides, its proxy and its hardware, is not tried. Exit status 3 where there
is no such Python.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS, ANSWER_SECONDS, STOP_SECONDS = 120, 30, 60
LARGEST_FILE = 10_000_000  # bytes; a Space takes larger ones by Git LFS only
NO_PYTHON = 3  # exit status
OWNER, NAME = "somebody", "mv-mlm"
HOST = f"{OWNER}-{NAME}.hf.space"


def front_matter(root: Path) -> dict[str, str]:
    """Return the keys of the README's front matter, which is what a Space is made from."""
    lines = (root / "README.md").read_text(encoding="utf-8").split("---\n")[1].splitlines()
    return {key.strip(): value.strip().strip('"') for key, value in (line.split(":", 1) for line in lines)}


def committed_files(root: Path) -> list[str]:
    """Return the files that a push of the repository brings."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name]


def too_large(root: Path, names: list[str]) -> list[str]:
    """Return the files that a Space does not take, with their sizes."""
    sizes = {name: (root / name).stat().st_size for name in names}
    return [f"{name}: {size:,} bytes" for name, size in sizes.items() if size > LARGEST_FILE]


def python_command(version: str) -> str | None:
    """Return the command of a Python of a version, such as 3.12; None where there is none."""
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/python"))
    for command in (f"python{version}", "python3", *map(str, pyenv)):
        script = 'import sys; print("%d.%d" % sys.version_info[:2])'
        try:
            found = subprocess.run([command, "-c", script], capture_output=True, text=True)
        except OSError:
            continue
        if found.stdout.strip() == version:
            return command
    return None


def install(environment: Path, command: str, requirements: Path) -> None:
    """Make a virtual environment. Raises CalledProcessError where a package is not to be had."""
    subprocess.run([command, "-m", "venv", str(environment)], check=True)
    options = ("-q", "--no-compile", "--no-cache-dir", "--disable-pip-version-check")
    pip = [str(environment / "bin" / "pip"), "install", *options]
    subprocess.run([*pip, "-r", str(requirements)], check=True)


@contextmanager
def running_space(environment: Path, folder: Path) -> Iterator[str]:
    """Run the app as a Space does; give its address on this machine. Raises SystemExit where it does not start."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = folder / "home"
    home.mkdir(exist_ok=True)
    variables = {
        "PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(folder), "SYSTEM": "spaces",
        "SPACE_ID": f"{OWNER}/{NAME}", "SPACE_HOST": HOST, "SPACE_AUTHOR_NAME": OWNER, "SPACE_REPO_NAME": NAME,
        "GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_SERVER_PORT": str(port), "HF_HUB_OFFLINE": "1",
    }  # fmt: skip
    log = folder / "app.log"
    with log.open("wb") as output:
        app = subprocess.Popen(
            [str(environment / "bin" / "python"), front_matter(ROOT)["app_file"]],
            cwd=folder / "repository", env=variables, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            _wait_for(app, port, log)
            yield f"http://127.0.0.1:{port}/"
        finally:
            app.send_signal(signal.SIGTERM)
            app.wait(STOP_SECONDS)


def _wait_for(app: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and app.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.5)
    sys.exit(
        f"The app did not start within {START_SECONDS} s:\n{log.read_text(encoding='utf-8', errors='replace')[-4000:]}"
    )


def first_page(address: str) -> tuple[int, str, str]:
    """Return status, headers and text of the first page, asked for as the proxy of a Space does."""
    request = urllib.request.Request(address, headers={"Host": HOST, "X-Forwarded-Proto": "https"})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return answer.status, str(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, str(error.headers), error.read().decode(errors="replace")


def faults_of_page(status: int, headers: str, text: str) -> list[str]:
    """Return what is wrong with the first page, a sentence each."""
    wanted = {
        "The page is not answered": status == 200,
        "Its cookie is not for the frame of a Space": "SameSite=None; Secure; Partitioned" in headers,
        "The page of a Space may not show it in a frame": "frame-ancestors 'self' https://huggingface.co" in headers,
        "It does not say that the store is lost at a restart": "lasts until the next restart" in text,
        "It does not say what it is for": "Research use only" in text,
    }
    return [f"{fault} (status {status})." for fault, holds in wanted.items() if not holds]


def main() -> int:
    """Install, start, look, and say what was found; 0 where the Space works."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for the environment (6 GB), the copied files and the log")
    parser.add_argument("--only", choices=["install"], help="stop after the environment is made")
    parser.add_argument(
        "--requirements", type=Path, default=ROOT / "requirements.txt", help="requirements-zerogpu.txt for ZeroGPU"
    )
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    version = front_matter(ROOT)["python_version"]
    command = python_command(version)
    if command is None:
        print(f"There is no Python {version} here, which the Space uses.")
        return NO_PYTHON
    names = committed_files(ROOT)
    if large := too_large(ROOT, names):
        sys.exit("A Space does not take files of more than 10 MB:\n" + "\n".join(large))
    environment = folder / "environment"
    if not environment.exists():
        install(environment, command, options.requirements)
    if options.only:
        return 0
    for name in names:
        (folder / "repository" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / "repository" / name)
    with running_space(environment, folder) as address:
        faults = faults_of_page(*first_page(address))
    print("\n".join(faults) or f"The Space starts on Python {version}, and its page answers.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
