"""Which pages of other origins may use the API."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import Message, Receive, Scope, Send

VARY = (b"vary", b"Origin")


class Cors(CORSMiddleware):
    """Starlette's, whose steps are an eighth of a short request's, but for requests that name no origin: most of them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or any(name == b"origin" for name, _ in scope["headers"]):
            await super().__call__(scope, receive, send)
            return

        async def varying(message: Message) -> None:
            if message["type"] == "http.response.start":
                # A cache must not give the answer to a page that names one.
                message["headers"] = [*message.get("headers", ()), VARY]
            await send(message)

        await self.app(scope, receive, varying)
