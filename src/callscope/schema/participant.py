"""Who took part."""

from datetime import datetime
from typing import Any

import strawberry

from callscope.query.bindings import Order, column, embedded, items, many, narrow, one
from callscope.schema.connection import ConnectionRecord, connections
from callscope.schema.event import Event, events
from callscope.schema.issue import Issue, issues
from callscope.schema.metric_series import MetricSeries, metric_series
from callscope.schema.node import FILTER, Node, Page, table
from callscope.schema.references import CallRef
from callscope.schema.stream import Stream, Subscriber, streams, subscribers
from callscope.vocabulary import DeviceKind, EndpointKind


@strawberry.type(description="Where a participant was, as the platform or a GeoIP database tells.")
class Location:
    city: str | None = column("city", "City.")
    region: str | None = column("region", "State or province.")
    country: str | None = column("country", "ISO 3166-1 alpha-2 where known.")


@strawberry.type(description="What a participant ran on.")
class System:
    browser: str | None = column("browser", "Name of the browser.")
    browser_version: str | None = column("browser_version", "Its version.")
    os: str | None = column("os", "Name of the operating system.")
    os_version: str | None = column("os_version", "Its version.")
    device: str | None = column("device", "Model of the device.")


@strawberry.type(description="The SDK that connected the participant.")
class Sdk:
    name: str | None = column("sdk_name", "Name.")
    version: str | None = column("sdk_version", "Version.")


@strawberry.type(description="A microphone, speaker or camera.")
class MediaDevice:
    kind: DeviceKind = column("kind", "What it does.")
    label: str | None = column("label", "What the browser calls it.")
    is_selected: bool | None = column("is_selected", "Whether it was in use; null where no source told.")


@strawberry.input(description=FILTER)
class ParticipantFilter:
    calls: list[strawberry.ID] | None = narrow("{row}.call_key = any({first})", "In one of these calls.", ids="call")
    meetings: list[strawberry.ID] | None = narrow(
        "{row}.call_key = any({first}) and exists (select from {connection} own where own.call_key = {row}.call_key"
        " and own.participant_key = {row}.participant_key and (own.call_key, own.meeting_number) in {value})",
        "Connected in one of these meetings.",
        ids="meeting",
    )
    participant_ids: list[str] | None = narrow("{row}.participant_id = any({value})", "The platform's ids.", type="text[]")
    kinds: list[EndpointKind] | None = narrow("{row}.kind = any({value})", "Kinds of endpoint.", type="text[]")
    text: str | None = narrow(
        "strpos(lower(concat_ws(' ', {row}.participant_id, {row}.display_name, {row}.user_agent)), lower({value})) > 0",
        "Participant id, display name or user agent contains this text, whatever its case.",
        type="text",
    )
    has_errors: bool | None = narrow("{row}.error_count > 0", "With errors, or without.", otherwise="{row}.error_count = 0")
    has_issues: bool | None = narrow("{row}.issue_count > 0", "With issues, or without.", otherwise="{row}.issue_count = 0")
    countries: list[str] | None = narrow("{row}.country = any({value})", "Countries.", type="text[]")
    sdk_names: list[str] | None = narrow("{row}.sdk_name = any({value})", "Names of SDKs.", type="text[]")
    browsers: list[str] | None = narrow("{row}.browser = any({value})", "Names of browsers.", type="text[]")


@strawberry.type(
    description="One client endpoint: a browser, a device, a SIP line. However often it reconnects, it stays one participant."
)
@table("participant", "call_key", "participant_key", tag="participant")
class Participant(Node):
    participant_id: str = column("participant_id", "The platform's own id of the endpoint.")
    display_name: str | None = column("display_name", "The name that the person or the application gave.")
    kind: EndpointKind = column("kind", "Kind of endpoint.")
    call: CallRef = one("The call.")
    location: Location | None = embedded(
        "Where it was; null where no source told.",
        null_when="{row}.city is null and {row}.region is null and {row}.country is null",
    )
    system: System | None = embedded(
        "What it ran on; null where no source told.",
        null_when="{row}.browser is null and {row}.browser_version is null and {row}.os is null"
        " and {row}.os_version is null and {row}.device is null",
    )
    sdk: Sdk | None = embedded(
        "The SDK; null where no source told.", null_when="{row}.sdk_name is null and {row}.sdk_version is null"
    )
    user_agent: str | None = column("user_agent", "The browser's user agent string.")
    devices: list[MediaDevice] = items("devices", "kind text, label text, is_selected boolean", "Its media devices.")
    is_redacted: bool = column(
        "is_redacted", "True where the platform withheld this participant's details (for example one of another tenant)."
    )
    first_joined_at: datetime | None = column("first_joined_at", "When it was first connected; null where it never was.")
    last_left_at: datetime | None = column("last_left_at", "When its last connection ended; null while it lasts.")
    error_count: int = column(
        "error_count", "Failed attempts to connect, publish and subscribe, and other events of severity ERROR or CRITICAL."
    )
    issue_count: int = column("issue_count", "Issues that hit it and are problems: of severity WARNING or worse.")
    rating: float | None = column(
        "rating", "What it thought of the call, 0 (worst) to 1 (best): the overall score, else its lowest. Null where not rated."
    )
    mean_opinion_score: float | None = column(
        "mean_opinion_score", "Estimated listening quality, 1 to 5, null without audio samples."
    )
    connections: Page[ConnectionRecord] = connections("Its attempts to connect, the first one first.")
    streams: Page[Stream] = streams("What it published, the first one first.")
    subscribers: Page[Subscriber] = subscribers("What it received, the first one first.")
    events: Page[Event] = events(
        "What happened to it or by it.",
        where="{row}.call_key = {parent}.call_key and {row}.participant_key = {parent}.participant_key"
        " and {row}.at >= (select own.started_at from {call} own where own.call_key = {parent}.call_key)"
        " and {row}.at <= (select own.last_active_at from {call} own where own.call_key = {parent}.call_key)",
    )
    issues: Page[Issue] = issues("Problems that hit it, in order of time.")
    metric_series: Page[MetricSeries] = metric_series("What was measured at it.")


def participants(description: str, *, where: str | None = None) -> Any:
    return many(description, where=where, filter=ParticipantFilter, order=Order((("appeared_at", "timestamptz"),)))
