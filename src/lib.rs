//! stox, an interworking gateway between XMPP and SIP/SIMPLE: messages cross, each with exactly one outcome, and its
//! sender is told; presence crosses both ways, and subscriptions outlive everything but a refusal.
//!
//! # Layers
//! ```text
//!  7  main                         arguments, exit code
//!  6  node  config                 build everything, drain, stop
//!  5  shard                        the loop: inputs -> Gateway -> commit -> deliver
//!  4  net   store   admin          tokio, DNS | SQL | HTTP        (do not import each other)
//!     tls                          certificates in files, and whose they are   (net and config ask it)
//!  3  gateway                      interworking state, sans-IO    (knows both sides through mapping)
//!  2  mapping                      pure functions and tables      (the only place where xmpp meets sip)
//!  1  xmpp  sip  model             three vocabularies + protocol machines (do not import each other)
//!  0  xml   time   ids   dns       elements; Now, Timers; Ids; questions and answers
//! ```
//! Imports point down only. `xmpp` and `sip` never meet outside [`mapping`] and [`gateway`]; nothing below layer 4
//! is async, reads a clock, or opens anything; nothing above layer 3 knows what a stanza or a request means.
//! `tests/it/tidy.rs` holds all of this by test.
//!
//! So everything that is hard is a function of what came and what time it is: bytes, stanzas, requests and
//! [`time::Now`] go in, values that say what is to be done come out, and hours of timers are played in milliseconds.
//! The rim (layers 4 to 6) owns sockets and clock and decides nothing.
//!
//! # A MESSAGE becomes a stanza
//! 1. `net` reads a datagram or, by [`sip::framing`], a message from a connection. A stranger's is refused or dropped
//!    there, mostly unread, so that no flood comes further; what [`sip::message::wire`] cannot read is answered there or
//!    dropped; the rest is [`gateway::Input::Sip`].
//! 2. [`sip::endpoint::Endpoint::receive`]: a retransmission finds its transaction and goes no further.
//! 3. [`gateway::trust`] decides whether its source, by address, certificate or account, may say this From, and
//!    [`gateway::rate`] whether it says too much; then `check` whether it can be served at all.
//! 4. [`mapping::Mapping`]: `sip_to_message`, then `message_to_xmpp`. A [`model::Failure`] here is the final response.
//! 5. The stanza is an output on the link of its From's domain; the transaction stays open.
//! 6. At the end of the step one ping (XEP-0199) follows to the server of each recipient. A stream is processed in
//!    order, so its answer, result or error, says that the server has dealt with every stanza before it: 200. An error
//!    stanza that comes earlier is the true outcome, by `stanza_error_to_failure` and `failure_to_status`. Nothing
//!    within `message.confirm_within` (and, on a link to other servers, the time to connect): 202, and what comes later
//!    is counted. The link down or lost: 503 with Retry-After at once; nothing is queued out of sight.
//!
//! # A stanza becomes a MESSAGE, and its answer comes back
//! 1. [`xmpp::stream::Stream`] makes stanzas of the link's bytes, held to the link's domain: [`gateway::Input::Stanza`].
//! 2. `xmpp_to_message`: what there is to say, or nothing, or a failure, such as for ciphertext. A stanza sent twice
//!    is known by its sender, `id` and content.
//! 3. Each pair of bare addresses has one message pending (RFC 3428 section 8); the others wait in its line, bounded.
//! 4. `message_to_sip`, and the request becomes an *errand*: [`sip::locate`] makes targets of the next hop, with questions
//!    to DNS (RFC 3263) whose answers are kept, those that failed lately last; credentials are put in; a large request
//!    takes TCP, or is refused where the domain says so.
//! 5. [`sip::endpoint::Endpoint::request`] tries the targets. A challenge is answered and the errand goes out once more; so
//!    does, once, in plainer form, what was answered 415. Registrations and questions about health take the same way.
//! 6. 2xx: the sender hears nothing, and the next in line goes. Any other final response, Timer F, no connection, no
//!    address: one error stanza with the sender's `id`, by `status_to_failure` and `failure_to_stanza_error`. It
//!    is confirmed by ping like a message; until then, and while the link is down, it is kept, within a limit.
//!
//! # Subscriptions have two lives
//! The *authorization* is for years: who may see whom. The *dialog* is for an hour: by which way a notifier tells it at
//! present (RFC 8048 section 5.1). Only the two people end the first; everything else that can happen, a server that
//! restarts, a dialog that is lost, an answer that does not come, concerns the second.
//!
//! * An XMPP user watches a SIP user (`gateway/presence/watch`): the authorization is stox's own and is kept in the
//!   [`store`]. Beneath it is a *usage* (`usage`), which stands for one event package of one target: [`sip::event`] is
//!   RFC 6665's subscriber alone, [`sip::dialog`] RFC 3261's dialog, and what they tell is a full state. Presence, calls
//!   and registration are merged by [`mapping::phone`]; [`mapping`] makes a stanza of each tuple, and the watcher is told
//!   what differs from what she was told before.
//! * A SIP user watches an XMPP user (`serve`): the authorization lives in the target's roster; what is kept is what her
//!   server has said to this watcher. Her resources are tuples of one full document in each of his dialogs, told at once
//!   and then every five seconds at most.
//!
//! A step whose writes are not committed tells nobody anything: the [`shard`] holds its outputs, and those of later steps
//! behind them, until the store has them. Presence itself is not kept; after a restart it is asked for, spread over minutes.
//! CSeq and document versions are reserved in blocks, so a notification costs no write and no number comes twice.
//!
//! # stox as a server of its own
//! A domain in `[xmpp.server]` has a link of its own number, which is always up. Behind it are the streams between servers:
//! 1. [`xmpp::federation::Federation`] has a route for each pair of domains, ours and theirs, and decides by which stream
//!    stanzas of a pair go, what waits meanwhile and for how long, and whom to ask about a dialback key. It opens no socket:
//!    it says `Open`, `Order`, `Bounce`. What cannot be delivered comes back as a stanza error of its addressee (RFC 6120
//!    section 10.4), as from any server, so the gateway needs to know nothing of streams.
//! 2. [`xmpp::stream::ServerStream`] is one stream, either end: TLS, SASL EXTERNAL, dialback, bidirectionality,
//!    acknowledgements. A stanza counts only for a pair that this very stream has proven.
//! 3. [`net::federation`] gives each stream a task. Stanzas that come go from there straight to the shard; what else
//!    happens goes to the federation, behind one lock that nobody keeps while waiting.
//! 4. Certificates are all taken in the TLS handshake and judged when the domain is known ([`tls`]), by whatever may prove
//!    it: authorities (PKIX), the domain's own word over HTTPS (POSH) or in signed DNS (DANE). What is not proven so may be
//!    proven by dialback, if the partner's entry allows that.
//!
//! [`xmpp::stream::client`] is the receiving end of streams of clients, on the same core, with password mechanisms in
//! [`xmpp::sasl`]; nobody listens for them yet, for there are no accounts.
//!
//! # Words
//! * **link**: one component stream to an XMPP server, or a domain that stox serves itself, by number. **flow**: the way on which a SIP message came.
//! * **side**: XMPP or SIP. A `[[domain]]` says on which of them a domain is at **home** and what it is on the other.
//! * **address, message, failure**: what both sides mean, in [`model`]; every translation passes through it.
//!   Directions are spelled as the message travels: `xmpp_to_message`, `message_to_sip`, `status_to_failure`.
//! * **relay**: a message on its way to XMPP whose outcome is not known. **letter**: one in line to SIP. **pair**: the
//!   two bare addresses of a direction, the unit of order.
//! * **watch**: an XMPP user's authorization to see a SIP user, and what is seen. **usage**: a subscription of ours on the
//!   SIP side. **watcher, target**: who sees, and whom. **poll**: a look without a subscription.
//! * **errand**: a request of ours to a configured next hop, until its one end, over all its tries. **route**: that next
//!   hop. **directions**: where each route leads now.
//! * **peer**: a SIP system that may say something; everybody else is a **stranger**.
//! * **confirm**: to learn that the recipient's server has dealt with a stanza. **outcome**: how a message ended; each
//!   has one, and the counters of a direction add up.
//! * **step**: the inputs that wait, handled together; then its outputs are delivered.
//! * **input, output, event**: what goes into a machine, what it wants done, what it tells its owner.
//!
//! # Where errors go
//! By one of three doors, and they are logged there, once:
//! 1. *An answer to the peer.* [`model::Failure`] is the only error that crosses sides. The tables of RFC 7247 are data
//!    in `mappings/failure.toml`; an error is mapped once, and an error is never answered with an error.
//! 2. *The end of a connection*: a [`xmpp::stream::StreamError`], a SIP connection whose framing is lost. Others go on;
//!    links come back with [`xmpp::stream::backoff`].
//! 3. *The end of the process*: a configuration that is wrong (exit 1, every mistake at once with line and remedy), a
//!    socket that cannot be bound (exit 2).
//!
//! # What is tested where
//! | what | how | where |
//! |---|---|---|
//! | grammars | tables, corpora, properties over any bytes, a second reader | `tests/it/{xml,jid,torture,sip_*}.rs` |
//! | mapping | vectors of the RFCs by id; every row of every table; properties | `tests/it/{vectors,mappings}.rs` |
//! | machines | virtual time, effects as values | beside the code |
//! | one link | a server and a PBX around a gateway | `tests/it/component.rs` |
//! | streams | every rule broken once, by table | `tests/it/broken_rules.rs` |
//! | federation | servers over networks that fail, in virtual time | `tests/it/federation.rs` |
//! | presence | pairs of people for a year, with losses, crashes and restarts, in virtual time | `tests/it/years.rs` |
//! | the store | one suite for every engine; a process that is killed while it writes | `tests/it/store.rs` |
//! | documents | the RFCs' own schemas, by a validator that is not ours | `interop/run schemas` |
//! | stories | scenario files, both ends ours, hours in milliseconds | `tests/scenarios` |
//! | form | layers, impure words, sizes, promises | `tests/it/tidy.rs` |
//! | the whole | Prosody, ejabberd, Kamailio, slixmpp, baresip, SIPp; load | `interop/` |
//!
//! `mappings/conformance.toml` says of each requirement whether it holds and which test shows it.
//!
//! # Decisions that are not plain to see
//! * **One shard, one thread.** The runtime has one thread and the shard is one task. What a message costs is mostly
//!   the kernel and the parsers; a second thread would add a hand-over to each and buys nothing until one core is full.
//!   Order between two people is then simply the order of inputs. Nothing is shared between [`gateway::Gateway`]s, and
//!   every tag, branch, Call-ID and stanza id carries the number of the shard that made it, so that an answer would find
//!   its shard among several without a table.
//! * **The confirmation ping.** XEP-0114 has no acknowledgements, and XEP-0198 does not cover components. Without it a
//!   200 would mean "written into a socket", and a server that restarts would swallow messages that their senders
//!   believe delivered. One ping stands for all stanzas before it, so under load its price goes to nothing.
//!   The ping of another server is answered in the same sense, when the messages before it have had their outcome here or
//!   after a second, so that between two gateways a 200 speaks of the phone, if that answers within the second.
//! * **A completed server transaction is rebuilt.** It has to be recognised for 32 s (Timer J), at full load in more
//!   than a million copies. What is kept is a key and a status; the response is made again from the retransmission,
//!   which carries all that it repeats, and the To tag follows from the key. Answers with headers of their own are kept,
//!   within a limit.
//! * **No second try after a timeout.** RFC 3263 would let a MESSAGE go to the next server when the first is silent. But
//!   what was lost may have been the 200, and a person would read it twice.
//! * **A source has to be somebody.** By its address, the name that its certificate proves, or its account; whoever may
//!   speak for a SIP domain is configured, and everybody else is refused before any mapping. What strangers may cost is
//!   counted where their bytes come in ([`net::Intake`]), because there it is least.
//! * **Everything on the way is an errand's business.** Locating, resting servers, credentials, size and retries lie
//!   between whoever wants something of a SIP server and the transactions, so that a message, a registration and a question
//!   about health cannot differ in them. What is forwarded as a proxy goes where its own Route says and keeps its credentials,
//!   so it passes by.

pub mod dns;
pub mod ids;
pub mod time;
pub mod xml;

pub mod model;
pub mod sip;
pub mod xmpp;

pub mod mapping;

pub mod gateway;

pub mod admin;
pub mod net;
pub mod store;
pub mod tls;

pub mod shard;

pub mod config;
pub mod node;
