-- A row for each append rather than for each record: rows and their index entries cost most of it.
-- A process of an earlier kit may be appending: what it has stored is taken along, and then it is
-- told that it is too old.
LOCK TABLE scoria_head, scoria_record IN ACCESS EXCLUSIVE MODE;
CREATE TABLE scoria_journal (
    run_id  text COLLATE "C" NOT NULL,
    version integer NOT NULL,  -- of the run with these records
    records text NOT NULL,     -- JSON: [[sequence, digest, body], ...]
    PRIMARY KEY (run_id, version)
);
INSERT INTO scoria_journal
SELECT
    run_id,
    max(sequence),
    '[' || string_agg(json_build_array(sequence, digest, body)::text, ',' ORDER BY sequence) || ']'
FROM scoria_record
GROUP BY run_id;
DROP TABLE scoria_record;
-- What SQL reads: a row for each record, as before.
CREATE VIEW scoria_record AS
SELECT
    journal.run_id,
    (record ->> 0)::integer AS sequence,
    record ->> 1 AS digest,
    record ->> 2 AS body
FROM scoria_journal AS journal, json_array_elements(journal.records::json) AS record;
