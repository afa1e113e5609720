/* live and saved */
-- How many series of its kind began and ended in the stretch of a sketch: added up, they tell how many there were at any time.

alter table live.metric_sketch add column begun integer not null default 0, add column ended integer not null default 0;

update live.metric_sketch sketch set begun = counted.begun, ended = counted.ended
from (
    select series.project_id, series.call_key, series.metric, series.media, series.direction, step.seconds,
        date_bin(make_interval(secs => step.seconds), edge.at, 'epoch') as at, sum(edge.begun)::integer as begun,
        sum(edge.ended)::integer as ended
    from live.metric_series series
    cross join lateral (values (series.started_at, 1, 0), (series.ended_at, 0, 1)) edge(at, begun, ended)
    cross join (values (10), (60)) step(seconds)
    group by 1, 2, 3, 4, 5, 6, 7
) counted
where sketch.project_id = counted.project_id and sketch.call_key = counted.call_key and sketch.metric = counted.metric
    and sketch.media = counted.media and sketch.direction = counted.direction and sketch.step_seconds = counted.seconds
    and sketch.at = counted.at;

create index metric_series_of_kind on live.metric_series (project_id, call_key, metric, media, direction);
