//! Vectors about subscriptions, played through a whole gateway: what a vector shows is one moment of a story, and the
//! story before it is told here.
//!
//! A vector's request or answer is sent as it stands, except for what names the dialog where that is ours to choose: the
//! tags, Call-ID and CSeq of the RFC's example are replaced by those that came about here.
//!
//! Where the examples of RFC 8048 contradict RFC 6665, their texts have been put right (the vectors' `defect`): From of a
//! NOTIFY is the notifier and its Request-URI the subscriber's Contact (example 10, 14, 16, 19, 20), it is the notifier's and
//! never the gateway's as a subscriber (example 10), it comes at once after a 2xx to SUBSCRIBE, `pending` with its time
//! (example 13), and no resource or `show` is lost or made up (example 6, 18, 19, 21).

mod roster;
mod world;

use std::time::Duration;

use super::super::Vector;
use super::parts::{request_of, response_of};
use stox::model::pidf::{self, Limits};
use stox::model::presence::Presence as State;
use stox::sip::message::{Message, Method, Name, Request, Response, Status};
use stox::sip::uri::Uri;
use stox::xmpp::stanza::{Presence, PresenceKind};
use world::{World, stanzas};

const OPEN: &str = "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:romeo@example.net'>\
     <tuple id='ID-orchard'><status><basic>open</basic></status></tuple></presence>";
const HOUR: Duration = Duration::from_secs(3_600);

type Outcome = Result<(), String>;
type Played = (&'static str, fn(&Vector) -> Outcome);

/// The vectors about one dialog, and how each is played.
const PLAYED: [Played; 13] = [
    ("8048-01", she_asks),
    ("8048-06a", he_refuses),
    ("8048-07b", his_dialog_is_lost),
    ("8048-08", she_gives_up),
    ("8048-09", she_hears_that_it_is_over),
    ("8048-10", his_last_word),
    ("8048-11", he_asks),
    ("8048-13", she_refuses),
    ("8048-15", he_stops_and_sees_her_closed),
    ("8048-16", he_stops_and_is_gone),
    ("8048-19", her_server_looks),
    ("8048-20", he_looks),
    ("3922-o4", she_gives_up_in_other_words),
];

/// Whether a vector needs more than a translation.
pub(super) fn is_one(vector: &Vector) -> bool {
    vector.direction == "roster-state" || PLAYED.iter().any(|(id, _)| *id == vector.id)
}

pub(super) fn run(vector: &Vector) -> Outcome {
    if vector.direction == "roster-state" {
        return roster::run(vector);
    }
    let play = PLAYED.iter().find(|(id, _)| *id == vector.id).ok_or("nobody plays it")?;
    play.1(vector)
}

fn she_asks(vector: &Vector) -> Outcome {
    let mut world = World::new();
    world.xml(&vector.input)?;
    let asked = world.asked()?;
    same("presence", world.told(), Vec::<PresenceKind>::new())?;
    same_request(vector, &asked, None)
}

/// Juliet may see Romeo; the SUBSCRIBE of it.
fn seen() -> Result<(World, Request), String> {
    let mut world = World::new();
    world.juliet("subscribe");
    let asked = world.asked()?;
    world.answer(&asked, Status::OK);
    world.notify(&asked, "active;expires=3600", OPEN);
    same("presence", world.told(), vec![PresenceKind::Subscribed, PresenceKind::Available])?;
    world.forget();
    Ok((world, asked))
}

/// The response of a vector, as the answer to a request of ours.
fn respond(world: &mut World, vector: &Vector, request: &Request) -> Outcome {
    let mut response = response_of(&vector.input)?;
    let mut ours = request.response(Status::OK);
    ours.ensure_to_tag("ffd2");
    for name in [Name::VIA, Name::FROM, Name::TO, Name::CALL_ID, Name::CSEQ] {
        let text = ours.headers.text(name).ok_or("no header")?.into_owned();
        response.headers.replace(name, text);
    }
    world.sip(Message::Response(response));
    Ok(())
}

fn he_refuses(vector: &Vector) -> Outcome {
    let mut world = World::new();
    world.juliet("subscribe");
    let asked = world.asked()?;
    respond(&mut world, vector, &asked)?;
    same_presence(vector, &world.presence)?;
    world.forget();
    world.pass(24 * HOUR);
    same("SUBSCRIBE after a refusal", world.asked().is_ok(), false)
}

fn his_dialog_is_lost(vector: &Vector) -> Outcome {
    let (mut world, first) = seen()?;
    let refresh = world.next_asked(HOUR)?;
    let call = |request: &Request| request.headers.text(Name::CALL_ID).map(|call| call.into_owned());
    same("Call-ID", call(&refresh), call(&first))?;
    respond(&mut world, vector, &refresh)?;
    let anew = world.next_asked(Duration::from_secs(60))?;
    same("a dialog of its own", call(&anew) == call(&first), false)?;
    same("Expires", anew.headers.text(Name::EXPIRES).is_some_and(|expires| expires != "0"), true)?;
    world.answer(&anew, Status::OK);
    world.notify(&anew, "active;expires=3600", OPEN);
    same("stanzas", world.told(), Vec::new())
}

fn she_gives_up(vector: &Vector) -> Outcome {
    let (mut world, first) = seen()?;
    world.xml(&vector.input)?;
    let last = world.asked()?;
    same_request(vector, &last, Some(&first))
}

/// Juliet has given up, and this is the SUBSCRIBE that says so.
fn left() -> Result<(World, Request), String> {
    let (mut world, _) = seen()?;
    world.juliet("unsubscribe");
    let last = world.asked()?;
    // RFC 6121 section 3.3.3: whom she saw is gone first.
    same("presence", world.told(), vec![PresenceKind::Unavailable])?;
    world.forget();
    Ok((world, last))
}

fn she_hears_that_it_is_over(vector: &Vector) -> Outcome {
    let (mut world, last) = left()?;
    respond(&mut world, vector, &last)?;
    same_presence(vector, &world.presence)
}

fn his_last_word(vector: &Vector) -> Outcome {
    let (mut world, last) = left()?;
    world.answer(&last, Status::OK);
    world.forget();
    let mut notify = request_of(&vector.input)?;
    for (theirs, ours) in [(Name::FROM, Name::TO), (Name::TO, Name::FROM), (Name::CALL_ID, Name::CALL_ID)] {
        notify.headers.replace(theirs, last.headers.text(ours).ok_or("no header")?.into_owned());
    }
    world.sip(Message::Request(notify));
    same("answer", world.responses.first().map(|response| response.status), Some(Status::OK))?;
    same("requests", world.requests.len(), 0)?;
    same_presence(vector, &world.presence)
}

fn he_asks(vector: &Vector) -> Outcome {
    let mut world = World::new();
    world.sip(Message::Request(request_of(&vector.input)?));
    let answer = world.responses.first().ok_or("no answer")?;
    same("answer", (answer.status, text(answer, Name::EXPIRES)), (Status::OK, Some("3600".to_owned())))?;
    let notify = world.requests.first().ok_or("no NOTIFY behind it")?;
    let state = notify.headers.text(Name::SUBSCRIPTION_STATE).unwrap_or_default().into_owned();
    same("NOTIFY", (state.as_str(), notify.body().len()), ("pending;expires=3600", 0))?;
    same_presence(vector, &world.presence)
}

/// Romeo has asked, by the request of 8048-11, and the To tag of the dialog.
fn watched() -> Result<(World, String), String> {
    let asked = super::super::ours().iter().find(|vector| vector.id == "8048-11").ok_or("no vector 8048-11")?;
    let mut world = World::new();
    world.sip(Message::Request(request_of(&asked.input)?));
    let to = world.responses.first().and_then(|answer| text(answer, Name::TO)).ok_or("no To")?;
    let tag = to.split_once(";tag=").ok_or("no tag")?.1.to_owned();
    world.forget();
    Ok((world, tag))
}

fn she_refuses(vector: &Vector) -> Outcome {
    let (mut world, tag) = watched()?;
    world.xml(&vector.input)?;
    let notify = world.requests.pop().ok_or("no NOTIFY")?;
    same_request(vector, &notify, None)?;
    world.forget();
    world.subscribe("AA5A8BE5-CBB7-42B9-8181-6230012B1E11", Some(&tag), 3_600);
    same("a refresh", world.responses.first().map(|answer| answer.status), Some(Status::NO_SUCH_DIALOG))
}

/// Juliet has let Romeo see her, and is there; then he sends the vector's request.
fn stopped(vector: &Vector) -> Result<World, String> {
    let (mut world, tag) = watched()?;
    world.juliet("subscribed");
    world.xml("<presence from='juliet@example.com/yn0cl4bnw0yr3vym' to='romeo@example.net'/>")?;
    world.pass(Duration::from_secs(10));
    world.forget();
    let mut last = request_of(&vector.input)?;
    last.headers.replace(Name::TO, format!("<sip:juliet@example.com>;tag={tag}"));
    world.sip(Message::Request(last));
    same("answer", world.responses.first().map(|answer| answer.status), Some(Status::OK))?;
    Ok(world)
}

fn he_stops_and_sees_her_closed(vector: &Vector) -> Outcome {
    let mut world = stopped(vector)?;
    let notify = world.requests.pop().ok_or("no NOTIFY")?;
    same_request(vector, &notify, None)?;
    let read = |body: &[u8]| pidf::read(body, &Limits::default()).map_err(|error| error.to_string());
    let (got, right) = (read(notify.body())?, read(request_of(&vector.output)?.body())?);
    same("entity", &got.entity, &right.entity)?;
    let tuples = |state: State| state.tuples.into_iter().map(|tuple| (tuple.id, tuple.basic)).collect::<Vec<_>>();
    same("tuples", tuples(got), tuples(right))
}

fn he_stops_and_is_gone(vector: &Vector) -> Outcome {
    let world = stopped(vector)?;
    same_presence(vector, &world.presence)
}

fn her_server_looks(vector: &Vector) -> Outcome {
    let mut world = World::new();
    world.xml(&vector.input)?;
    let asked = world.asked()?;
    same_request(vector, &asked, None)?;
    world.answer(&asked, Status::OK);
    world.notify(&asked, "terminated;reason=timeout", OPEN);
    same("presence", world.told(), vec![PresenceKind::Available])
}

fn he_looks(vector: &Vector) -> Outcome {
    let mut world = World::new();
    world.sip(Message::Request(request_of(&vector.input)?));
    let answer = world.responses.first().ok_or("no answer")?;
    same("answer", (answer.status, text(answer, Name::EXPIRES)), (Status::OK, Some("0".to_owned())))?;
    same_presence(vector, &world.presence)?;
    // Nobody has allowed him anything, so he learns nothing.
    world.pass(Duration::from_secs(5));
    let notify = world.requests.first().ok_or("no NOTIFY")?;
    let state = notify.headers.text(Name::SUBSCRIPTION_STATE).unwrap_or_default().into_owned();
    same("NOTIFY", (state.as_str(), notify.body().len()), ("terminated;reason=timeout", 0))
}

/// RFC 3859's operation by the headers that carry it. Its TransID is what pairs an answer with its operation: in SIP the
/// transaction does that, so the stanza's `id` stays on its own side.
fn she_gives_up_in_other_words(vector: &Vector) -> Outcome {
    let (mut world, _) = seen()?;
    world.xml(&vector.input)?;
    let last = world.asked()?;
    let pres = |uri: &Uri| uri.as_str().replacen("sip:", "pres:", 1);
    let from = last.headers.from().map_err(|error| error.to_string())?;
    let to = last.headers.to().map_err(|error| error.to_string())?;
    let lines = [
        last.method.as_str().to_ascii_lowercase(),
        format!("watcher={}", pres(&from.uri)),
        format!("target={}", pres(&to.uri)),
        format!("duration={}", last.headers.text(Name::EXPIRES).unwrap_or_default()),
    ];
    let right = vector.output.lines().filter(|line| !line.starts_with("TransID=")).map(str::to_owned);
    same("operation", lines.to_vec(), right.collect::<Vec<_>>())?;
    world.answer(&last, Status::OK);
    same("presence", world.told(), vec![PresenceKind::Unavailable, PresenceKind::Unsubscribed])
}

fn text(response: &Response, name: Name<'static>) -> Option<String> {
    response.headers.text(name).map(|text| text.into_owned())
}

/// A request of ours against the vector's; `first`: the one that began the dialog it has to be in.
fn same_request(vector: &Vector, got: &Request, first: Option<&Request>) -> Outcome {
    let right = request_of(&vector.output)?;
    same("method", &got.method, &right.method)?;
    same("Request-URI", got.uri.same(&right.uri), true).map_err(|_| format!("Request-URI {}", got.uri.as_str()))?;
    let party = |request: &Request, name: Name<'_>| {
        let text = request.headers.text(name).unwrap_or_default().into_owned();
        let (uri, tag) = text.split_once(";tag=").map_or((text.as_str(), false), |(uri, _)| (uri, true));
        (uri.to_owned(), tag)
    };
    for name in [Name::FROM, Name::TO] {
        same(name.as_str(), party(got, name), party(&right, name))?;
    }
    let line = |request: &Request, name: Name<'_>| request.headers.text(name).map(|text| text.into_owned());
    let expires_is_free = vector.may_differ("expires value");
    let names = [Name::EVENT, Name::SUBSCRIPTION_STATE, Name::ACCEPT, Name::EXPIRES, Name::CONTENT_TYPE];
    for name in names.into_iter().filter(|name| *name != Name::EXPIRES || !expires_is_free) {
        if right.headers.has(name) {
            same(name.as_str(), line(got, name), line(&right, name))?;
        }
    }
    if right.method == Method::Subscribe && !got.headers.has(Name::CONTACT) {
        return Err("no Contact".to_owned());
    }
    if right.body().is_empty() {
        same("body", got.body(), &b""[..])?;
    }
    let Some(first) = first else { return Ok(()) };
    same("Call-ID", line(got, Name::CALL_ID), line(first, Name::CALL_ID))?;
    same("From", line(got, Name::FROM), line(first, Name::FROM))?;
    same("tag of To", line(got, Name::TO).is_some_and(|to| to.ends_with(";tag=ffd2")), true)?;
    let number = |request: &Request| request.headers.cseq().map(|cseq| cseq.number).unwrap_or_default();
    same("a later CSeq", number(got) > number(first), true)
}

/// What Juliet's server was told is what the vector shows, and nothing else.
fn same_presence(vector: &Vector, got: &[Presence]) -> Outcome {
    let right = stanzas(&vector.output)?;
    let line = |presence: &Presence| {
        let jid = |jid: &Option<stox::xmpp::Jid>| jid.as_ref().map(|jid| jid.as_str().to_owned());
        (presence.kind, jid(&presence.from), jid(&presence.to), presence.payload.len())
    };
    same("presence", got.iter().map(line).collect::<Vec<_>>(), right.iter().map(line).collect())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: T, right: T) -> Outcome {
    if got == right { Ok(()) } else { Err(format!("{what}: {got:?}, not {right:?}")) }
}
