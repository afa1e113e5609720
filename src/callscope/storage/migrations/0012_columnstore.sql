-- On TimescaleDB, samples that are past being live are packed by its columnstore: storage/timeseries.py does what the mark says
-- where the server can. Native partitions stay as they are.
select /* columnstore */;
