//! Anything, in any order, to either end.

use proptest::prelude::*;

use super::super::*;
use super::ends::*;
use super::told::HEADER;
use crate::xmpp::federation::{Authentication, Verdict, Verification};

const WORDS: [&str; 24] = [
    HEADER,
    "<?xml version='1.0'?>",
    "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
    "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>\
     <dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback><bidi xmlns='urn:xmpp:features:bidi'/></stream:features>",
    "<stream:features/>",
    "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>",
    "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<bidi xmlns='urn:xmpp:bidi'/>",
    "<db:result from='b.example' to='a.example'>1</db:result>",
    "<db:result from='b.example' to='a.example' type='valid'/>",
    "<db:result from='c.example' to='a.example'>1</db:result>",
    "<db:verify from='b.example' to='a.example' id='1'>1</db:verify>",
    "<db:verify from='b.example' to='a.example' id='1' type='valid'/>",
    "<message from='y@b.example' to='x@a.example'><body>1</body></message>",
    "<iq from='b.example' to='a.example' id='alive-1' type='result'/>",
    "<message from='y@b.example' to='@'/>",
    "<a xmlns='urn:a'>",
    "</stream:stream>",
    "é",
    "\u{0}",
];

#[derive(Debug, Clone)]
enum Act {
    Hear(usize, usize),
    Noise(Vec<u8>),
    Secured,
    Judged(bool),
    Wait(u64),
    Order(u8),
    Close,
    Cut,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => (0..WORDS.len(), 1usize..40).prop_map(|(word, chunk)| Act::Hear(word, chunk)),
        1 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Act::Noise),
        3 => Just(Act::Secured),
        3 => any::<bool>().prop_map(Act::Judged),
        1 => (0u64..400).prop_map(Act::Wait),
        2 => (0u8..5).prop_map(Act::Order),
        1 => Just(Act::Close),
        1 => Just(Act::Cut),
    ]
}

fn command(which: u8) -> Command {
    let question = Verification { pair: pair(OURS, THEIRS), id: "1".to_owned(), key: "1".to_owned() };
    match which {
        0 => Command::Send(message("x@a.example", "y@b.example", "1")),
        1 => Command::Prove(pair(OURS, THEIRS)),
        2 => Command::Verify(question),
        3 => Command::Answer(pair(OURS, "c.example"), Verdict::Valid),
        _ => Command::Answer(pair(OURS, THEIRS), Verdict::Invalid),
    }
}

fn run(stream: &mut ServerStream, acts: &[Act]) -> Vec<ServerEvent> {
    let mut now = at(0);
    let (mut events, mut output) = (Vec::new(), Vec::new());
    for act in acts {
        match act {
            Act::Hear(word, chunk) => {
                WORDS[*word].as_bytes().chunks(*chunk).for_each(|bytes| stream.receive(bytes, now))
            }
            Act::Noise(bytes) => stream.receive(bytes, now),
            Act::Secured => stream.secured(secured(), now),
            Act::Judged(true) => stream.judged(Judgement::Proven(Association::Pkix), now),
            Act::Judged(false) => stream.judged(Judgement::Unproven("it is not".to_owned()), now),
            Act::Wait(seconds) => {
                now = Now::at(now.mono + Duration::from_secs(*seconds));
                stream.handle_timeout(now);
            }
            Act::Order(which) => drop(stream.order(command(*which), now)),
            Act::Close => stream.close(None, now),
            Act::Cut => stream.disconnected(),
        }
        assert!(stream.held_bytes() <= 300_000);
        events.extend(std::iter::from_fn(|| stream.poll_event()));
        stream.poll_output(&mut output);
    }
    events
}

/// How a good peer begins over TLS, so that what follows meets streams in every state.
fn opening(initiating: bool, steps: usize) -> Vec<Act> {
    let hear = |word| Act::Hear(word, usize::MAX);
    let all = match initiating {
        true => [Act::Judged(true), hear(0), hear(3), hear(9), hear(0), hear(4)],
        false => [hear(0), Act::Judged(true), hear(11), hear(7), hear(0), hear(17)],
    };
    all.into_iter().take(steps).collect()
}

fn is_last(event: &ServerEvent) -> bool {
    matches!(event, ServerEvent::Report(Report::Closed { .. } | Report::Unreachable(_)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_comes_in_whatever_order_ends_at_most_once_and_only_proven_stanzas_are_taken(
        acts in prop::collection::vec(act(), 0..40),
        initiating in any::<bool>(),
        direct in any::<bool>(),
        plain in any::<bool>(),
        good in 0usize..=6,
    ) {
        let mut world = World::new(&[OURS], &[]);
        if plain {
            world.demands = Authentication::Dialback;
        }
        let tls = direct.then(secured);
        let mut stream = match initiating {
            true => ServerStream::initiating(world.config(), &dial(false), tls, at(0)),
            false => ServerStream::accepting(world.config(), Ids::new([9; 32], 0), tls, at(0)),
        };
        let begun = opening(initiating, if direct { good } else { 0 });
        let acts: Vec<Act> = begun.into_iter().chain(acts).collect();
        let events = run(&mut stream, &acts);
        prop_assert_eq!(events.iter().filter(|event| is_last(event)).count(), usize::from(stream.is_closed()));
        prop_assert!(events.iter().rev().skip(1).all(|event| !is_last(event)));
        let proven = events.iter().position(|event| matches!(event, ServerEvent::Report(Report::Proven(_, Way::In, _))));
        let stanza = events.iter().position(|event| matches!(event, ServerEvent::Stanza(_)));
        prop_assert!(stanza.is_none_or(|stanza| proven.is_some_and(|proven| proven < stanza)));
        prop_assert_eq!(stream.next_timeout().is_none(), stream.is_closed());
    }
}
