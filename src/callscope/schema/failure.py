"""Why something failed."""

import strawberry

from callscope.query.bindings import column
from callscope.schema import code_explanation
from callscope.schema.code_explanation import CodeExplanation, explanation


@strawberry.type(description="Why something failed, in the platform's codes and words.")
class Failure:
    code: int | None = column("error_code", "The platform's code.")
    subcode: int | None = column("error_subcode", "The platform's subcode.")
    message: str | None = column("error_message", "The platform's words.")
    explanation: CodeExplanation | None = explanation(
        "What it means and what to do about it: of the subcode or code, else of the name in the message or of the reason of the"
        " end; null where nobody knows.",
        code_explanation.FAILURE,
    )


NO_FAILURE = "{row}.error_code is null and {row}.error_subcode is null and {row}.error_message is null"
FAILURE = "Why it failed, or ended badly; null where no source told of an error."
