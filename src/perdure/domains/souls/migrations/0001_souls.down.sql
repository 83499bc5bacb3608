drop table if exists soul_milestones;
drop table if exists soul_versions;
drop table if exists bot_soul;
drop table if exists threads;
