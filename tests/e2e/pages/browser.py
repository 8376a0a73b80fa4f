"""A real browser at the pages: what it complains about, what axe finds, and pictures of what a person would see.

Chromium is the machine's; nothing is downloaded. Pictures are kept where `TEST_PICTURES` says.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, Response, async_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NARROW, WIDE = {"width": 360, "height": 740}, {"width": 1200, "height": 900}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# As axe names it; what is less is advice.
SERIOUS = {"serious", "critical"}


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start the browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@dataclass
class Person:
    """Somebody at a browser of their own, whose cookies nobody else has."""

    page: Page
    said: list[str] = field(default_factory=list)  # errors and warnings on the console
    policies: list[str] = field(default_factory=list)  # of each page that came

    async def go(self, path: str) -> None:
        await self.page.goto(path)

    async def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            await self.page.fill(f"#{name}", value)

    async def press(self, button: str) -> None:
        """Press a button, and wait for the page it leads to."""
        async with self.page.expect_navigation():
            await self.page.get_by_role("button", name=button, exact=True).click()

    async def read(self, selector: str = "main") -> str:
        return await self.page.inner_text(selector)

    async def look(self, name: str) -> None:
        """See the page in both schemes and widths: nothing is serious to axe, nothing sticks out, nothing was complained of."""
        for scheme in SCHEMES:
            for width in (NARROW, WIDE):
                await self.page.emulate_media(color_scheme=scheme)
                await self.page.set_viewport_size({"width": width["width"], "height": width["height"]})
                await self._picture(f"{name}-{scheme}-{width['width']}")
                assert await self.page.evaluate("document.documentElement.scrollWidth") <= width["width"], name
            found = await self._violations()
            assert not found, f"{name}, {scheme}: {found}"
        assert self.said == []
        assert self.policies
        for policy in self.policies:
            assert policy.startswith("default-src 'none'; style-src 'sha256-")
            assert "unsafe" not in policy
            assert "script-src" not in policy

    async def _violations(self) -> list[tuple[str, list[str]]]:
        found = await Axe().run(self.page)
        return [
            (each["help"], [node["html"] + node["failureSummary"] for node in each["nodes"]])
            for each in found.response["violations"]
            if each["impact"] in SERIOUS
        ]

    async def _picture(self, name: str) -> None:
        if folder := os.environ.get("TEST_PICTURES"):
            await self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    def hear(self, message: ConsoleMessage) -> None:
        # A refusal is answered with its status, which the console says too.
        expected = re.search(r"Failed to load resource: .* status of 4\d\d", message.text)
        if message.type in {"error", "warning"} and not expected:
            self.said.append(message.text)

    def came(self, response: Response) -> None:
        if (response.request.is_navigation_request() and response.status < 300) or response.status >= 400:
            self.policies.append(response.headers.get("content-security-policy", "none"))


@asynccontextmanager
async def somebody(browser: Browser, root: str) -> AsyncIterator[Person]:
    """Give somebody a fresh browser."""
    context = await browser.new_context(base_url=root)
    page = await context.new_page()
    page.set_default_timeout(20_000)
    person = Person(page)
    page.on("console", person.hear)
    page.on("pageerror", lambda error: person.said.append(str(error)))
    page.on("response", person.came)
    yield person
    await context.close()
