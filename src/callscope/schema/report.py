"""What a call was like, in words."""

from typing import Any

from callscope.query.bindings import Argument, column
from callscope.schema.scalars import described
from callscope.vocabulary import Term


@described
class ReportFormat(Term):
    """For whom a report is written."""

    MARKDOWN = "MARKDOWN", "For a person: CommonMark without tables, links or HTML, in which no name can be markup."
    DIGEST = "DIGEST", "For a language model: at most 2,000 tokens, in the schema's own words; foreign text stands in backticks."


FORMAT = Argument("format", ReportFormat | None, "For whom it is written.", default=ReportFormat.MARKDOWN)

# What lives has a text of its own until it is over. A call that was settled before there were reports has none for a moment.
_REPORT = """
coalesce(
    (
        select case when {row}.live_until > now()
            then case told.format when 'DIGEST' then coalesce(own.live_digest, own.digest)
                else coalesce(own.live_markdown, own.markdown) end
            else case told.format when 'DIGEST' then own.digest else own.markdown end end
        from {report} own, (values ({args.format})) told(format)
        where own.call_key = {row}.call_key and own.number = NUMBER
    ),
    'This call is being settled: ask again in a moment.'
)
"""


def report(description: str, *, number: str) -> Any:
    """``number`` says whose it is: 0 for the whole call's, else the meeting's."""
    return column(_REPORT.replace("NUMBER", number), description, arguments=(FORMAT,))
