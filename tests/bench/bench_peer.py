"""What a good engineer writes by hand for the three operations: a route and one prepared statement each, nothing generic.

`python -m tests.bench.bench_peer DATABASE_URL KEY` serves with our settings of connections and uvicorn, and prints its address.
"""

import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from callscope.api.keys import grant_of
from callscope.storage.pool import SESSION

CALL = """
select row_to_json(answer) from (
    select 'call_' || to_hex(call_key) as id, call_id as "callId", platform, media_mode as "mediaMode",
        case when live_until > now() then 'LIVE' else 'ENDED' end as state, started_at as "startedAt",
        case when live_until > now() then null else ended_at end as "endedAt", duration_seconds as "durationSeconds",
        is_large as "isLarge", tags,
        json_build_object(
            'callType', call_type, 'participantCount', participant_count, 'connectionCount', connection_count,
            'streamCount', stream_count, 'subscriberCount', subscriber_count, 'sipParticipantCount', sip_participant_count,
            'maxConcurrentConnections', max_concurrent_connections, 'maxConcurrentStreams', max_concurrent_streams,
            'maxConcurrentSubscribers', max_concurrent_subscribers, 'publishedMinutes', published_minutes,
            'subscribedMinutes', subscribed_minutes, 'streamedMinutes', streamed_minutes, 'issueCount', issue_count,
            'errorCount', error_count,
            'sdks', (
                select coalesce(json_agg(json_build_object('name', sdk -> 'name', 'version', sdk -> 'version',
                    'participantCount', sdk -> 'participant_count')), '[]')
                from jsonb_array_elements(sdks) sdk
            ),
            'endpoints', (
                select coalesce(json_agg(json_build_object('kind', endpoint -> 'kind', 'name', endpoint -> 'name',
                    'version', endpoint -> 'version', 'participantCount', endpoint -> 'participant_count')), '[]')
                from jsonb_array_elements(endpoints) endpoint
            )
        ) as statistics
    from live.call where project_id = $1 and call_key = $2
) answer
"""

CALLS = """
select row_to_json(answer), 'call.started_at.desc~' || (extract(epoch from started_at) * 1000000)::bigint || '~' || call_key
from live.call, lateral (
    select 'call_' || to_hex(call.call_key) as id, call.call_id as "callId", call.platform,
        case when call.live_until > now() then 'LIVE' else 'ENDED' end as state, call.started_at as "startedAt",
        call.duration_seconds as "durationSeconds", json_build_object('nodes', coalesce(json_agg(person), '[]')) as participants
    from (
        select 'participant_' || to_hex(call_key) || '_' || to_hex(participant_key) as id, participant_id as "participantId",
            display_name as "displayName", kind,
            case when coalesce(city, region, country) is not null
                then json_build_object('city', city, 'country', country) end as location,
            case when coalesce(browser, browser_version, os, os_version, device) is not null
                then json_build_object('browser', browser, 'os', os) end as system,
            error_count as "errorCount"
        from live.participant
        where project_id = $1 and participant.call_key = call.call_key
        order by appeared_at, participant_key limit $3
    ) person
) answer
where project_id = $1 order by started_at desc, call_key desc limit $2 + 1
"""

SERIES = """
with span as (
    select call_key, started_at, last_active_at, greatest(date_part('epoch', last_active_at - started_at) / $3::integer,
        sampling_seconds, 0.001) as step
    from live.call where project_id = $1 and call_key = $2
), grid as materialized (
    select *, least($3::integer, greatest(1, ceil(date_part('epoch', last_active_at - started_at) / step)::integer)) as buckets
    from span
), times as materialized (
    select array_agg(date_part('epoch', started_at) * 1000 + number * step * 1000 order by number) as times
    from grid, generate_series(0, buckets - 1) number
)
select json_build_object('nodes', coalesce(json_agg(answer), '[]')) from (
    select 'series_' || to_hex(call_key) || '_' || to_hex(series_key) as id, metric, unit, media, direction, (
        select json_build_object(
            'times', (select times from times), 'averages', array_agg(average order by number),
            'minimums', array_agg(minimum order by number), 'maximums', array_agg(maximum order by number),
            'counts', array_agg(coalesce(samples, 0) order by number)
        )
        from grid cross join lateral generate_series(0, buckets - 1) number left join lateral (
            select least(floor(date_part('epoch', at - started_at) / step)::integer, buckets - 1) as number,
                avg(value) as average, min(value) as minimum, max(value) as maximum, count(*) as samples
            from live.metric_sample sample
            where sample.project_id = $1 and sample.call_key = $2 and sample.series_key = series.series_key
                and at between started_at and last_active_at
            group by 1
        ) measured using (number)
    ) as samples
    from live.metric_series series where project_id = $1 and call_key = $2
    order by series_key limit $4
) answer
"""


class Peer:
    """The routes. The key's project is looked up once and kept."""

    def __init__(self, database_url: str, key: str) -> None:
        self.database_url = database_url
        self.authorization = f"Bearer {key}"
        self.key = key
        self.project_id = 0

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        settings = {"max_cacheable_statement_size": 0, "server_settings": SESSION}
        async with asyncpg.create_pool(self.database_url, min_size=1, max_size=16, reset=no_reset, **settings) as self.pool:
            grant = await grant_of(self.pool, self.key)
            self.project_id = grant.project_id
            yield

    async def call(self, request: Request) -> Response:
        key = key_of(request.path_params["id"])
        row = await self.fetch(request, CALL, key)
        return answer('{"data":{"call":' + (row[0][0] if row else "null") + "}}")

    async def calls(self, request: Request) -> Response:
        first, people = int(request.query_params["first"]), int(request.query_params["participants"])
        rows = await self.fetch(request, CALLS, first, people)
        more, rows = len(rows) > first, rows[:first]
        end = f'"{rows[-1][1]}"' if rows else "null"
        page = f'{{"hasNextPage":{"true" if more else "false"},"endCursor":{end}}}'
        return answer(f'{{"data":{{"calls":{{"nodes":[{",".join(row[0] for row in rows)}],"pageInfo":{page}}}}}}}')

    async def series(self, request: Request) -> Response:
        row = await self.fetch(request, SERIES, key_of(request.path_params["id"]), 300, int(request.query_params["first"]))
        return answer('{"data":{"call":{"metricSeries":' + row[0][0] + "}}}")

    async def fetch(self, request: Request, sql: str, *arguments: int) -> list[tuple[str, ...]]:
        assert request.headers["authorization"] == self.authorization
        async with self.pool.acquire() as connection:
            return await connection.fetch(sql, self.project_id, *arguments)

    def app(self) -> Starlette:
        routes = [
            Route("/calls/{id}", self.call),
            Route("/calls", self.calls),
            Route("/calls/{id}/series", self.series),
        ]
        return Starlette(routes=routes, lifespan=self.lifespan)


async def no_reset(_: asyncpg.Connection) -> None:
    """No statement changes a session, so a connection that comes back needs no round trip."""


def key_of(call_id: str) -> int:
    key = int(call_id.removeprefix("call_"), 16)
    return key - 2**64 if key >= 2**63 else key


def answer(content: str) -> Response:
    return Response(content, media_type="application/json")


def main(database_url: str, key: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    uvicorn.run(Peer(database_url, key).app(), port=port, log_level="warning", access_log=False, server_header=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
