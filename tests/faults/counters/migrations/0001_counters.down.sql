drop table if exists fault_counters;
