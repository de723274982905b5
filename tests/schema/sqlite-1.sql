-- A store as version 1 left it: its schema, and what was in it. Never changes.

PRAGMA application_id = 1937010552;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;

CREATE TABLE shard (
  shard INTEGER PRIMARY KEY CHECK (shard BETWEEN 0 AND 63),
  owner TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  until INTEGER NOT NULL
) STRICT;

CREATE TABLE authorization (
  id INTEGER PRIMARY KEY,
  shard INTEGER NOT NULL,
  direction TEXT NOT NULL,
  watcher TEXT NOT NULL,
  target TEXT NOT NULL,
  state TEXT NOT NULL,
  changed_at INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX authorization_shard ON authorization (shard);

CREATE TABLE dialog (
  id INTEGER PRIMARY KEY,
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
  cseq_reserved INTEGER NOT NULL,
  remote_cseq INTEGER,
  version_reserved INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX dialog_shard ON dialog (shard);
CREATE INDEX dialog_expires_at ON dialog (expires_at);

CREATE TABLE publication (
  id INTEGER PRIMARY KEY,
  shard INTEGER NOT NULL,
  user TEXT NOT NULL,
  domain TEXT NOT NULL,
  etag TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX publication_shard ON publication (shard);
CREATE INDEX publication_expires_at ON publication (expires_at);

INSERT INTO shard VALUES (5, 'a process of then', 7, 0);
INSERT INTO authorization VALUES
  (1, 5, 'to_xmpp', 'juliet@example.com', 'romeo@sip.example', 'granted', 1700000000001, 7, 1700000000002);
INSERT INTO dialog VALUES
  (2, 5, 'to_sip', 'juliet@example.com', 'romeo@sip.example', 'presence', NULL, 'call-2@stox', 'ours', 'theirs',
   'sip:juliet%40example.com@sip.example', 'sip:romeo@sip.example', 'sip:romeo@192.0.2.7:5062;transport=tcp',
   '["<sip:proxy.example;lr>"]', 64, 1, 0, 1700003600000, 7, 1700000000002);
INSERT INTO publication VALUES
  (3, 15, 'juliet@example.com', 'sip.example', 'dx200xyz', 1700003600000, 7, 1700000000002);
