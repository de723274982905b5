//! Each reader behind the same three questions.

use stox::sip::message::{Message, wire};

/// What a reader does in one turn of the loop. The first text is its name as in the table.
pub(crate) struct Reader {
    pub(crate) name: &'static str,
    /// Reads a message; whether it could.
    pub(crate) parse: fn(&[u8]) -> bool,
    /// Reads a message and the four headers that every transaction needs; `None` where there are no types for them.
    pub(crate) heads: Option<fn(&[u8]) -> bool>,
    /// Prints a message that was read before.
    pub(crate) printer: fn(&[u8]) -> Option<Box<dyn Fn() -> usize>>,
}

pub(crate) const READERS: &[Reader] = &[
    Reader { name: "stox", parse: ours::parse, heads: Some(ours::heads), printer: ours::printer },
    Reader { name: "sip-core", parse: sipcore::parse, heads: None, printer: sipcore::printer },
    Reader { name: "rsipstack", parse: stack::parse, heads: Some(stack::heads), printer: stack::printer },
    Reader { name: "sipx-sip", parse: sipx::parse, heads: Some(sipx::heads), printer: sipx::printer },
];

mod ours {
    use super::*;
    use std::hint::black_box;

    pub(super) fn parse(input: &[u8]) -> bool {
        black_box(wire::parse(input)).is_ok()
    }

    pub(super) fn heads(input: &[u8]) -> bool {
        let Ok(message) = wire::parse(input) else { return false };
        let headers = message.headers();
        let heads = (headers.via(), headers.from(), headers.to(), headers.cseq());
        let is_read = heads.0.is_ok() && heads.1.is_ok() && heads.2.is_ok() && heads.3.is_ok();
        black_box((&message, &heads));
        is_read
    }

    pub(super) fn printer(input: &[u8]) -> Option<Box<dyn Fn() -> usize>> {
        let message: Message = wire::parse(input).ok()?;
        Some(Box::new(move || {
            let mut out = Vec::new();
            message.print(&mut out);
            black_box(&out).len()
        }))
    }
}

mod sipcore {
    use sip_core::message::SipMessage;
    use std::hint::black_box;

    pub(super) fn parse(input: &[u8]) -> bool {
        // It reads text; that the bytes are some has to be found out by whoever has bytes.
        std::str::from_utf8(input).is_ok_and(|text| black_box(SipMessage::parse(text)).is_ok())
    }

    pub(super) fn printer(input: &[u8]) -> Option<Box<dyn Fn() -> usize>> {
        let message = SipMessage::parse(std::str::from_utf8(input).ok()?).ok()?;
        Some(Box::new(move || black_box(message.to_bytes()).len()))
    }
}

mod stack {
    use rsipstack::sip::parser::parse_message;
    use rsipstack::sip::{HasHeaders, HeadersExt, SipMessage, ToTypedHeader};
    use std::hint::black_box;

    pub(super) fn parse(input: &[u8]) -> bool {
        black_box(parse_message(input)).is_ok()
    }

    fn read<M: HasHeaders + HeadersExt>(message: &M) -> Option<()> {
        let via = message.via_header().ok()?.typed().ok()?;
        let from = message.from_header().ok()?.typed().ok()?;
        let to = message.to_header().ok()?.typed().ok()?;
        let cseq = message.cseq_header().ok()?.typed().ok()?;
        black_box((via, from, to, cseq));
        Some(())
    }

    pub(super) fn heads(input: &[u8]) -> bool {
        match parse_message(input) {
            Ok(SipMessage::Request(request)) => read(&request).is_some(),
            Ok(SipMessage::Response(response)) => read(&response).is_some(),
            Err(_) => false,
        }
    }

    pub(super) fn printer(input: &[u8]) -> Option<Box<dyn Fn() -> usize>> {
        let message = parse_message(input).ok()?;
        Some(Box::new(move || black_box(message.to_bytes()).len()))
    }
}

mod sipx {
    use sipx_sip::{CSeq, Limits, Message, Via, parse_datagram};
    use std::hint::black_box;

    fn read(input: &[u8]) -> Option<Message> {
        // It keeps the bytes that it is given; they come from a buffer that the next datagram needs.
        parse_datagram(input.to_vec().into(), &Limits::datagram()).ok()
    }

    pub(super) fn parse(input: &[u8]) -> bool {
        black_box(read(input)).is_some()
    }

    pub(super) fn heads(input: &[u8]) -> bool {
        let Some(message) = read(input) else { return false };
        let headers = message.headers();
        let address = |name| headers.get(&name).map(|header| sipx_sip::Address::parse(&header.value(), "address"));
        let via = headers.typed::<Via>();
        let from = address(sipx_sip::HeaderName::From);
        let to = address(sipx_sip::HeaderName::To);
        let cseq = headers.typed::<CSeq>();
        let is_read = matches!((&via, &from, &to, &cseq), (Some(Ok(_)), Some(Ok(_)), Some(Ok(_)), Some(Ok(_))));
        black_box((via, from, to, cseq));
        is_read
    }

    pub(super) fn printer(input: &[u8]) -> Option<Box<dyn Fn() -> usize>> {
        let message = read(input)?;
        Some(Box::new(move || {
            let mut out = Vec::new();
            message.write_to(&mut out);
            black_box(&out).len()
        }))
    }
}
