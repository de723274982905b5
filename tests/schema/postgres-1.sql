-- A store as version 1 left it: its schema, and what was in it. Never changes.

CREATE TABLE stox_schema (version INTEGER PRIMARY KEY);
INSERT INTO stox_schema VALUES (1);

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

INSERT INTO stox_shard VALUES (5, 'a process of then', 7, '2026-11-01T00:00:00Z');
INSERT INTO stox_authorization VALUES
  (1, 5, 'to_xmpp', 'juliet@example.com', 'romeo@sip.example', 'granted', 1700000000001, 7, 1700000000002);
INSERT INTO stox_dialog VALUES
  (2, 5, 'to_sip', 'juliet@example.com', 'romeo@sip.example', 'presence', NULL, 'call-2@stox', 'ours', 'theirs',
   'sip:juliet%40example.com@sip.example', 'sip:romeo@sip.example', 'sip:romeo@192.0.2.7:5062;transport=tcp',
   '["<sip:proxy.example;lr>"]', 64, 1, 0, 1700003600000, 7, 1700000000002);
INSERT INTO stox_publication VALUES
  (3, 15, 'juliet@example.com', 'sip.example', 'dx200xyz', 1700003600000, 7, 1700000000002);
