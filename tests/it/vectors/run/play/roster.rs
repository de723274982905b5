//! Subscription states (RFC 6121 appendix A): stox is the server of SIP users, `user` in the tables, and their contacts are
//! XMPP users.
//!
//! | table's word | here |
//! |---|---|
//! | the user subscribes | his phone begins to watch: SUBSCRIBE |
//! | the user unsubscribes | his phone stops: Expires 0 in its dialog |
//! | the user has subscribed a contact | his agent says `active` |
//! | the user has unsubscribed a contact | his agent says `terminated;reason=rejected` |
//! | delivered to the user | the SUBSCRIBE or NOTIFY that says it |
//!
//! The state is what the records say, which is what a restart would know.

use std::time::Duration;

use super::super::super::Vector;
use super::world::World;
use stox::gateway::record::{Authorization, Direction};
use stox::sip::message::{Method, Name, Request, Status};
use stox::xmpp::stanza::PresenceKind;

const DAY: Duration = Duration::from_secs(86_400);
const OPEN: &str = "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:romeo@example.net'>\
     <tuple id='ID-orchard'><status><basic>open</basic></status></tuple></presence>";

/// The two of them, in a state.
struct Scene {
    world: World,
    /// The subscription of Juliet's on Romeo's side.
    hers: Option<Request>,
    /// The To tag of his phone's dialog.
    his: Option<String>,
}

pub(super) fn run(vector: &Vector) -> Result<(), String> {
    let value = |text: &str, name: &str| -> Option<String> {
        let line = text.lines().find(|line| line.split('=').next() == Some(name))?;
        Some(line[name.len() + 1..].to_owned())
    };
    let given = |name| value(&vector.input, name).ok_or_else(|| format!("no {name}"));
    let (before, kind, direction) = (given("state")?, given("type")?, given("direction")?);
    let mut scene = Scene::new(&before)?;
    let (went, word) = match direction.as_str() {
        "outbound" => (scene.user(&kind)?, "route"),
        "inbound" => (scene.contact(&kind)?, "deliver"),
        other => return Err(format!("direction {other}")),
    };
    let wanted = value(&vector.output, word).ok_or("nothing is wanted")?;
    if went != (wanted == "must") {
        return Err(format!("{word}: {went}, not {wanted}"));
    }
    if let Some(reply) = vector.notes.strip_prefix("SHOULD auto-reply ") {
        let told = scene.world.told();
        if !told.iter().any(|kind| kind.as_str() == Some(reply)) {
            return Err(format!("no {reply} by itself: {told:?}"));
        }
    }
    let (got, after) = (scene.state(), value(&vector.output, "new_state").ok_or("no new state")?);
    if got == after { Ok(()) } else { Err(format!("state {got}, not {after}")) }
}

impl Scene {
    fn new(state: &str) -> Result<Self, String> {
        let has = |words: &[&str]| words.iter().any(|word| state.contains(word));
        let mut scene = Self { world: World::new(), hers: None, his: None };
        if has(&["From", "Both", "Pending In", "Out+In"]) {
            scene.world.juliet("subscribe");
            let asked = scene.world.asked()?;
            scene.world.answer(&asked, Status::OK);
            scene.world.notify(&asked, "pending;expires=3600", "");
            if has(&["From", "Both"]) {
                scene.world.notify(&asked, "active;expires=3600", OPEN);
            }
            scene.hers = Some(asked);
        }
        if has(&["To", "Both", "Pending Out"]) {
            scene.world.subscribe("a", None, 3600);
            let to = scene.world.responses.pop().and_then(|answer| Some(answer.headers.text(Name::TO)?.into_owned()));
            scene.his = to.and_then(|to| Some(to.split_once(";tag=")?.1.to_owned()));
            if has(&["To", "Both"]) {
                scene.world.juliet("subscribed");
            }
        }
        scene.world.forget();
        let got = scene.state();
        if got == state { Ok(scene) } else { Err(format!("begins in {got}, not {state}")) }
    }

    fn state(&self) -> String {
        let (to, out) = match self.world.kept(Direction::ToXmpp) {
            Some(Authorization::Granted) => (true, false),
            Some(Authorization::Asked) => (false, true),
            Some(Authorization::Refused) | None => (false, false),
        };
        let (from, inward) = match self.world.kept(Direction::ToSip) {
            Some(Authorization::Granted) => (true, false),
            Some(Authorization::Asked) => (false, true),
            Some(Authorization::Refused) | None => (false, false),
        };
        let base = match (to, from) {
            (true, true) => "Both",
            (true, false) => "To",
            (false, true) => "From",
            (false, false) => "None",
        };
        let pending = match (out, inward) {
            (true, true) => " + Pending Out+In",
            (true, false) => " + Pending Out",
            (false, true) => " + Pending In",
            (false, false) => "",
        };
        format!("{base}{pending}")
    }

    /// The SIP user says something: whether that goes to Juliet's server.
    fn user(&mut self, kind: &str) -> Result<bool, String> {
        let hers = self.hers.clone();
        let said = match kind {
            "subscribe" => {
                if self.state().contains("Pending Out") {
                    // A phone that asks each minute is not passed on each time (RFC 6121 section 3.1.2: after a day).
                    self.world.pass(DAY);
                    self.world.forget();
                }
                self.world.subscribe("b", None, 3600);
                PresenceKind::Subscribe
            }
            "unsubscribe" => {
                let tag = self.his.clone().unwrap_or_else(|| "none".to_owned());
                self.world.subscribe("a", Some(&tag), 0);
                PresenceKind::Unsubscribe
            }
            "subscribed" => {
                self.world.notify(&hers.unwrap_or_else(nobody), "active;expires=3600", OPEN);
                PresenceKind::Subscribed
            }
            "unsubscribed" => {
                self.world.notify(&hers.unwrap_or_else(nobody), "terminated;reason=rejected", "");
                PresenceKind::Unsubscribed
            }
            other => return Err(format!("type {other}")),
        };
        Ok(self.world.told().contains(&said))
    }

    /// Juliet's server says something: whether that goes to Romeo's side.
    fn contact(&mut self, kind: &str) -> Result<bool, String> {
        self.world.juliet(kind);
        let requests = self.world.requests.clone();
        let has = |method: Method, name: Name<'static>, is: &dyn Fn(&str) -> bool| {
            let of = requests.iter().filter(|request| request.method == method);
            of.filter_map(|request| request.headers.text(name)).any(|text| is(&text))
        };
        let went = match kind {
            "subscribe" => has(Method::Subscribe, Name::EXPIRES, &|text| text != "0"),
            "unsubscribe" => has(Method::Subscribe, Name::EXPIRES, &|text| text == "0"),
            "subscribed" => has(Method::Notify, Name::SUBSCRIPTION_STATE, &|text| text.starts_with("active")),
            "unsubscribed" => has(Method::Notify, Name::SUBSCRIPTION_STATE, &|text| text.contains("reason=rejected")),
            other => return Err(format!("type {other}")),
        };
        if let Some(last) = requests.iter().find(|request| request.method == Method::Subscribe) {
            self.world.answer(last, Status::OK);
            self.world.notify(last, "terminated;reason=timeout", "");
        }
        Ok(went)
    }
}

/// A subscription that stox has never heard of.
fn nobody() -> Request {
    let request = "SUBSCRIBE sip:romeo@example.net SIP/2.0\r\nVia: SIP/2.0/TCP x2s.example.com;branch=z9hG4bKx\r\n\
        From: <sip:juliet@example.com>;tag=x\r\nTo: <sip:romeo@example.net>\r\nCall-ID: nobody\r\nEvent: presence\r\n\
        CSeq: 1 SUBSCRIBE\r\nMax-Forwards: 70\r\nContact: <sip:juliet@x2s.example.com>\r\nContent-Length: 0\r\n\r\n";
    super::super::parts::request_of(&request.replace("\r\n", "\n")).expect("a request")
}
