//! Dates as text (RFC 3339), as message/cpim and isComposing have them.

use crate::time::Timestamp;

const DAY_MS: i64 = 86_400_000;

/// Reads `2000-12-13T13:40:00-08:00`, with or without fraction; `None` if it is not one.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let mut parts = date.splitn(3, '-');
    let (year, month, day) = (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at_checked(zone_at)?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut millis = 0;
    for (index, digit) in fraction.chars().enumerate() {
        let digit = i64::from(digit.to_digit(10)?);
        millis += match index {
            0 => digit * 100,
            1 => digit * 10,
            2 => digit,
            _ => 0,
        };
    }
    let at = instant(year, month, day, clock)?;
    Some(Timestamp(at + millis - zone_offset(zone)?))
}

/// Writes `2001-02-01T17:16:49Z`, or with milliseconds where there are any.
#[must_use]
pub fn print_rfc3339(at: Timestamp) -> String {
    let (year, month, day, hour, minute, second) = civil(at);
    let millis = at.0.rem_euclid(1000);
    if millis == 0 {
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    } else {
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn instant(year: i64, month: i64, day: i64, clock: &str) -> Option<i64> {
    let mut parts = clock.splitn(3, ':');
    let hour = number(parts.next()?, 2)?;
    let minute = number(parts.next()?, 2)?;
    let second = number(parts.next()?, 2)?;
    // 60 is a leap second (RFC 3339 section 5.6).
    let sane = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    sane.then(|| days_from_civil(year, month, day) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000)
}

fn zone_offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    Some(sign * (number(hours, 2)? * 60 + number(minutes, 2)?) * 60_000)
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar (Hinnant's algorithm).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil(at: Timestamp) -> (i64, i64, i64, i64, i64, i64) {
    let seconds = at.0.div_euclid(1000);
    let days = seconds.div_euclid(86_400) + 719_468;
    let second_of_day = seconds.rem_euclid(86_400);
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    (year, month, day, second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_rfc_3862_is_read_with_its_zone() {
        let at = parse_rfc3339("2001-02-01T12:16:49-05:00");
        assert_eq!(at, parse_rfc3339("2001-02-01T17:16:49Z"));
        assert_eq!(at.map(print_rfc3339).as_deref(), Some("2001-02-01T17:16:49Z"));
        assert_eq!(
            parse_rfc3339("1969-07-21T02:56:15.123Z").map(print_rfc3339).as_deref(),
            Some("1969-07-21T02:56:15.123Z")
        );
    }

    #[test]
    fn what_is_no_date_is_none() {}
}
