"""Every page in three languages, two themes and two widths, as a person's browser shows it."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ui.harness import ANSWER, HOSTILE, Served

Visit = Callable[..., Any]
AXE = (Path(__file__).parent / "static" / "axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
HOSTILE_OBJECT = "/intelligence/indicator--00000000-0000-4000-8000-000000000021"
PAGES = [
    "/",
    "/intelligence",
    "/intelligence/import",
    HOSTILE_OBJECT,
    "/intelligence/indicator--00000000-0000-4000-8000-000000000020",
    "/detection",
    "/detection/hits",
    "/detection/groups/1",
    "/detection/groups/1/confirm?up_to=9",
    "/detection/groups/1/false-positive?up_to=9",
    "/telemetry",
    "/hunts",
    f"/hunts/answers/{ANSWER}",
    "/files",
    "/sensors",
    "/sensors/grid-resolver",
    "/exchange",
    "/exchange/XB",
    "/exchange/withheld",
    "/agreements",
    "/agreements/agreement--11111111-1111-4111-8111-111111111111",
    "/agreements/agreement--11111111-1111-4111-8111-111111111111/languages",
    "/agreements/agreement--11111111-1111-4111-8111-111111111111/membership",
    "/agreements/draft?template=bilateral",
    "/exchange/log",
    "/exchange/consents",
    "/exchange/XB/sent/1",
    "/exchange/XB/received/1",
    "/exchange/XD/keys",
    "/duties",
    "/duties/1",
    "/intelligence/indicator--00000000-0000-4000-8000-000000000061",
    "/sources",
    "/sources/vendor",
    "/sources/partner-cert",
    "/constituents",
    "/constituents/grid-operator",
    "/pushing",
    "/pushing/grid-operator",
    "/reports",
    "/reports/1",
    "/people",
    "/audit",
    "/passkeys",
    "/keys",
]
BEYOND = """() => [...document.querySelectorAll('body *')].filter((e) => {
  if (e.closest('.rows, .side, .unseen, .skip, dialog, pre, noscript, svg') || !e.checkVisibility()) return false;
  const box = e.getBoundingClientRect();
  return box.width > 0 && (box.right > innerWidth + 1 || box.left < -1);
}).map((e) => e.outerHTML.slice(0, 120))"""


ALL_WAYS = set(itertools.product(("en", "fr", "ar"), ("light", "dark"), (390, 1360)))
"""To read a page: language, theme, width in pixels."""
USUAL_WAY = ("ar", "dark", 390)
LONG_WAYS = [USUAL_WAY, ("ar", "light", 1360), ("fr", "light", 390), ("en", "dark", 1360)]
"""Every language, theme and width, and every theme at every width."""
SOME_PAGES = PAGES[::4]


@pytest.mark.parametrize(
    ("pages", "lang", "theme", "width"),
    [
        pytest.param(SOME_PAGES, *USUAL_WAY, id="some"),
        *(pytest.param(PAGES, *way, marks=pytest.mark.long) for way in LONG_WAYS),
        *(pytest.param(PAGES, *way, marks=pytest.mark.deep) for way in sorted(ALL_WAYS - set(LONG_WAYS))),
    ],
)
def test_every_page_is_accessible_fits_its_window_and_keeps_to_the_policy(
    visit: Visit, served: Served, pages: list[str], lang: str, theme: str, width: int
) -> None:
    page = visit("/keys", lang=lang, theme=theme, width=width)
    elsewhere, complaints, errors = [], [], []
    page.on("request", lambda r: elsewhere.append(r.url) if not r.url.startswith((served.url, "data:")) else None)
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: errors.append(str(e)))
    for path in pages:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(BEYOND) == [], path
        page.evaluate(AXE)
        found = page.evaluate("tags => axe.run(document, {runOnly: tags})", RULES)["violations"]
        assert [(path, each["id"], each["nodes"][0]["html"][:120]) for each in found] == []
    assert (elsewhere, complaints, errors) == ([], [], [])


@pytest.mark.parametrize("lang", ["en", "fr", "ar"])
def test_machine_text_runs_left_to_right_on_a_page_in_its_own_direction(visit: Visit, lang: str) -> None:
    page = visit("/intelligence", lang=lang)
    direction = "rtl" if lang == "ar" else "ltr"
    assert page.evaluate("getComputedStyle(document.documentElement).direction") == direction
    assert page.evaluate("getComputedStyle(document.querySelector('td code')).direction") == "ltr"


def test_markup_from_a_partner_is_text(visit: Visit) -> None:
    for path in (HOSTILE_OBJECT, "/intelligence", "/exchange", "/"):
        page = visit(path)
        assert page.locator("img").count() == 0
        assert page.title() not in {"1", "2"}
    page = visit(HOSTILE_OBJECT)
    shown = page.locator("h1").inner_text()
    assert shown == HOSTILE.replace("\u202e", "\\u202e")


def test_the_palette_opens_on_an_arabic_keyboard_and_goes_to_a_page(visit: Visit) -> None:
    page = visit("/", lang="ar")
    key = "{key: 'ن', code: 'KeyK', ctrlKey: true, bubbles: true, cancelable: true}"
    page.evaluate(f"document.body.dispatchEvent(new KeyboardEvent('keydown', {key}))")
    assert page.locator("#palette").is_visible()
    page.keyboard.type("الكشف")
    page.keyboard.press("Enter")
    page.wait_for_url("**/detection")


def test_slash_goes_to_the_omnibox_and_j_k_walk_the_rows(visit: Visit) -> None:
    page = visit("/intelligence")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.press("Tab")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    first = page.evaluate("document.activeElement.href")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.href") != first
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url(first)


def test_many_defanged_values_are_looked_up_at_once(visit: Visit) -> None:
    page = visit("/")
    page.locator("#q").fill("198.51.0[.]1\nhxxp://evil[.]example/x\n8.8.8.8")
    page.keyboard.press("Enter")
    page.wait_for_url("**/look-up")
    rows = page.locator("tbody tr")
    assert rows.count() == 3
    assert "Implant beacon of the quiet crane 1" in rows.nth(0).inner_text()
    assert "Not known" in rows.nth(1).inner_text()
    assert "Warned" in rows.nth(2).inner_text()
    assert not rows.nth(2).locator("input").is_checked()


def test_a_releaser_answers_an_originators_question_on_a_narrow_arabic_page(visit: Visit) -> None:
    page = visit("/exchange/consents", lang="ar", width=390)
    page.locator("#mine ~ ul li form button.main").click()
    page.wait_for_load_state()
    assert page.locator("#mine ~ ul li form button.plain").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_from_an_object_to_its_release_and_back(visit: Visit) -> None:
    page = visit("/intelligence/indicator--00000000-0000-4000-8000-000000000061")
    page.locator("[aria-labelledby=share-XB] a[href*='/exchange/XB/sent/']").first.click()
    page.wait_for_url("**/exchange/XB/sent/*")
    assert page.get_by_text("a hospital is under attack").is_visible()
    page.locator("#objects ~ ul a").first.click()
    page.wait_for_url("**/intelligence/indicator--*")


def test_the_duties_of_a_page_that_is_open_are_asked_for_again(visit: Visit) -> None:
    page = visit("/duties")
    page.clock.install()
    page.goto("/duties?nation=XB")
    with page.expect_response(lambda response: "/duties?nation=XB" in response.url) as answered:
        page.clock.fast_forward(61_000)
    assert answered.value.ok
    assert page.locator("#clocks h2").count() == 2
    assert page.locator("#clocks #clocks").count() == 0


@pytest.mark.parametrize(
    ("number", "late"),
    list(enumerate(("nothing", "htmx.min.js", "hx-csp.min.js", "hx-sse.min.js", "app.js"), start=500)),
)
def test_a_page_that_is_open_tells_what_happens_without_reloading(
    visit: Visit, served: Served, number: int, late: str
) -> None:
    """Whatever script comes late over a slow line."""
    page = visit("/passkeys")
    page.route(f"**/{late}?*", lambda route: (time.sleep(0.5), route.continue_()))
    page.goto("/")
    page.locator("#live li").first.wait_for()
    before = page.locator("#live li").first.inner_text()
    served.countries[0].add(number, served.node.clock.now(), name=f"Fresh although {late} is late")
    page.get_by_text(f"Fresh although {late} is late").wait_for(timeout=30_000)
    assert page.locator("#live li").first.inner_text() != before
    assert page.locator("#live li").count() <= 12


def test_everything_works_without_javascript(visit: Visit) -> None:
    page = visit("/intelligence", java_script_enabled=False)
    page.locator("#q").fill("evil-without-script[.]example")
    page.get_by_role("button", name="Look up").click()
    page.get_by_label("Name", exact=True).fill("Made without JavaScript")
    page.get_by_role("button", name="Create").click()
    assert page.locator("h1").inner_text() == "Made without JavaScript"
    page.goto("/detection")
    page.locator("tbody tr a").first.click()
    page.get_by_role("button", name="Expected here").click()
    page.get_by_role("button", name="Undo").click()
    assert page.get_by_role("button", name="Undo").count() == 0


def test_a_group_of_hits_is_decided_in_two_keys_and_undone_in_one(visit: Visit) -> None:
    page = visit("/detection", lang="ar")
    waiting = page.locator("tbody tr").count()
    page.keyboard.press("j")
    page.keyboard.press("b")
    page.wait_for_url("**done=*")
    assert page.locator("tbody tr").count() == waiting - 1
    page.keyboard.press("u")
    page.wait_for_function(f"document.querySelectorAll('tbody tr').length === {waiting}")
    page.keyboard.press("j")
    page.keyboard.press("c")
    page.wait_for_url("**/confirm?up_to=*")
    assert page.evaluate("document.activeElement.tagName") == "BUTTON", (
        "Enter confirms, once it is read who learns what"
    )


def test_a_long_list_grows_as_it_is_scrolled(visit: Visit, served: Served) -> None:
    for number in range(1000, 1060):
        served.countries[0].add(number, served.node.clock.now(), name=f"Grows {number}")
    page = visit("/intelligence?q=grows")
    page.locator("tr.more").scroll_into_view_if_needed()
    page.locator("tbody tr").nth(59).wait_for(timeout=10_000, state="attached")
    assert page.locator("tr.more").count() == 0
