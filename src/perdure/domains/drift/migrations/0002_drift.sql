-- With a vault open, hash is a blind token; the hash itself, which a filter is rebuilt from, is
-- sealed here.
alter table drift_hashes add column exact blob;
