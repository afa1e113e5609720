-- Calls and meetings in order of their scores, where none counts as better than any.

create index call_score on live.call (project_id, coalesce(mean_opinion_score, 'infinity'::double precision), call_key);
create index meeting_score on live.meeting
    (project_id, coalesce(mean_opinion_score, 'infinity'::double precision), call_key, number);
