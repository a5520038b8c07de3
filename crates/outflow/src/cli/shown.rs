//! What of a word may be shown: everything but secrets, and of text that nobody understands only what can't be a key.

use super::program;
use crate::node::MediaUrl;
use crate::node::url::{MASK, scheme_length};
use crate::options::{OptionSpec, Type};

/// Control characters would play with the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// True for text that reads as the name of an option or word: a key hardly ever does.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// A path that nothing can use: a key put in its place has neither dot nor slash.
pub(super) fn path(path: &str) -> String {
    let visible = path.contains(['.', '/']) || is_name(path) || path == "-";
    if visible { printable(path) } else { MASK.into() }
}

/// A word that is no word of the grammar.
pub(super) fn stray(word: &str) -> String {
    let link = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'@' | b'#');
    if word.starts_with('@') && word.len() <= 9 && word.bytes().all(link) {
        return word.into();
    }
    let end = word.find([':', '=', '#']).unwrap_or(word.len());
    let (name, rest) = word.split_at(end);
    match (name, rest) {
        (_, rest) if rest.starts_with("://") => printable(&MediaUrl::output(word).shown),
        (name, "") if is_name(name) => name.into(),
        (name, rest) if is_name(name) => format!("{name}{}{MASK}", rest.get(..1).unwrap_or_default()),
        _ => MASK.into(),
    }
}

/// An option of the program, or what was meant as one.
pub(super) fn dashed(word: &str) -> String {
    let dashes = word.len() - word.trim_start_matches('-').len();
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let bare = name.get(dashes..).unwrap_or_default();
    let known = program::find(bare).is_some();
    match value {
        _ if !known && bare.len() > 24 => format!("-{MASK}"),
        Some(value) if known => printable(&format!("{name}={value}")),
        Some(_) => printable(&format!("{name}={MASK}")),
        None => printable(name),
    }
}

/// An option that nothing here knows, after a URL: it may be the rest of a key that the shell cut, so only a slip of a
/// known name is shown.
pub(super) fn dashed_after_url(word: &str, slip: bool) -> String {
    let name = word.split('=').next().unwrap_or(word).trim_start_matches('-');
    if slip && is_name(name) {
        return dashed(word);
    }
    format!("{}{MASK}", printable(&word.chars().take(2).collect::<String>()))
}

/// `file@PATH`, `env@NAME`, `fd@N`: where a value is fetched from, as (how, where).
pub(super) fn indirect(value: &str) -> Option<(&'static str, &str)> {
    ["file@", "env@", "fd@"].into_iter().find_map(|how| Some((how, value.strip_prefix(how)?)))
}

/// The place that a value is fetched from. A shell may have put the secret itself there (`env@$KEY`), so only what reads
/// as a variable, path or number is shown.
pub(super) fn indirect_place(how: &str, place: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let upper = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let visible = match how {
        "env@" => place.len() <= 40 && (place.bytes().all(plain) || place.bytes().all(upper)),
        "fd@" => place.len() <= 4 && place.bytes().all(|byte| byte.is_ascii_digit()),
        _ => place.contains(['/', '\\', '.']),
    };
    if visible { printable(place) } else { MASK.into() }
}

/// The value of a known option.
pub(super) fn value(spec: &OptionSpec, text: &str) -> String {
    if let Some((how, place)) = indirect(text) {
        return format!("{how}{}", indirect_place(how, place));
    }
    match spec.ty {
        Type::Secret => MASK.into(),
        _ if scheme_length(text).is_some() => printable(&MediaUrl::new(text).shown),
        // An app may carry a token: `live2?backup=1&t=...`.
        _ => match text.split_once('?') {
            Some((before, _)) => printable(&format!("{before}?{MASK}")),
            None => printable(text),
        },
    }
}
