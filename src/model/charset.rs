//! Text of a body in whatever charset it says, as Unicode (RFC 2046 section 4.1.2).
//!
//! UTF-8 is what RFC 3261 section 7.4.1 makes the default of text in SIP. The 8-bit charsets are those that a PBX or
//! an old phone may still be set to; charsets of several octets other than UTF-16 are refused.

mod tables;

use std::borrow::Cow;

/// `bytes` in `charset` as text, or `None` if the charset is not known or the bytes are not in it.
///
/// `None` as charset and US-ASCII are read as UTF-8, of which ASCII is a part: phones that say one and send the other
/// are many, and no other reading of octets above 127 would be right.
#[must_use]
pub fn decode<'a>(charset: Option<&str>, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
    let Some(charset) = charset.filter(|name| !is_utf8(name)) else {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        return std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
    };
    if let Some(big_endian) = utf16_order(charset, bytes) {
        return decode_utf16(bytes, big_endian).map(Cow::Owned);
    }
    if bytes.is_ascii() && is_known(charset) {
        return std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
    }
    let (start, table) = table(charset)?;
    let upper: Vec<char> = table.chars().collect();
    let letter = |byte: &u8| match usize::from(*byte).checked_sub(usize::from(start)) {
        Some(index) => upper.get(index).copied().unwrap_or(char::REPLACEMENT_CHARACTER),
        None => char::from(*byte),
    };
    Some(Cow::Owned(bytes.iter().map(letter).collect()))
}

/// Whether [`decode`] knows `charset`.
#[must_use]
pub fn is_known(charset: &str) -> bool {
    is_utf8(charset) || utf16_order(charset, &[]).is_some() || table(charset).is_some()
}

fn is_utf8(name: &str) -> bool {
    ["utf-8", "utf8", "us-ascii", "ascii", "ansi_x3.4-1968", "iso646-us", "unknown-8bit"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether the octets are in network order; RFC 2781 section 4.3: without a mark they are.
fn utf16_order(name: &str, bytes: &[u8]) -> Option<bool> {
    if name.eq_ignore_ascii_case("utf-16le") {
        Some(false)
    } else if name.eq_ignore_ascii_case("utf-16be") {
        Some(true)
    } else {
        name.eq_ignore_ascii_case("utf-16").then(|| !bytes.starts_with(b"\xFF\xFE"))
    }
}

fn decode_utf16(bytes: &[u8], big_endian: bool) -> Option<String> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let units = units.iter().map(|pair| if big_endian { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) });
    let text: String = char::decode_utf16(units).collect::<Result<_, _>>().ok()?;
    Some(text.strip_prefix('\u{FEFF}').map(str::to_owned).unwrap_or(text))
}

/// The upper half of an 8-bit charset. ISO 8859-1 is read as the windows-1252 that its users send: where the two
/// differ, the former has only controls.
fn table(name: &str) -> Option<(u8, &'static str)> {
    let mut name = name.to_ascii_lowercase();
    let aliases = [
        ("latin1", "windows-1252"),
        ("l1", "windows-1252"),
        ("iso-8859-1", "windows-1252"),
        ("latin2", "iso-8859-2"),
        ("latin5", "iso-8859-9"),
        ("latin-9", "iso-8859-15"),
        ("latin9", "iso-8859-15"),
        ("cyrillic", "iso-8859-5"),
        ("arabic", "iso-8859-6"),
        ("greek", "iso-8859-7"),
        ("hebrew", "iso-8859-8"),
        ("iso-8859-8-i", "iso-8859-8"),
        ("iso-8859-11", "tis-620"),
        ("windows-874", "tis-620"),
    ];
    for (from, to) in
        [("iso_8859-", "iso-8859-"), ("iso8859-", "iso-8859-"), ("cp125", "windows-125"), ("x-cp125", "windows-125")]
    {
        if let Some(rest) = name.strip_prefix(from) {
            name = format!("{to}{rest}");
        }
    }
    let name = aliases.iter().find(|(alias, _)| *alias == name).map_or(name.as_str(), |(_, name)| name);
    tables::TABLES.iter().find(|(known, ..)| *known == name).map(|(_, start, table)| (*start, *table))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(charset: &str, bytes: &[u8]) -> Option<String> {
        decode(Some(charset), bytes).map(Cow::into_owned)
    }

    #[test]
    fn the_same_words_come_out_of_every_charset() {
        assert_eq!(text("UTF-8", "grün".as_bytes()).as_deref(), Some("grün"));
        assert_eq!(text("iso-8859-1", b"gr\xFCn").as_deref(), Some("grün"));
        assert_eq!(text("ISO-8859-15", b"5 \xA4").as_deref(), Some("5 €"));
        assert_eq!(text("windows-1252", b"5 \x80").as_deref(), Some("5 €"));
        assert_eq!(text("cp1252", b"\x93x\x94").as_deref(), Some("“x”"));
        assert_eq!(text("koi8-r", b"\xF0\xD2\xC9\xD7\xC5\xD4").as_deref(), Some("Привет"));
        assert_eq!(text("windows-1251", b"\xCF\xF0\xE8\xE2\xE5\xF2").as_deref(), Some("Привет"));
        assert_eq!(text("iso-8859-2", b"\xF8eka").as_deref(), Some("řeka"));
        assert_eq!(text("utf-16", b"\x00h\x00\xFC").as_deref(), Some("hü"));
        assert_eq!(text("utf-16", b"\xFF\xFEh\x00\xFC\x00").as_deref(), Some("hü"));
    }

    #[test]
    fn ascii_that_is_really_utf_8_is_read_as_such() {
        assert_eq!(text("us-ascii", "é".as_bytes()).as_deref(), Some("é"));
        assert_eq!(decode(None, "é".as_bytes()).as_deref(), Some("é"));
        assert_eq!(decode(None, b"\xEF\xBB\xBFmark").as_deref(), Some("mark"));
    }

    #[test]
    fn what_cannot_be_read_is_none() {
        assert_eq!(decode(None, b"\xFF"), None);
        assert_eq!(text("shift_jis", b"x"), None);
        assert_eq!(text("utf-16le", b"x"), None);
        assert_eq!(text("utf-16be", b"\xD8\x00"), None);
    }

    #[test]
    fn every_table_fills_its_half() {
        for (name, start, table) in tables::TABLES {
            assert_eq!(table.chars().count(), 256 - usize::from(*start), "{name}");
        }
    }
}
