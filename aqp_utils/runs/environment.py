"""What a result was made with: versions, machine, commit, memory."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

from aqp_utils.core.package import PACKAGE

PACKAGES = (
    "numpy",
    "scipy",
    "librosa",
    "soundfile",
    "soxr",
    "numba",
    "onnxruntime",
    "scikit-learn",
    "pandas",
    "torch",
    "torchaudio",
    "transformers",
    "safetensors",
    "matplotlib",
    "papermill",
    "pesq",
)


def versions():
    """Version of Python and of each package in `PACKAGES` that is installed, by name."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def describe():
    """Versions, device, threads and git commit, ready for a manifest."""
    return {
        "versions": versions(),
        "platform": platform.platform(),
        "device": _device(),
        "cpus": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "git_commit": _git("rev-parse", "HEAD"),
        "git_clean": _git("status", "--porcelain", "--untracked-files=no") == "",
    }


def _device():
    """The GPU if PyTorch is in use and sees one; looking must not import PyTorch."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"cpu ({platform.machine()})"


def _git(*arguments):
    """Output of git in the repository this package lies in, None outside of one."""
    try:
        done = subprocess.run(
            ["git", "-C", str(PACKAGE.parent), *arguments],
            capture_output=True,
            text=True,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def peak_memory_mb():
    """Largest resident memory of this process so far, in MB."""
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def processor_name():
    """Name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} processors" if names else platform.machine()
