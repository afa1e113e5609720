"""A catalog that is brought up to date in part is the one that all records make."""

import random
from collections import defaultdict
from datetime import timedelta

import pytest
from told import START, at, catalog, connection, instant, key, series, stream, subscriber

from callscope.analysis.catalog import build
from callscope.analysis.standing import Standing

TABLES = ("participants", "connections", "streams", "subscribers", "series", "failed_at")


def broadcast(dice, watchers=6):
    """A publisher and those who watch: records as they come, some of which say more of what was told."""
    told = [
        ("participant", {"participantId": "host", "displayName": "Host"}),
        ("connection", connection("h", participantId="host", connectedAt=at(0))),
        ("stream", stream("s", connectionId="h", publishedAt=at(1))),
        ("series", series(participantId="host", connectionId="h", streamId="s", direction="PUBLISH")),
    ]
    for number in range(watchers):
        who, came = f"w{number}", dice.uniform(2, 20)
        told.append(("participant", {"participantId": who, "displayName": who.upper()}))
        for visit in range(dice.randint(1, 3)):
            own = {"participantId": who, "connectionId": f"{who}-{visit}"}
            began = came + 10 * visit
            told.append(("connection", connection(own["connectionId"], participantId=who, attemptedAt=at(began))))
            if dice.random() < 0.2:
                told.append(("connection", connection(own["connectionId"], failedAt=at(began + 1))))
                continue
            told.append(("connection", connection(own["connectionId"], connectedAt=at(began + 0.1))))
            id_ = f"r-{who}-{visit}"
            told.append(("subscriber", subscriber(id_, streamId="s", **own, attemptedAt=at(began + 0.2))))
            if dice.random() < 0.8:
                told.append(("subscriber", subscriber(id_, streamId="s", subscribedAt=at(began + 0.3))))
                told.append(("series", series(**own, streamId="s", subscriberId=id_, direction="SUBSCRIBE")))
                told.append(("totals", {"subscriberId": id_, "media": "VIDEO", "packets": dice.randint(1, 99)}))
            if dice.random() < 0.7:
                told.append(("connection", connection(own["connectionId"], closedAt=at(began + 8))))
        if dice.random() < 0.3:
            told.append(("series", series(participantId=who, direction="BOTH", metric="ROUND_TRIP_TIME", media="CONNECTION")))
        if dice.random() < 0.2:
            told.append(("mention", {"participantId": who}))
    return told


def by_kind(told):
    records = defaultdict(list)
    for kind, body in told:
        records[kind].append(body)
    return records


def rows(found):
    return {name: dict(getattr(found, name)) for name in TABLES}


def replaced(standing, participants):
    """What the catalog becomes with a part of it put in place."""
    part = standing.part(participants)
    keys = {key("participant", one) for one in participants}
    for name in TABLES:
        known = getattr(standing.catalog, name)
        if name == "failed_at":
            for row_key in part.connections.keys() | part.subscribers.keys():
                known.pop(row_key, None)
        elif name not in ("streams", "series"):
            for row_key in [row_key for row_key, row in known.items() if row.participant_key in keys]:
                del known[row_key]
        known.update(getattr(part, name))


@pytest.mark.parametrize("seed", range(60))
def test_is_what_all_records_make_after_each_step(seed):
    dice = random.Random(seed)
    told = broadcast(dice)
    if seed % 2:
        dice.shuffle(told)
    known = dice.randrange(len(told))
    heard = [instant(0) - timedelta(minutes=5)]
    standing = Standing(by_kind(told[:known]), build(by_kind(told[:known]), key, heard, START), key)
    parts = 0
    while known < len(told):
        size = dice.randint(1, 4)
        touched = standing.add(told[known : known + size])
        known += size
        if touched is None:
            standing.rebuild(START)
        else:
            replaced(standing, touched)
            parts += 1
        anew = rows(build(by_kind(told[:known]), key, heard, START))
        for name, found in rows(standing.catalog).items():
            assert found == anew[name], name
    assert standing.catalog.told >= {"connection"} or not known


def test_those_who_only_watch_change_nobody_else():
    told = broadcast(random.Random(1))
    standing = Standing(by_kind(told), catalog(**by_kind(told)), key)
    new = [
        ("connection", connection("w1-0", closedAt=at(30))),
        ("participant", {"participantId": "new"}),
        ("connection", connection("n", participantId="new", connectedAt=at(21))),
        ("mention", {"connectionId": "whatever"}),
    ]
    assert standing.add(new) == {"w1", "new"}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("call", {"tags": ["new"]}),
        ("stream", stream("s", unpublishedAt=at(9))),
        ("connection", connection("h", closedAt=at(9))),
        ("participant", {"participantId": "host", "userAgent": "x"}),
        ("stream", stream("t", connectionId="w1-0", publishedAt=at(9))),
        ("subscriber", subscriber("x", streamId="unknown", participantId="w1")),
        ("connection", connection("nobody's", connectedAt=at(9))),
        ("totals", {"streamId": "s", "media": "AUDIO", "packets": 1}),
        ("connection", connection("w1-0", participantId="w2")),
        ("participant", {"participantId": "w1", "version": 2, "displayName": "x", "endedAt": at(-100)}),
        ("warning", {"kind": "TRUNCATED", "message": "cut"}),
    ],
)
def test_what_may_change_others_is_said(kind, body):
    told = broadcast(random.Random(1))
    standing = Standing(by_kind(told), catalog(**by_kind(told)), key)
    assert standing.add([(kind, body)]) is None
