"""How long telemetry can be read."""

EXPIRES_AT = (
    "greatest((select max(own.started_at) from {meeting} own where own.call_key = {row}.call_key), {row}.received_at)"
    " + (select make_interval(days => own.retention_days) from {project} own)"
)
"""When an unsaved call can no longer be read: an SQL template over a row of ``call``.

Its project's days after its last meeting began or, where that is later (an import of old telemetry), after it arrived.
"""


def expires_at(row: str) -> str:
    """The same for statements outside of compiled reads: of a row of ``live.call``, with the project as ``$1``."""
    meeting, project = (f"(select * from {table} where project_id = $1)" for table in ("live.meeting", "callscope.project"))
    return EXPIRES_AT.format(row=row, meeting=meeting, project=project)
