//! `<thread/>` <-> Call-ID (RFC 7572 tables 1 and 2, both MUST; A-IM-02).
//!
//! A thread that is a legal Call-ID is one. Any other is written with an escape that [`from_call_id`] undoes, so the
//! answer comes back to the same thread. A second MESSAGE of a thread has the same Call-ID and no merged request comes
//! of it, because each has a From tag and a CSeq of its own (RFC 3261 section 8.2.2.2).

/// What an escaped thread starts with. A thread that itself starts so is escaped too.
const ESCAPED: &str = "thread%";
/// Longest Call-ID made of a thread, bytes; it stands in every message of the transaction. A longer thread stays
/// behind and the message gets a Call-ID of its own.
pub const MAX_CALL_ID: usize = 255;

/// The Call-ID for a thread; `None` if it is empty or too long to be one.
#[must_use]
pub fn to_call_id(thread: &str) -> Option<String> {
    if thread.is_empty() || thread.len() > MAX_CALL_ID {
        return None;
    }
    if is_call_id(thread) && !thread.starts_with(ESCAPED) {
        return Some(thread.to_owned());
    }
    let mut call_id = String::with_capacity(ESCAPED.len() + 3 * thread.len());
    call_id.push_str(ESCAPED);
    for byte in thread.bytes() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        super::super::address::push_byte(byte, plain, &mut call_id);
    }
    (call_id.len() <= MAX_CALL_ID).then_some(call_id)
}

/// The thread of a Call-ID. One that only looks escaped is a thread by itself.
#[must_use]
pub fn from_call_id(call_id: &str) -> String {
    let escaped = call_id.strip_prefix(ESCAPED).and_then(super::super::failure::percent_decode);
    escaped.filter(|thread| to_call_id(thread).as_deref() == Some(call_id)).unwrap_or_else(|| call_id.to_owned())
}

/// RFC 3261 section 25.1: `word [ "@" word ]`.
fn is_call_id(text: &str) -> bool {
    let is_word = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~()<>:\\\"/[]?{}".contains(&byte))
    };
    match text.split_once('@') {
        Some((left, right)) => is_word(left) && is_word(right),
        None => is_word(text),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_legal_call_id_stays_and_all_else_comes_back() {
        for legal in
            ["29377446-0CBB-4296-8958-590D79094C50", "asd88asd77a@1.2.3.4", "e0ffe42b28561960c6b12b944a092794b9683a38"]
        {
            assert_eq!(to_call_id(legal).as_deref(), Some(legal));
            assert_eq!(from_call_id(legal), legal);
        }
        for thread in ["two words", "a@b@c", "schön", "thread%41", "x\r\nVia: evil", "a,b;c=d", "@", "%"] {
            let call_id = to_call_id(thread).unwrap();
            assert!(is_call_id(&call_id), "{call_id}");
            assert_eq!(from_call_id(&call_id), thread);
        }
        assert_eq!((to_call_id(""), to_call_id(&"x".repeat(256)), to_call_id(&" ".repeat(100))), (None, None, None));
        assert_eq!(from_call_id("thread%zz"), "thread%zz");
    }
}
