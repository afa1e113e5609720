"""Projects: tenants."""

import strawberry

from callscope.query.bindings import column
from callscope.schema.node import Node, table


@strawberry.type(description="A tenant: what a key opens.")
@table("project", "project_id", tag="project")
class Project(Node):
    name: str = column("name", "Name.")
    retention_days: int = column(
        "retention_days", "Days after a meeting's start during which an unsaved call can be inspected (default 20)."
    )
    saved_retention_months: int = column("saved_retention_months", "Months a saved session is kept (default 24).")
    saved_session_limit: int = column("saved_session_limit", "Sessions that the project may keep saved (default 1000).")
    saved_session_count: int = column("(select count(*) from {saved_session} own)", "Sessions that the project keeps saved now.")
    meeting_idle_minutes: int = column(
        "meeting_idle_minutes", "Minutes a call must be empty before the next connection opens a new meeting (default 10)."
    )
    large_meeting_subscribers: int = column(
        "large_meeting_subscribers", "A meeting with more subscribers than this is large (default 100)."
    )
