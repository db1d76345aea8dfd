"""The walls around a child: tried from inside, in processes of their own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from interwork.core.design import Model, Port
from interwork.design import child, models, walls
from interwork.design.child import missing_walls

MODEL = """
import os, resource, socket, subprocess
INPUTS = {}
OUTPUTS = {"y": {}}
def run():
    %s
    return {"y": 1.0}
"""
ATTEMPTS = {
    "a connection": "socket.create_connection(('127.0.0.1', 9))",
    "a name looked up": "socket.gethostbyname('localhost')",
    "a local socket": "socket.socket(socket.AF_UNIX)",
    "a program": "subprocess.run(['/bin/true'])",
    "a fork": "os.fork()",
    "a signal": "os.kill(os.getppid(), 0)",
    "another's environment": "open(f'/proc/{os.getppid()}/environ').read()",
    "a folder of the system": "os.listdir('/')",
    "a file elsewhere": "open('/tmp/left-behind', 'w')",
    "its own limits": "resource.setrlimit(resource.RLIMIT_CPU, (600, 600))",
}
_TRIAL = subprocess.run([sys.executable, "-m", "interwork.design.walls"], capture_output=True, check=True)
needs_walls = pytest.mark.skipif(
    bool(json.loads(_TRIAL.stdout)),
    reason="this kernel refuses a wall",
)


def python_model():
    return Model(
        id="model-walls000001", name="hostile", kind="python", digest="", inputs=(), outputs=(Port(name="y"),),
        signer="", signature="", holder="", at=None,
    )  # fmt: skip


def run(body):
    return models.run((MODEL % body).encode(), python_model(), [{}], models.Steps())


@needs_walls
async def test_a_model_that_reaches_outside_is_refused_by_the_kernel():
    """design 42: neither the network, nor another process, nor a file of the system."""
    tries = [
        f"try: {code}\n    except OSError: pass\n    else: done.append({what!r})" for what, code in ATTEMPTS.items()
    ]
    body = "\n    ".join(["done = []", *tries, "assert not done, done"])
    assert (await run(body)).outputs == ({"y": 1.0},)


@needs_walls
async def test_a_file_of_the_node_cannot_be_read_by_a_model(tmp_path):
    secret = tmp_path / "key.pem"
    secret.write_text("secret")
    with pytest.raises(Exception, match="PermissionError"):
        await run(f"open({str(secret)!r}).read()")


@needs_walls
async def test_a_model_may_use_threads_libraries_and_its_own_folder():
    body = (
        "import threading, numpy, scipy.linalg; one = threading.Thread(target=print); one.start(); one.join();"
        "open('scratch', 'w').write('x'); assert numpy.ones(2).sum() == 2"
    )
    outcome = await run(body)
    assert (outcome.outputs, outcome.missing) == (({"y": 1.0},), {})


async def test_which_walls_a_system_refuses_can_be_asked():
    assert set(await missing_walls()) <= set(walls.WALLS)


def test_walls_that_are_missing_are_told_with_the_reason():
    assert walls.told({}) == "network, files, processes"
    assert walls.told({"files": "the kernel has no Landlock"}) == (
        "network, processes; without files: the kernel has no Landlock"
    )
    assert walls.told(dict.fromkeys(walls.WALLS, "x")).startswith("none; without network: x")


def test_a_process_of_several_threads_says_that_it_has_no_walls():
    code = (
        "import threading, time; from pathlib import Path; from interwork.design import walls;"
        "threading.Thread(target=time.sleep, args=(5,), daemon=True).start(); print(len(walls.put_up(Path.cwd())))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert said.stdout.strip() == "3"


def test_a_machine_whose_system_calls_are_unknown_says_so():
    code = (
        "import os, platform; os.uname; platform.machine = lambda: 'riscv64';"
        "from pathlib import Path; from interwork.design import walls; print(walls.put_up(Path.cwd()))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert "riscv64 are not known" in said.stdout
    assert Path("/tmp/left-behind").exists() is False


def test_what_the_children_load_starts_no_thread_before_the_walls_are_up():
    """Several threads would leave a process without walls: each import of the children is held to one."""
    code = (
        "import interwork.design.models.fmi, interwork.design.worker; from pathlib import Path;"
        "print(len(list(Path('/proc/self/task').iterdir())))"
    )
    environment = child.environment("/tmp")
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True)
    assert said.stdout.strip() == "1"
