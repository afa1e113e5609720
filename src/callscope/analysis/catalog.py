"""From the records of a call to who and what took part in it.

Records may name what no record tells of: a stream's connection, a subscriber's stream. What is named exists, so a row is
made for it, with no details. A connection that is proved only by media on it counts as connected for as long as they lasted.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from callscope.analysis.merging import Body, merged
from callscope.analysis.revisions import KIND as REVISION
from callscope.analysis.revisions import current
from callscope.analysis.rows import NEVER, Catalog, Connection, DataWarning, MetricSeries, Participant, Stream, Subscriber
from callscope.vocabulary import Direction, EndpointKind, Metric, Outcome, StreamSource

Key = Callable[..., int]
TOTALS_FIELDS = {
    "media": "media",
    "ssrc": "ssrc",
    "codec": "codec",
    "packets": "packets",
    "packetsLost": "packets_lost",
    "packetLossPercent": "packet_loss_percent",
    "bytes": "bytes",
    "concealedPercent": "concealed_percent",
    "framesDropped": "frames_dropped",
    "freezeSeconds": "freeze_seconds",
    "roundTripTimeMs": "round_trip_time_ms",
}


def build(records: Mapping[str, list[Body]], key: Key, heard_at: Iterable[datetime], received_at: datetime) -> Catalog:
    """The catalog of a call from its records by kind.

    Where a subject has no instant at all, the first one of the call stands in: of a record, or of events and samples
    (``heard_at``). ``received_at`` is for a call that has none.
    """
    return _Builder(records, key, heard_at, received_at).build()


def series_key(body: Body, key: Key) -> int:
    """The key of a metric series: what is measured, and of what."""
    subject = [body.get(name) or "" for name in ("participantId", "connectionId", "streamId", "subscriberId")]
    return key("series", body["metric"], body["media"], body["direction"], *subject)


class _Builder:
    def __init__(self, records: Mapping[str, list[Body]], key: Key, heard_at: Iterable[datetime], received_at: datetime) -> None:
        self.key = key
        self.records, superseded = current(records)
        told = {kind for kind, bodies in self.records.items() if bodies}
        self.catalog = Catalog(call=merged(self.records.get("call", ())), told=told, superseded=superseded)
        self.participants = self._by_id("participant", "participantId")
        self.connections = self._by_id("connection", "connectionId")
        self.streams = self._by_id("stream", "streamId")
        self.subscribers = self._by_id("subscriber", "subscriberId")
        self.connections_of: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        self.own_connections: dict[int, list[Connection]] = defaultdict(list)
        self.totals = {owner: self._totals_by(owner) for owner in ("streamId", "subscriberId")}
        self.catalog.fallback = self.fallback = min([*heard_at, *self._instants()], default=received_at)

    def _instants(self) -> Iterable[datetime]:
        subjects = (self.connections, self.streams, self.subscribers)
        for body in [self.catalog.call, *(body for bodies in subjects for body in bodies.values())]:
            yield from (value for value in body.values() if isinstance(value, datetime))
        yield from (_read_at(body) for body in self.records.get("totals", ()) if "at" in body)

    def _by_id(self, kind: str, name: str) -> dict[str, Body]:
        bodies: dict[str, list[Body]] = defaultdict(list)
        for body in self.records.get(kind, ()):
            bodies[body[name]].append(body)
        return {id_: merged(several) for id_, several in bodies.items()}

    def build(self) -> Catalog:
        self._name_what_is_missing()
        self._find_owners()
        for id_, body in sorted(self.connections.items()):
            if "implied" not in body:
                self.connections_of[body.get("participantId", id_)].append((_first_instant(body, self.fallback), id_))
        self._place_streams()
        for id_, body in sorted(self.connections.items()):
            self._connection(id_, body)
        for id_, body in sorted(self.streams.items()):
            self._stream(id_, body)
        for id_, body in sorted(self.subscribers.items()):
            self._subscriber(id_, body)
        for body in self.records.get("series", ()):
            self._series(body)
        for connection in self.catalog.connections.values():
            self.own_connections[connection.participant_key].append(connection)
        for id_ in sorted(self._participant_ids()):
            self._participant(id_, self.participants.get(id_, {}))
        for body in self.records.get("warning", ()):
            self._warning(body)
        return self.catalog

    # What is named but not told of.

    def _name_what_is_missing(self) -> None:
        """Make the streams, subscribers and connections that only others name, with all that these say of them."""
        streams: dict[str, list[Body]] = defaultdict(list)
        subscribers: dict[str, list[Body]] = defaultdict(list)
        for body in [*self.records.get("totals", ()), *self.records.get("series", ())]:
            owner = {name: body[name] for name in ("participantId", "connectionId") if name in body}
            stream, subscriber = body.get("streamId"), body.get("subscriberId")
            if subscriber is not None:
                subscribers[subscriber].append(owner if stream is None else {**owner, "streamId": stream})
            elif stream is not None:
                streams[stream].append(owner if body.get("direction") != Direction.SUBSCRIBE else {})
            if "connectionId" in body:
                self.connections.setdefault(body["connectionId"], {"implied": True})
        for id_, bodies in subscribers.items():
            self.subscribers.setdefault(id_, {"implied": True, "streamId": id_, **merged(bodies)})
        for body in self.subscribers.values():
            streams[body["streamId"]].append({})
        for id_, bodies in streams.items():
            self.streams.setdefault(id_, {"implied": True, **merged(bodies)})

    def _find_owners(self) -> None:
        """A connection whose own records name no participant is of the one that its media name."""
        owners: dict[str, set[str]] = defaultdict(set)
        for body in [*self.streams.values(), *self.subscribers.values(), *self.records.get("series", ())]:
            if "connectionId" in body and "participantId" in body:
                owners[body["connectionId"]].add(body["participantId"])
        for id_, participants in owners.items():
            self.connections.setdefault(id_, {"implied": True}).setdefault("participantId", min(participants))

    def _place_streams(self) -> None:
        """Give each stream and subscriber a connection, and make those that nobody told of."""
        for id_, body in [*self.streams.items(), *self.subscribers.items()]:
            at = _first_instant(body, self.fallback)
            if "connectionId" not in body:
                body["connectionId"] = self._connection_at(body.get("participantId", id_), at)
            proved = self.connections.setdefault(body["connectionId"], {"implied": True})
            if "implied" in proved and _has_instant(body):
                proved["connectedAt"] = min(proved.get("connectedAt", at), at)
                end = body.get("unpublishedAt") or body.get("endedAt") or body.get("failedAt")
                proved["open"] = proved.get("open", False) or end is None
                proved["closedAt"] = max(proved.get("closedAt", end or at), end or at)
        for proved in self.connections.values():
            if "implied" in proved and "connectedAt" not in proved:
                proved |= {"connectedAt": self.fallback, "open": True}

    def _connection_at(self, participant: str, at: datetime) -> str:
        """The participant's connection at that time: the last one attempted before it, else the first one."""
        known = sorted(self.connections_of.get(participant, ()))
        before = [id_ for attempted, id_ in known if attempted <= at]
        return before[-1] if before else known[0][1] if known else participant

    def _participant_ids(self) -> set[str]:
        named = set(self.participants)
        named |= {body.get("participantId", id_) for id_, body in self.connections.items()}
        for kind in ("mention", REVISION, "series", "warning"):
            named |= {body["participantId"] for body in self.records.get(kind, ()) if body.get("participantId")}
        return named

    # Rows.

    def _participant(self, id_: str, body: Body) -> None:
        key = self.key("participant", id_)
        own = self.own_connections.get(key, [])
        joined = [connection.connected_at for connection in own if connection.connected_at is not None]
        left = [connection.disconnected_at for connection in own if connection.connected_at is not None]
        location, system, sdk = body.get("location", {}), body.get("system", {}), body.get("sdk", {})
        self.catalog.participants[key] = Participant(
            participant_key=key,
            participant_id=id_,
            display_name=body.get("displayName"),
            kind=body.get("kind", EndpointKind.UNKNOWN),
            city=location.get("city"),
            region=location.get("region"),
            country=location.get("country"),
            browser=system.get("browser"),
            browser_version=system.get("browserVersion"),
            os=system.get("os"),
            os_version=system.get("osVersion"),
            device=system.get("device"),
            sdk_name=sdk.get("name"),
            sdk_version=sdk.get("version"),
            user_agent=body.get("userAgent"),
            devices=[
                {"kind": device["kind"], "label": device.get("label"), "is_selected": device.get("isSelected")}
                for device in body.get("devices", ())
            ],
            is_redacted=body.get("isRedacted", False),
            appeared_at=min((connection.attempted_at for connection in own), default=self.fallback),
            first_joined_at=min(joined, default=None),
            last_left_at=None if not left or None in left else max(end for end in left if end is not None),
        )

    def _connection(self, id_: str, body: Body) -> None:
        key = self.key("connection", id_)
        connected, failed, closed = body.get("connectedAt"), body.get("failedAt"), body.get("closedAt")
        if body.get("open"):
            closed = None
        if connected is not None and closed is None:
            closed = failed
        self._failed(key, failed)
        network = body.get("network", {})
        local, remote = network.get("localCandidateType"), network.get("remoteCandidateType")
        self.catalog.connections[key] = Connection(
            connection_key=key,
            connection_id=id_,
            participant_key=self.key("participant", body.get("participantId", id_)),
            attempted_at=_first_instant(body, self.fallback),
            connected_at=connected,
            disconnected_at=closed if connected is not None else None,
            duration_seconds=_seconds(connected, closed),
            outcome=_outcome(connected, failed),
            disconnect_reason=body.get("closeReason"),
            **_error(body),
            network_type=network.get("type"),
            transport=network.get("transport"),
            local_candidate_type=local,
            remote_candidate_type=remote,
            is_relayed=None if local is None and remote is None else "relay" in (local, remote),
            network_region=network.get("region"),
            is_implied="implied" in body,
        )

    def _stream(self, id_: str, body: Body) -> None:
        key = self.key("stream", id_)
        connection = self.catalog.connections[self.key("connection", body["connectionId"])]
        published, failed = body.get("publishedAt"), body.get("failedAt")
        self._failed(key, failed)
        self.catalog.dtx |= {key} if body.get("audioDtx") else set()
        self.catalog.fec |= {key} if body.get("audioFec") else set()
        totals = self._totals("streamId", id_)
        # What was counted was published, although Azure's diagnostics do not say when.
        if published is None and failed is None and ("implied" in body or totals):
            published = connection.connected_at
        end = body.get("unpublishedAt") or (failed if published is not None else None)
        ended = _earliest(end, connection.disconnected_at) if published is not None else None
        media = {entry["media"] for entry in totals}
        self.catalog.streams[key] = Stream(
            stream_key=key,
            stream_id=id_,
            participant_key=connection.participant_key,
            connection_key=connection.connection_key,
            attempted_at=_first_instant(body, connection.attempted_at),
            published_at=published,
            unpublished_at=ended,
            duration_seconds=_seconds(published, ended),
            outcome=_outcome(published, failed),
            unpublish_reason=body.get("unpublishReason"),
            **_error(body),
            name=body.get("name"),
            source=body.get("source", StreamSource.UNKNOWN),
            has_audio=body.get("hasAudio", "AUDIO" in media),
            has_video=body.get("hasVideo", bool(media & {"VIDEO", "SCREEN"})),
            is_scalable=body.get("isScalable", False),
            audio_codec=body.get("audioCodec"),
            video_codec=body.get("videoCodec"),
            totals=totals,
        )

    def _subscriber(self, id_: str, body: Body) -> None:
        key = self.key("subscriber", id_)
        connection = self.catalog.connections[self.key("connection", body["connectionId"])]
        stream = self.catalog.streams[self.key("stream", body["streamId"])]
        subscribed, failed = body.get("subscribedAt"), body.get("failedAt")
        self._failed(key, failed)
        end = body.get("endedAt") or (failed if subscribed is not None else None)
        ended = _earliest(end, connection.disconnected_at, stream.unpublished_at) if subscribed is not None else None
        self.catalog.subscribers[key] = Subscriber(
            subscriber_key=key,
            subscriber_id=id_,
            stream_key=stream.stream_key,
            participant_key=connection.participant_key,
            connection_key=connection.connection_key,
            attempted_at=_first_instant(body, stream.attempted_at),
            subscribed_at=subscribed,
            ended_at=ended,
            duration_seconds=_seconds(subscribed, ended),
            outcome=_outcome(subscribed, failed),
            **_error(body),
            totals=self._totals("subscriberId", id_),
        )

    def _failed(self, key: int, at: datetime | None) -> None:
        if at is not None:
            self.catalog.failed_at[key] = at

    def _totals(self, owner: str, id_: str) -> list[dict[str, Any]]:
        """The last reading of each media and SSRC."""
        latest: dict[tuple[str, int], tuple[Any, Body]] = {}
        for body in self.totals[owner].get(id_, ()):
            entry = (body["media"], body.get("ssrc", -1))
            rank = (body.get("version", 0), _read_at(body), sorted((name, str(value)) for name, value in body.items()))
            if entry not in latest or rank > latest[entry][0]:
                latest[entry] = (rank, body)
        bodies = [latest[entry][1] for entry in sorted(latest)]
        return [{column: body.get(name) for name, column in TOTALS_FIELDS.items()} for body in bodies]

    def _totals_by(self, owner: str) -> dict[str, list[Body]]:
        bodies: dict[str, list[Body]] = defaultdict(list)
        for body in self.records.get("totals", ()):
            if owner in body:
                bodies[body[owner]].append(body)
        return bodies

    def _series(self, body: Body) -> None:
        key = series_key(body, self.key)
        subscriber = self.catalog.subscribers.get(self.key("subscriber", body.get("subscriberId") or ""))
        stream = self.catalog.streams.get(self.key("stream", body.get("streamId") or ""))
        connection = self.catalog.connections.get(self.key("connection", body.get("connectionId") or ""))
        participant = self.key("participant", body["participantId"]) if "participantId" in body else None
        measured: Any = subscriber or connection
        if measured is None and stream is not None and participant in (None, stream.participant_key):
            measured = stream
        self.catalog.series[key] = MetricSeries(
            series_key=key,
            participant_key=participant if participant is not None else measured.participant_key,
            connection_key=measured.connection_key if measured is not None else None,
            stream_key=subscriber.stream_key if subscriber is not None else stream.stream_key if stream is not None else None,
            subscriber_key=subscriber.subscriber_key if subscriber is not None else None,
            metric=body["metric"],
            unit=Metric[body["metric"]].unit,
            media=body["media"],
            direction=body["direction"],
        )

    def _warning(self, body: Body) -> None:
        participant = body.get("participantId")
        key = self.key("warning", body["kind"], body["message"], participant or "")
        participant_key = self.key("participant", participant) if participant else None
        self.catalog.warnings[key] = DataWarning(key, body["kind"], body["message"], participant_key)


def _has_instant(body: Body) -> bool:
    return any(isinstance(value, datetime) for value in body.values())


def _read_at(totals: Body) -> datetime:
    return datetime.fromisoformat(totals["at"]) if "at" in totals else NEVER


def _first_instant(body: Body, default: datetime) -> datetime:
    """When an attempt was made, or first heard of."""
    instants = [value for value in body.values() if isinstance(value, datetime)]
    return body.get("attemptedAt") or min(instants, default=default)


def _earliest(*instants: datetime | None) -> datetime | None:
    return min((instant for instant in instants if instant is not None), default=None)


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else max((end - start).total_seconds(), 0.0)


def _outcome(succeeded: datetime | None, failed: datetime | None) -> str:
    if succeeded is not None:
        return Outcome.SUCCEEDED
    return Outcome.FAILED if failed is not None else Outcome.PENDING


def _error(body: Body) -> dict[str, Any]:
    error = body.get("error", {})
    return {"error_code": error.get("code"), "error_subcode": error.get("subcode"), "error_message": error.get("message")}
