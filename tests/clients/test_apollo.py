def test_apollo_client_caches_pages_refetches_and_persists(workshop, api) -> None:
    workshop.run("node", "--test", "apollo.mjs", **api.environment)
