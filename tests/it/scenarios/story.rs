//! Reads a story.
//!
//! ```text
//! # a comment, up to the end of its line
//! [xmpp] Juliet  juliet@xmpp.example/balcony        somebody on the XMPP side
//! [sip]  Romeo   sip:romeo@sip.example              somebody on the SIP side
//! [domain] sip  sip.example = sip.example           instead of the two usual domains: home, XMPP name, SIP name
//! [setting] confirm_within 3 s                      see `stage`
//!
//! Juliet sends:     <message to='…'><body>…</body></message>
//! Romeo receives:   MESSAGE sip:romeo@sip.example   what is not written is not looked at; `*` is any text
//!                   From: *<sip:juliet@xmpp.example*
//!                   Subject: (none)
//!                   | the body, line by line
//! Romeo answers:    404 No such fair maid
//! Juliet receives:  <message type='error'>…         likewise; without: <body/> says that there is none
//! Nothing more for 2 hours
//! ```
//! Lines that begin with a space belong to the line above. `{a*1400}` is 1400 times `a`.

use std::time::Duration;

use stox::xml::{Element, Limits, ns, reader};

/// A story, in order.
pub(super) struct Story {
    pub(super) file: String,
    pub(super) people: Vec<Person>,
    pub(super) domains: Vec<DomainLine>,
    pub(super) settings: Vec<(usize, String, String)>,
    pub(super) steps: Vec<(usize, Step)>,
}

#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) xmpp: bool,
}

#[derive(Debug, Clone)]
pub(super) struct DomainLine {
    pub(super) line: usize,
    pub(super) home: String,
    pub(super) xmpp: String,
    pub(super) sip: String,
}

#[derive(Debug)]
pub(super) enum Step {
    SendsStanza { who: String, stanza: Element },
    SendsRequest { who: String, how: How, text: SipText },
    SendsAgain { who: String },
    ReceivesStanza { who: String, wanted: Element, without: Vec<Element> },
    ReceivesSip { who: String, wanted: SipText },
    ReceivesNothingElse { within: Duration },
    Answers { who: String, text: SipText },
    SawCopies { who: String, copies: u32 },
    TimePasses(Duration),
    Server(ServerStep),
    SipRefusesTcp,
    Lost { datagrams: u32, to: Option<String> },
    Drains,
    GivesUp,
    Counted { name: String, label: String, value: u64 },
}

#[derive(Debug, Default, Clone)]
pub(super) struct How {
    pub(super) tcp: bool,
    /// The address it comes from, if not the usual one.
    pub(super) from: Option<String>,
}

#[derive(Debug)]
pub(super) enum ServerStep {
    LinkBreaks,
    GoesAway,
    ComesBack,
    Prompt,
    Slow(Duration),
    Mute,
    Stuck,
    Injects(String),
}

/// The text of a SIP message, as far as it is written.
#[derive(Debug, Clone)]
pub(super) struct SipText {
    pub(super) first: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
}

impl Story {
    /// # Errors
    /// File, line, and what is wrong there.
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, String> {
        let mut story = Self {
            file: file.to_owned(),
            people: Vec::new(),
            domains: Vec::new(),
            settings: Vec::new(),
            steps: Vec::new(),
        };
        for (line, first, more) in paragraphs(text) {
            story.take(line, &first, &more).map_err(|mistake| format!("{file}:{line}: {mistake}"))?;
        }
        Ok(story)
    }

    fn take(&mut self, line: usize, first: &str, more: &[String]) -> Result<(), String> {
        if let Some((kind, rest)) = first.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            return self.take_setting(line, kind, rest.trim());
        }
        let step = self.step(first, more)?;
        self.steps.push((line, step));
        Ok(())
    }

    fn take_setting(&mut self, line: usize, kind: &str, rest: &str) -> Result<(), String> {
        let (key, value) = rest.split_once(char::is_whitespace).ok_or(format!("[{kind}] needs a name and a value"))?;
        let (key, value) = (key.to_owned(), value.trim().to_owned());
        match kind {
            "xmpp" | "sip" => self.people.push(Person { name: key, address: value, xmpp: kind == "xmpp" }),
            "setting" => self.settings.push((line, key, value)),
            "domain" => {
                let (xmpp, sip) = value.split_once('=').ok_or("[domain] is: home, XMPP name = SIP name")?;
                let (xmpp, sip) = (xmpp.trim().to_owned(), sip.trim().to_owned());
                self.domains.push(DomainLine { line, home: key, xmpp, sip });
            }
            other => return Err(format!("`[{other}]` is none of [xmpp], [sip], [domain], [setting]")),
        }
        Ok(())
    }

    fn step(&self, first: &str, more: &[String]) -> Result<Step, String> {
        let (head, rest) = match first.split_once(':') {
            Some((head, rest)) => (head.trim(), rest.trim()),
            None => (first.trim(), ""),
        };
        if let Some(step) = world_step(head, rest)? {
            return Ok(step);
        }
        let (who, verb) = head.split_once(' ').ok_or(format!("`{head}` is nothing that can happen"))?;
        let person = self.people.iter().find(|person| person.name == who);
        let person = person.ok_or(format!("nobody is called {who}"))?;
        let who = who.to_owned();
        let verb = verb.trim();
        if verb == "sends it again" {
            return Ok(Step::SendsAgain { who });
        }
        if let Some(copies) = verb.strip_prefix("has seen ").and_then(|rest| rest.strip_suffix(" copies")) {
            let copies = copies.parse().map_err(|_| format!("`{copies}` is no number"))?;
            return Ok(Step::SawCopies { who, copies });
        }
        match (person.xmpp, verb) {
            (true, "sends") => Ok(Step::SendsStanza { who, stanza: element(&joined(rest, more))? }),
            (true, "receives") => {
                let text = joined(rest, more);
                let mut parts = text.split(" without: ");
                let wanted = element(parts.next().unwrap_or_default())?;
                let without = parts.map(element).collect::<Result<_, _>>()?;
                Ok(Step::ReceivesStanza { who, wanted, without })
            }
            (false, "receives") => Ok(Step::ReceivesSip { who, wanted: sip_text(rest, more)? }),
            (false, "answers") => Ok(Step::Answers { who, text: sip_text(rest, more)? }),
            (false, _) if verb.starts_with("sends") => {
                let mut how = How::default();
                for part in verb.trim_start_matches("sends").split(" over ").flat_map(|part| part.split(" from ")) {
                    match part.trim() {
                        "" => {}
                        "TCP" => how.tcp = true,
                        address => how.from = Some(address.to_owned()),
                    }
                }
                Ok(Step::SendsRequest { who, how, text: sip_text(rest, more)? })
            }
            _ => Err(format!("`{who}` cannot do `{verb}`")),
        }
    }
}

fn world_step(head: &str, rest: &str) -> Result<Option<Step>, String> {
    if let Some(length) = head.strip_prefix("Nothing more for ") {
        return Ok(Some(Step::ReceivesNothingElse { within: duration(length)? }));
    }
    if let Some(lost) = head.strip_prefix("The next ").and_then(|rest| rest.strip_suffix(" are lost")) {
        let (datagrams, to) =
            lost.split_once(" datagrams to ").ok_or("it is: The next N datagrams to NAME are lost")?;
        let datagrams = datagrams.parse().map_err(|_| format!("`{datagrams}` is no number"))?;
        let to = (to != "the gateway").then(|| to.to_owned());
        return Ok(Some(Step::Lost { datagrams, to }));
    }
    Ok(Some(match head {
        "Time passes" => Step::TimePasses(duration(rest)?),
        "The XMPP link breaks" => Step::Server(ServerStep::LinkBreaks),
        "The XMPP server goes away" => Step::Server(ServerStep::GoesAway),
        "The XMPP server is back" => Step::Server(ServerStep::ComesBack),
        "The XMPP server is prompt" => Step::Server(ServerStep::Prompt),
        "The XMPP server is slow" => Step::Server(ServerStep::Slow(duration(rest)?)),
        "The XMPP server is mute" => Step::Server(ServerStep::Mute),
        "The XMPP server is stuck" => Step::Server(ServerStep::Stuck),
        "The XMPP server puts on the stream" => Step::Server(ServerStep::Injects(rest.to_owned())),
        "The SIP side refuses TCP" => Step::SipRefusesTcp,
        "The gateway drains" => Step::Drains,
        "The gateway gives up" => Step::GivesUp,
        "Counted" => {
            let words: Vec<&str> = rest.split_whitespace().collect();
            let (name, label, value) = match words.as_slice() {
                [name, value] => (*name, "", *value),
                [name, label, value] => (*name, *label, *value),
                _ => return Err("it is: Counted: NAME [LABEL] NUMBER".to_owned()),
            };
            let value = value.parse().map_err(|_| format!("`{value}` is no number"))?;
            Step::Counted { name: name.to_owned(), label: label.to_owned(), value }
        }
        _ => return Ok(None),
    }))
}

/// Each line that begins without a space, with those that belong to it.
fn paragraphs(text: &str) -> Vec<(usize, String, Vec<String>)> {
    let mut paragraphs: Vec<(usize, String, Vec<String>)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let content = line.trim();
        if content.is_empty() || line.starts_with('#') {
            continue;
        }
        let expanded = expand(content);
        match paragraphs.last_mut() {
            Some((.., more)) if line.starts_with(char::is_whitespace) => more.push(expanded),
            _ => paragraphs.push((index + 1, expanded, Vec::new())),
        }
    }
    paragraphs
}

/// `{a*3}` becomes `aaa`.
fn expand(line: &str) -> String {
    let Some((before, rest)) = line.split_once('{') else { return line.to_owned() };
    let Some((inside, after)) = rest.split_once('}') else { return line.to_owned() };
    let repeated = inside.split_once('*').and_then(|(what, times)| Some(what.repeat(times.parse().ok()?)));
    format!("{before}{}{}", repeated.unwrap_or_else(|| format!("{{{inside}}}")), expand(after))
}

fn joined(first: &str, more: &[String]) -> String {
    let mut text = first.to_owned();
    for line in more {
        if line.starts_with("without:") {
            text.push(' ');
        }
        text.push_str(line);
    }
    text
}

/// An element in `jabber:client` unless it says otherwise.
fn element(text: &str) -> Result<Element, String> {
    let wrapped = format!("<in xmlns='{}'>{text}</in>", ns::CLIENT);
    let limits = Limits { stanza: 1 << 20, ..Limits::document() };
    let outer = reader::parse(wrapped.as_bytes(), &limits).map_err(|error| format!("`{text}` is no XML: {error}"))?;
    outer.children().next().cloned().ok_or(format!("`{text}` is no element"))
}

fn sip_text(first: &str, more: &[String]) -> Result<SipText, String> {
    let mut headers = Vec::new();
    let mut body: Option<String> = None;
    for line in more {
        if let Some(text) = line.strip_prefix('|') {
            let text = text.strip_prefix(' ').unwrap_or(text);
            match &mut body {
                Some(body) => {
                    body.push_str("\r\n");
                    body.push_str(text);
                }
                None => body = Some(text.to_owned()),
            }
        } else {
            let (name, value) = line.split_once(':').ok_or(format!("`{line}` is no header; a body begins with |"))?;
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    Ok(SipText { first: first.to_owned(), headers, body })
}

/// `500 ms`, `3 s`, `1 minute`, `2 hours`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no length of time such as `3 s` or `2 hours`");
    let (number, unit) = text.trim().split_once(' ').ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = match unit.trim().trim_end_matches('s') {
        "m" => return Ok(Duration::from_millis(number)),
        "" | "second" => 1,
        "minute" => 60,
        "hour" => 3_600,
        _ => return Err(wrong()),
    };
    Ok(Duration::from_secs(number * unit))
}
