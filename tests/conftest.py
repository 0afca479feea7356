"""Fixtures for tests in this folder and below."""

import shutil

import pytest
from fake_run import make_fake_run


def pytest_collection_modifyitems(items):
    """Mark what runs whole notebooks, so that `-m "not series"` is the quick rest."""
    for item in items:
        if "offline" in item.fixturenames:
            item.add_marker("series")


@pytest.fixture(scope="session")
def fake_run(tmp_path_factory):
    """A run folder with 15 test clips of 5 sources; read it, do not write in it."""
    run = tmp_path_factory.mktemp("run")
    make_fake_run(run, n_sources=5)
    return run


@pytest.fixture(scope="session")
def report_page(fake_run, tmp_path_factory):
    """Path of the report of `fake_run`, with a figure that the page does not draw itself."""
    from aqp_utils.views.report.page import write_report

    run = shutil.copytree(fake_run, tmp_path_factory.mktemp("shown") / "run")
    figures = run / "05_report" / "figures"
    shutil.copyfile(figures / "scatter.png", figures / "bootstrap.png")
    return write_report(run / "05_report", run)
