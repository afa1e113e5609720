"""What a platform's code means and what to do about it: the reference table, found by the rule of analysis/codes.py."""

from collections.abc import Iterable, Sequence
from typing import Any

import strawberry

from callscope.analysis.codes import ANY, BROAD, NAME, NUMBERS, WORDS
from callscope.query.bindings import Argument, column, listed, one
from callscope.query.errors import bad_input
from callscope.vocabulary import Platform

REFERENCE_TABLES = {"code_explanation": "callscope.code_explanation"}


@strawberry.type(
    description="What a platform's code, or its reason in words, means, and what to do about it. The texts are Callscope's own."
)
class CodeExplanation:
    platform: Platform = column(
        "platform", "Whose code it is; WEBRTC for what browsers themselves report, whatever the platform of the call."
    )
    code: int | None = column("code", "The code; null for what has none, and for a whole class of codes.")
    subcode: int | None = column("subcode", "The subcode; null where the meaning is that of the code alone.")
    category: str = column(
        "category",
        "What kind of thing it is: of ACS the result category, for example UnexpectedClientError, or the class of the code;"
        " else what it concerns, for example Network, Permission or Device.",
    )
    meaning: str = column("meaning", "What happened, in words.")
    advice: str = column("advice", "What the person in the call can do, and what the developer can.")
    source: str = column("source", "Whose documentation tells of the code.")


def _keys(texts: Sequence[str]) -> str:
    """The keys to look under, as an array of SQL, of what ``given`` holds; what was not told makes no key."""
    names = {
        "platform": "given.platform",
        "code": "given.code",
        "subcode": "given.subcode",
        "any_code": f"case when given.code is null then '{ANY}' end",
        "any_subcode": f"case when given.subcode is null then '{ANY}' end",
        "hundreds": "(given.code / 100)",
    }
    keys = [*_filled(NUMBERS, names)]
    for text in texts:
        # As analysis.codes.plain has it.
        keys += _filled(WORDS, names | {"text": f"lower(trim(split_part({text}, ':', 1)))"})
    return ", ".join([*keys, *_filled(BROAD, names)])


def _filled(templates: Iterable[str], names: dict[str, str]) -> Iterable[str]:
    return ["'" + NAME.sub(lambda name: f"' || {names[name[1]]} || '", template) + "'" for template in templates]


def _found(given: str, *texts: str) -> str:
    """The explanations of what the row ``given`` (platform, code, subcode, and more for ``texts``) holds, the best first."""
    return (
        "select * from ("
        "select distinct on (known.position) known.*, wanted.rank"
        # Each offset 0 keeps PostgreSQL from doing it otherwise: given once for each key, the table read whole for each row.
        f" from ({given} offset 0) given, unnest(array[{_keys(texts)}]) with ordinality as wanted(key, rank),"
        " lateral (select own.* from {code_explanation} own where own.key = wanted.key offset 0) known"
        " order by known.position, wanted.rank"
        ") found order by found.rank, found.position"
    )


_PLATFORM = "(select own.platform from {call} own where own.call_key = {parent}.call_key) as platform"

FAILURE = _found(
    f"select {_PLATFORM}, {{parent}}.error_code as code, {{parent}}.error_subcode as subcode,"
    # Of what can fail, not everything has a reason of its end.
    " {parent}.error_message as message, coalesce(told ->> 'disconnect_reason', told ->> 'unpublish_reason') as reason"
    " from to_jsonb({parent}) told",
    "given.message",
    "given.reason",
)
EVENT = _found(
    f"select {_PLATFORM}, {{parent}}.code, {{parent}}.subcode, {{parent}}.message, {{parent}}.name,"
    " {parent}.payload ->> 'reason' as reason, {parent}.payload ->> 'state' as state",
    "given.message",
    "given.reason",
    "given.name || ' ' || given.state",
    "given.name || ' ' || given.code",
    "given.name",
)
ASKED = _found("select {args.platform} as platform, {args.code} as code, {args.subcode} as subcode")


def explanation(description: str, source: str) -> Any:
    """The most specific explanation of a row's code, subcode and words."""
    return one(description, source=f"{source} limit 1")


def _names_a_code(values: dict[str, Any]) -> None:
    if values.get("code") is None and values.get("subcode") is None:
        raise bad_input("Give 'code', 'subcode' or both.")


def explain_code() -> Any:
    return listed(
        "What a platform's code means and what to do about it, for example platform ACS, subcode 41048. The most specific first:"
        " code and subcode together, the subcode, the code; where one of them is not given, all that the other can stand for; the"
        " class of the code where the platform has such. Empty for what nobody knows; refused with neither code nor subcode.",
        source=ASKED,
        arguments=(
            Argument("platform", Platform, "Whose code it is."),
            Argument("code", int | None, "The code.", sql="integer"),
            Argument("subcode", int | None, "The subcode.", sql="integer"),
        ),
        check=_names_a_code,
    )
