"""The playground at `/`: GraphiQL with example queries, or a plain page where GraphiQL cannot be had."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from callscope.web.examples import examples

HERE = Path(__file__).parent
BUNDLE = HERE / "graphiql"
CDN = "https://cdn.jsdelivr.net/npm"

HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of an npm package that GraphiQL consists of, in the order in which a page loads them."""

    file: str
    package: str
    version: str
    path: str
    integrity: str

    @property
    def cdn_url(self) -> str:
        return f"{CDN}/{self.package}@{self.version}/{self.path}"


def assets() -> list[Asset]:
    return [Asset(**entry) for entry in json.loads((HERE / "graphiql.json").read_text("utf-8"))]


def is_bundled(bundle: Path) -> bool:
    """Whether the folder holds every file of GraphiQL, in the pinned version."""
    return all((bundle / asset.file).is_file() and _integrity(bundle / asset.file) == asset.integrity for asset in assets())


def _integrity(path: Path) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()


def content_security_policy(sources: Sequence[str] = ()) -> str:
    """Everything from this server and nothing inline; `sources` are the further URLs of scripts and styles."""
    scripts = " ".join(source for source in sources if source.endswith(".js"))
    styles = " ".join(source for source in sources if source.endswith(".css"))
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {scripts}".strip(),
            f"style-src 'self' {styles}".strip(),
            "img-src 'self' data:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def page(*, bundled: bool) -> str:
    """The playground's HTML. Its URLs are relative, so that it works under any path prefix of a proxy."""
    found, seed = examples()
    config = {
        "assets": [
            {"url": f"playground/graphiql/{asset.file}" if bundled else asset.cdn_url, "integrity": asset.integrity}
            for asset in assets()
        ],
        "examples": [asdict(example) for example in found],
        "seed": seed,
    }
    template = (HERE / "playground.html").read_text("utf-8")
    # A JSON text inside a script element must not be able to end it.
    return template.replace("{{config}}", json.dumps(config).replace("<", "\\u003c"))


class Files(StaticFiles):
    """Static files that a browser must not guess the type of, and asks for again when they changed."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(HEADERS)
        return response


def playground_routes(bundle: Path = BUNDLE) -> list[BaseRoute]:
    """The page at `/` and its files below `/playground/`."""
    bundled = is_bundled(bundle)
    html = page(bundled=bundled)
    headers: Mapping[str, str] = HEADERS | {
        "Content-Security-Policy": content_security_policy(() if bundled else [asset.cdn_url for asset in assets()]),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
    }

    async def playground(_: Request) -> Response:
        return HTMLResponse(html, headers=headers)

    routes: list[BaseRoute] = [Route("/", playground, name="playground")]
    if bundled:
        routes.append(Mount("/playground/graphiql", Files(directory=bundle)))
    routes.append(Mount("/playground", Files(directory=HERE / "static")))
    return routes
