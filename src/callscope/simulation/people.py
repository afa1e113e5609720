"""Who takes part in simulated calls, from where and with what."""

from dataclasses import dataclass
from functools import cache
from zlib import crc32

from callscope.simulation.catalog import BROWSERS, CITIES, FIRST_NAMES, LAST_NAMES, NAMES, NATIVES, SDKS, STRIDE, City, Client
from callscope.simulation.chance import Dice
from callscope.simulation.plan import CallPlan
from callscope.telemetry import Location, MediaDevice, Network, Sdk, System
from callscope.vocabulary import DeviceKind, EndpointKind, Platform

VIDEO_SIZES = ((1280.0, 720.0, 1_700_000.0), (1280.0, 720.0, 1_450_000.0), (960.0, 540.0, 1_050_000.0), (640.0, 360.0, 620_000.0))


@dataclass(frozen=True)
class Person:
    """One participant of a simulated call, with the figures of its undisturbed media."""

    index: int
    participant_id: str
    name: str
    kind: EndpointKind
    location: Location
    system: System
    sdk: Sdk
    user_agent: str | None
    devices: tuple[MediaDevice, ...]
    network: Network
    publishes: bool
    has_video: bool
    is_redacted: bool
    round_trip_ms: float
    loss: float
    jitter_ms: float
    audio_bitrate: float
    width: float
    height: float
    video_bitrate: float

    @property
    def is_phone(self) -> bool:
        return self.kind in {EndpointKind.SIP, EndpointKind.PSTN}


def people(plan: CallPlan) -> list[Person]:
    """Everyone in the plan's call, publishers first."""
    return [_person(plan, index) for index in range(plan.people)]


def _person(plan: CallPlan, index: int) -> Person:
    key = f"{plan.seed}/{plan.call_id}"
    dice = Dice(f"{key}/{index}")
    first_kind = plan.people - len(plan.kinds)
    drawn = EndpointKind.NATIVE if dice.chance(0.2) else EndpointKind.BROWSER
    kind = plan.kinds[index - first_kind] if index >= first_kind else drawn
    city = dice.pick(CITIES)
    client = dice.pick(NATIVES if kind is EndpointKind.NATIVE else BROWSERS)
    is_phone = kind in {EndpointKind.SIP, EndpointKind.PSTN}
    is_app = kind in {EndpointKind.BROWSER, EndpointKind.NATIVE}
    redacted = index in plan.redacted
    number = (crc32(key.encode()) + index * STRIDE) % NAMES
    name = f"{FIRST_NAMES[number % len(FIRST_NAMES)]} {LAST_NAMES[number // len(FIRST_NAMES)]}"
    width, height, bitrate = dice.pick(VIDEO_SIZES)
    return Person(
        index=index,
        participant_id=_participant_id(plan.platform, kind, dice),
        name={EndpointKind.BOT: "Recorder", EndpointKind.PSTN: f"+1 202 555 01{dice.whole(10, 99)}"}.get(kind, name),
        kind=kind,
        location=_location(city),
        system=_system(client) if is_app else System(),
        sdk=_sdk(plan.platform, kind, client, dice) if not is_phone else Sdk(),
        user_agent=client.agent if kind is EndpointKind.BROWSER else None,
        devices=_devices(client) if is_app else (),
        network=_network(kind, city, client, dice),
        publishes=index < plan.participants,
        has_video=plan.has_video and index < plan.participants and is_app,
        is_redacted=redacted,
        round_trip_ms=city.round_trip_ms * dice.between(0.9, 1.3) + (25 if is_phone else 4),
        loss=dice.between(0.5, 2.0),
        jitter_ms=dice.between(2.0, 7.0),
        audio_bitrate=64_000.0 if is_phone else float(dice.whole(34, 46) * 1000),
        width=width,
        height=height,
        video_bitrate=bitrate,
    )


def _participant_id(platform: Platform, kind: EndpointKind, dice: Dice) -> str:
    if kind is EndpointKind.SIP:
        return f"sip:room-{dice.whole(1, 9)}.{dice.whole(10, 49)}-{dice.hexadecimal()}@example.com"
    if platform is Platform.ACS:
        return (
            f"4:+1202555{dice.whole(1000, 9999)}" if kind is EndpointKind.PSTN else f"8:acs:{dice.uuid()}_{dice.hexadecimal(2)}"
        )
    if platform is Platform.JITSI:
        return dice.hexadecimal()
    return dice.uuid()


# Cached: what many have in common is made once.
@cache
def _location(city: City) -> Location:
    return Location(city=city.name, region=city.region, country=city.country)


@cache
def _system(client: Client) -> System:
    return System(
        browser=client.browser,
        browser_version=client.browser_version,
        os=client.os,
        os_version=client.os_version,
        device=client.device,
    )


def _sdk(platform: Platform, kind: EndpointKind, client: Client, dice: Dice) -> Sdk:
    name, versions = SDKS[platform]
    suffix = client.os.lower() if kind is EndpointKind.NATIVE else "js"
    return Sdk(name=name if name.endswith("js") else f"{name}-{suffix}", version=dice.pick(versions))


@cache
def _devices(client: Client) -> tuple[MediaDevice, ...]:
    return (
        MediaDevice(kind=DeviceKind.MICROPHONE, label=client.microphone, is_selected=True),
        MediaDevice(kind=DeviceKind.SPEAKER, label=f"{client.device} Speaker", is_selected=True),
        MediaDevice(kind=DeviceKind.CAMERA, label=client.camera, is_selected=True),
    )


def _network(kind: EndpointKind, city: City, client: Client, dice: Dice) -> Network:
    access = "cellular" if kind is EndpointKind.NATIVE and dice.chance(0.4) else dice.pick(("wifi", "wifi", "ethernet"))
    local = dice.pick(("host", "srflx", "srflx", "prflx", "relay")) if client.browser else "srflx"
    transport = "tls" if local == "relay" and dice.chance(0.5) else "udp"
    return Network(type=access, transport=transport, local_candidate_type=local, remote_candidate_type="host", region=city.server)
