"""A real Chromium against a real node's pages; skipped with a reason where no Chromium is installed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ui.harness import Served, serve

CHROMIUM = Path("/usr/bin/chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.ui)
            if not CHROMIUM.exists():
                item.add_marker(pytest.mark.skip(reason=f"no Chromium at {CHROMIUM} (Debian: apt install chromium)"))


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("ui")) as node:
        yield node


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """One browser for these tests; closed after them, because its event loop would stand in the way of others."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def session_state(chromium: Any, served: Served) -> Any:
    """The cookies of somebody who signed in by a link and holds every role."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(served.link(name="ليلى الحسن"))
    page.locator("main button").click()
    page.wait_for_url("**/passkeys")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def visit(chromium: Any, served: Served, session_state: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a page, signed in, in a language and theme, at a width."""
    contexts: list[Any] = []

    def open_page(
        path: str, *, lang: str = "en", theme: str = "light", width: int = 1360, signed_in: bool = True, **options: Any
    ) -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
            storage_state=session_state if signed_in else None,
            base_url=served.url,
            **options,
        )
        contexts.append(context)
        cookies = {"mithaq-xa-lang": lang, "mithaq-xa-theme": theme}
        context.add_cookies([{"name": n, "value": v, "url": served.url} for n, v in cookies.items()])
        page = context.new_page()
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
