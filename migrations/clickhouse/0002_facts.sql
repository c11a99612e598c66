-- What the rules of the sink look at of earlier events of the same view: a narrow copy of `events`, sorted by quarter of
-- an hour and view, so that a look-up reads the quarters since the view began, or of older ones a short granule each,
-- however many events the publisher has (events are sorted by identity). Written before `events`, so that every event
-- that is there has its fact; a copy of a fact changes nothing. Days that nobody asks for any more are dropped by the
-- sink.
CREATE TABLE facts
(
    publisher_id LowCardinality(String),
    nonce String,
    tag_id String,
    media_id String,
    brand_id LowCardinality(String),
    product_id String,
    type LowCardinality(String),
    flag LowCardinality(String),
    at DateTime('UTC'),
    at_ms Int64,
    log_offset Int64
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(at)
ORDER BY (publisher_id, intDiv(toUInt32(at), 900), nonce)
SETTINGS index_granularity = 512;

-- once, for the days that look-ups still ask for (workers/sink/facts.py)
INSERT INTO facts
    (publisher_id, nonce, tag_id, media_id, brand_id, product_id, type, flag, at, at_ms, log_offset)
SELECT publisher_id, nonce, tag_id, media_id, brand_id, product_id, type, flag, at, at_ms, log_offset
FROM events
WHERE at >= now() - 5 * 86400 AND type IN ('impression', 'viewable', 'click');
