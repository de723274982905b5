//! Every number that bounds something here, with its reason. What an administrator may change is in `Settings`.

use std::time::Duration;

use super::rate::Rate;

/// A message waits behind others of its pair no longer than this, in all: twice the life of a SIP transaction, so one
/// timeout ahead of it and its own fit in.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(64);

/// Error stanzas kept for one link while it is down: what a minute of a broken SIP side leaves at 160 messages a
/// second. About 500 bytes each.
pub(super) const HELD_ERRORS: usize = 10_000;

/// How long a message that was answered 202, or an error that was told, is remembered while its server does not confirm
/// it, so that a late error can be counted as one and a loss is seen: longer than it takes to find out that a stream is
/// dead (`ping_every` and `ping_timeout`, 80 s).
pub(super) const LATE: Duration = Duration::from_secs(120);

/// What the sender of a message is asked to wait when an XMPP link is down, seconds: the first reconnections come
/// within it.
pub(super) const LINK_RETRY_AFTER: u32 = 5;

/// Hops left to a message that enters XMPP, at most: far more gateways than any sane path has, and few enough that a
/// circle of gateways ends after sixteen copies, one at a time (RFC 7247 section 8).
pub(super) const MAX_HOPS: u8 = 16;

/// Requests that may wait for DNS.
pub(super) const LOOKUPS: usize = 10_000;

/// Times that one request goes out: once plainly, then with credentials, with a fresh nonce where that one was stale, and
/// for a proxy on the way as well.
pub(super) const TRIES: u8 = 4;

/// CSeq numbers start again behind this one (RFC 3261 section 8.1.1.5: below 2^31).
pub(super) const LAST_CSEQ: u32 = (1 << 31) - 2;

/// Bytes of all messages on their way to SIP. With the usual few hundred bytes each, the number of messages bounds first;
/// this is for those who send 256 KiB at a time to phones that do not answer.
pub(super) const BYTES_TO_SIP: usize = 128 << 20;

/// What a message on its way to SIP takes besides its texts, bytes: addresses, the transaction, places in tables.
pub(super) const MESSAGE_OVERHEAD: usize = 512;

/// How long a request that was refused for its rate stays so: as long as its sender repeats it (Timer F).
pub(super) const EXCESS: Duration = Duration::from_secs(32);

/// Users of one peer whose rate is counted, 64 bytes each. Beyond it those who have sent nothing of late are forgotten,
/// and if there are none, the rate of the peer is what bounds.
pub(super) const LIMITED_USERS: usize = 65_536;

/// That a SIP server wants credentials which are not configured is said in the log no more often than this.
pub(super) const CHALLENGE_LOG: Duration = Duration::from_secs(60);

/// Registrations that begin together are so far apart: fifty a second are no burst to a PBX.
pub(super) const REGISTER_SPACING: Duration = Duration::from_millis(20);

/// A closed connection brings a registration forward no more often than this, for servers that close after each answer.
pub(super) const REGISTER_AGAIN: Duration = Duration::from_secs(60);

/// How long the end of the process waits for registrations to be taken back; they lapse anyway.
pub(super) const UNREGISTER: Duration = Duration::from_millis(1_500);

/// An error stanza for a server that could not be reached is told again after so long: such servers rest for half a minute
/// at first, on average.
pub(super) const TELL_AGAIN: Duration = Duration::from_secs(45);

/// Times that this is done. Nobody reads after some minutes that a message did not arrive.
pub(super) const TELLINGS: u8 = 4;

/// An error stanza that a link had no room for is offered again after so long.
pub(super) const OFFER_AGAIN: Duration = Duration::from_millis(500);

/// How long a repeated stanza is recognised: as long as a resumption usually takes to be offered (XEP-0198 section 5).
pub(super) const REPEATED: Duration = Duration::from_secs(120);

/// How long what a phone or next hop said it can do is believed (RFC 3994 section 4 for those that refuse typing states);
/// by then it may be another phone.
pub(super) const KNOWN_FOR: Duration = Duration::from_secs(3_600);

/// SIP users of whom something was learned, at most: about 4 MiB. Beyond it the oldest are forgotten early.
pub(super) const USERS_KNOWN: usize = 65_536;

/// How long a ping of another server is held while messages before it have no outcome yet: phones that are there answer
/// within it, and it is well below the patience of servers that only want to know whether we live. It is the default of
/// `message.confirm_within`, so a gateway that waits no longer has said 202 by then, which is true.
pub(super) const HOLD_PING: Duration = Duration::from_secs(1);

/// Pings of one server that are held at once. A gateway has one out, and whoever asks whether we live does so every minute;
/// a server that sends more shall not take the places of the others. Beyond it they are answered at once.
pub(super) const HELD_PINGS_OF_ONE: usize = 8;

/// Pings that are held at once, of all servers: one or two of each, when every domain of a large network writes in the same
/// second. Beyond it they are answered at once.
pub(super) const HELD_PINGS: usize = 1_024;

/// The longest id of a ping that is held, bytes: ids are made of a few dozen, and this keeps all that are held within some
/// megabytes. One with a longer id is answered at once.
pub(super) const HELD_PING_ID: usize = 1_024;

/// New dialogs that one subscription of ours may look for in an hour: a notifier that says `deactivated` in a loop costs no
/// more than this, and one that restarts every five minutes is still followed.
pub(super) const NEW_DIALOGS: u16 = 12;

/// Dialogs of one forked SUBSCRIBE, where its package allows several: phones of one person.
pub(super) const FORKS: u8 = 8;

/// A subscription is refreshed for those who want its state now no more often than this.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(30);

/// One notification about a list of contacts (RFC 4662), bytes: as large as a SIP message may be. List servers tell of more
/// contacts in several.
pub(super) const LIST_DOCUMENT: usize = 65_535;

/// A contact of whom a list has said nothing for so long has a subscription of its own. Longer than a notifier has for its
/// first NOTIFY (RFC 6665 section 4.1.2.4).
pub(super) const LIST_WAIT: Duration = Duration::from_secs(40);

/// A contact whom a full state of a list does not name has a subscription of its own after so long: the pieces that follow
/// are sent at once, and a datagram that is lost is sent again within this (T1 of RFC 3261, twice).
pub(super) const LIST_REST: Duration = Duration::from_secs(3);

/// Members of a list whose states are kept, until [`LIST_WAIT`] is over, for watches that begin just after the list has told
/// them.
pub(super) const LIST_SPARE: usize = 2_000;

/// After a restart subscriptions are refreshed, or asked for anew, over at least this time and not at once.
pub(super) const RESTORE_SPREAD: Duration = Duration::from_secs(300);

/// And no more than so many in a second, which no presence server feels: a million of them take half an hour. What would
/// lapse before its turn comes sooner.
pub(super) const RESTORE_RATE: u32 = 500;

/// CSeq numbers that one write reserves for the requests in a dialog: at one refresh an hour two days, and a restart leaves
/// a gap no wider (RFC 3261 section 12.2.2 allows gaps).
pub(super) const CSEQ_BLOCK: u32 = 64;

/// The least time for which a SIP user may watch, seconds: a refresh each half minute for one watched user costs more than
/// the news are worth.
pub(super) const SHORTEST_WATCH: u32 = 30;

/// The longest, seconds: a phone that was unplugged is not told for longer than this, if it is told nothing before.
pub(super) const LONGEST_WATCH: u32 = 7_200;

/// XMPP users whom one SIP peer may have asked whether somebody there may watch them, by `subscribe` or probe. A PBX with
/// 30,000 keys that starts anew may have all of them asked at once; who makes users up gets no further than that.
pub(super) const ASKS_OF_A_PEER: Rate = Rate { per_second: 500, burst: 30_000 };

/// The same for one SIP user: the contacts of a large address book at once, then one a second.
pub(super) const ASKS_OF_A_WATCHER: Rate = Rate { per_second: 1, burst: 1_000 };

/// SIP users whom one XMPP user may ask whether she may watch them, or whose state her server may ask for without that: a
/// roster as large as may be at once, then one a second. Who asks, takes it back and asks again gets no further.
pub(super) const ASKS_OF_A_USER: Rate = Rate { per_second: 1, burst: 2_000 };

/// The same for one XMPP domain: all rosters of a large server that starts anew, then so many that no SIP server feels them.
/// Each is a SUBSCRIBE, and users can be made up.
pub(super) const ASKS_OF_A_SERVER: Rate = Rate { per_second: 1_000, burst: 100_000 };

/// Users of one XMPP domain who come to be published at once: those of a server that starts anew. Each is a PUBLISH, and
/// users can be made up.
pub(super) const PUBLICATIONS_AT_ONCE: u32 = 2_000;

/// And from then on one after this time: two hundred a second are felt by no presence server.
pub(super) const PUBLICATIONS_EVERY: Duration = Duration::from_millis(5);

/// Nobody waits longer than this to be published: at the pace above some 700,000 users, more than any server has at once. Of
/// those beyond it nothing is kept.
pub(super) const PUBLICATION_WAIT: Duration = Duration::from_secs(3_600);

/// Dialogs of one SIP peer in which no NOTIFY was answered yet. A Contact may name a host that never asked: this is how many
/// NOTIFYs, with their repetitions, such hosts may be sent in half a minute.
pub(super) const UNPROVEN_WATCHES: usize = 5_000;

/// How long a SIP user who was refused is refused again without asking.
pub(super) const REFUSED_FOR: Duration = Duration::from_secs(7 * 86_400);

/// An XMPP user who has not said whether somebody may watch is asked again, while he wants to, after so long
/// (RFC 6121 section 3.1.2): the first `subscribe` may have been lost with a server.
pub(super) const ASK_AGAIN_AFTER: Duration = Duration::from_secs(86_400);

/// An XMPP user who shows herself to somebody whom she was not heard to allow is asked again no more often than this.
pub(super) const ASK_ON_PRESENCE: Duration = Duration::from_secs(3_600);

/// A user's server is probed for what is not known no more often than this.
pub(super) const PROBE_AGAIN: Duration = Duration::from_secs(60);

/// A user's server that could not be reached is probed again after this to twice as long, while somebody watches, and told
/// again what a watcher of its sees: servers that restart are back by then, and one that is away for days costs each of its
/// users a few stanzas an hour.
pub(super) const UNREACHED_AGAIN: Duration = Duration::from_secs(600);

/// Domains to which the way broke, or that are there again, are looked after together after so long: a server whose streams
/// end all the time costs no more looks at all that is watched than this allows.
pub(super) const DOMAINS_GATHERED: Duration = Duration::from_secs(10);

/// So many of them at once, of one link; each takes about a hundred bytes.
pub(super) const DOMAINS_AT_ONCE: usize = 10_000;

/// How long a user's server has to say what her resources say, after a link was lost: what it does not say by then is over.
pub(super) const PROBE_WAIT: Duration = Duration::from_secs(10);

/// How long the answer to a poll waits for the user's server. RFC 6665 section 4.2.1.2 wants it at once.
pub(super) const POLL_WAIT: Duration = Duration::from_secs(2);

/// How long it waits for what other resources of the user say, once one has said something.
pub(super) const POLL_GATHER: Duration = Duration::from_millis(200);

/// What a SIP watcher who finds no room is asked to wait, seconds.
pub(super) const WATCH_RETRY_AFTER: u32 = 60;

/// Resources of one XMPP user that are kept for one watcher: nobody has more clients.
pub(super) const RESOURCES_KEPT: usize = 16;

/// What is kept of one resource, bytes; of one that says more, its words are left out.
pub(super) const RESOURCE_BYTES: usize = 2_048;

/// A user is told of changes in her mailbox no oftener than this; listening to ten messages is one change to her. Notifiers
/// may tell each second (RFC 3842 section 3.11).
pub(super) const VOICEMAIL_EVERY: Duration = Duration::from_secs(10);

/// Mailboxes of one user that are added up: as many as her subscription has forks (RFC 3842 section 3.10).
pub(super) const MAILBOXES_OF_ONE: usize = 16;

/// Resources of a user whose coming and going is followed, to tell her of voicemail when she comes back. Nobody has more; of
/// those beyond it none counts.
pub(super) const RESOURCES_SEEN: usize = 16;

/// Watchers whom a user is asked about in [`WATCHERS_ASKED_IN`] because her SIP server has them on its list: more than want
/// to see anybody in a day, and who calls himself by a thousand names gets no further. The others wait.
pub(super) const WATCHERS_ASKED: u32 = 20;

/// The time that [`WATCHERS_ASKED`] is about.
pub(super) const WATCHERS_ASKED_IN: Duration = Duration::from_secs(3_600);

/// What a watcher calls himself is passed on up to so many characters.
pub(super) const WATCHER_NAME: usize = 128;
