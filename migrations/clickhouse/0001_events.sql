-- De-duplicated events: immutable, the source of truth; roll-ups can be thrown away and rebuilt from here.
-- Sort key: the one look-up that every batch makes over all of a publisher's history is "is this id known?", so
-- identity leads. Ids of our own making begin with their time (UUIDv7, ULID), so those of a batch lie together and the
-- look-up reads the end of each part alone: on 18.16, for 20,000 new ids, 0.32 M rows of 5 M; all 5 M where ids are
-- random. Everything else reads by time, which partitions by day serve: a roll-up of one quarter of an hour touches one
-- day. What the rules look up of a view has a table of its own, see 0002.
CREATE TABLE events
(
    publisher_id LowCardinality(String),
    event_id String,
    type LowCardinality(String),
    at DateTime('UTC'),
    at_ms Int64,
    received_at_ms Int64,
    issued_at_ms Int64,
    log_offset Int64,
    nonce String,
    site_id LowCardinality(String),
    media_id String,
    media_kind LowCardinality(String),
    tag_id String,
    product_id String,
    brand_id LowCardinality(String),
    campaign_id LowCardinality(String),
    creative_id LowCardinality(String),
    arm LowCardinality(String),
    price_kind LowCardinality(String),
    currency LowCardinality(String),
    billable UInt8,
    spend_micros Int64,
    flag LowCardinality(String),
    flags Array(String),
    rules_version UInt16,
    media_firsts UInt8,
    user_agent String,
    core String,
    full String
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(at)
ORDER BY (publisher_id, event_id);

-- Same id, other fingerprint: kept aside, counted as such, never billed.
CREATE TABLE event_conflicts
(
    publisher_id LowCardinality(String),
    event_id String,
    type LowCardinality(String),
    at DateTime('UTC'),
    at_ms Int64,
    received_at_ms Int64,
    log_offset Int64,
    site_id LowCardinality(String),
    media_id String,
    media_kind LowCardinality(String),
    tag_id String,
    product_id String,
    brand_id LowCardinality(String),
    campaign_id LowCardinality(String),
    creative_id LowCardinality(String),
    arm LowCardinality(String),
    currency LowCardinality(String),
    core String,
    full String
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (publisher_id, event_id);

-- Paid API calls, once a query id; sorted for the same look-up as events.
CREATE TABLE usage
(
    tenant_id LowCardinality(String),
    query_id String,
    kind LowCardinality(String),
    quantity Int64,
    at DateTime('UTC'),
    log_offset Int64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (tenant_id, query_id);

-- Records of the log that nobody could read, as they lay there (hexadecimal).
CREATE TABLE dead_letters
(
    log_offset Int64,
    reason LowCardinality(String),
    payload String
)
ENGINE = MergeTree
ORDER BY log_offset;

-- One row a quarter of an hour and offer, type and flag ('' = net). Recomputed whole from events, never added to.
-- The version is the number of events behind the row: events only accumulate, so more is newer, and equal is equal.
-- Sort key: every report has one tenant and a range of time. Publisher and time lead; a brand's report reads the same
-- range for all publishers, which the monthly partitions and the small size of roll-ups keep cheap.
CREATE TABLE rollup_15m
(
    publisher_id LowCardinality(String),
    bucket DateTime('UTC'),
    brand_id LowCardinality(String),
    site_id LowCardinality(String),
    product_id String,
    media_id String,
    media_kind LowCardinality(String),
    tag_id String,
    campaign_id LowCardinality(String),
    creative_id LowCardinality(String),
    arm LowCardinality(String),
    price_kind LowCardinality(String),
    currency LowCardinality(String),
    type LowCardinality(String),
    flag LowCardinality(String),
    events UInt64,
    billable UInt64,
    spend_micros Int64,
    gross_media UInt64,
    gross_media_brand UInt64,
    gross_media_product UInt64,
    net_media UInt64,
    net_media_brand UInt64,
    net_media_product UInt64,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(bucket)
ORDER BY (publisher_id, bucket, brand_id, site_id, product_id, media_id, media_kind, tag_id, campaign_id, creative_id,
          arm, price_kind, currency, type, flag);
