//! Every number that bounds something here, with its reason. What an administrator may change is in `Settings`.

use std::time::Duration;

/// What a stanza that waits takes besides its text, bytes: places in queues, its tree.
pub(super) const STANZA_OVERHEAD: usize = 512;

/// Times in a row that the streams to one domain may end young before its stanzas bounce instead of being sent again: a
/// server that restarts twice is still served, one that falls over what it gets is not fed for ever.
pub(super) const RESENDS: u8 = 3;

/// A stream that has proven a pair for so long was no failure.
pub(super) const STABLE: Duration = Duration::from_secs(10);

/// The first delay before a domain is tried again is between half of this and all of it; it doubles. RFC 6120 section 3.3
/// has up to 60 seconds, for clients that come back by themselves. A stream here is opened because somebody's message waits,
/// and until it may be tried again every message is refused: a server that restarts within a second costs no more than that,
/// and a dead one is asked ten times in its first quarter of an hour, then less and less.
pub(super) const FIRST_DELAY: Duration = Duration::from_secs(1);

/// It doubles up to here: who comes back waits no longer than people wait before they ask.
pub(super) const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// A failure is remembered at least for so long after its rest, so that rests also double where messages are rare.
pub(super) const REMEMBERED: Duration = Duration::from_secs(60);

/// A pair that the other server refused is asked for again after at least half of this. It is not doubled, since a question
/// on a stream that is there costs little; a server that has just started may be wrong at first.
pub(super) const REFUSED: Duration = Duration::from_secs(10);

/// Domains and pairs whose failure is remembered, each about 300 bytes. Past it nothing is: then each stanza to a dead
/// domain costs a lookup, as it does for those who have never heard of back-off.
pub(super) const FAILURES: usize = 20_000;

/// Pairs of which it is remembered that presence was lost, each about 200 bytes. Of one beyond it nothing is said when it is
/// there again.
pub(super) const MISSED: usize = 20_000;

/// A domain that shows a dialback key may be up again although it could not be reached lately; but keys are for anybody to
/// send, so no more often than this.
pub(super) const VERIFY_AGAIN: Duration = Duration::from_secs(5);

/// Keys of one stream that wait for their answer: a server that comes back with all its domains sends them in one go.
pub(super) const KEYS_PER_STREAM: usize = 256;

/// Keys of all streams, each about 500 bytes and perhaps a connection.
pub(super) const KEYS: usize = 10_000;

/// Pairs that one stream is asked to prove at a time, fewer than the 64 that a stream takes; the others follow.
pub(super) const PROOFS: usize = 32;

/// A peer that is back names the session with which it wants to go on at once; whatever waits for that waits no longer.
pub(super) const RESUME: Duration = Duration::from_secs(5);

/// Times that a key is asked about: once more where the stream ended that it was asked on.
pub(super) const KEY_TRIES: u8 = 2;

/// A stream that is no use any more is kept for so long, since who has just shown a key will most likely be answered.
pub(super) const LINGER: Duration = Duration::from_secs(10);

/// How often one stream may be sent on to another host (RFC 6120 section 4.9.3.19: loops must be found).
pub(super) const HOPS: u8 = 3;

/// Of all streams, those that peers open may be so many (three quarters): the others are for reaching somebody.
pub(super) const fn accepted(streams: usize) -> usize {
    streams - streams / 4
}
