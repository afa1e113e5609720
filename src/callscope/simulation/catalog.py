"""What simulated participants are made of: names, places, clients, SDKs."""

from typing import NamedTuple

from callscope.vocabulary import Platform

_FIRST_NAMES = """
Ada Alejandro Amara Anika Arjun Beatriz Bjørn Chiara Chloé Daniel Elif Emeka Fatima Finn Freya Gabriel Hana Hiroshi Imani
Ines Jakub Jonas Kaito Katarzyna Leila Liam Lucía Mateo Mei Mina Noah Nour Olivia Priya Rafael Samuel Sofia Tomás Yara Zoë
"""
_LAST_NAMES = """
Adeyemi Almeida Andersson Bakker Becker Castillo Chen Costa Demir Dubois Eriksen Ferrari Fischer García Haddad Hansen
Ivanova Jansen Johnson Kaya Khan Kim Kowalski Larsen Lindqvist Martin Moreau Müller Nakamura Novak O'Brien Okafor Patel
Rossi Santos Sato Schmidt Silva Tanaka Williams
"""
FIRST_NAMES, LAST_NAMES = _FIRST_NAMES.split(), _LAST_NAMES.split()
NAMES = len(FIRST_NAMES) * len(LAST_NAMES)
STRIDE = 641  # shares no factor with the number of names, so that a call repeats a name only after all others


class City(NamedTuple):
    name: str
    region: str
    country: str
    round_trip_ms: float
    server: str


CITIES = (
    City("Amsterdam", "North Holland", "NL", 14, "westeurope"),
    City("Berlin", "Berlin", "DE", 22, "germanywestcentral"),
    City("Chicago", "Illinois", "US", 28, "northcentralus"),
    City("Dublin", "Leinster", "IE", 19, "northeurope"),
    City("Istanbul", "Istanbul", "TR", 58, "westeurope"),
    City("Lagos", "Lagos", "NG", 118, "southafricanorth"),
    City("Lisbon", "Lisbon", "PT", 41, "westeurope"),
    City("London", "England", "GB", 16, "uksouth"),
    City("Madrid", "Madrid", "ES", 34, "westeurope"),
    City("Mexico City", "Mexico City", "MX", 64, "southcentralus"),
    City("Mumbai", "Maharashtra", "IN", 72, "centralindia"),
    City("New York", "New York", "US", 21, "eastus"),
    City("Oslo", "Oslo", "NO", 27, "norwayeast"),
    City("Paris", "Île-de-France", "FR", 18, "francecentral"),
    City("San Francisco", "California", "US", 24, "westus"),
    City("São Paulo", "São Paulo", "BR", 46, "brazilsouth"),
    City("Singapore", "Singapore", "SG", 31, "southeastasia"),
    City("Sydney", "New South Wales", "AU", 52, "australiaeast"),
    City("Tokyo", "Tokyo", "JP", 26, "japaneast"),
    City("Toronto", "Ontario", "CA", 33, "canadacentral"),
)


class Client(NamedTuple):
    browser: str | None
    browser_version: str | None
    os: str
    os_version: str
    device: str
    agent: str | None
    microphone: str
    camera: str


def _chromium(system: str, version: int, suffix: str = "") -> str:
    return f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36{suffix}"


def _firefox(system: str, version: str) -> str:
    return f"Mozilla/5.0 ({system}; rv:{version}) Gecko/20100101 Firefox/{version}"


def _safari(system: str, version: str) -> str:
    return f"Mozilla/5.0 ({system}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{version}"


WINDOWS, MAC, LINUX = "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64"
CHROME_WINDOWS, CHROME_MAC, CHROME_LINUX = _chromium(WINDOWS, 141), _chromium(MAC, 141), _chromium(LINUX, 139)
EDGE = _chromium(WINDOWS, 140, " Edg/140.0.0.0")
FIREFOX_WINDOWS, FIREFOX_LINUX = _firefox(WINDOWS, "143.0"), _firefox(LINUX, "140.0")
SAFARI_MAC = _safari(MAC, "18.6") + " Safari/605.1.15"
SAFARI_PHONE = _safari("iPhone; CPU iPhone OS 18_6 like Mac OS X", "26.0") + " Mobile/15E148 Safari/604.1"

BROWSERS = (
    Client("Chrome", "141", "Windows", "11", "ThinkPad X1", CHROME_WINDOWS, "Jabra Evolve2 65", "Integrated Camera"),
    Client("Chrome", "141", "macOS", "15.6", "MacBook Pro", CHROME_MAC, "MacBook Pro Microphone", "FaceTime HD Camera"),
    Client("Chrome", "139", "Linux", "6.8", "Dell XPS 13", CHROME_LINUX, "Built-in Audio", "Logitech BRIO"),
    Client("Edge", "140", "Windows", "11", "Surface Laptop", EDGE, "Poly Voyager", "Surface Camera"),
    Client("Firefox", "143.0", "Windows", "10", "HP EliteBook", FIREFOX_WINDOWS, "Realtek Audio", "HP HD Camera"),
    Client("Firefox", "140.0", "Linux", "6.8", "Framework 13", FIREFOX_LINUX, "Family 17h HD Audio", "Logitech C920"),
    Client("Safari", "18.6", "macOS", "15.6", "MacBook Air", SAFARI_MAC, "AirPods Pro", "FaceTime HD Camera"),
    Client("Safari", "26.0", "iOS", "26.0", "iPhone 15", SAFARI_PHONE, "iPhone Microphone", "Front Camera"),
)
NATIVES = (
    Client(None, None, "iOS", "18.6", "iPhone 16", None, "iPhone Microphone", "Front Camera"),
    Client(None, None, "Android", "15", "Pixel 9", None, "Phone", "Front Camera"),
    Client(None, None, "Android", "14", "Galaxy S24", None, "Galaxy Buds", "Front Camera"),
)
SDKS = {
    Platform.ACS: ("azure-communication-calling", ("1.38.1", "1.37.2", "1.36.4")),
    Platform.VONAGE: ("opentok", ("2.31.0", "2.30.3", "2.29.1")),
    Platform.JITSI: ("lib-jitsi-meet", ("2089.0.0", "2047.0.0")),
    Platform.WEBRTC: ("callscope-js", ("0.3.0", "0.2.1")),
    Platform.OTHER: ("callscope-js", ("0.3.0",)),
}
