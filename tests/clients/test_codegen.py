import json
import shutil
from pathlib import Path

import pytest

import callscope.web

ROOT = Path(__file__).parents[2]
CLIENT_PRESET = {"preset": "client", "config": {"strictScalars": True, "scalars": {"DateTime": "string", "JSON": "unknown"}}}
TYPESCRIPT = ("--strict", "--noEmit", "--module", "esnext", "--moduleResolution", "bundler", "--target", "es2022")


@pytest.mark.parametrize("source", ["the committed schema", "introspection"])
def test_typescript_accepts_what_codegen_makes_with_strict_scalars(workshop, api, source: str) -> None:
    shutil.copy(ROOT / "schema.graphql", workshop.folder)
    shutil.copy(Path(callscope.web.__file__).parent / "examples.graphql", workshop.folder / "documents")
    config = {
        "schema": [{api.url: {"headers": api.headers}}] if source == "introspection" else "schema.graphql",
        "documents": ["documents/*.graphql", "usage.ts"],
        "generates": {"./generated/": CLIENT_PRESET},
    }
    (workshop.folder / "codegen.json").write_text(json.dumps(config))
    workshop.run("graphql-codegen", "--config", "codegen.json")
    workshop.run("tsc", *TYPESCRIPT, "usage.ts")
