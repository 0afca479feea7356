import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import namedtuple

import fake_series
import nbformat
import psutil
import pytest

from aqp_utils.commands import cli, series
from aqp_utils.commands.execution import Relay
from aqp_utils.core.errors import NotebookError, RunError
from aqp_utils.runs import hashes, notebooks, parameters

NAMES = list(notebooks.STUDY.values())


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository of tiny notebooks and a copy of the package; we stand elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return fake_series.repository(tmp_path / "repository", monkeypatch)


def run(root, **settings):
    """Run the series; return what was printed."""
    stream = io.StringIO()
    series.run(root=root, stream=stream, **settings)
    return stream.getvalue()


def made(text):
    return [name for name in NAMES if f"{name}: done" in text]


def kept(text):
    return [name for name in NAMES if f"{name}: unchanged, kept" in text]


def test_what_is_made_kept_and_made_again(root):
    out = root / "outputs" / "run"
    text = run(root)
    assert made(text) == NAMES
    assert kept(run(root)) == NAMES

    assert made(run(root, given={"EPOCHS": 7})) == NAMES[3:]
    assert json.loads((out / "04_model/manifest.json").read_text())["parameters"]["EPOCHS"] == 7

    clip = out / "02_degraded" / "clip.wav"
    clip.write_text("3")
    text = run(root, given={"EPOCHS": 7})
    assert "02_degrade: running (this file was changed since it was made, 02_degraded/clip" in text
    assert made(text) == ["02_degrade"] and clip.read_text() == "2"  # the same again: rest is kept

    assert made(run(root, start="04", given={"EPOCHS": 7})) == NAMES[3:]
    with pytest.raises(RunError, match=r"01_clean was made with other settings \(SEED 0, now 1\)"):
        run(root, start="02", given={"SEED": 1})

    (out / "notebooks" / "01_synthesize.ipynb").unlink()
    assert made(run(root, given={"EPOCHS": 7})) == ["01_synthesize"]

    fake_series.write(root, {"05_report": "(stage.folder / 'metrics.json').write_text('{}')"})
    assert made(run(root, given={"EPOCHS": 7})) == NAMES[4:]


def test_every_file_is_read_once_in_a_run(root, monkeypatch):
    def read_ones(**settings):
        ones.clear()
        run(root, **settings)
        assert not list(out.glob(".*hashes*"))
        return sorted(ones)

    ones, out = [], root / "outputs" / "run"
    real = hashes.sha256
    monkeypatch.setattr(
        hashes,
        "sha256",
        lambda path: ones.append(path.relative_to(out).as_posix()) or real(path),
    )
    run(root)
    clips = [out / folder / "clip.wav" for folder in ("01_clean", "02_degraded")]
    for path in [p for p in out.rglob("*") if p.is_file()]:
        os.utime(path, (0, 0))  # long settled
    assert read_ones() == [
        *("01_clean/clip.wav", "02_degraded/clip.wav", "03_features/x.npz"),
        *("04_model/history.csv", "05_report/metrics.json"),
        *("06_stress/stress.json", "07_recordings/report.html"),
    ]
    assert [path.relative_to(out).as_posix() for path in clips] == read_ones(start="03")


def test_a_notebook_that_spoils_what_was_made_before_it_is_found_out(root):
    spoil = "(stage.source.parent / '01_clean/clip.wav').write_text('9')"
    body = "(stage.folder / 'x.npz').write_text('3')"
    fake_series.write(root, {"03_features": f"{spoil}\n{body}"})
    with pytest.raises(NotebookError, match="04_train stopped .* changed since it was made"):
        run(root)


def test_a_failing_cell_is_named_and_leaves_no_good_copy(root, capsys):
    body = "# a remark\nprint('so far')\nx = 1 / 0"
    fake_series.write(root, {"02_degraded": body})
    with pytest.raises(NotebookError) as error:
        run(root)
    first, second = str(error.value).splitlines()
    assert first == "02_degrade stopped in cell In [4] (print('so far')): ZeroDivisionError: " + (
        "division by zero"
    )
    copies = root / "outputs" / "run" / "notebooks"
    assert second == f"  partial copy: {copies / '02_degrade.failed.ipynb'}"
    assert sorted(p.name for p in copies.iterdir()) == [
        "01_synthesize.ipynb",
        "02_degrade.failed.ipynb",
    ]
    assert "so far" in (copies / "02_degrade.failed.ipynb").read_text()

    fake_series.write(root, {"02_degraded": "import os\nos.kill(os.getpid(), 9)"})
    with pytest.raises(NotebookError, match=r"cell In \[4\] \(import os\): the kernel died"):
        run(root)

    fake_series.write(root)
    text = run(root)
    assert kept(text) == NAMES[:1] and made(text) == NAMES[1:]
    assert sorted(p.stem for p in copies.iterdir()) == NAMES


def test_executed_copies_are_tidy(root):
    fake_series.write(
        root,
        {
            "01_clean": "from tqdm import tqdm\nfor _ in tqdm(range(3), desc='bar'): pass\n"
            "import matplotlib.pyplot as plt\nplt.plot([1, 2]);\nprint('done')"
        },
    )
    out = root.parent / "my run"
    text = run(root, out=out)
    assert "      bar: 100%" in text and "\r" not in text and "      done" in text
    book = nbformat.read(out / "notebooks" / "01_synthesize.ipynb", as_version=4)
    nbformat.validate(book)
    outputs = [output for cell in book.cells[1:] for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert all("\r" not in output.get("text", "") for output in outputs)
    injected = next(c for c in book.cells if "injected-parameters" in c.metadata.get("tags", []))
    assert "INTERACTIVE = False" in injected.source
    assert str(root) not in json.dumps(book.metadata)


def test_nothing_is_touched_when_a_parameter_is_wrong(root):
    for given in ({"SEVERITIES": [4]}, {"LABELS": "measured"}, {"ENCODER": "none"}):
        with pytest.raises(ValueError):
            run(root, given=given)
    with pytest.raises(ValueError, match="DROPOUT: no notebook has this parameter"):
        run(root, given={"DROPOUT": 0.1})
    with pytest.raises(ValueError, match="--from 8: allowed are 01, 02, 03, 04, 05, 06, 07"):
        run(root, start="8")
    with pytest.raises(RunError, match="run 01_synthesize first"):
        run(root, start="03", out=root.parent / "empty")
    assert not (root / "outputs").exists()


def test_the_notebooks_own_values_hold_where_nothing_is_given(root):
    path = root / "notebooks" / "04_train.ipynb"
    path.write_text(path.read_text().replace("EPOCHS = 40", "EPOCHS = 41"))
    tasks = series.plan(root, root / "o", {})
    assert tasks[3].values["EPOCHS"] == 41 and "EPOCHS" not in tasks[3].injected
    path.write_text(path.read_text().replace("EPOCHS = 41", "EPOCHS = 0"))
    with pytest.raises(ValueError, match="EPOCHS = 0"):
        series.plan(root, root / "o", {})


def test_a_disk_that_is_too_small_is_named_before_work(root, monkeypatch):
    usage = namedtuple("usage", "free")(1_000_000)
    monkeypatch.setattr(series.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OSError, match="needs about .* MB, 1 MB are free"):
        run(root)


def test_measured_labels_need_pesq(root, monkeypatch):
    monkeypatch.setattr(series.importlib.util, "find_spec", lambda _: None)
    task = series.Task("02_degraded", None, root, {"LABEL": "measured"}, {})
    with pytest.raises(ValueError, match="LABEL = 'measured' needs the package pesq"):
        series.check_possible([task])


def start_series(root, out):
    """The command line in a process of its own, in `root`."""
    command = [sys.executable, "-m", "aqp_utils", "run", "--out", str(out)]
    search = os.pathsep.join([str(root), *filter(None, sys.path)])
    return subprocess.Popen(
        command,
        cwd=root,
        env={**os.environ, "PYTHONPATH": search},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's & ignores it
    )


def wait_for(condition, limit_s=60):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_killed_leaves_no_kernel_and_goes_on(root, how):
    out = root / "run"
    body = "(stage.folder / 'here').write_text('')\nimport time\ntime.sleep(60)"
    fake_series.write(root, {"02_degraded": body})
    process = start_series(root, out)
    wait_for((out / "02_degraded" / "here").is_file)
    kernels = psutil.Process(process.pid).children(recursive=True)
    with pytest.raises(RunError, match="in use by a run of the series"):
        run(root, out=out)
    process.send_signal(how)
    text, _ = process.communicate(timeout=30)
    if how != signal.SIGKILL:
        assert process.returncode == 130 and "interrupted" in text and "Traceback" not in text
    assert kernels
    wait_for(lambda: not any(k.is_running() and k.status() != "zombie" for k in kernels))
    fake_series.write(root)
    text = run(root, out=out)
    assert kept(text) == NAMES[:1] and made(text) == NAMES[1:]


def test_the_command_line_from_anywhere(root, capsys, monkeypatch):
    monkeypatch.chdir(root / "notebooks")
    assert cli.main(["run", "--out", "../here", "-p", "SEED", "3"]) == 0
    text = capsys.readouterr().out
    assert str(root / "here" / "07_recordings" / "report.html") in text
    assert str(root / "here" / "notebooks" / "05_evaluate.ipynb") in text
    assert "accuracy 0.500 [0.400, 0.600]" in text

    fake_series.write(root, {"05_report": "raise ValueError('no')"})
    assert cli.main(["run", "--out", "../here", "-p", "SEED", "3"]) == 1
    assert "aqp: 05_evaluate stopped in cell In [4]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["rum"], "there is no command 'rum'; did you mean run?"),
        (["run", "-p", "N_PER_CONDITION", "-3"], "N_PER_CONDITION = -3: allowed is an integer"),
        (["run", "-p", "SCORE_WEIGHT", "-1"], "SCORE_WEIGHT = -1"),
        (["run", "-p", "SEVERITY", "1"], "did you mean SEVERITIES?"),
        (["run", "--preset", "huge"], "preset 'huge': there are smoke"),
        (["run", "--out", "/proc/nowhere"], "/proc/nowhere: this folder cannot be written"),
        (["run", "-p", "ENCODER", "/no/folder"], "ENCODER = '/no/folder': allowed are embedded"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(
    root, monkeypatch, capsys, arguments, sentence
):
    monkeypatch.chdir(root)
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("aqp: ") and sentence in error and error.count("\n") == 1


def test_help_is_there_without_the_heavy_imports():
    heavy = "{'torch', 'numpy', 'papermill', 'pandas'}"
    code = f"""
import sys
from aqp_utils.commands.cli import main
main(['--help'])
assert not {heavy} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=fake_series.PACKAGE.parent
    )
    assert done.returncode == 0, done.stderr
    assert "run the notebooks 01 to 07" in done.stdout


def test_an_edit_remakes_only_what_imports_it(root):
    run(root)
    (root / "aqp_utils" / "plots.py").write_text("# another style")
    assert kept(run(root)) == NAMES
    with open(root / "aqp_utils" / "runs" / "lock.py", "a") as file:
        file.write("# another lock")
    assert made(run(root)) == NAMES


def test_every_parameter_is_in_the_help_of_run(capsys):
    with pytest.raises(SystemExit):
        cli.main(["run", "--help"])
    text = capsys.readouterr().out
    assert all(name in text for name in parameters.PARAMETERS)


def test_outside_any_repository_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "PACKAGE", tmp_path / "site-packages" / "aqp_utils")
    with pytest.raises(FileNotFoundError, match="clone the repository"):
        notebooks.find_root(tmp_path)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_moves_in_place_on_a_terminal():
    terminal = Terminal()
    relay = Relay(terminal)
    for piece in ("\rbar 1", "\rbar 2", "\rbar 3\n", "line"):
        relay.write(piece)
    relay.finish()
    shown = terminal.getvalue().replace("\x1b[K", "").replace(Relay.INDENT, "")
    assert shown == "\rbar 1\rbar 2\rbar 3\n\rline\n"
