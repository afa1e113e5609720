import pytest

from callscope.sources.user_agent import system

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "told"),
    [
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/99.0.4844.51 Safari/537.36",
            "Chrome 99.0.4844.51 Windows 10",
        ),
        (f"Mozilla/5.0 (Windows NT 6.1) {WEBKIT} Chrome/99.0.1.2 Safari/537.36 Edg/99.0.1", "Edge 99.0.1 Windows 7"),
        (f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} Chrome/117.0.0.0 Safari/537.36 OPR/103.0", "Opera 103.0 Linux None"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/120.0 Safari/537.36", "Chrome 120.0 ChromeOS 14541.0.0"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:109.0) Gecko/20100101 Firefox/118.0", "Firefox 118.0 macOS 10.15"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605",
            "Safari 17.0 macOS 10.15.7",
        ),
        (
            f"Mozilla/5.0 (Windows NT 10.0) {WEBKIT} jitsi-meet/2023.1 Chrome/114.0 Electron/25.1.1 Safari/537.36",
            "Electron 25.1.1 Windows 10",
        ),
        ("okhttp", None),
    ],
)
def test_browser_and_system(user_agent, told):
    result = system(user_agent)
    names = result and f"{result.browser} {result.browser_version} {result.os} {result.os_version}"
    assert names == told


@pytest.mark.parametrize(
    ("platform", "device", "os"),
    [
        ("iPhone; CPU iPhone OS 17_0_1 like Mac OS X", "iPhone", "iOS"),
        ("Linux; Android 13; Pixel 7 Build/TQ3A", "Pixel 7", "Android"),
        ("Linux; Android 10; K", None, "Android"),
    ],
)
def test_devices(platform, device, os):
    result = system(f"Mozilla/5.0 ({platform}) AppleWebKit/605.1 (KHTML, like Gecko) CriOS/117.0 Safari/604.1")
    assert (result.device, result.os, result.browser) == (device, os, "Chrome")
    assert result.os_version in {"17.0.1", "13", "10"}
