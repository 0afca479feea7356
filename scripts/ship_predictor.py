"""Make the predictor of a field run the one that ships: copy, version, golden scores.

    python -m aqp_utils run --preset field --out outputs/field
    python scripts/ship_predictor.py outputs/field 1.0.0

The version must differ from that of the predictor it replaces: a change of scores is a change of
version.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from aqp_utils.core.files import write_json  # noqa: E402
from aqp_utils.model.files import add_documents  # noqa: E402
from aqp_utils.predict import shipped  # noqa: E402
from aqp_utils.predict.predictor import Predictor  # noqa: E402
from aqp_utils.runs.stage import read_manifest  # noqa: E402
from aqp_utils.training.field.golden import write_golden  # noqa: E402

LARGEST_MB = 60
STAGES = ("field", "06_field")  # the second: as runs before the move of the notebook named it


def ship(run, version):
    """Put the predictor of `run` in place of the shipped one, whole or not at all."""
    stage = next((name for name in STAGES if (Path(run) / name).is_dir()), STAGES[0])
    manifest = read_manifest(run, stage)
    if (shipped.card() or {}).get("version") == version:
        raise SystemExit(f"version {version} ships already; give the new predictor another.")
    with tempfile.TemporaryDirectory(dir=shipped.FOLDER.parent) as folder:
        new = Path(folder) / "predictor"
        shutil.copytree(Path(run) / stage / "predictor", new)
        card = json.loads((new / shipped.CARD).read_text("utf-8"))
        made = {key: manifest[key] for key in ("git_commit", "finished", "parameters")}
        write_json(new / shipped.CARD, {"version": version} | card | {"made": made})
        golden = write_golden(Predictor.load(new, device="cpu"), version)
        add_documents(new, shipped.DOCUMENTS)
        size_mb = sum(path.stat().st_size for path in new.rglob("*") if path.is_file()) / 1e6
        if size_mb > LARGEST_MB:
            raise SystemExit(f"{size_mb:.1f} MB; the shipped predictor takes {LARGEST_MB} at most.")
        if shipped.FOLDER.exists():
            shutil.rmtree(shipped.FOLDER)
        shutil.move(new, shipped.FOLDER)
    print(f"{shipped.FOLDER}: version {version}, {size_mb:.1f} MB")
    for name, score in golden["scores"].items():
        print(f"  {score:.3f}  {name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a run of the preset field")
    parser.add_argument("version", help="such as 1.0.0")
    arguments = parser.parse_args()
    ship(arguments.run, arguments.version)
