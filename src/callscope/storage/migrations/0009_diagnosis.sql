/* live and saved */
-- Evidence of an issue, and until when one that was not over counts as going on; scores and ratings to find calls by.

alter table live.issue add column series_keys bigint[] not null default '{}';
alter table live.issue add column last_seen_at timestamptz;
alter table live.issue add column open_until timestamptz;

alter table live.metric_series add column is_derived boolean not null default false;

alter table live.participant add column rating double precision;
alter table live.meeting add column mean_opinion_score double precision;
alter table live.meeting add column worst_severity integer not null default 0;
alter table live.meeting add column issue_seconds double precision not null default 0;
alter table live.call add column mean_opinion_score double precision;
alter table live.call add column worst_severity integer not null default 0;
alter table live.call add column issue_seconds double precision not null default 0;
alter table live.call add column rating_count integer not null default 0;
alter table live.call add column rating_average double precision;
alter table live.call add column rating_lowest double precision;

create index call_worst_severity on live.call (project_id, worst_severity, call_key);
create index call_issue_seconds on live.call (project_id, issue_seconds, call_key);
create index call_mean_opinion_score on live.call (project_id, mean_opinion_score);
create index call_rating_lowest on live.call (project_id, rating_lowest);
create index meeting_worst_severity on live.meeting (project_id, worst_severity, call_key, number);
create index meeting_issue_seconds on live.meeting (project_id, issue_seconds, call_key, number);
