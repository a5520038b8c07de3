//! Names and dates of an X.509 certificate (RFC 5280 §4.1), for showing them. Nothing is decided by what is read here:
//! that is the TLS library's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Host names and addresses that it is for.
    pub names: Vec<String>,
    /// From when it holds, in seconds since 1970 UTC.
    pub not_before: i64,
    /// Until when it holds.
    pub not_after: i64,
}

impl Certificate {
    /// Whole days that are left at this time; negative once it has expired.
    pub fn days_left(&self, now: i64) -> i64 {
        (self.not_after - now).div_euclid(86_400)
    }
}

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `subjectAltName`, 2.5.29.17
const ALT_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// More names than a person reads.
const MOST_NAMES: usize = 32;

/// Reads a certificate; `None` where it is no certificate.
pub(super) fn certificate(der: &[u8]) -> Option<Certificate> {
    let mut whole = Reader(der).take(SEQUENCE)?;
    let mut body = whole.take(SEQUENCE)?;
    if body.peek() == Some(0xa0) {
        body.any()?; // version
    }
    body.any()?; // serial number
    body.any()?; // signature algorithm
    body.any()?; // issuer
    let mut validity = body.take(SEQUENCE)?;
    let (not_before, not_after) = (time(validity.any()?)?, time(validity.any()?)?);
    let mut names = Vec::new();
    while let Some((tag, value)) = body.any() {
        if tag == 0xa3 {
            names = alt_names(value).unwrap_or_default();
        }
    }
    Some(Certificate { names, not_before, not_after })
}

fn alt_names(extensions: &[u8]) -> Option<Vec<String>> {
    let mut list = Reader(extensions).take(SEQUENCE)?;
    let mut names = Vec::new();
    while let Some((SEQUENCE, extension)) = list.any() {
        let mut extension = Reader(extension);
        if extension.take(OBJECT_ID)?.0 != ALT_NAMES {
            continue;
        }
        let value = loop {
            // A flag may stand before it.
            let (tag, value) = extension.any()?;
            if tag == OCTETS {
                break value;
            }
        };
        let mut all = Reader(value).take(SEQUENCE)?;
        while let Some((tag, name)) = all.any().filter(|_| names.len() < MOST_NAMES) {
            names.extend(shown(tag, name));
        }
    }
    Some(names)
}

/// A DNS name or an address; other sorts of names are of no use to us.
fn shown(tag: u8, name: &[u8]) -> Option<String> {
    match tag {
        0x82 => {
            let text = std::str::from_utf8(name).ok()?;
            text.bytes().all(|byte| byte.is_ascii_graphic()).then(|| text.to_owned())
        }
        0x87 => {
            let v4 = || <[u8; 4]>::try_from(name).ok().map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
            let v6 = || <[u8; 16]>::try_from(name).ok().map(|octets| IpAddr::V6(Ipv6Addr::from(octets)));
            v4().or_else(v6).map(|address| address.to_string())
        }
        _ => None,
    }
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`, in seconds since 1970.
fn time((tag, text): (u8, &[u8])) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let year: i64 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let (month, day, hour, minute, second) = (part(0)?, part(2)?, part(4)?, part(6)?, part(8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970 of a date, years counted from March.
    let shifted = year - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element: its tag and what it holds.
    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let [tag, length, rest @ ..] = self.0 else { return None };
        let (length, rest) = match length {
            0..=0x7f => (usize::from(*length), rest),
            // Longer ones are no certificates.
            0x81..=0x83 => {
                let count = usize::from(length & 0x7f);
                let value = rest.get(..count)?.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
                (value, rest.get(count..)?)
            }
            _ => return None,
        };
        let value = rest.get(..length)?;
        self.0 = rest.get(length..)?;
        Some((*tag, value))
    }

    /// The next element, if it is of this sort.
    fn take(&mut self, wanted: u8) -> Option<Reader<'a>> {
        self.any().filter(|(tag, _)| *tag == wanted).map(|(_, value)| Reader(value))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn made(names: &[&str], until: (i32, u8, u8)) -> Vec<u8> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(1999, 12, 31);
        params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn names_and_dates_are_read_in_both_forms() {
        let read = certificate(&made(&["live.example", "*.live.example", "127.0.0.1", "::1"], (2024, 2, 29))).unwrap();
        assert_eq!(read.names, ["live.example", "*.live.example", "127.0.0.1", "::1"]);
        assert_eq!(read.not_before, 946_598_400);
        assert_eq!(read.not_after, 1_709_164_800);
        assert_eq!(read.days_left(1_709_164_800 - 86_400), 1);
        assert_eq!(read.days_left(1_709_164_800 + 1), -1);
        // From 2050 on dates have another form.
        assert_eq!(certificate(&made(&["a"], (2051, 1, 1))).unwrap().not_after, 2_556_144_000);
    }

    #[test]
    fn what_is_cut_or_spoilt_is_no_certificate_and_no_fault() {
        let whole = made(&["live.example"], (2030, 1, 1));
        for length in 0..whole.len() {
            assert_eq!(certificate(&whole[..length]), None);
        }
        for place in 0..whole.len() {
            let mut spoilt = whole.clone();
            spoilt[place] ^= 0xff;
            let _ = certificate(&spoilt);
        }
    }
}
