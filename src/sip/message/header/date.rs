//! Date (RFC 3261 section 20.17).

use super::{BadHeader, Header};
use crate::sip::message::{Name, lex};
use crate::time::Timestamp;

/// When a message was first sent: `Sat, 13 Nov 2010 23:29:00 GMT`, whole seconds, always GMT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(pub Timestamp);

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// 1 January 1970 was a Thursday.
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const DAY: i64 = 86_400;

impl Header for Date {
    const NAME: Name<'static> = Name::DATE;

    fn parse(value: &[u8]) -> Result<Self, BadHeader> {
        read(&lex::unfold(value)).map(Self).ok_or(BadHeader(Name::DATE))
    }

    fn print(&self, out: &mut Vec<u8>) {
        let seconds = self.0.0.div_euclid(1000);
        let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let (year, month, day) = civil(days);
        let weekday = usize::try_from(days.rem_euclid(7)).unwrap_or(0);
        let month = usize::try_from(month - 1).unwrap_or(0);
        let text = format!(
            "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
            DAYS[weekday],
            MONTHS[month],
            second / 3600,
            second / 60 % 60,
            second % 60
        );
        out.extend_from_slice(text.as_bytes());
    }
}

fn read(value: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(value).ok()?;
    // The day of the week is redundant and sometimes wrong; it is not looked at.
    let (_, text) = text.split_once(',')?;
    let mut words = text.split_ascii_whitespace();
    let day = digits(words.next()?, 1..=31)?;
    let month = words.next()?;
    let month = 1 + MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as i64;
    let year = digits(words.next()?, 1970..=9999)?;
    let mut clock = words.next()?.split(':');
    let hour = digits(clock.next()?, 0..=23)?;
    let minute = digits(clock.next()?, 0..=59)?;
    let second = digits(clock.next()?, 0..=60)?;
    if words.next() != Some("GMT") || words.next().is_some() || clock.next().is_some() {
        return None;
    }
    let days = days(year, month, day);
    // A 30 February would come back as a day of March.
    if civil(days) != (year, month, day) {
        return None;
    }
    Some(Timestamp((days * DAY + hour * 3600 + minute * 60 + second) * 1000))
}

fn digits(text: &str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let number = i64::try_from(lex::number(text.as_bytes())?).ok()?;
    range.contains(&number).then_some(number)
}

/// Days since 1 January 1970, for years counted from March so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a number of days; the inverse of [`days`].
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days - era * 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_example_of_rfc_3261_comes_back() {
        let text = "Sat, 13 Nov 2010 23:29:00 GMT";
        let date = Date::parse(text.as_bytes()).unwrap();
        assert_eq!(date.0, Timestamp(1_289_690_940_000));
        let mut out = Vec::new();
        date.print(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn other_zones_and_days_that_do_not_exist_are_refused() {
        for text in [
            "Fri, 01 Jan 2010 16:00:00 EST",
            "Sat, 30 Feb 2010 00:00:00 GMT",
            "Sat, 13 Nov 2010 24:00:00 GMT",
            "13 Nov 2010 23:29:00 GMT",
            "",
        ] {
            assert_eq!(Date::parse(text.as_bytes()), Err(BadHeader(Name::DATE)), "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in 0..146_097 {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), day);
        }
    }
}
