//! Plays a story: does what its people do, and compares what they get with what it says they get.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use stox::gateway::Input;
use stox::sip::message::{Message, Method, Name, Request, Status};
use stox::sip::uri::Uri;
use stox::xml::{Element, ns};
use stox::xmpp::jid::Jid;
use stox::xmpp::stanza::Stanza;

use super::matching;
use super::stage::{self, COMPONENT};
use super::story::{How, Person, ServerStep, SipText, Step, Story};
use crate::sim::World;
use crate::sim::phone::{By, Got};
use crate::sim::server::Mood;

/// How long somebody waits for what the story says comes: longer than any transaction lives.
const PATIENCE: Duration = Duration::from_secs(70);

/// # Errors
/// File, line, and what came instead.
pub(super) fn play(story: &Story) -> Result<(), String> {
    let mut play = Play { story, world: stage::set(story)?, sent: BTreeMap::new(), got: BTreeMap::new(), count: 0 };
    for (line, step) in &story.steps {
        play.step(step).map_err(|wrong| format!("{}:{line}: {wrong}", story.file))?;
    }
    play.nothing_more(Duration::from_secs(1)).map_err(|wrong| format!("{}: at its end: {wrong}", story.file))
}

struct Play<'s> {
    story: &'s Story,
    world: World,
    /// The branch of the last request of each person.
    sent: BTreeMap<String, String>,
    /// The branch of the last request that each person got.
    got: BTreeMap<String, String>,
    count: u32,
}

impl Play<'_> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::SendsStanza { who, stanza } => self.send_stanza(who, stanza),
            Step::SendsRequest { who, how, text } => self.send_request(who, how, text),
            Step::SendsAgain { who } => self.send_again(who),
            Step::ReceivesStanza { who, wanted, without } => self.receive_stanza(who, wanted, without),
            Step::ReceivesSip { who, wanted } => self.receive_sip(who, wanted),
            Step::ReceivesNothingElse { within } => self.nothing_more(*within),
            Step::Answers { who, text } => self.answer(who, text),
            Step::SawCopies { who, copies } => self.saw_copies(who, *copies),
            Step::TimePasses(time) => {
                self.world.pass(*time);
                Ok(())
            }
            Step::Server(step) => self.server(step),
            Step::SipRefusesTcp => {
                self.world.sips[0].tcp = false;
                Ok(())
            }
            Step::Lost { datagrams, to } => self.lose(*datagrams, to.as_deref()),
            Step::Drains => {
                self.world.gateways[0].input(Input::Drain);
                Ok(())
            }
            Step::GivesUp => {
                self.world.gateways[0].input(Input::GiveUp);
                Ok(())
            }
            Step::Counted { name, label, value } => self.counted(name, label, *value),
        }
    }

    fn person(&self, who: &str) -> &Person {
        let found = self.story.people.iter().find(|person| person.name == who);
        found.expect("the parser has found everybody who does anything")
    }

    fn send_stanza(&mut self, who: &str, stanza: &Element) -> Result<(), String> {
        let from = Jid::parse(&self.person(who).address).map_err(|error| error.to_string())?;
        let mut stanza = stanza.clone();
        stanza.set_attr("from", from.as_str());
        let stanza = Stanza::from_element(stanza).map_err(|problem| format!("no stanza: {:?}", problem.what))?;
        let now = self.world.clock();
        self.world.act(|world, effects| world.servers[0].send_as(&from, stanza, now, effects));
        Ok(())
    }

    fn send_request(&mut self, who: &str, how: &How, text: &SipText) -> Result<(), String> {
        let person = self.person(who).clone();
        self.count += 1;
        let branch = format!("z9hG4bK-story-{}", self.count);
        let request = request(&person.address, text, self.count)?;
        let local = match &how.from {
            Some(ip) => SocketAddr::new(ip.parse().map_err(|_| format!("`{ip}` is no address"))?, 5060),
            None => self.world.sips[0].addrs[0],
        };
        if !self.world.sips[0].addrs.contains(&local) {
            self.world.sips[0].addrs.push(local);
        }
        let now = self.world.clock();
        self.sent.insert(who.to_owned(), branch.clone());
        let by = By { branch, local, tcp: how.tcp };
        self.world.act(|world, effects| world.sips[0].ask(&person.address, request, &by, now, effects));
        Ok(())
    }

    fn send_again(&mut self, who: &str) -> Result<(), String> {
        let branch = self.sent.get(who).cloned().ok_or(format!("{who} has sent nothing yet"))?;
        self.world.act(|world, effects| world.sips[0].repeat(&branch, effects));
        Ok(())
    }

    fn wait_for<T>(&mut self, who: &str, mut take: impl FnMut(&mut World) -> Option<T>) -> Result<T, String> {
        let until = self.world.now + PATIENCE;
        loop {
            if let Some(found) = take(&mut self.world) {
                return Ok(found);
            }
            if !self.world.step(until) {
                return take(&mut self.world).ok_or(format!("{who} got nothing in {PATIENCE:?}"));
            }
        }
    }

    fn receive_stanza(&mut self, who: &str, wanted: &Element, without: &[Element]) -> Result<(), String> {
        let jid = Jid::parse(&self.person(who).address).map_err(|error| error.to_string())?;
        let got = self.wait_for(who, |world| world.servers[0].inbox(jid.bare()).pop_front())?;
        let got = got.to_element();
        let wanted = matching::with_condition_namespace(wanted.clone());
        let wrong = matching::element(&wanted, &got).or_else(|| {
            let unwanted = without
                .iter()
                .find(|unwanted| got.children().any(|child| matching::element(unwanted, child).is_none()));
            unwanted.map(|unwanted| format!("there is a <{}>", unwanted.name()))
        });
        wrong.map_or(Ok(()), |wrong| Err(format!("{wrong}\n    {who} got {}", show(&got))))
    }

    fn receive_sip(&mut self, who: &str, wanted: &SipText) -> Result<(), String> {
        let uri = self.person(who).address.clone();
        let got = self.wait_for(who, |world| world.sips[0].person(&uri).inbox.pop_front())?;
        let message = match got {
            Got::Request { branch, request, tcp, .. } => {
                self.got.insert(who.to_owned(), branch);
                let transport = if tcp { "TCP" } else { "UDP" };
                let wanted_transport = wanted.headers.iter().find(|(name, _)| name == "(transport)");
                if wanted_transport.is_some_and(|(_, wanted)| wanted != transport) {
                    return Err(format!("it came over {transport}"));
                }
                Message::Request(request)
            }
            Got::Response { response, .. } => Message::Response(response),
            Got::TimedOut { .. } if wanted.first == "no answer" => return Ok(()),
            Got::TimedOut { .. } => return Err(format!("{who} got no answer")),
        };
        let headers = wanted.headers.iter().filter(|(name, _)| name != "(transport)").cloned().collect();
        let wanted = SipText { headers, ..wanted.clone() };
        let wrong = matching::sip(&wanted, &message);
        wrong.map_or(Ok(()), |wrong| Err(format!("{wrong}\n    {who} got\n{}", show_sip(&message))))
    }

    fn answer(&mut self, who: &str, text: &SipText) -> Result<(), String> {
        let branch = self.got.get(who).cloned().ok_or(format!("{who} has got nothing yet"))?;
        let (code, reason) = text.first.split_once(' ').unwrap_or((&text.first, ""));
        let status = code.parse().ok().and_then(Status::new).ok_or(format!("`{code}` is no status"))?;
        let response = self.world.sips[0].response(&branch, status).ok_or("the request is forgotten")?;
        let mut response = if reason.is_empty() { response } else { response.with_reason(reason) };
        for (name, value) in &text.headers {
            response.headers.push(name.as_str(), value);
        }
        self.world.act(|world, effects| world.sips[0].answer(&branch, response, effects));
        Ok(())
    }

    /// Of the last request that somebody got, or of the final response to the last one that they sent.
    fn saw_copies(&mut self, who: &str, copies: u32) -> Result<(), String> {
        let seen = match (self.got.get(who), self.sent.get(who)) {
            (Some(branch), _) => self.world.sips[0].copies(branch),
            (None, Some(branch)) => 1 + self.world.sips[0].repeated(branch),
            (None, None) => 0,
        };
        if seen == copies { Ok(()) } else { Err(format!("{who} has seen {seen}")) }
    }

    fn nothing_more(&mut self, within: Duration) -> Result<(), String> {
        self.world.pass(within);
        for (who, inbox) in self.world.servers[0].inboxes() {
            if let Some(got) = inbox.front() {
                return Err(format!("{who} got {}", show(&got.to_element())));
            }
        }
        for (who, person) in self.world.sips[0].people() {
            if let Some(got) = person.inbox.front() {
                return Err(format!("{who} got {got:?}"));
            }
        }
        Ok(())
    }

    fn server(&mut self, step: &ServerStep) -> Result<(), String> {
        match step {
            ServerStep::LinkBreaks => self.world.cut_server(0),
            ServerStep::GoesAway => self.world.stop_server(0),
            ServerStep::ComesBack => {
                self.world.servers[0].start();
                let until = self.world.now + Duration::from_secs(300);
                while !self.world.gateways[0].is_ready() && self.world.step(until) {}
                if !self.world.gateways[0].is_ready() {
                    return Err("the gateway did not connect again".to_owned());
                }
            }
            ServerStep::Prompt => self.world.set_mood(0, Mood::Prompt),
            ServerStep::Slow(by) => self.world.set_mood(0, Mood::Slow(*by)),
            ServerStep::Mute => self.world.set_mood(0, Mood::Mute),
            ServerStep::Stuck => self.world.set_mood(0, Mood::Stuck),
            ServerStep::Injects(text) => {
                self.world.act(|world, effects| world.servers[0].inject(COMPONENT, text.as_bytes(), effects));
            }
        }
        Ok(())
    }

    fn lose(&mut self, datagrams: u32, to: Option<&str>) -> Result<(), String> {
        let addr = match to {
            None => self.world.gateways[0].addr,
            Some(who) if self.story.people.iter().any(|person| person.name == who && !person.xmpp) => {
                self.world.sips[0].addrs[0]
            }
            Some(who) => return Err(format!("no datagrams go to {who}")),
        };
        self.world.lose_next.insert(addr, datagrams);
        Ok(())
    }

    fn counted(&mut self, name: &str, label: &str, value: u64) -> Result<(), String> {
        // What was asked of the gateway this instant is done first.
        self.world.pass(Duration::from_millis(20));
        match self.world.gateways[0].sample(name, label) {
            Some(counted) if counted == value => Ok(()),
            Some(counted) => Err(format!("{name} {label} is {counted}, not {value}")),
            None => Err(format!("nothing is counted as {name} {label}")),
        }
    }
}

/// A request with everything that a story leaves out.
fn request(from: &str, text: &SipText, count: u32) -> Result<Request, String> {
    let (method, uri) = text.first.split_once(' ').ok_or(format!("`{}` is no METHOD and URI", text.first))?;
    let method = Method::parse(method.as_bytes()).ok_or(format!("`{method}` is no method"))?;
    let uri = Uri::parse(uri.trim()).map_err(|error| format!("{uri}: {error}"))?;
    let mut request = Request::new(method, uri);
    let cseq = format!("{count} {}", request.method.as_str());
    let usual = [
        ("Max-Forwards", "70".to_owned()),
        ("From", format!("<{from}>;tag=story{count}")),
        ("To", format!("<{}>", request.uri.as_str())),
        ("Call-ID", format!("story-{count}@192.0.2.10")),
        ("CSeq", cseq),
    ];
    let given = |name: &str| text.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    for (name, value) in usual.iter().filter(|(name, _)| !given(name)) {
        request.headers.push(*name, value);
    }
    for (name, value) in text.headers.iter().filter(|(_, value)| value != "(none)") {
        request.headers.push(name.as_str(), value);
    }
    let typed = text.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Content-Type"));
    if let Some(body) = &text.body {
        let kind = typed.map_or("text/plain", |(_, value)| value.as_str()).to_owned();
        request.set_body(&kind, body.clone().into_bytes());
    } else {
        request.headers.push(Name::CONTENT_LENGTH, "0");
    }
    Ok(request)
}

fn show(element: &Element) -> String {
    let mut bytes = Vec::new();
    stox::xml::writer::write(element, ns::CLIENT, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn show_sip(message: &Message) -> String {
    let mut bytes = Vec::new();
    message.print(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
