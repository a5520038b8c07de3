//! The text of an option made into its typed value, with an error that says what would have been right.

use std::time::Duration;

use super::suggest::did_you_mean;
use super::{Type, Value};
use crate::error::SpecError;
use crate::secret::Secret;

/// Longer than any stream has run: keeps sums of times far from overflow.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Reads `text` as a value of type `ty`. The error has no place yet, and never holds the text of a secret.
pub fn parse(ty: Type, text: &str) -> Result<Value, SpecError> {
    match ty {
        Type::Bool => boolean(text).map(Value::Bool),
        Type::Count | Type::Rate => number(text).map(Value::Count),
        Type::Float => float(text).map(Value::Float),
        Type::Text => Ok(Value::Text(text.to_owned())),
        Type::Secret => secret(text).map(Value::Secret),
        Type::Duration => duration(text).map(Value::Duration),
        Type::Size => size(text).map(|(width, height)| Value::Size(width, height)),
        Type::Sizes => list(text).iter().map(|part| size(part)).collect::<Result<_, _>>().map(Value::Sizes),
        Type::Rates => list(text).iter().map(|part| number(part)).collect::<Result<_, _>>().map(Value::Rates),
        Type::Fraction => fraction(text).map(|(numerator, denominator)| Value::Fraction(numerator, denominator)),
        Type::List => Ok(Value::List(list(text))),
        Type::Choice(choices) => choice(text, choices).map(|choice| Value::Text(choice.to_owned())),
    }
}

/// How a value of this type is typed, for help and errors.
pub fn describe(ty: Type) -> String {
    match ty {
        Type::Bool => "yes or no".into(),
        Type::Count => "a whole number (k, m, g)".into(),
        Type::Float => "a number".into(),
        Type::Text => "text".into(),
        Type::Secret => "secret text (file@PATH, env@VAR, fd@N)".into(),
        Type::Duration => "duration (250ms, 4s, 5min, 2h)".into(),
        Type::Rate => "bits per second (200k, 2.5m)".into(),
        Type::Size => "WIDTHxHEIGHT or 360, 720, 1080 ...".into(),
        Type::Sizes => "list of WIDTHxHEIGHT".into(),
        Type::Rates => "list of bits per second".into(),
        Type::Fraction => "fraction (30000/1001)".into(),
        Type::List => "list (a,b)".into(),
        Type::Choice(choices) => choices.iter().map(|choice| canonical(choice)).collect::<Vec<_>>().join(", "),
    }
}

fn boolean(text: &str) -> Result<bool, SpecError> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" | "on" => Ok(true),
        "no" | "false" | "0" | "off" => Ok(false),
        _ => Err(SpecError::new(format!("`{text}` is neither yes nor no"))
            .hint("write yes, true or 1, or no, false or 0; the name alone means yes, `!name` means no")),
    }
}

fn choice(text: &str, choices: &'static [&'static str]) -> Result<&'static str, SpecError> {
    if let Some(found) = choices.iter().find(|choice| choice.split('|').any(|way| way.eq_ignore_ascii_case(text))) {
        return Ok(canonical(found));
    }
    let names = || choices.iter().map(|choice| canonical(choice));
    let all = names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let hint = did_you_mean(text, names()).unwrap_or_else(|| format!("it is one of {all}"));
    Err(SpecError::new(format!("`{text}` is none of {all}")).hint(hint))
}

/// `live` of `live|-1`.
fn canonical(choice: &str) -> &str {
    choice.split('|').next().unwrap_or(choice)
}

fn secret(text: &str) -> Result<Secret, SpecError> {
    if text.is_empty() {
        return Err(SpecError::new("the value is empty").hint(
            "is the shell variable in it unset? `name=env@VARIABLE` or `name=file@PATH` (no `$`) keeps it out of the command line",
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(SpecError::new("the value holds a line break or another control character")
            .hint("copy the key again, without what stands around it"));
    }
    if text.trim() != text {
        return Err(SpecError::new("the value begins or ends with a space").hint("remove the space"));
    }
    Ok(Secret::new(text))
}

/// Splits a decimal number from the letters that follow it.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    text.split_at(end)
}

/// A decimal number times `scale`, exact, or `None` if it is none or too large.
fn scaled(digits: &str, scale: u64) -> Option<u64> {
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && decimals.is_empty() {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut value = whole.checked_mul(scale)?;
    let mut place = scale;
    for digit in decimals.chars() {
        let digit = u64::from(digit.to_digit(10)?);
        place /= 10;
        value = value.checked_add(digit.checked_mul(place)?)?;
    }
    Some(value)
}

/// A whole number with an optional unit `k m g`, as in `200k` or `1.5m`.
pub fn number(text: &str) -> Result<u64, SpecError> {
    let (digits, unit) = split_unit(text);
    let scale = match unit {
        "" => 1,
        "k" | "K" => 1_000,
        "m" | "M" => 1_000_000,
        "g" | "G" => 1_000_000_000,
        _ => 0,
    };
    let whole_only = scale == 1 && digits.contains('.');
    scaled(digits, scale).filter(|_| scale > 0 && !whole_only).ok_or_else(|| {
        let problem = match digits {
            "" => format!("`{text}` is not a number"),
            _ if whole_only => format!("`{text}` is not a whole number"),
            _ if scale == 0 => format!("`{text}` has the unknown unit `{unit}`"),
            _ => format!("`{text}` is not a number, or too large"),
        };
        SpecError::new(problem)
            .hint("write a number of 0 or more, with k, m or g for thousands, millions, thousand millions")
    })
}

fn float(text: &str) -> Result<f64, SpecError> {
    text.parse::<f64>()
        .ok()
        .filter(|value| value.is_finite())
        .ok_or_else(|| SpecError::new(format!("`{text}` is not a number")).hint("write a number such as 440 or 0.5"))
}

/// A duration of our own options: `250ms`, `4s`, `5min`, `2h`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, SpecError> {
    duration_in(text, 1_000_000)
}

/// A duration whose bare number means milliseconds, as GPAC's `-runfor` has it.
pub fn duration_millis(text: &str) -> Result<Duration, SpecError> {
    duration_in(text, 1_000)
}

/// `bare`: microseconds of a number without a unit.
fn duration_in(text: &str, bare: u64) -> Result<Duration, SpecError> {
    let (digits, unit) = split_unit(text);
    let micros = match unit {
        "" => Some(bare),
        "us" => Some(1),
        "ms" => Some(1_000),
        "s" | "sec" => Some(1_000_000),
        "min" => Some(60_000_000),
        "h" => Some(3_600_000_000),
        _ => None,
    };
    let Some(micros) = micros.filter(|_| !digits.is_empty()) else {
        let problem = if digits.is_empty() || unit.is_empty() {
            format!("`{text}` is not a duration")
        } else {
            format!("`{text}` has the unknown unit `{unit}`")
        };
        return Err(SpecError::new(problem).hint("write a duration such as 250ms, 4s, 5min or 2h"));
    };
    let value = scaled(digits, micros).map(Duration::from_micros);
    value.filter(|value| *value <= LONGEST).ok_or_else(|| {
        SpecError::new(format!("`{text}` is not a duration, or longer than a year"))
            .hint("write a duration such as 250ms, 4s, 5min or 2h")
    })
}

fn size(text: &str) -> Result<(u32, u32), SpecError> {
    let named = match text.to_ascii_lowercase().as_str() {
        "360" => Some((640, 360)),
        "480" => Some((640, 480)),
        "576" => Some((720, 576)),
        "720" => Some((1280, 720)),
        "1080" | "hd" => Some((1920, 1080)),
        "2k" => Some((2048, 1080)),
        "2160" | "4k" => Some((3840, 2160)),
        "4320" | "8k" => Some((7680, 4320)),
        _ => None,
    };
    let pair = || {
        let (width, height) = text.split_once(['x', 'X'])?;
        Some((width.parse::<u32>().ok()?, height.parse::<u32>().ok()?))
    };
    let wrong = |problem: String| {
        SpecError::new(problem)
            .hint("write WIDTHxHEIGHT in pixels, as 1280x720, or one of 360 480 576 720 1080 hd 2k 2160 4k")
    };
    let (width, height) = named.or_else(pair).ok_or_else(|| wrong(format!("`{text}` is not a picture size")))?;
    if width == 0 || height == 0 || width > 16384 || height > 16384 {
        return Err(wrong(format!("`{text}` is not between 1x1 and 16384x16384")));
    }
    Ok((width, height))
}

/// `n/d`, `n-d`, `n`, or a decimal number (in millionths). `0/0` is 0, GPAC's way to say "none".
fn fraction(text: &str) -> Result<(i64, i64), SpecError> {
    let wrong =
        || SpecError::new(format!("`{text}` is not a fraction")).hint("write it as 30000/1001, as 25, or as 29.97");
    let separator = text.char_indices().skip(1).find(|(_, c)| matches!(c, '/' | '-'));
    if let Some((place, _)) = separator {
        let numerator: i64 = text.get(..place).and_then(|part| part.parse().ok()).ok_or_else(wrong)?;
        let denominator: i64 = text.get(place + 1..).and_then(|part| part.parse().ok()).ok_or_else(wrong)?;
        return match (numerator, denominator) {
            (0, 0) => Ok((0, 1)),
            (_, 1..) => Ok((numerator, denominator)),
            _ => Err(wrong()),
        };
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Ok((whole, 1));
    }
    let value = text.parse::<f64>().ok().filter(|value| value.abs() < 1e9).ok_or_else(wrong)?;
    #[allow(clippy::cast_possible_truncation)] // below 1e15 by the filter above
    Ok(((value * 1e6).round() as i64, 1_000_000))
}

/// Splits at commas; `,,` is a comma in the text.
pub fn list(text: &str) -> Vec<String> {
    let mut parts = vec![];
    let mut current = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != ',' {
            current.push(letter);
        } else if letters.next_if_eq(&',').is_some() {
            current.push(',');
        } else {
            parts.push(std::mem::take(&mut current));
        }
    }
    parts.push(current);
    parts
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
