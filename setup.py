"""What pyproject.toml cannot say by itself: addresses, and a README for a package index.

Owner, name and tag of the repository come from [tool.aqp] in pyproject.toml.
"""

import re
import tomllib
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
WHERE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["aqp"]
HOME = f"https://github.com/{WHERE['repository']}"
PAGE = f"{HOME}/blob/{WHERE['tag']}/"
FILE = f"https://raw.githubusercontent.com/{WHERE['repository']}/{WHERE['tag']}/"
PICTURES = (".png", ".svg", ".jpg", ".gif")


def long_description(readme):
    """The text `readme` with whole addresses, and without what an index shows raw."""
    text = re.sub(r"```mermaid\n.*?```\n+", "", readme, flags=re.DOTALL)
    text = re.sub(r"<!-- .*? -->\n+", "", text)
    markdown, html = r"(\]\()([^)\s]+)", r"((?:src|href|srcset)=\")([^\"]+)"
    for pattern in (markdown, html):
        text = re.sub(pattern, lambda found: found[1] + absolute(found[2]), text)
    return text


def absolute(target):
    """Address of `target`, a path in the repository; addresses and anchors stay as they are."""
    if re.match(r"[a-z]+:|#|//", target):
        return target
    return (FILE if target.lower().endswith(PICTURES) else PAGE) + target


setup(
    long_description=long_description((ROOT / "README.md").read_text(encoding="utf-8")),
    long_description_content_type="text/markdown",
    project_urls={
        "Homepage": HOME,
        "Source": f"{HOME}/tree/{WHERE['tag']}",
        "Changelog": PAGE + "CHANGELOG.md",
        "Issues": f"{HOME}/issues",
    },
)
