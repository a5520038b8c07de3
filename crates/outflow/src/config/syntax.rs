//! Broken TOML: what its line may show, and mends for what people write most often.

use std::ops::Range;

use super::mistake::{Hidden, MASK};
use super::record::{self, Section, Shape};

/// Names whose values are no secrets, whatever stands there.
fn is_open(name: &str) -> bool {
    fn open(section: &Section, name: &str) -> bool {
        section.fields.iter().any(|field| match field.shape {
            Shape::Table(inner) | Shape::Tables(inner) | Shape::TableOrUrl(inner) => open(inner, name),
            Shape::Address | Shape::Duration | Shape::Count | Shape::Bool | Shape::Pattern | Shape::Choice(_) => {
                field.name == name
            }
            _ => false,
        })
    }
    open(&record::FILE, name)
}

/// Every line's parts that may not be seen when it is unknown what is a value: everything but headers, names, and the
/// values of names that hold no secrets.
pub(super) fn hidden(text: &str) -> Hidden {
    let mut hidden = Hidden::default();
    let mut at = 0;
    for line in text.split('\n') {
        let open = visible(line);
        if open < line.len() {
            hidden.hide(at + open..at + line.len(), MASK);
        }
        at += line.len() + 1;
    }
    hidden
}

/// How much of the line may be seen.
fn visible(line: &str) -> usize {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let start = line.len() - line.trim_start().len();
    let rest = line.trim_start();
    if rest.starts_with('[') {
        let end = rest.find(|c: char| !(is_name(c) || matches!(c, '[' | ']' | '.' | ' '))).unwrap_or(rest.len());
        return start + end;
    }
    let name_end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    let (name, after) = rest.split_at(name_end);
    let Some(value) = after.trim_start().strip_prefix('=') else {
        let alone = after.trim().is_empty() && record::home_of(name).is_some();
        return if alone { line.len() } else { start };
    };
    let plain = value.split('#').next().unwrap_or(value).trim();
    let inner = plain.strip_prefix('"').unwrap_or(plain);
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let simple = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '/' | '*' | '-' | '_' | '[' | ']');
    if is_open(name) && inner.len() <= 48 && inner.chars().all(simple) {
        return line.len();
    }
    line.len() - value.len()
}

/// What to do about a problem of the syntax, told from what stands there.
pub(super) fn mend(text: &str, span: &Range<usize>, problem: &str) -> &'static str {
    let at = span.start.min(text.len());
    let line_start = text.as_bytes().get(..at).and_then(|before| before.iter().rposition(|byte| *byte == b'\n'));
    let line = text.get(line_start.map_or(0, |at| at + 1)..).and_then(|rest| rest.split('\n').next()).unwrap_or("");
    let value = line.split_once('=').map(|(_, value)| value.trim());
    let typographic = ['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}'];
    if line.contains(typographic) {
        return "write straight quotes: \"text\"";
    }
    if problem.starts_with("duplicate key") {
        return "this name was given before in the same section: keep one of them";
    }
    match value {
        Some("") => "write a value after the =, or put # before the line",
        Some(value) if value.starts_with('"') && value.matches('"').count() == 1 => "close the text with \"",
        Some(value) if !value.starts_with(['"', '\'', '[', '{']) => "texts stand in quotes: name = \"value\"",
        Some(_) => "each line is name = value; texts in quotes, lists in [ ], tables in { }",
        None if line.trim_start().starts_with('[') => {
            "sections are written [listen], or [[output]] where there are several"
        }
        None => "each line is name = value; put # before a remark",
    }
}
