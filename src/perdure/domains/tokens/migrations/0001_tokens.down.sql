drop table if exists pii_tokens;
