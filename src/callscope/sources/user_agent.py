"""Browser and operating system, read from a user agent."""

import re

from callscope.telemetry import System

# The first that matches wins: most browsers also claim to be Chrome, and all of those to be Safari.
_BROWSERS = (
    ("Edge", re.compile(r"(?:Edg|EdgA|EdgiOS|Edge)/([\d.]+)")),
    ("Opera", re.compile(r"(?:OPR|Opera)/([\d.]+)")),
    ("Samsung Internet", re.compile(r"SamsungBrowser/([\d.]+)")),
    ("Electron", re.compile(r"Electron/([\d.]+)")),
    ("Firefox", re.compile(r"(?:Firefox|FxiOS)/([\d.]+)")),
    ("Chrome", re.compile(r"(?:HeadlessChrome|Chrome|CriOS)/([\d.]+)")),
    ("Safari", re.compile(r"Version/([\d.]+).*Safari/")),
)
_SYSTEMS = (
    ("iOS", re.compile(r"(?:iPhone|iPad|iPod).*? OS ([\d_]+)")),
    ("macOS", re.compile(r"Mac OS X ([\d_.]+)")),
    ("Windows", re.compile(r"Windows NT ([\d.]+)")),
    ("Android", re.compile(r"Android ([\d.]+)")),
    ("ChromeOS", re.compile(r"CrOS \w+ ([\d.]+)")),
    ("Linux", re.compile(r"Linux()")),
)
_WINDOWS = {"6.1": "7", "6.2": "8", "6.3": "8.1", "10.0": "10"}
_DEVICE = re.compile(r"\((iPhone|iPad|iPod)|Android [\d.]+; ([^;)]+?)(?: Build/[^;)]*)?\)")
_MAX_LENGTH = 1000


def system(user_agent: str) -> System | None:
    """Browser and system with their versions as far as told; None where neither is recognised."""
    text = user_agent[:_MAX_LENGTH]
    browser, browser_version = _first(_BROWSERS, text)
    os, os_version = _first(_SYSTEMS, text)
    if browser is None and os is None:
        return None
    if os == "Windows" and os_version:
        os_version = _WINDOWS.get(os_version, os_version)
    device = _DEVICE.search(text)
    # Chrome on Android says "K" for every model.
    model = (device[1] or device[2]) if device else None
    return System(
        browser=browser,
        browser_version=browser_version,
        os=os,
        os_version=os_version,
        device=None if model == "K" else model,
    )


def _first(patterns: tuple[tuple[str, re.Pattern[str]], ...], text: str) -> tuple[str | None, str | None]:
    for name, pattern in patterns:
        if match := pattern.search(text):
            return name, match[1].replace("_", ".").strip(".") or None
    return None, None
