"""The page as a reader meets it: opened from a file without a network, used by mouse and by keyboard."""

import re

import pytest


def titles(page):
    return page.locator("table.sortable tbody th").all_inner_texts()


def test_the_page_opens_with_the_student_to_ship(opened, plain_page):
    page = opened(plain_page)
    assert page.title() == "small: which student to ship"
    assert page.locator("h2#answer").inner_text() == "Ship the balanced student of a robust teacher"
    assert page.locator("#panel-title").inner_text() == "balanced student of a robust teacher ★"
    assert page.locator("tr.shown th").inner_text() == "balanced student of a robust teacher ★"
    assert page.locator("#multipliers-key li").all_inner_texts() == ["cat", "dog", "owl", "fox"]
    assert page.locator("#multipliers .lines path").count() == 4
    drawn = page.evaluate("document.getElementById('multipliers').data.map((each) => each.y[0])")
    assert drawn == [0.0123, 0.1123, 0.2123, 0.3123]


def test_a_click_on_a_point_shows_its_combination(opened, plain_page):
    page = opened(plain_page)
    position = titles(page).index("balanced student of a standard teacher")
    assert page.locator("#panel-title").inner_text() != titles(page)[position]
    place = "([...document.getElementById('frontier').data].findIndex((each) => each.customdata?.includes(%d)))"
    trace = page.evaluate(place % position)
    point = page.evaluate(f"document.getElementById('frontier').data[{trace}].customdata.indexOf({position})")
    drawn = page.locator("#frontier .scatterlayer .trace").nth(trace).locator(".points path")
    drawn.nth(point).click(force=True)  # what takes the clicks lies above the points
    page.wait_for_selector("#panel-title:text-is('balanced student of a standard teacher')")
    assert page.locator("#back").inner_text() == "Back to the picture"
    assert page.locator(".strips .number").all_inner_texts() == ["90.0", "90.0", "90.0", "63.0"]
    widths = page.locator(".strips .track i").evaluate_all("all => all.map((each) => each.style.width)")
    assert [round(float(width.rstrip("%"))) for width in widths] == [90, 90, 90, 63]
    command = page.locator("#panel-command").inner_text()
    assert re.fullmatch(
        r"evendistill export \S+-digits-balanced-from-standard-t3\S*-s0 --to exported/[0-9a-f]{12}", command
    )
    assert '"objective"' in page.locator("#panel-spec").text_content()
    assert page.locator("tr.shown th").inner_text() == "balanced student of a standard teacher"


def test_the_keyboard_alone_shows_a_combination_and_sorts(opened, plain_page):
    page = opened(plain_page)
    wanted = "robust, teacher-labelled student of a standard teacher"

    def tab_to(text):
        for _ in range(100):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == text:
                return
        raise AssertionError(f"no Tab leads to {text}")

    tab_to("average accuracy %")
    page.keyboard.press("Space")
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    tab_to(wanted)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "panel"
    assert page.locator("#panel-title").inner_text() == wanted


@pytest.mark.parametrize("size", [{"width": 1280, "height": 600}, {"width": 390, "height": 844}], ids=str)
def test_what_is_opened_from_the_list_begins_at_the_top_of_the_window_and_leads_back(opened, large_page, size):
    page = opened(large_page, viewport=size)
    assert not page.locator("#back").is_visible()
    focused = "document.activeElement.textContent"
    buttons = page.locator("table.sortable tbody button")
    for number, leave in ((250, "Escape"), (499, "Tab")):
        name = buttons.nth(number).inner_text()
        buttons.nth(number).focus()
        page.keyboard.press("Enter")
        assert page.locator("#panel-title").inner_text() == name
        assert 0 <= page.locator("#panel-title").bounding_box()["y"] < 60
        page.keyboard.press(leave)
        if leave == "Tab":
            assert page.evaluate(focused) == page.locator("#back").inner_text() == "Back to the list"
            page.keyboard.press("Enter")
        assert page.evaluate(focused) == name
        assert 0 <= buttons.nth(number).bounding_box()["y"] < size["height"]
        assert not page.locator("#back").is_visible()
    page.keyboard.press("Escape")  # there is nothing to go back from
    assert page.evaluate(focused) == name


def test_a_column_sorts_both_ways_and_says_so(opened, plain_page):
    page = opened(plain_page)
    heads, before = page.locator("table.sortable thead button"), titles(page)
    values = "all => all.map((each) => Number(each.dataset.value))"
    for order in ("descending", "ascending", "descending"):
        heads.nth(1).click()
        found = page.locator("table.sortable tbody td:nth-child(2)").evaluate_all(values)
        assert found == sorted(found, reverse=order == "descending")
        assert len(set(found)) > 4
        assert page.locator("table.sortable th[aria-sort]").count() == 1
        assert page.locator("table.sortable th").nth(1).get_attribute("aria-sort") == order
    heads.nth(0).click()
    assert titles(page) == sorted(before)
    assert page.locator("table.sortable th[aria-sort]").count() == 1
    page.locator("table.sortable tbody button", has_text="robust teacher alone").click()
    assert page.locator("#panel-title").inner_text() == "robust teacher alone"


def test_names_are_text_wherever_they_stand_and_nothing_in_them_runs(opened, plain_page, hostile_page, hostile):
    page = opened(hostile_page)
    assert page.locator(".strips > span:nth-child(3n + 1)").all_inner_texts() == hostile
    assert page.locator("#multipliers-key li").all_inner_texts() == hostile
    recalls = page.locator("[aria-label='table of recalls of each class'] tbody th")
    assert recalls.all_inner_texts() == hostile
    ticks = page.locator("#recalls .xtick text").all_text_contents()
    assert ticks[0] == hostile[0][:19] + "…"
    assert [tick[:8] for tick in ticks] == [name[:8] for name in hostile]
    page.locator("#recalls .bars .point path").nth(0).hover(force=True)
    assert hostile[0] in page.locator("#recalls .hoverlayer").text_content()
    page.locator("#multipliers").hover()
    assert page.locator("img").count() == 0
    assert page.locator("h1").inner_text() == hostile[0]
    assert page.locator("script").count() == opened(plain_page).locator("script").count()


def test_500_runs_of_100_classes_are_still_one_page(opened, large_page):
    assert large_page.stat().st_size < 8e6
    page = opened(large_page)
    assert len(titles(page)) == 500
    assert page.locator(".strips .track").count() == 100
    assert page.locator("#multipliers-key li").count() == 12
    page.locator("table.sortable thead button").nth(1).click()
    page.locator("table.sortable tbody button").nth(499).click()
    assert page.locator("#panel-title").inner_text() == titles(page)[499]


def test_500_runs_of_1000_classes_with_recalls_of_many_digits_are_below_8_megabytes(opened, largest_page):
    assert largest_page.stat().st_size < 8e6
    page = opened(largest_page)
    shown = page.locator(".strips .number").all_inner_texts()
    assert len(shown) == 1000
    table = page.locator("[aria-label='table of recalls of each class']")
    head = table.locator("thead th").all_inner_texts()
    position = head.index(
        "selected student" if "selected student" in head else page.locator("#panel-title").inner_text()
    )
    assert table.locator(f"tbody td:nth-child({position + 1})").all_inner_texts() == shown
