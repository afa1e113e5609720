"""Types that refer to each other in a circle, by name."""

from typing import TYPE_CHECKING, Annotated

import strawberry

if TYPE_CHECKING:
    from callscope.schema.call import Call
    from callscope.schema.connection import ConnectionRecord
    from callscope.schema.event import Event
    from callscope.schema.meeting import Meeting
    from callscope.schema.metric_series import MetricSeries
    from callscope.schema.participant import Participant
    from callscope.schema.saved_session import SavedSession
    from callscope.schema.stream import Stream, Subscriber

CallRef = Annotated["Call", strawberry.lazy("callscope.schema.call")]
MeetingRef = Annotated["Meeting", strawberry.lazy("callscope.schema.meeting")]
ParticipantRef = Annotated["Participant", strawberry.lazy("callscope.schema.participant")]
ConnectionRef = Annotated["ConnectionRecord", strawberry.lazy("callscope.schema.connection")]
StreamRef = Annotated["Stream", strawberry.lazy("callscope.schema.stream")]
SubscriberRef = Annotated["Subscriber", strawberry.lazy("callscope.schema.stream")]
EventRef = Annotated["Event", strawberry.lazy("callscope.schema.event")]
SavedSessionRef = Annotated["SavedSession", strawberry.lazy("callscope.schema.saved_session")]
MetricSeriesRef = Annotated["MetricSeries", strawberry.lazy("callscope.schema.metric_series")]
