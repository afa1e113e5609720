"""Where a network address is, as country and region. The address itself goes no further: it is never stored.

Databases are of MaxMind's format, with ``country`` and ``subdivisions`` as in GeoLite2, GeoIP2 and those that follow them.
"""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import maxminddb

from callscope.settings import SettingsError
from callscope.telemetry import Location, ParticipantRecord

Address = IPv4Address | IPv6Address
Locate = Callable[[Address], Location | None]

VARIABLE = "CALLSCOPE_GEOIP_DATABASE"
TRIED = ("1.1.1.1", "8.8.8.8", "193.0.0.1")
"""Looked up once at the start, whatever is found: in a damaged database something breaks."""


class GeoIP:
    """A database on disk, mapped into memory."""

    def __init__(self, path: Path) -> None:
        """Raises SettingsError where the file is not there, or is no such database."""
        try:
            self._reader = maxminddb.open_database(path)
            for address in TRIED:
                self._reader.get(address)
        except OSError as error:
            raise SettingsError(f"{VARIABLE} should name a file that can be read: {path}: {error.strerror or error}") from error
        except (maxminddb.InvalidDatabaseError, ValueError) as error:
            raise SettingsError(f"{VARIABLE} should name a database in MaxMind's format (.mmdb): {path}: {error}") from error

    def locate(self, address: Address) -> Location | None:
        """None where it is not known, and for addresses that are nowhere: private, reserved, of the local link."""
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        address = mapped or address
        if not address.is_global or address.is_multicast:
            return None
        try:
            told = self._reader.get(address)
        except ValueError:  # a database of the other version of IP
            return None
        country, region = _country(told), _region(told)
        return Location(country=country, region=region) if country or region else None


def locating(path: Path | None) -> Locate | None:
    """What finds locations in the database that the settings name; None where they name none."""
    return GeoIP(path).locate if path is not None else None


def located(participant: ParticipantRecord, locate: Locate | None) -> ParticipantRecord:
    """The participant without its address; located by it, unless its location was told."""
    if participant.address is None:
        return participant
    found = locate(participant.address) if locate is not None and participant.location is None else None
    return participant.model_copy(update={"address": None, "location": participant.location or found})


def _country(told: Any) -> str | None:
    code = _part(_part(told, "country"), "iso_code")
    return code if isinstance(code, str) and 0 < len(code) <= 100 else None


def _region(told: Any) -> str | None:
    subdivisions = _part(told, "subdivisions")
    first = subdivisions[0] if isinstance(subdivisions, list) and subdivisions else None
    name = _part(_part(first, "names"), "en") or _part(first, "iso_code")
    return name if isinstance(name, str) and 0 < len(name) <= 1000 else None


def _part(told: Any, name: str) -> Any:
    return told.get(name) if isinstance(told, dict) else None
