//! A [`Presence`] in one piece of memory: a tenth of what it takes as it is, for what is kept by the million and seldom read.
//!
//! Fields stand in the order of their structs, each with what is needed to find its end. It is never written anywhere, so it
//! may change with each version.

use super::{
    Activity, Basic, Contact, Device, Mood, Note, Person, Presence, PresenceTuple, Rich, Show, Span, UserInput,
};
use crate::time::Timestamp;
use crate::xml::{Element, Node};

/// A [`Presence`] that is put away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed(Box<[u8]>);

impl Packed {
    /// Puts `presence` away. `room` is memory that may be used on the way, so that each needs one allocation.
    #[must_use]
    pub fn of(presence: &Presence, room: &mut Vec<u8>) -> Self {
        room.clear();
        presence.pack(room);
        Self(room.as_slice().into())
    }

    /// What was put away.
    #[must_use]
    pub fn presence(&self) -> Presence {
        // What was packed can be unpacked, so the default is never used.
        Presence::unpack(&mut &self.0[..]).unwrap_or_default()
    }
}

trait Pack: Sized {
    fn pack(&self, out: &mut Vec<u8>);
    /// Takes it from the front of `input`.
    fn unpack(input: &mut &[u8]) -> Option<Self>;
}

/// Seven bits in each byte, the lowest first; all but the last have the eighth.
impl Pack for u64 {
    fn pack(&self, out: &mut Vec<u8>) {
        let mut rest = *self;
        while rest > 0x7f {
            out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }

    fn unpack(input: &mut &[u8]) -> Option<Self> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = *input.split_off_first()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

/// As the number that it is, or the number of its variant.
macro_rules! as_number {
    ($($type:ty: $to:expr, $from:expr;)*) => {$(
        impl Pack for $type {
            fn pack(&self, out: &mut Vec<u8>) {
                let to: fn(Self) -> u64 = $to;
                to(*self).pack(out);
            }

            fn unpack(input: &mut &[u8]) -> Option<Self> {
                let from: fn(u64) -> Option<Self> = $from;
                from(u64::unpack(input)?)
            }
        }
    )*};
}

const BASICS: [Basic; 2] = [Basic::Open, Basic::Closed];
const SHOWS: [Show; 4] = [Show::Away, Show::Chat, Show::Dnd, Show::Xa];

as_number! {
    usize: |number| number as u64, |number| usize::try_from(number).ok();
    u16: u64::from, |number| u16::try_from(number).ok();
    u32: u64::from, |number| u32::try_from(number).ok();
    bool: u64::from, |number| Some(number != 0);
    Timestamp: |time| time.0.cast_unsigned(), |number| Some(Timestamp(number.cast_signed()));
    Basic: |basic| basic as u64, |number| BASICS.get(usize::try_from(number).ok()?).copied();
    Show: |show| show as u64, |number| SHOWS.get(usize::try_from(number).ok()?).copied();
}

impl Pack for String {
    fn pack(&self, out: &mut Vec<u8>) {
        pack_text(self, out);
    }

    fn unpack(input: &mut &[u8]) -> Option<Self> {
        let length = usize::unpack(input)?;
        std::str::from_utf8(input.split_off(..length)?).ok().map(str::to_owned)
    }
}

fn pack_text(text: &str, out: &mut Vec<u8>) {
    text.len().pack(out);
    out.extend_from_slice(text.as_bytes());
}

impl<T: Pack> Pack for Option<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        self.is_some().pack(out);
        self.iter().for_each(|value| value.pack(out));
    }

    fn unpack(input: &mut &[u8]) -> Option<Self> {
        if bool::unpack(input)? { T::unpack(input).map(Some) } else { Some(None) }
    }
}

impl<T: Pack> Pack for Box<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        T::pack(self, out);
    }

    fn unpack(input: &mut &[u8]) -> Option<Self> {
        T::unpack(input).map(Box::new)
    }
}

impl<T: Pack> Pack for Vec<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        self.len().pack(out);
        self.iter().for_each(|value| value.pack(out));
    }

    fn unpack(input: &mut &[u8]) -> Option<Self> {
        (0..usize::unpack(input)?).map(|_| T::unpack(input)).collect()
    }
}

/// As deep as the document was, which [`Limits::depth`](crate::model::pidf::Limits::depth) bounds.
impl Pack for Element {
    fn pack(&self, out: &mut Vec<u8>) {
        pack_text(self.ns(), out);
        pack_text(self.name(), out);
        self.attributes().count().pack(out);
        for attribute in self.attributes() {
            pack_text(&attribute.ns, out);
            pack_text(&attribute.name, out);
            pack_text(&attribute.value, out);
        }
        self.nodes().count().pack(out);
        for node in self.nodes() {
            match node {
                Node::Element(child) => {
                    true.pack(out);
                    child.pack(out);
                }
                Node::Text(text) => {
                    false.pack(out);
                    pack_text(text, out);
                }
            }
        }
    }

    fn unpack(input: &mut &[u8]) -> Option<Self> {
        let ns = String::unpack(input)?;
        let mut element = Self::new(ns, &String::unpack(input)?);
        for _ in 0..usize::unpack(input)? {
            let (ns, name) = (String::unpack(input)?, String::unpack(input)?);
            element.set_attr_ns(ns, &name, String::unpack(input)?);
        }
        for _ in 0..usize::unpack(input)? {
            if bool::unpack(input)? {
                element.push_child(Self::unpack(input)?);
            } else {
                element.push_text(&String::unpack(input)?);
            }
        }
        Some(element)
    }
}

/// All fields, one after the other.
macro_rules! as_fields {
    ($($type:ident { $($field:ident),* })*) => {$(
        impl Pack for $type {
            fn pack(&self, out: &mut Vec<u8>) {
                let Self { $($field),* } = self;
                $($field.pack(out);)*
            }

            fn unpack(input: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: Pack::unpack(input)?),* })
            }
        }
    )*};
}

as_fields! {
    Presence { entity, tuples, person, devices, notes, extensions }
    PresenceTuple {
        id, basic, show, status, relationship, device_id, contact, notes, timestamp, rich, extensions
    }
    Person { id, rich, notes, timestamp, extensions }
    Device { id, device_id, rich, notes, timestamp, extensions }
    Rich { activities, moods, user_input }
    Span { from, until }
    Activity { name, text, notes, span }
    Mood { name, text, notes, span }
    UserInput { idle, since, threshold }
    Contact { uri, priority }
    Note { lang, text }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::pidf;

    fn round(document: &[u8]) -> Presence {
        let presence = pidf::read(document, &pidf::Limits::default()).unwrap();
        let packed = Packed::of(&presence, &mut Vec::new());
        assert_eq!(packed.presence(), presence);
        presence
    }

    #[test]
    fn documents_of_all_kinds_come_back_as_they_were() {
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/documents")).unwrap() {
            round(&std::fs::read(entry.unwrap().path()).unwrap());
        }
        let rich = round(
            "<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' \
             xmlns:r='urn:ietf:params:xml:ns:pidf:rpid' xmlns:x='urn:x' entity='pres:a@b' xml:lang='de'>\
             <tuple id='t'><status><basic>closed</basic><show xmlns='jabber:client'>dnd</show><x:s/></status>\
             <dm:deviceID>urn:d</dm:deviceID><r:relationship><r:friend/></r:relationship>\
             <x:e x:a='1' b='2'>é<x:i xmlns='urn:y'>\u{1F3AD}</x:i>&#13;</x:e><contact priority='1'>sip:a@b</contact>\
             <note xml:lang='fr'>Absent</note><timestamp>1969-10-27T16:49:29Z</timestamp></tuple>\
             <note>Weg</note><dm:person id='p'><r:activities from='2026-01-01T00:00:00Z'><r:note>n</r:note><r:meal/>\
             </r:activities><r:mood><r:other>so so</r:other></r:mood></dm:person>\
             <dm:device id='d'><r:user-input idle-threshold='600' last-input='2026-01-01T00:00:00Z'>idle</r:user-input>\
             <dm:deviceID>urn:d</dm:deviceID></dm:device><x:y/></presence>"
                .as_bytes(),
        );
        assert!(rich.person.is_some() && !rich.devices.is_empty() && !rich.tuples[0].extensions.is_empty());
        assert!(rich.tuples[0].timestamp < Some(Timestamp(0)) && rich.tuples[0].show == Some(Show::Dnd));
        assert_eq!(Packed::of(&Presence::default(), &mut Vec::new()).presence(), Presence::default());
    }

    #[test]
    fn what_a_phone_says_takes_little_room() {
        let document = "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='sip:romeo@sip.example'><tuple id='t1'>\
                        <status><basic>open</basic></status><contact priority='0.8'>sip:romeo@sip.example</contact>\
                        <note>busy</note></tuple></presence>";
        let presence = pidf::read(document.as_bytes(), &pidf::Limits::default()).unwrap();
        let packed = Packed::of(&presence, &mut Vec::new());
        assert!(packed.0.len() <= 80, "{}", packed.0.len());
    }

    #[test]
    fn bytes_that_are_nothing_are_nothing() {
        for bytes in [&b""[..], b"\x05ab", &[0xff; 12], &[0, 0x80]] {
            assert_eq!(Presence::unpack(&mut &bytes[..]), None);
        }
    }

    #[test]
    fn variants_have_their_own_numbers() {
        for (number, basic) in BASICS.into_iter().enumerate() {
            assert_eq!(basic as usize, number);
        }
        for (number, show) in SHOWS.into_iter().enumerate() {
            assert_eq!(show as usize, number);
        }
    }
}
