"""Read recordings in a second process, so that a decoder that hangs or crashes costs one file.

libsndfile parses files from anywhere; some make it loop for ever (libsndfile issue 1118) and no
Python thread can stop it. A process can be ended. It also reads ahead while this one computes.
A pool with a time limit per task (pebble) would not do: twelve hours of audio may take half an
hour, so only signs of life tell slow from stuck; and a pool that spawns needs a guarded script.
Run as a program, this module is that second process: a path per line in, recordings out.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from aqp_utils.core.package import PACKAGE
from aqp_utils.recordings.reading import Recording, RecordingError, read_recording
from aqp_utils.recordings.stored import PIECE, collect, pieces

PATIENCE_S = 20.0  # without a sign of life; a block of audio takes well under a second


def read_all(paths, patience_s=PATIENCE_S):
    """Read recordings one after the other, the next one while the caller works on the last.

    Parameters
    ----------
    paths : sequence of path
    patience_s : float
        How long a file may go without a sign of life (s).

    Yields
    ------
    Recording or RecordingError
        In the order of `paths`.
    """
    paths = [Path(path) for path in paths]
    reader = _Reader()
    try:
        if paths:
            reader.ask(paths[0])
        for position, path in enumerate(paths):
            result = reader.answer(path, patience_s)
            if isinstance(result, _Gone):
                reader.end()
                reader = _Reader()
                result = RecordingError(f"{path}: {result}.")
            if position + 1 < len(paths):
                reader.ask(paths[position + 1])
            yield result
    finally:
        reader.end()


class _Gone(Exception):
    """The second process has crashed or is stuck."""


class _Reader:
    """The second process and the thread that listens to it."""

    def __init__(self):
        package = str(PACKAGE.parent)
        search = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__ if __name__ != "__main__" else __spec__.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # decoders chatter about harmless oddities
            env=os.environ | {"PYTHONPATH": search, "PYTHONUTF8": "1"},
        )
        self._answers = queue.Queue(maxsize=1)
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, path):
        with contextlib.suppress(OSError):  # a dead process is noticed when it does not answer
            self._process.stdin.write(json.dumps(os.fspath(path.absolute())).encode() + b"\n")
            self._process.stdin.flush()

    def answer(self, path, patience_s):
        """The recording asked for, a RecordingError, or `_Gone`."""
        while True:
            try:
                answer = self._answers.get(timeout=patience_s)
            except queue.Empty:
                return _Gone(f"the decoder gave no sign of life for {patience_s:g} s and was ended")
            if answer is None:
                return _Gone("the decoder crashed on this file")
            if isinstance(answer, Recording):
                return answer
            if "no_room" in answer:
                return RecordingError(f"{path}: {answer['no_room']}.")
            if "error" in answer:
                return RecordingError(answer["error"].replace(str(path.absolute()), str(path), 1))

    def end(self):
        self._process.kill()
        self._process.stdin.close()
        self._process.wait()
        with contextlib.suppress(queue.Empty):
            while True:  # lets the listening thread see the end
                self._answers.get_nowait()

    def _listen(self):
        pipe = self._process.stdout
        try:
            while line := pipe.readline():
                answer = json.loads(line)
                if "n_samples" in answer:
                    answer = _received(pipe, answer)
                self._answers.put(answer)
        except (OSError, ValueError):
            pass  # cut off in the middle of an answer
        finally:
            self._answers.put(None)
            pipe.close()


def _received(pipe, answer):
    """The recording whose audio follows `answer` in the pipe, or why there is no room for it."""
    coming = _audio_in(pipe, answer["n_samples"])
    try:
        return Recording(collect(coming), notes=answer["notes"], original=answer["original"])
    except ValueError as error:
        for _ in coming:
            pass
        return {"no_room": str(error)}


def _audio_in(pipe, n_samples):
    while n_samples:
        content = pipe.read(4 * min(PIECE, n_samples))
        if not content:
            raise OSError("the second process has ended in the middle of an answer")
        n_samples -= len(content) // 4
        yield np.frombuffer(content, np.float32)


def _serve():
    """Answer every path on standard input; the audio follows its line as raw float32."""
    output = sys.stdout.buffer

    def say(**message):
        output.write(json.dumps(message).encode() + b"\n")
        output.flush()

    for line in sys.stdin.buffer:
        try:
            recording = read_recording(json.loads(line), alive=lambda: say(alive=True))
        except RecordingError as error:
            say(error=str(error))
            continue
        except MemoryError:
            say(error=f"{json.loads(line)}: too large for the memory of this machine.")
            continue
        say(n_samples=len(recording.audio), notes=recording.notes, original=recording.original)
        for piece in pieces(recording.audio):
            output.write(piece.data)
        output.flush()


if __name__ == "__main__":
    _serve()
