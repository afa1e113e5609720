"""Why something failed."""

import strawberry

from callscope.query.bindings import column


@strawberry.type(description="Why something failed, in the platform's codes and words.")
class Failure:
    code: int | None = column("error_code", "The platform's code.")
    subcode: int | None = column("error_subcode", "The platform's subcode.")
    message: str | None = column("error_message", "The platform's words.")


NO_FAILURE = "{row}.error_code is null and {row}.error_subcode is null and {row}.error_message is null"
FAILURE = "Why it failed, or ended badly; null where no source told of an error."
