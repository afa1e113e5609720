import json
import re
import shutil
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from callscope.web import playground
from callscope.web.playground import Asset, assets, content_security_policy, is_bundled, page, playground_routes

ROOT = Path(__file__).parents[2]


def client(bundle: Path) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=Starlette(routes=playground_routes(bundle)))
    return httpx.AsyncClient(transport=transport, base_url="http://playground")


def config(html: str) -> dict:
    found = re.search(r'<script type="application/json" id="config">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds what is pinned, where the pinned files are tiny."""
    pinned = []
    for asset in assets():
        path = tmp_path / asset.file
        path.write_text(f"/* {asset.file} */")
        pinned.append(Asset(asset.file, asset.package, asset.version, asset.path, playground._integrity(path)))
    monkeypatch.setattr(playground, "assets", lambda: pinned)
    return tmp_path


@pytest.fixture
def nothing(tmp_path: Path) -> Path:
    return tmp_path / "nothing"


async def test_the_bundle_is_served_where_it_is_installed(bundle: Path) -> None:
    async with client(bundle) as http:
        urls = [asset["url"] for asset in config((await http.get("/")).text)["assets"]]
        assert len(urls) == len(assets())
        for url in urls:
            response = await http.get("/" + url)
            assert response.status_code == 200
            assert response.headers["content-type"].split(";")[0] in {"text/javascript", "application/javascript", "text/css"}
            assert response.headers["x-content-type-options"] == "nosniff"


async def test_a_bundle_lets_nothing_from_elsewhere_in(bundle: Path) -> None:
    async with client(bundle) as http:
        response = await http.get("/")
    assert "https:" not in response.text
    assert "https:" not in response.headers["content-security-policy"]


async def test_without_a_bundle_the_cdn_gives_pinned_files(nothing: Path) -> None:
    async with client(nothing) as http:
        response = await http.get("/")
        assert (await http.get("/playground/graphiql/graphiql.js")).status_code == 404
    policy = response.headers["content-security-policy"]
    for asset in config(response.text)["assets"]:
        assert asset["url"].startswith("https://cdn.jsdelivr.net/npm/")
        assert re.search(r"@\d+\.\d+\.\d+/", asset["url"])
        assert asset["integrity"].startswith("sha384-")
        assert asset["url"] in policy


@pytest.mark.parametrize("fault", ["missing", "altered"])
def test_a_bundle_that_is_not_whole_is_not_used(bundle: Path, fault: str) -> None:
    assert is_bundled(bundle)
    if fault == "missing":
        (bundle / "graphiql.js").unlink()
    else:
        (bundle / "graphiql.js").write_text("another version")
    assert not is_bundled(bundle)


def test_the_policy_allows_nothing_inline_and_no_other_host() -> None:
    policy = dict(directive.split(" ", 1) for directive in content_security_policy().split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in content_security_policy([asset.cdn_url for asset in assets()])


async def test_the_page_has_no_inline_script_or_style(nothing: Path) -> None:
    async with client(nothing) as http:
        html = (await http.get("/")).text
    assert re.findall(r"<script(?! type=\"application/json\")[^>]*>", html) == [
        '<script type="module" src="playground/playground.js">'
    ]
    assert "<style" not in html
    assert not re.search(r"\son\w+=|\sstyle=", html)


async def test_the_page_cannot_be_framed_guessed_or_told_by_its_links(nothing: Path) -> None:
    async with client(nothing) as http:
        headers = (await http.get("/")).headers
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("file", ["playground.js", "playground.css", "icon.svg"])
async def test_own_files_are_served_and_revalidated(nothing: Path, file: str) -> None:
    async with client(nothing) as http:
        response = await http.get(f"/playground/{file}")
        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-cache"
        assert (await http.get(f"/playground/{file}", headers={"if-none-match": response.headers["etag"]})).status_code == 304


@pytest.mark.parametrize(
    "path", ["/playground/playground.py", "/playground/../playground.py", "/playground/%2e%2e/playground.py"]
)
async def test_nothing_else_is_served(nothing: Path, path: str) -> None:
    async with client(nothing) as http:
        assert (await http.get(path)).status_code == 404


def test_urls_are_relative_for_a_proxy_with_a_prefix(bundle: Path) -> None:
    html = page(bundled=True)
    assert not re.search(r"(src|href)=\"/", html)
    assert all(not asset["url"].startswith("/") for asset in config(html)["assets"])


def test_the_examples_are_in_the_page_and_cannot_end_its_script(monkeypatch: pytest.MonkeyPatch) -> None:
    example = playground.examples()[0][0]
    hostile = "</script><script>alert(1)</script>"
    monkeypatch.setattr(playground, "examples", lambda: ([example], hostile))
    html = page(bundled=False)
    assert hostile not in html
    assert config(html)["seed"] == hostile
    assert config(html)["examples"][0]["query"] == example.query


def test_the_plain_playground_needs_no_bundle() -> None:
    html = page(bundled=False)
    for control in ("example", "query", "variables", "run", "result", "key"):
        assert f'id="{control}"' in html


def test_the_build_installs_the_pinned_versions() -> None:
    wanted = json.loads((ROOT / "deploy/playground/package.json").read_text("utf-8"))["dependencies"]
    assert wanted == {asset.package: asset.version for asset in assets()}


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_the_script_is_javascript(tmp_path: Path) -> None:
    import subprocess

    module = tmp_path / "playground.mjs"
    shutil.copy(ROOT / "src/callscope/web/static/playground.js", module)
    subprocess.run(["node", "--check", module], check=True, capture_output=True)
