"""``callscope demo`` as a user runs it: real processes, real signals."""

import json
import signal
import stat
from datetime import UTC, datetime

import httpx
import pytest

from callscope.simulation import demo_calls
from callscope.web.examples import examples
from tests.commands.command import Client, is_free, leftovers, wait_until
from tests.commands.dumps import GOOD

EXAMPLES, SEED = examples()


def call_count(client: Client) -> int:
    return client.ask("{ calls { totalCount } }")["calls"]["totalCount"]


def test_it_is_filled_with_every_call_of_the_demo_although_earlier_starts_were_broken_off(demo):
    ids = {plan.call_id for plan in demo_calls(datetime.now(UTC))}
    assert call_count(demo.client) >= len(ids) > 30
    shown = demo.client.ask("{ calls(first: 1000) { nodes { freshness { isSettled } } } }")
    assert all(node["freshness"]["isSettled"] for node in shown["calls"]["nodes"])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_before_it_serves_stops_all_that_it_started(demo, number, status):
    assert demo.broken_starts[number] == (status, [], "")


def test_it_tells_its_addresses_and_its_key_to_nobody_else(demo):
    told = json.loads(demo.told.read_text())
    assert told.keys() == {"graphqlUrl", "ingestUrl", "key"}
    assert told["graphqlUrl"] == f"http://127.0.0.1:{demo.client.port}/graphql"
    assert told["ingestUrl"] == f"http://127.0.0.1:{demo.client.port}/ingest"
    for name in ("demo.json", "demo.key"):
        assert stat.S_IMODE((demo.data_dir / name).stat().st_mode) == 0o600


def test_its_key_reads_and_no_other_does(demo):
    assert demo.client.ask("{ project { name } }") == {"project": {"name": "default"}}
    stranger = Client(demo.client.graphql_url, demo.client.ingest_url, "callscope_" + "0" * 38)
    assert (
        stranger.post(stranger.graphql_url, {"query": "{ __typename }"})["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    )


def test_its_key_ingests_at_the_address_and_below_it(demo):
    client = demo.client
    record = {"type": "participant", "callId": "told", "participantId": "ada", "displayName": "Ada"}
    assert client.post(client.ingest_url, json.dumps(record).encode()) == {"calls": ["told"], "accepted": 1, "refused": []}
    assert client.post(f"{client.ingest_url}/rtcstats", GOOD)["calls"] == ["standup"]
    shown = '{ told: call(callId: "told") { id } standup: call(callId: "standup") { id } }'
    wait_until(lambda: all(client.ask(shown).values()))


def test_the_playground_is_there(demo):
    page = httpx.get(f"http://127.0.0.1:{demo.client.port}/", trust_env=False)
    assert page.status_code == 200
    assert all(example.name in page.text for example in EXAMPLES)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_stops_all_that_it_started_and_the_next_start_has_the_same_data_and_key(demo, number, status):
    client = demo.client
    calls, key, port = call_count(client), client.key, client.port
    assert demo.end(number) == status
    assert leftovers(demo.data_dir) == []
    assert is_free(port)
    assert not demo.told.exists()
    assert demo.output.splitlines() == [
        f"Callscope   http://127.0.0.1:{port}/graphql",
        f"Playground  http://127.0.0.1:{port}/#key={key}",
        f"Key         {key}",
        "Ctrl-C stops everything.",
    ]
    assert demo.client.key == key
    assert call_count(demo.client) == calls


def test_a_killed_one_leaves_nothing_in_the_way(demo):
    calls, key = call_count(demo.client), demo.client.key
    assert demo.end(signal.SIGKILL) == -signal.SIGKILL
    assert leftovers(demo.data_dir) != []
    assert (demo.client.key, call_count(demo.client)) == (key, calls)


# Examples.

WITHOUT_FAULT_EMPTY = {"missing", "warnings"}


def leaves(value):
    """Everything that an answer says, apart from nulls and empty lists."""
    match value:
        case dict():
            return [leaf for item in value.values() for leaf in leaves(item)]
        case list():
            return [leaf for item in value for leaf in leaves(item)]
        case None:
            return []
    return [value]


def lists(value):
    """The longest list under each name."""
    found = {}
    for item in value if isinstance(value, list) else [value]:
        for name, inner in item.items() if isinstance(item, dict) else ():
            if isinstance(inner, list):
                found[name] = max(found.get(name, 0), len(inner))
            for key, size in lists(inner).items():
                found[key] = max(found.get(key, 0), size)
    return found


@pytest.fixture(scope="module")
def variables(demo_after_broken_starts):
    """What the playground puts into the variables of the examples: every leaf of the seed's answer, by its name."""
    found = {}

    def collect(value):
        for name, inner in value.items() if isinstance(value, dict) else ():
            for item in inner if isinstance(inner, list) else [inner]:
                if isinstance(item, dict):
                    collect(item)
                elif item is not None:
                    found.setdefault(name, []).append(item)

    collect(demo_after_broken_starts.client.ask(SEED))
    return found


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_each_example_shows_something_of_the_demo(demo, variables, example):
    given = {
        name: found if is_list else found[0] for name, is_list in example.variables.items() if (found := variables.get(name))
    }
    data = demo.client.ask(example.query, **given)
    assert leaves(data)
    assert {name for name, size in lists(data).items() if size == 0} <= WITHOUT_FAULT_EMPTY
