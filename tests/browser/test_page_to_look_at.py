"""The page as it looks: readable in light and dark, whole on a phone and on paper, and within reach of everyone."""

import re

import pytest

PHONE = {"width": 390, "height": 844}
SMALL = {"width": 320, "height": 600}
DESK = {"width": 1280, "height": 900}
TEXT = (
    "h1, h2, h3, p, th, td, dt, dd, li span, summary, footer, button, code, .strips span, .js-plotly-plot text, "
    ".js-plotly-plot tspan"
)
# of every element with text of its own: its words, its colour, and the first background behind it that is not clear
COLOURS = """(all) => all.filter((each) => each.checkVisibility() &&
  [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim())).map((each) => {
    const drawn = each instanceof SVGElement ? getComputedStyle(each).fill : getComputedStyle(each).color;
    let behind = each;
    while (behind && /, 0\\)|transparent/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
    return [each.textContent, drawn, behind ? getComputedStyle(behind).backgroundColor : "rgb(255, 255, 255)"];
  })"""
OUTSIDE = """() => [...document.querySelectorAll("main *")]
  .filter((each) => !each.closest(".scroll, .main-svg, pre, .strips"))
  .filter((each) => each.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((each) => each.outerHTML.slice(0, 120))"""


def luminance(colour):
    """As WCAG 2.2 has it."""
    parts = [float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def faint(page, selector=TEXT):
    """Words that are hard to read."""
    found = page.locator(selector).evaluate_all(COLOURS)
    assert len(found) > 50
    return [(words, drawn, behind) for words, drawn, behind in found if contrast(drawn, behind) < 4.5]


def box(page, selector):
    found = page.locator(selector).first.bounding_box()
    assert found is not None
    return found["x"], found["y"], found["x"] + found["width"], found["y"] + found["height"]


def overlap(one, other):
    return min(one[2], other[2]) - max(one[0], other[0]) > 1 and min(one[3], other[3]) - max(one[1], other[1]) > 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_is_readable_and_a_theme_that_changes_is_followed(opened, plain_page, scheme):
    page = opened(plain_page, color_scheme=scheme)
    other = {"light": "dark", "dark": "light"}[scheme]
    for now in (scheme, other):
        page.emulate_media(color_scheme=now)
        for _ in range(50):  # pictures are drawn anew, which takes a moment
            if faint(page):
                page.wait_for_timeout(100)
        assert faint(page) == []
        behind = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (luminance(behind) < 0.05) == (now == "dark")


@pytest.mark.parametrize(
    ("which", "size"),
    [
        ("plain_page", PHONE),
        ("hostile_page", DESK),
        ("hostile_page", SMALL),
        ("large_page", DESK),
        ("large_page", PHONE),
    ],
    ids=lambda each: each if isinstance(each, str) else each["width"],
)
def test_nothing_but_tables_is_wider_than_the_window_and_nothing_lies_on_another(opened, request, which, size):
    page = opened(request.getfixturevalue(which), viewport=size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert page.evaluate(OUTSIDE) == []
    parts = [box(page, each) for each in ("#frontier .main-svg", ".drawing .key", "#panel", ".answer", "#recalls")]
    parts += [box(page, "table.sortable"), box(page, "#multipliers .main-svg"), box(page, "#multipliers-key")]
    inside = {(2, 6), (2, 7)}  # the multipliers are drawn in the panel
    for one in range(len(parts)):
        for other in range(one + 1, len(parts)):
            assert (one, other) in inside or not overlap(parts[one], parts[other]), (one, other)


def test_on_a_phone_the_panel_follows_the_plot_and_the_first_column_of_a_table_stays(opened, large_page):
    page = opened(large_page, viewport=PHONE)
    assert page.locator("#frontier .nsewdrag").first.bounding_box()["height"] > 250
    assert box(page, "#panel")[1] < box(page, ".drawing .key")[1]
    scroll = page.locator("[aria-label='table of students and teachers']")
    name = scroll.locator("tbody th").first
    before = name.bounding_box()
    scroll.evaluate("(each) => each.scrollBy(500, 0)")
    assert scroll.evaluate("(each) => each.scrollLeft") == 500
    assert name.bounding_box()["x"] == before["x"]


def test_on_paper_nothing_is_cut_and_all_is_dark_on_white_whatever_the_screen_was(opened, large_page):
    page = opened(large_page, color_scheme="dark")
    assert page.locator(".strips").evaluate(
        "(each) => each.scrollHeight > each.clientHeight + 1"
    )  # on a screen it scrolls
    page.emulate_media(media="print")
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    cut = "(all) => all.filter((each) => each.scrollHeight > each.clientHeight + 1).map((each) => each.className)"
    assert page.locator("#panel, .strips, .panel pre, .scroll").evaluate_all(cut) == []
    held = "(all) => all.map((each) => getComputedStyle(each).overflowX)"
    assert set(page.locator(".scroll, .panel pre, .strips").evaluate_all(held)) == {"visible"}
    assert faint(page) == []
    widths = "(all) => all.map((each) => each.getBoundingClientRect().width)"
    assert max(page.locator(".main-svg").evaluate_all(widths)) <= 700  # of a page of A4
    assert box(page, "#panel")[0] == pytest.approx(box(page, ".drawing")[0])
    page.emulate_media(media="screen")
    page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    page.wait_for_timeout(300)
    assert page.locator("#recalls .main-svg").first.bounding_box()["width"] > 1000


def test_on_a_desk_the_picture_and_what_stands_beside_it_end_together(opened, plain_page):
    page = opened(plain_page)
    for name in ("balanced student of a robust teacher ★", "standard teacher alone"):  # with multipliers and without
        page.locator("table.sortable tbody button", has_text=name).first.click()
        key, panel, below = (box(page, each) for each in (".drawing .key", "#panel", "#panel-below"))
        assert abs(key[3] - panel[3]) < 40
        assert 0 < below[1] - panel[3] < 40
        assert below[0] == box(page, ".drawing")[0]
        assert below[2] == panel[2]


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_words_at_the_selected_student_lie_on_no_point_and_on_no_error_bar(opened, plain_page, size):
    page = opened(plain_page, viewport=size)
    left, bottom, right, top = box(page, "#frontier .annotation-text")
    marks = page.locator("#frontier .points path, #frontier .errorbar path").all()
    assert len(marks) > 20
    for mark in marks:
        found = mark.bounding_box()
        other = (found["x"], found["y"], found["x"] + found["width"], found["y"] + found["height"])
        assert not overlap((left, bottom, right, top), other)
    inside = box(page, "#frontier .nsewdrag")
    assert inside[0] <= left
    assert right <= inside[2]


@pytest.mark.parametrize("paper", ["media", "event"])
def test_pictures_are_drawn_for_paper_and_for_the_screen_again(opened, plain_page, paper):
    page = opened(plain_page, color_scheme="dark")
    lines = """() => [...document.querySelectorAll(".js-plotly-plot")].map((each) => each.layout)
      .map((told) => [told.font.color, told.xaxis.linecolor, told.yaxis.gridcolor, told.width ?? null])"""
    dark = page.evaluate(lines)
    assert len(dark) == 3
    assert dark[0] == ["#e8eaef", "#3a404c", "#3a404c", None]
    for is_paper in (True, False):
        if paper == "media":
            page.emulate_media(media="print" if is_paper else "screen")
        else:  # the event comes while the style is the screen's
            page.evaluate("(name) => dispatchEvent(new Event(name))", "beforeprint" if is_paper else "afterprint")
        page.wait_for_timeout(300)
        assert page.evaluate(lines) == ([["#000", "#bbb", "#bbb", 660]] * 3 if is_paper else dark)


def test_on_paper_the_head_that_each_page_of_a_table_repeats_is_text_and_no_button(opened, plain_page):
    page = opened(plain_page)
    shown = "(all) => all.map((each) => getComputedStyle(each).display)"
    page.emulate_media(media="print")  # the text of a button is left out of all heads but the first
    assert set(page.locator("thead button").evaluate_all(shown)) == {"contents"}
    held = "(all) => all.map((each) => getComputedStyle(each).breakInside)"
    assert set(page.locator("figure, #multipliers-part").evaluate_all(held)) == {"avoid"}  # no picture is cut in two


@pytest.mark.parametrize(("scheme", "size"), [("light", DESK), ("dark", DESK), ("light", PHONE)], ids=str)
def test_no_rule_of_accessibility_is_broken(opened, plain_page, scheme, size):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = opened(plain_page, color_scheme=scheme, viewport=size, bypass_csp=True)
    page.locator("summary").click()
    found = axe.Axe().run(page).response
    broken = [each for each in found["violations"] if each["impact"] in ("serious", "critical")]
    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in broken] == []
    assert len(found["passes"]) > 15
