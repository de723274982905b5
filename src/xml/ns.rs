//! Every namespace name, once.

/// Bound to the prefix `xml` everywhere (XML Namespaces 1.0 section 3).
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// What `xmlns` attributes themselves are in; nothing may be bound to it.
pub const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
/// The stream element and its errors (RFC 6120 section 4.8.1).
pub const STREAM: &str = "http://etherx.jabber.org/streams";
/// Client streams, and what stanzas are in inside this program, whatever stream they came by.
pub const CLIENT: &str = "jabber:client";
/// Server to server streams.
pub const SERVER: &str = "jabber:server";
/// Component streams, opened by the component (XEP-0114).
pub const COMPONENT_ACCEPT: &str = "jabber:component:accept";
/// Component streams, opened by the server (XEP-0114).
pub const COMPONENT_CONNECT: &str = "jabber:component:connect";
/// Conditions of stanza errors (RFC 6120 section 8.3).
pub const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// Conditions of stream errors (RFC 6120 section 4.9).
pub const STREAMS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
/// STARTTLS (RFC 6120 section 5).
pub const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
/// SASL on streams (RFC 6120 section 6).
pub const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
/// Resource binding (RFC 6120 section 7).
pub const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
/// XEP-0440.
pub const SASL_CB: &str = "urn:xmpp:sasl-cb:0";
/// XEP-0030, information.
pub const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
/// XEP-0030, items.
pub const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// XEP-0199.
pub const PING: &str = "urn:xmpp:ping";
/// XEP-0092.
pub const VERSION: &str = "jabber:iq:version";
/// XEP-0012.
pub const LAST: &str = "jabber:iq:last";
/// XEP-0202.
pub const TIME: &str = "urn:xmpp:time";
/// XEP-0054.
pub const VCARD: &str = "vcard-temp";
/// XEP-0085.
pub const CHATSTATES: &str = "http://jabber.org/protocol/chatstates";
/// XEP-0184.
pub const RECEIPTS: &str = "urn:xmpp:receipts";
/// XEP-0203.
pub const DELAY: &str = "urn:xmpp:delay";
/// XEP-0091, the delay of old servers.
pub const LEGACY_DELAY: &str = "jabber:x:delay";
/// XEP-0131.
pub const SHIM: &str = "http://jabber.org/protocol/shim";
/// XEP-0172.
pub const NICK: &str = "http://jabber.org/protocol/nick";
/// XEP-0280.
pub const CARBONS: &str = "urn:xmpp:carbons:2";
/// XEP-0297.
pub const FORWARD: &str = "urn:xmpp:forward:0";
/// XEP-0334.
pub const HINTS: &str = "urn:xmpp:hints";
/// XEP-0359.
pub const SID: &str = "urn:xmpp:sid:0";
/// XEP-0380.
pub const EME: &str = "urn:xmpp:eme:0";
/// XEP-0384 before version 0.4.
pub const OMEMO_SIACS: &str = "eu.siacs.conversations.axolotl";
/// XEP-0384 version 0.4 to 0.7.
pub const OMEMO_1: &str = "urn:xmpp:omemo:1";
/// XEP-0384 from version 0.8.
pub const OMEMO_2: &str = "urn:xmpp:omemo:2";
/// XEP-0373.
pub const OPENPGP: &str = "urn:xmpp:openpgp:0";
/// XEP-0027, encrypted body.
pub const LEGACY_OPENPGP: &str = "jabber:x:encrypted";
/// RFC 3923.
pub const E2E: &str = "urn:ietf:params:xml:ns:xmpp-e2e";
/// XEP-0071.
pub const XHTML_IM: &str = "http://jabber.org/protocol/xhtml-im";
/// XHTML itself.
pub const XHTML: &str = "http://www.w3.org/1999/xhtml";
/// XEP-0004.
pub const DATA: &str = "jabber:x:data";
/// XEP-0066.
pub const OOB: &str = "jabber:x:oob";
/// XEP-0333.
pub const MARKERS: &str = "urn:xmpp:chat-markers:0";
/// XEP-0308.
pub const CORRECT: &str = "urn:xmpp:message-correct:0";
/// XEP-0428.
pub const FALLBACK: &str = "urn:xmpp:fallback:0";
/// XEP-0045, what a user sends.
pub const MUC: &str = "http://jabber.org/protocol/muc";
/// XEP-0045, what a room sends.
pub const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
/// XEP-0115.
pub const CAPS: &str = "http://jabber.org/protocol/caps";
/// XEP-0153.
pub const VCARD_UPDATE: &str = "vcard-temp:x:update";
/// XEP-0198.
pub const SM: &str = "urn:xmpp:sm:3";
/// XEP-0220.
pub const DIALBACK: &str = "jabber:server:dialback";
/// XEP-0220, the feature that says how its errors are handled.
pub const DIALBACK_FEATURE: &str = "urn:xmpp:features:dialback";
/// XEP-0288, what the initiating server sends.
pub const BIDI: &str = "urn:xmpp:bidi";
/// XEP-0288, the feature.
pub const BIDI_FEATURE: &str = "urn:xmpp:features:bidi";
/// XEP-0107.
pub const MOOD: &str = "http://jabber.org/protocol/mood";
/// XEP-0108.
pub const ACTIVITY: &str = "http://jabber.org/protocol/activity";
/// XEP-0319.
pub const IDLE: &str = "urn:xmpp:idle:1";
/// XEP-0060, what is asked of nodes.
pub const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
/// XEP-0060, what a node tells its subscribers.
pub const PUBSUB_EVENT: &str = "http://jabber.org/protocol/pubsub#event";
/// XEP-0100 address prompt.
pub const GATEWAY: &str = "jabber:iq:gateway";
/// XEP-0077.
pub const REGISTER: &str = "jabber:iq:register";
/// RFC 6121 section 2.
pub const ROSTER: &str = "jabber:iq:roster";
/// RFC 3863.
pub const PIDF: &str = "urn:ietf:params:xml:ns:pidf";
/// RFC 4479.
pub const PIDF_DATA_MODEL: &str = "urn:ietf:params:xml:ns:pidf:data-model";
/// RFC 4480.
pub const RPID: &str = "urn:ietf:params:xml:ns:pidf:rpid";
/// RFC 3994.
pub const IS_COMPOSING: &str = "urn:ietf:params:xml:ns:im-iscomposing";
