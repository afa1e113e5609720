"""Whom a row of an ACS log speaks of: a participant, and the connection that Azure calls its participant id."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from callscope.privacy import hidden_in_id
from callscope.sources.acs_columns import Row
from callscope.sources.acs_values import is_withheld
from callscope.sources.addresses import Address
from callscope.telemetry import ParticipantRecord, Sdk, System, Telemetry, WarningRecord
from callscope.vocabulary import DataWarningKind, EndpointKind

MAX_NAME = 512
SDK = "azure-communication-calling"

_KINDS = {"pstn": EndpointKind.PSTN, "bot": EndpointKind.BOT}
_NATIVE = re.compile(r"Darwin Kernel|Manufacturer:|Arch:")
"""What only a native SDK can know of its system."""
_SYSTEMS = (
    re.compile(r"(?P<os>Android) (?P<version>[\d.]+)(?:;.*?Model: (?P<device>[^;]+))?"),
    re.compile(r"(?P<os>Darwin) Kernel Version (?P<version>[\d.]+)"),
    re.compile(r"(?P<os>Windows) (?P<version>\d+)"),
)
_WITHHELD = "Azure withheld the SDK and system of a participant, as it does for other tenants, telephones and bots."


@dataclass(frozen=True)
class Person:
    """``connection_id`` is the participant id of Azure; in P2P calls, which have none, the endpoint's.

    ``participant_id`` is the user's identifier (acs.md, 4), else the endpoint's: both outlive a rejoin. None where the row tells
    neither, as those of the server do: then the connection's other rows tell.
    """

    call_id: str
    version: int
    connection_id: str
    participant_id: str | None
    is_server: bool
    endpoint_type: str | None
    address: Address | None = None
    """To be located by."""


def person(row: Row, call_id: str, version: int) -> Person | None:
    """None where the row is of the call as a whole: Azure writes such with the call's id in place of the participant's."""
    kind, endpoint = row.told("endpointType"), row.id("endpointId")
    told, identifier = row.id("participantId"), row.id("identifier")
    if told == call_id:
        return None
    is_server = kind.lower() == "server" if kind else told is not None and endpoint is None and identifier is None
    connection = told or endpoint or identifier
    if connection is None:
        raise row.error("participantId", "participant_missing", "should tell the participant in ParticipantId or EndpointId")
    return Person(call_id, version, connection, None if is_server else identifier or endpoint, is_server, kind, row.address())


def as_version(
    records: Iterable[Telemetry], version: int, table: str, who: Person | None, *parts: str | None
) -> Iterator[Telemetry]:
    """What one version of a row tells. Of all versions, which go by whom the row is of and by ``parts``, the highest counts."""
    whose = (None, None) if who is None else (who.connection_id, "server" if who.is_server else "client")
    name = "/".join(part or "" for part in (table, *whose, *parts))
    if len(name) > MAX_NAME:
        name = f"{table}/{hashlib.sha256(name.encode()).hexdigest()}"
    for record in records:
        yield record.model_copy(update={"version": version, "revision_of": hidden_in_id(name)})


def participant(who: Person, sdk_version: str | None, os_version: str | None) -> list[ParticipantRecord | WarningRecord]:
    """``sdk_version`` and ``os_version`` as told, which may be that they are withheld."""
    if who.participant_id is None:
        return []
    is_redacted = is_withheld(sdk_version) or is_withheld(os_version)
    sdk_version, os_version = (None if is_withheld(value) else value for value in (sdk_version, os_version))
    record = ParticipantRecord(
        call_id=who.call_id,
        version=who.version,
        participant_id=who.participant_id,
        kind=_kind(who.endpoint_type, os_version),
        address=who.address,
        system=_system(os_version) if os_version else None,
        sdk=Sdk(name=SDK, version=sdk_version) if sdk_version else None,
        is_redacted=True if is_redacted else None,
    )
    if not is_redacted:
        return [record]
    kind = DataWarningKind.REDACTED
    return [record, WarningRecord(call_id=who.call_id, kind=kind, message=_WITHHELD, participant_id=who.participant_id)]


def _kind(endpoint_type: str | None, os_version: str | None) -> EndpointKind | None:
    if os_version and _NATIVE.search(os_version):
        return EndpointKind.NATIVE
    return _KINDS.get(endpoint_type.lower()) if endpoint_type else None


def _system(os_version: str) -> System:
    """As Azure's workbook names systems; the device where Android tells it."""
    match = next((match for pattern in _SYSTEMS if (match := pattern.match(os_version))), None)
    if match is None:
        return System(os=os_version)
    told = match.groupdict()
    return System(os=told["os"], os_version=told["version"], device=told.get("device"))
