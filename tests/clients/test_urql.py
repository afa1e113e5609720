def test_urql_caches_pages_and_persists(workshop, api) -> None:
    workshop.run("node", "--test", "urql.mjs", **api.environment)
