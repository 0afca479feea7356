"""A Jupyter server of its own for a test: fresh settings, a free port, ended with the test."""

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

TOKEN = "test"
START_S = 180.0  # a busy machine with two cores, everything compiled for the first time
# For every front end of a Jupyter server.
ARGUMENTS = (
    "--no-browser",
    "--allow-root",
    "--ServerApp.port={port}",
    "--ServerApp.port_retries=0",
    "--IdentityProvider.token={token}",
)
SETTINGS = {
    # Else outputs out of sight are not in the page, and the start asks about news.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
}


@contextlib.contextmanager
def served(module, folder, *arguments, url, front=None):
    """Run `python -m module` in `folder` until the block ends; yields the address of the server.

    `arguments` may contain {port}, {token} and {settings}; `url` is asked until it answers. `front`
    is a folder of packages that come before the installed ones, for the server and its kernels.
    """
    if front is None and importlib.util.find_spec(module) is None:
        pytest.skip(f"no {module} here: pip install {module}")
    private = folder / "jupyter"
    (private / "settings").mkdir(parents=True)
    (private / "settings" / "overrides.json").write_text(json.dumps(SETTINGS))
    port = _free_port()
    names = {"port": port, "token": TOKEN, "settings": private / "settings"}
    command = [sys.executable, "-m", module, *(text.format(**names) for text in arguments)]
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")
    environment = os.environ | {name: str(private / name) for name in places}
    environment |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    if front is not None:
        environment |= {
            "PYTHONPATH": str(front),
            "JUPYTER_PATH": str(front / "share" / "jupyter"),
            "JUPYTER_CONFIG_PATH": str(front / "etc" / "jupyter"),
        }
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(process, f"{address}/{url}", folder / "server.log")
        yield address
    finally:
        process.terminate()  # a Jupyter server ends its kernels first
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(process, url, log):
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return  # an answer, even if it says no
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")
