"""Makes the environment `.venv` that the Makefile works in, once, with whatever Python 3.11 or newer is there.

Standard library only. What goes wrong is one line that says what to do about it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
INTERRUPTED = 130
STAMP = os.path.join(VENV, "framebus-extras")
OLDEST = (3, 11)
NEWER = ("python3.13", "python3.12", "python3.11", "python3.14")
INCLUDES = {
    "all": {"all"},
    "test": {"all", "test"},
    "dev": {"all", "test", "dev"},
    "bench": {"all", "test", "dev", "bench"},
}


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else "all"
    if sys.version_info < OLDEST:
        use_newer_python()
    if is_made(wanted):
        return
    started_s = time.monotonic()
    say("making the environment .venv (once; needs the network for packages, and a minute or two) ...")
    if not os.path.exists(os.path.join(VENV, "bin", "pip")):  # pip comes last: without it the environment is half made
        make_venv()
    install(wanted)
    say(f"environment .venv made in {time.monotonic() - started_s:.0f} s (kept for next time)")


def is_made(wanted):
    """Whether the environment holds what is wanted, for this pyproject.toml."""
    try:
        with open(STAMP) as file:
            made, digest = file.read().split()
    except (OSError, ValueError):
        return False
    return digest == project_digest() and wanted in INCLUDES.get(made, set())


def project_digest():
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        return hashlib.sha256(file.read() + ROOT.encode()).hexdigest()


def use_newer_python():
    """Go on with a newer Python when there is one."""
    for name in NEWER:
        path = shutil.which(name)
        if path:
            os.execv(path, [path, *sys.argv])
    found = ".".join(map(str, sys.version_info[:2]))
    fail(f"Python {found} is too old: framebus needs 3.11 or newer (Debian 12, Ubuntu 24.04 and later have it)")


def make_venv():
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], capture_output=True, text=True)
    if done.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        if "ensurepip" in done.stdout + done.stderr:
            fail("Python has no venv module here: sudo apt install python3-venv   and try again")
        fail_if_full(done.stdout + done.stderr)
        fail(f"could not make .venv: {last_line(done.stdout + done.stderr)}")


def install(extra):
    pip = [os.path.join(VENV, "bin", "python"), "-m", "pip", "--disable-pip-version-check", "install"]
    done = subprocess.run([*pip, "--quiet", "-e", f"{ROOT}[{extra}]"], capture_output=True, text=True)
    if done.returncode != 0:
        text = done.stdout + done.stderr
        fail_if_full(text)
        if "Could not find a version" in text or "ConnectionError" in text or "NewConnectionError" in text:
            fail(f"the packages could not be fetched: is the network there? {last_line(text)}")
        fail(f"the packages could not be installed: {last_line(text)}")
    with open(STAMP, "w") as file:
        file.write(f"{extra} {project_digest()}")


def fail_if_full(text):
    if "No space left" in text:
        fail(f"the disk is full: .venv needs about 500 MB; {shutil.disk_usage(ROOT).free // 2**20} MB are free")


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("WARNING")]
    return lines[-1] if lines else "no reason was given"


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def fail(text):
    sys.stderr.write(f"error: {text}\n")
    sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; the next make goes on where this one was\n")
        sys.exit(INTERRUPTED)
    except OSError as error:
        fail_if_full(str(error))
        fail(f"could not make .venv: {error}")
