"""Signed webhooks: a JSON Web Token in the Authorization header, signed with a secret that sender and server share.

Rules: Vonage, "Secure callbacks" and "Signed webhooks": HMAC with SHA-256, and the SHA-256 of the body as ``payload_hash``.
"""

import hmac
from collections.abc import Sequence
from typing import Any

import jwt

from callscope.query.errors import ErrorCode, RequestError

ALGORITHM = "HS256"
LEEWAY_SECONDS = 60
"""By so much may the clocks of sender and server differ."""


class Signatures:
    """The secrets with which webhooks are signed, any of which will do: so one can be replaced by the next.

    Who knows one may tell of ``project`` without a key.
    """

    def __init__(self, vonage: Sequence[str] = (), project: str = "default") -> None:
        self._secrets = {"vonage": tuple(vonage)}
        self.project = project

    def are_wanted(self, source: str) -> bool:
        return bool(self._secrets.get(source))

    def check(self, source: str, authorization: str | None) -> "Signature":
        """The signature of a request; raises UNAUTHENTICATED where there is none that is valid."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _refused("it carries none")
        for secret in self._secrets[source]:
            try:
                claims = jwt.decode(
                    token.strip(),
                    secret,
                    algorithms=[ALGORITHM],
                    leeway=LEEWAY_SECONDS,
                    options={"require": ["iat", "payload_hash"], "verify_aud": False},
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.ExpiredSignatureError:
                raise _refused("it has expired") from None
            except jwt.MissingRequiredClaimError as error:
                raise _refused(f"its token lacks the claim '{error.claim}'") from None
            except jwt.InvalidTokenError:
                raise _refused(f"it is no valid token of {ALGORITHM}") from None
            return Signature(claims)
        raise _refused("it was made with another secret")


class Signature:
    """A valid token, and what it says of the body."""

    def __init__(self, claims: dict[str, Any]) -> None:
        self._payload_hash = str(claims["payload_hash"])

    def check_body(self, digest: str) -> None:
        """Raises UNAUTHENTICATED where the body's SHA-256, in hexadecimal digits, is not the one that was signed."""
        if not hmac.compare_digest(self._payload_hash.lower().encode(), digest.encode()):
            raise _refused("it is that of another body")


def _refused(why: str) -> RequestError:
    return RequestError(ErrorCode.UNAUTHENTICATED, f"This webhook should be signed with the configured secret: {why}.")
