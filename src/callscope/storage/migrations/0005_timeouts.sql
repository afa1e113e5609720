-- From when on a warning holds: that nobody reported an end is one only once the call counts as ended. Null: always.
alter table live.data_warning add column closed_at timestamptz;
