"""The command line: `python -m aqp_utils COMMAND`, or `aqp COMMAND` once installed."""

import argparse
import difflib
import importlib
import signal
import sys
import warnings

from aqp_utils import __version__
from aqp_utils.core.package import not_installed

# To add a command, name here a module that offers `add_arguments(parser)` and
# `run(arguments) -> exit code`; it is imported only when its command is asked for.
COMMANDS = {
    "run": ("aqp_utils.commands.run", "run the notebooks 01 to 07"),
    "sweep": ("aqp_utils.commands.sweep", "make a grid of runs and compare them"),
    "compare": ("aqp_utils.commands.compare", "compare runs, paired by source"),
    "predict": ("aqp_utils.commands.predict", "score recordings: class, score, interval"),
    "evaluate": ("aqp_utils.commands.evaluate", "measure agreement with labelled recordings"),
    "verify": ("aqp_utils.commands.verify", "check every file of a run folder"),
    "encoders": ("aqp_utils.commands.encoders", "list the encoders that can be used here"),
}

USER_ERROR = 2


def main(argv=None):
    """Run one command; errors of the user's making become one sentence and exit code 2.

    Returns
    -------
    int
        Exit code: 0 done, 1 a notebook stopped, 2 wrong input, 130 interrupted.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    if not argv or argv[0] in ("-h", "--help"):
        print(_help())
        return 0 if argv else USER_ERROR
    if argv[0] == "--version":
        print(f"aqp {__version__}")
        return 0
    name, *rest = argv
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(COMMANDS)}."
        return _complain(f"there is no command {name!r}; {hint}")
    # Ending by SIGTERM then cleans up as Ctrl-C does: kernels stop, temporary files go.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return _run(name, rest)


def _run(name, rest):
    try:
        module = importlib.import_module(COMMANDS[name][0])
    except ModuleNotFoundError as error:
        return _complain(not_installed(f"aqp {name}", error))
    parser = argparse.ArgumentParser(
        prog=f"aqp {name}",
        description=COMMANDS[name][1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    arguments = parser.parse_args(rest)
    from aqp_utils.core.errors import NotebookError, RunError
    from aqp_utils.core.sealed import NotSealed

    as_python_does = warnings.showwarning

    def show(message, category, *where):
        if issubclass(category, NotSealed):
            _complain(message)
        else:
            as_python_does(message, category, *where)

    warnings.showwarning = show
    try:
        return module.run(arguments)
    except NotebookError as error:
        return _complain(error, code=1)
    except OSError as error:
        return _complain(f"{error.filename}: {error.strerror}." if error.filename else error)
    except (ValueError, RunError) as error:
        return _complain(error)
    except ModuleNotFoundError as error:
        return _complain(not_installed(f"aqp {name}", error))
    except KeyboardInterrupt:
        return _complain("interrupted; the same command goes on where this one stopped.", code=130)


def _complain(sentence, code=USER_ERROR):
    print(f"aqp: {sentence}", file=sys.stderr)
    return code


def _help():
    lines = ["usage: aqp COMMAND [options]", "", "commands:"]
    lines += [f"  {name:10} {about}" for name, (_, about) in COMMANDS.items()]
    return "\n".join([*lines, "", "aqp COMMAND --help says more about one of them."])
