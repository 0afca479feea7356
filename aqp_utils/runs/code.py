"""Which code is behind a result: hashes that follow the imports, so that an edit remakes little."""

import ast
import functools
import hashlib

from aqp_utils.core.files import sha256
from aqp_utils.core.package import ASSETS, PACKAGE
from aqp_utils.runs.notebooks import code_cells, notebook_path


def code_sha256(folder_name, root=None):
    """SHA-256 of the code that makes `folder_name`: its notebook's code cells and what they import.

    Raises
    ------
    ModuleNotFoundError
        If a cell, or a module behind it, imports from this package what is not there.
    """
    cells = [source for source, _ in code_cells(notebook_path(folder_name, root))]
    digest = hashlib.sha256("\0".join(cells).encode())
    names = [name for cell in cells for name in _imports(ast.walk(ast.parse(cell)))]
    return _with_files(digest, files_behind(names))


def code_behind(module):
    """SHA-256 of a module of this package and of all that it imports from it, directly or not.

    Parameters
    ----------
    module : str
        Dotted, such as "training.field.recipe".

    Raises
    ------
    ModuleNotFoundError
        If it, or a module behind it, is not there.
    """
    return _with_files(hashlib.sha256(), files_behind([f"{PACKAGE.name}.{module}"]))


def files_behind(modules):
    """Files of this package that some modules need, directly or not: code, and assets they name.

    Parameters
    ----------
    modules : iterable of str
        Dotted, from the name of this package on.

    Returns
    -------
    set of Path

    Raises
    ------
    ModuleNotFoundError
        Naming the module that is not there.
    """
    files, waiting = set(), list(modules)
    while waiting:
        path = _file_of(waiting.pop())
        if path not in files:
            status = path.stat()
            imported, assets = _needs(path, status.st_mtime_ns, status.st_size)
            files |= {path, *assets}
            waiting += imported
    return files


def _with_files(digest, files):
    for path in sorted(files):
        status = path.stat()
        content = _unchanged_sha256(path, status.st_mtime_ns, status.st_size)
        digest.update(f"{path.relative_to(PACKAGE).as_posix()} {content}\n".encode())
    return digest.hexdigest()


@functools.cache
def _needs(path, mtime_ns, size):
    """Modules that a source file imports and data files that belong to it, read once per state."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    # What a package hands on lazily is behind those who ask for it, not behind its neighbours.
    nodes = tree.body if path.name == "__init__.py" else ast.walk(tree)
    return tuple(_imports(nodes)), tuple(_assets(tree) | _beside(path))


def _imports(nodes):
    """Dotted names of all modules of this package that syntax nodes import, parents included."""
    for node in nodes:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if _is_ours(alias.name)]
        elif isinstance(node, ast.ImportFrom) and _is_ours(node.module or ""):
            names = [node.module, *_submodules(node.module, [alias.name for alias in node.names])]
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:n]) for n in range(1, len(parts) + 1))


def _is_ours(module):
    return module.split(".")[0] == PACKAGE.name


def _submodules(module, names):
    """The modules behind names imported from a package: its own, or those its `__init__` asks."""
    init = _file_of(module)
    if init.name != "__init__.py":
        return
    tree = ast.parse(init.read_text(encoding="utf-8"))
    asked = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    origin = {alias.asname or alias.name: node.module for node in asked for alias in node.names}
    for name in names:
        if _candidates(f"{module}.{name}"):
            yield f"{module}.{name}"
        elif name in origin:
            yield origin[name]
        elif name not in _assigned(tree):
            raise ModuleNotFoundError(f"{module} has no {name}, which is imported from it.")


def _assigned(tree):
    named = (node for node in ast.walk(tree) if isinstance(node, ast.Name | ast.FunctionDef))
    return {node.id if isinstance(node, ast.Name) else node.name for node in named}


def _candidates(module):
    base = PACKAGE.parent.joinpath(*module.split("."))
    paths = (base.with_name(f"{base.name}.py"), base / "__init__.py")
    return [path for path in paths if path.is_file()]


def _file_of(module):
    found = _candidates(module)
    if not found:
        raise ModuleNotFoundError(f"{module}: there is no such module in {PACKAGE}.")
    return found[0]


def _assets(tree):
    """Files under `ASSETS / "NAME"` for every NAME that a syntax tree says."""
    named = [
        ASSETS / node.right.value
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp)
        and isinstance(node.left, ast.Name)
        and node.left.id == "ASSETS"
        and isinstance(node.right, ast.Constant)
    ]
    return {path for place in named for path in _files_in(place)}


def _beside(path):
    """Data files that lie with a module: in its folder, or in folders there that hold no code."""
    folder = path.parent
    if folder == PACKAGE:
        return set()
    places = [p for p in folder.iterdir() if p.is_file() or not (p / "__init__.py").is_file()]
    return {file for place in places for file in _files_in(place)}


def _files_in(place):
    files = [place] if place.is_file() else place.rglob("*")
    return {p for p in files if p.is_file() and _is_data(p)}


def _is_data(path):
    return path.suffix not in (".py", ".md") and "__pycache__" not in path.parts


@functools.cache
def _unchanged_sha256(path, mtime_ns, size):
    """SHA-256 of a source file, read again only if its time or size changed."""
    return sha256(path)
