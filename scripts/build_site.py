"""Build the pages of the series: executed notebooks, docs and report, as files that need no server.

    python scripts/build_site.py [--out site] [--run outputs/showcase]

Formulas become MathML, code is coloured, sound and pictures lie inside the pages, so that nothing
is asked from any network. (nbconvert would bring MathJax and RequireJS from one.)
"""

import argparse
import html
import json
import re
import shutil
import sys
import tomllib
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import jinja2
from latex2mathml.converter import convert as mathml
from markdown_it import MarkdownIt
from mdit_py_plugins.anchors import anchors_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
TEMPLATES = DOCS / "site"
# What a notebook's output is shown as, the first that it offers.
SHOWN_AS = ("text/html", "image/svg+xml", "image/png", "text/markdown", "text/plain")
# Tags of cells that hold plumbing, and what they are called while they are folded.
FOLDED = {
    "parameters": "parameters",
    "injected-parameters": "parameters of this run",
    "bootstrap": "find the repository",
    "solution": "solution",
}
PICTURES = (".png", ".svg", ".jpg")


@dataclass(frozen=True)
class Page:
    """A page: its file name, its title, the file it is made from, and the part it belongs to."""

    name: str
    title: str
    source: Path
    part: str

    @property
    def written_in(self):
        """The folder that its links start from; an executed copy is a copy of notebooks/."""
        return ROOT / "notebooks" if self.source.suffix == ".ipynb" else self.source.parent


def pages(run):
    """All pages in reading order; a notebook that was not executed in `run` has none."""
    found = [Page("index.html", "Start", DOCS / "index.md", "Start")]
    for path in sorted((run / "notebooks").glob("*.ipynb")):
        found.append(Page(f"{path.stem}.html", title_of(path), path, "The series"))
    for path in sorted(DOCS.glob("*.md")):
        if path.stem != "index":
            found.append(Page(f"{path.stem}.html", title_of(path), path, "Reference"))
    return found


def title_of(path):
    """The first heading of a notebook or a Markdown file."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        text = "".join(json.loads(text)["cells"][0]["source"])
    return re.search(r"^# (.+)$", text, re.M).group(1)


def to_mathml(formula, options):
    """A formula as MathML; what cannot be read stays as it was written."""
    try:
        return mathml(formula, display="block" if options["display_mode"] else "inline")
    except Exception as error:  # the converter raises many kinds; the formula is named
        raise ValueError(f"formula {formula!r}: {error}") from error


MARKDOWN = (
    MarkdownIt("commonmark", {"html": True, "typographer": True})
    .enable(["table", "strikethrough"])
    .use(dollarmath_plugin, renderer=to_mathml, allow_digits=False)
    .use(anchors_plugin, max_level=3)
)


class Links:
    """Where a link or picture of a source leads on the pages.

    Parameters
    ----------
    targets : list of Page
    out : Path
        Gets the pictures that pages show.
    """

    def __init__(self, targets, out):
        self.out = out
        self.page_of = {page.source.name: page.name for page in targets}
        about = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["aqp"]
        self.elsewhere = f"https://github.com/{about['repository']}/blob/{about['tag']}"

    def mended(self, page, base):
        """The HTML `page` with every relative address made right; it was written in `base`."""
        # A badge of another site is a request to it; its words do as well.
        page = re.sub(r'<img src="https?:[^"]*" alt="([^"]*)"[^>]*>', r"\1", page)
        return re.sub(
            r'(href|src)="([^"#][^"]*)"', lambda m: f'{m[1]}="{self._address(m[2], base)}"', page
        )

    def _address(self, address, base):
        path, mark, anchor = address.partition("#")
        if re.match(r"[a-z]+:", path) or not path:
            return address
        if Path(path).name in self.page_of:
            return self.page_of[Path(path).name] + mark + anchor
        source = (base / path).resolve()
        if source.suffix in PICTURES and source.is_file():
            return self._copied(source, "pictures")
        if source.name == "report.html" and source.is_file():
            return self._copied(source, ".")
        return f"{self.elsewhere}/{source.relative_to(ROOT).as_posix()}"

    def _copied(self, source, folder):
        name = source.name if folder == "." else f"{source.parent.parent.name}_{source.name}"
        target = self.out / folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return target.relative_to(self.out).as_posix()


def body_of(page):
    """The HTML of one page."""
    if page.source.suffix == ".md":
        return MARKDOWN.render(page.source.read_text("utf-8"))
    cells = json.loads(page.source.read_text("utf-8"))["cells"]
    return "\n".join(cell_html(cell) for cell in cells)


def cell_html(cell):
    """One cell: prose, or code with what it gave."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return f'<section class="prose">{MARKDOWN.render(source)}</section>'
    if cell["cell_type"] != "code":
        return ""
    code = highlight(source, PythonLexer(), HtmlFormatter(cssclass="code"))
    outputs = "".join(output_html(output) for output in cell["outputs"])
    outputs = f'<div class="outputs">{outputs}</div>'
    name = folded_as(cell)
    if name and cell["metadata"].get("jupyter", {}).get("outputs_hidden"):  # the answer, too
        content = f"<details><summary>{name}</summary>{code}{outputs}</details>"
    elif name:
        content = f"<details><summary>{name}</summary>{code}</details>{outputs}"
    else:
        content = code + outputs
    return f'<section class="cell">{content}</section>'


def folded_as(cell):
    """What a cell that only opens when asked for is called; None for one that stays open."""
    tags = cell["metadata"].get("tags", [])
    for tag, name in FOLDED.items():
        if tag in tags:
            return name
    return "code" if cell["metadata"].get("jupyter", {}).get("source_hidden") else None


def output_html(output):
    """What a cell gave, as HTML; progress bars on standard error are left out."""
    kind = output["output_type"]
    if kind == "stream":
        text = "".join(output["text"])
        return "" if output["name"] == "stderr" else f"<pre>{html.escape(text)}</pre>"
    if kind == "error":
        return f"<pre>{html.escape(output['ename'])}: {html.escape(output['evalue'])}</pre>"
    data = output["data"]
    mime = next((mime for mime in SHOWN_AS if mime in data), None)
    if mime is None or "application/vnd.jupyter.widget-view+json" in data:
        return ""
    content = "".join(data[mime])
    if mime == "image/png":
        text = html.escape("".join(data.get("text/plain", "figure")), quote=True)
        return f'<img alt="{text}" src="data:image/png;base64,{content.strip()}">'
    if mime == "text/markdown":
        return f'<div class="said">{MARKDOWN.render(content)}</div>'
    if mime == "text/plain":
        return f"<pre>{html.escape(content)}</pre>"
    return f'<div class="rich">{content}</div>'


def headings_of(body):
    """(anchor, text) of the second-level headings of a page."""
    found = re.findall(r'<h2[^>]*id="([^"]+)"[^>]*>(.*?)</h2>', body, re.S)
    return [(anchor, re.sub(r"<[^>]+>", "", text)) for anchor, text in found]


def build(out, run):
    """Write all pages into `out`; returns their number and the size in MB."""
    found = pages(run)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), undefined=jinja2.StrictUndefined
    )
    template = environment.get_template("page.html.j2")
    style = (TEMPLATES / "site.css").read_text("utf-8")
    light, dark = (HtmlFormatter(style=name, cssclass="code") for name in ("tango", "monokai"))
    colours = f"{light.get_style_defs('.code')}\n@media (prefers-color-scheme: dark) {{\n"
    colours += f"{dark.get_style_defs('.code')}\n}}\n"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    links = Links(found, out)
    (out / "site.css").write_text(colours + style, "utf-8")
    for position, page in enumerate(found):
        body = body_of(page)
        text = template.render(
            page=page,
            parts={part: list(some) for part, some in groupby(found, lambda one: one.part)},
            body=links.mended(body, page.written_in),
            headings=headings_of(body),
            before=found[position - 1] if position else None,
            after=found[position + 1] if position + 1 < len(found) else None,
        )
        (out / page.name).write_text(text, "utf-8")
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return len(found), size / 1e6


def main():
    """Build, and say where to look."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "site")
    parser.add_argument("--run", type=Path, default=ROOT / "outputs" / "showcase")
    arguments = parser.parse_args()
    if not list((arguments.run / "notebooks").glob("*.ipynb")):
        sys.exit(f"{arguments.run} holds no executed notebooks: make a run first, then the site.")
    number, size_mb = build(arguments.out, arguments.run)
    print(f"{number} pages, {size_mb:.1f} MB: open {arguments.out / 'index.html'}")


if __name__ == "__main__":
    main()
