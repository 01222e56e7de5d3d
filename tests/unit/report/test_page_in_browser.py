"""The report's page in a real browser: it opens from disk, asks for nothing, sorts, filters and shows its rows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from clbench.report.page.write import write_page
from clbench.report.write import write_report
from clbench.results import Row, Summary
from clbench.results.drift import drift_points
from clbench.results.drift_rows import DriftRow, MapRow
from clbench.results.model import Drift
from clbench.results.passport import PASSPORT

HEAD = ("toy", 1, "continual", "finetune")
LAYERS = ("encoder.0", "encoder.1", "decoder.0")
DRIFT = [
    DriftRow(*HEAD, seed, 1, stage, "job", task, own, depth, layer, 64, 0.25 * own)
    for seed in (0, 1) for stage, task, own in ((2, "mini-liver", 1), (3, "mini-liver", 1), (3, "mini-lung", 2))
    for depth, layer in enumerate(LAYERS)
]  # fmt: skip
MAPS = [
    MapRow(*HEAD, 0, 1, 3, "job", layer, task, point, float(point), float(len(task)))
    for layer in LAYERS[1:] for task in ("mini-liver", "mini-lung", "mini-spleen") for point in range(5)
]  # fmt: skip
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1200,900",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A headless Chromium; skipped where Debian's packages chromium and chromium-driver are not installed."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("needs a browser: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = CHROMIUM
    profile: Path = tmp_path_factory.mktemp("profile")
    for argument in (*QUIET, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all tests: a page that would not change is not drawn again."""
    return tmp_path_factory.mktemp("run")


@pytest.fixture
def page(
    browser: Chrome, toy: Callable[..., Summary], toy_rows: Callable[..., list[Row]], folder: Path
) -> Chrome:
    """The toy benchmark's page, two seeds, one inert baseline and one hole, opened from disk."""
    absent = (("finetune", 3),)
    summary = toy(seeds=(0, 1), absent=absent, reason="the <b>disk</b> was full")
    whole = write_report(folder, summary, {"revision": "abc", "command": "clbench run toy"})
    write_page(folder, whole, toy_rows((0, 1), absent))
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get((folder / "report.html").as_uri())
    return browser


def test_the_page_opens_without_a_word_on_the_console_and_asks_for_nothing(page: Chrome, folder: Path) -> None:
    assert page.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert set(asked) <= {(folder / "report.html").as_uri()}
    assert "http" not in "".join(url for url in asked)


def test_the_first_screen_says_what_was_compared_and_what_came_out(page: Chrome) -> None:
    head = page.find_element(By.TAG_NAME, "header")
    for words in ("A toy", "seeds 0, 1", "mini-liver", "mini-lung", "mini-spleen", "ewc[strength=0.1]"):
        assert words in head.text
    assert head.rect["height"] < 900


def test_a_click_on_a_columns_head_sorts_by_its_numbers_and_another_turns_it_round(page: Chrome) -> None:
    table = page.find_element(By.CSS_SELECTOR, "#dice table")
    head = table.find_element(By.CSS_SELECTOR, "thead th:nth-child(2) button")

    def order() -> list[float]:
        cells = table.find_elements(By.CSS_SELECTOR, "tbody td:nth-child(2)")
        return [float(value) for cell in cells if (value := cell.get_attribute("data-value"))]

    head.click()
    assert order() == sorted(order())
    assert len(order()) >= 4
    head.click()
    assert order() == sorted(order(), reverse=True)


def test_the_filter_hides_the_lines_of_all_other_baselines(page: Chrome) -> None:
    page.find_element(By.ID, "filter").send_keys("blip")
    shown = {line.get_attribute("data-baseline") for line in page.find_elements(By.CSS_SELECTOR, "[data-baseline]")
             if line.is_displayed()}  # fmt: skip
    assert shown == {"blip_strict"}


def test_a_number_shows_the_measurements_that_it_is_the_mean_of(page: Chrome) -> None:
    cell = page.find_element(By.CSS_SELECTOR, '#dice tr[data-baseline="blip_strict"] td:nth-child(2) a')
    page.execute_script("arguments[0].click()", cell)
    dialog = page.find_element(By.TAG_NAME, "dialog")
    WebDriverWait(page, 10).until(lambda _: dialog.is_displayed())
    head = column_names(page)
    lines = [[td.text for td in line.find_elements(By.TAG_NAME, "td")]
             for line in page.find_elements(By.CSS_SELECTOR, "dialog tbody tr")]  # fmt: skip
    assert len(lines) == 4, "two cases under two seeds"
    values = [float(line[head.index("value")]) for line in lines]
    assert sum(values) / 4 == pytest.approx(0.1 + 0.015625 / 2, abs=1e-5)
    assert {line[head.index("stage")] for line in lines} == {"3"}


def test_a_number_of_transfer_shows_its_own_epoch_and_a_gain_the_curve_from_scratch_too(page: Chrome) -> None:
    cells = page.find_elements(By.CSS_SELECTOR, '#transfer tr[data-baseline="finetune"] a')
    assert [cell.text for cell in cells] == ["0.500", "0.625", "0.250", "0.125"]
    for cell, baselines in ((cells[1], {"finetune"}), (cells[3], {"finetune", "from-scratch"})):
        page.execute_script("arguments[0].click()", cell)
        WebDriverWait(page, 10).until(lambda _: page.find_element(By.TAG_NAME, "dialog").is_displayed())
        lines = page.execute_script(
            "return [...document.querySelectorAll('dialog tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
        )
        rows = [dict(zip(column_names(page), line, strict=True)) for line in lines]
        assert {row["baseline"] for row in rows} == baselines
        assert {row["epoch"] for row in rows} == {"25"}
        assert {row["protocol"] for row in rows} == {"transfer"}
        page.execute_script("document.querySelector('dialog').close()")


def test_a_bound_looks_unlike_a_method_in_the_overview(page: Chrome) -> None:
    bounds = page.find_elements(By.CSS_SELECTOR, "#overview tr.bound")
    assert {line.get_attribute("data-baseline") for line in bounds} == {"from-scratch", "joint"}
    style = "return getComputedStyle(document.querySelector(arguments[0])).color"
    ink = [page.execute_script(style, f'#overview tr[data-baseline="{name}"] td') for name in ("joint", "finetune")]
    assert ink[0] != ink[1]


def test_the_metric_passport_has_every_variant_and_its_formula(page: Chrome) -> None:
    section = page.find_element(By.ID, "metric-passport")
    values, formulas, _ = section.find_elements(By.TAG_NAME, "table")
    count = len(PASSPORT)
    assert [len(table.find_elements(By.CSS_SELECTOR, "tbody tr")) for table in (values, formulas)] == [count, count]
    assert "1/(T−1) Σ_{j<T} (R[T][j] − R[j][j])" in formulas.text


def column_names(page: Chrome) -> list[str]:
    return [th.text for th in page.find_elements(By.CSS_SELECTOR, "dialog thead th")]


def test_an_inert_baseline_is_stamped_and_a_hole_is_no_zero(page: Chrome) -> None:
    line = page.find_element(By.CSS_SELECTOR, '#overview tr[data-baseline="blip_strict"]')
    assert "INERT" in line.text
    hole = page.find_element(By.CSS_SELECTOR, '#overview tr[data-baseline="finetune"]')
    assert "–" in hole.text
    assert "0.000" not in hole.text


def test_what_others_wrote_is_shown_as_text_and_never_run(page: Chrome) -> None:
    assert "the <b>disk</b> was full" in page.find_element(By.ID, "missing").text


@pytest.fixture
def drifted(browser: Chrome, toy: Callable[..., Summary], folder: Path) -> Chrome:
    """The toy benchmark's page with drift that was measured."""
    place = folder / "drifted"
    summary = toy(seeds=(0, 1)).model_copy(update={"drift": Drift(points=drift_points(DRIFT, (0, 1)))})
    whole = write_report(place, summary, {"command": "clbench run toy"})
    write_page(place, whole, (), maps=MAPS)
    browser.get_log("browser")
    browser.get((place / "report.html").as_uri())
    return browser


def test_drift_has_its_figures_and_a_line_of_its_table_for_each_part_of_the_network(drifted: Chrome) -> None:
    section = drifted.find_element(By.ID, "representation-drift")
    assert drifted.get_log("browser") == []
    titles = [title.text for title in section.find_elements(By.CSS_SELECTOR, "figure h3")]
    assert titles == [
        "How much of each task's representation is left", "Which layers drift",
        "Features of the bottleneck after the last stage",
        "Features of the decoder's last stage after the last stage",
    ]  # fmt: skip
    assert all(svg.rect["height"] > 100 for svg in section.find_elements(By.CSS_SELECTOR, "svg"))
    lines = section.find_elements(By.CSS_SELECTOR, 'tbody tr[data-baseline="finetune"]')
    cells = [[td.get_attribute("data-value") for td in line.find_elements(By.TAG_NAME, "td")] for line in lines]
    assert cells == [["finetune", part, "0.25", "0.5"] for part in ("encoder", "bottleneck", "decoder")]


def test_a_page_without_drift_says_how_to_measure_it(
    browser: Chrome, toy: Callable[..., Summary], folder: Path
) -> None:
    words = "Not measured. `clbench drift RUN` does."
    write_page(folder / "none", toy().model_copy(update={"drift": Drift(words=words)}), ())
    browser.get((folder / "none" / "report.html").as_uri())
    assert words in browser.find_element(By.ID, "representation-drift").text


@pytest.mark.parametrize("width", [1200, 420])
def test_the_page_is_never_wider_than_its_window(page: Chrome, width: int) -> None:
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                         {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600})  # fmt: skip
    wide = page.execute_script("return document.documentElement.scrollWidth")
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_the_paper_in_light_and_dark(page: Chrome, scheme: str) -> None:
    wanted = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)
    ink, paper = page.execute_script(
        "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
    )
    light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) > 7
    assert (luminance(paper) > 0.5) == (scheme == "light")


def luminance(colour: str) -> float:
    """Relative luminance of ``rgb(r, g, b)``, by WCAG 2."""
    parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
