-- Version 1. Files here are only ever added: what is in the field was made by them. Times are milliseconds since 1970 (UTC).

CREATE TABLE stox_shard (
  shard INTEGER PRIMARY KEY CHECK (shard BETWEEN 0 AND 63),
  owner TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  until TIMESTAMPTZ NOT NULL
);

CREATE TABLE stox_authorization (
  id BIGINT PRIMARY KEY,
  shard INTEGER NOT NULL,
  direction TEXT NOT NULL,
  watcher TEXT NOT NULL,
  target TEXT NOT NULL,
  state TEXT NOT NULL,
  changed_at BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

CREATE INDEX stox_authorization_shard ON stox_authorization (shard);

CREATE TABLE stox_dialog (
  id BIGINT PRIMARY KEY,
  shard INTEGER NOT NULL,
  direction TEXT NOT NULL,
  watcher TEXT NOT NULL,
  target TEXT NOT NULL,
  package TEXT NOT NULL,
  event_id TEXT,
  call_id TEXT NOT NULL,
  local_tag TEXT NOT NULL,
  remote_tag TEXT NOT NULL,
  local_uri TEXT NOT NULL,
  remote_uri TEXT NOT NULL,
  remote_target TEXT NOT NULL,
  route_set TEXT NOT NULL, -- a JSON list of Route headers, in order
  cseq_reserved BIGINT NOT NULL,
  remote_cseq BIGINT,
  version_reserved BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

CREATE INDEX stox_dialog_shard ON stox_dialog (shard);
CREATE INDEX stox_dialog_expires_at ON stox_dialog (expires_at);

CREATE TABLE stox_publication (
  id BIGINT PRIMARY KEY,
  shard INTEGER NOT NULL,
  "user" TEXT NOT NULL,
  domain TEXT NOT NULL,
  etag TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

CREATE INDEX stox_publication_shard ON stox_publication (shard);
CREATE INDEX stox_publication_expires_at ON stox_publication (expires_at);
