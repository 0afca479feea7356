"""What a page with explorers has to do, wherever it is shown."""

WAIT_MS = 180_000  # for a notebook to run on a busy machine with two cores


def move_a_slider(page, picture):
    """Move the first slider with a key and wait for the picture (CSS selector) to change."""
    page.locator(picture).first.wait_for()
    before = page.locator(picture).first.get_attribute("src")
    handle = page.locator(".widget-slider .noUi-handle, .widget-slider .ui-slider-handle").first
    handle.focus()
    handle.press("PageUp")
    page.wait_for_function(
        "([where, before]) => document.querySelector(where).src !== before", arg=[picture, before]
    )


def wait_for_players(page, players, duration_s):
    """Wait until two players or more (CSS selector) have loaded clips of this length."""
    page.wait_for_function(
        """([where, wanted]) => {
            const lengths = [...document.querySelectorAll(where)].map((a) => a.duration);
            return lengths.length >= 2 && lengths.every((s) => Math.abs(s - wanted) < 0.1);
        }""",
        arg=[players, duration_s],
    )
