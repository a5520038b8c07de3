//! `${app}` and `${name}` in the URL and key of an output: the stream's, put in when it comes.

use std::ops::Range;

use super::{OutputRule, StreamId};
use crate::secret::Secret;

/// What may stand between `${` and `}`.
pub const VARIABLES: &[&str] = &["app", "name"];

/// Every `${...}`: its place, and what stands within; `None` where it is not closed.
fn holes(text: &str) -> Vec<(Range<usize>, Option<&str>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find("${")).map(|offset| at + offset) {
        let inner = text.get(start + 2..).unwrap_or_default();
        match inner.find('}') {
            Some(length) => {
                at = start + 2 + length + 1;
                found.push((start..at, inner.get(..length)));
            }
            None => {
                found.push((start..text.len(), None));
                break;
            }
        }
    }
    found
}

/// The first template that can't be filled: what stands within, or `None` where it is not closed.
pub(super) fn unknown(text: &str) -> Option<Option<&str>> {
    holes(text).into_iter().map(|(_, inner)| inner).find(|inner| inner.is_none_or(|name| !VARIABLES.contains(&name)))
}

/// True if the text holds this template.
pub(super) fn uses(text: &str, name: &str) -> bool {
    holes(text).iter().any(|(_, inner)| *inner == Some(name))
}

/// The text with the parts of a stream's name put in. What they may hold is bounded by [`StreamId`]: no way up, and
/// nothing that ends a path.
pub fn fill(text: &str, id: &StreamId) -> String {
    let (mut filled, mut at) = (String::with_capacity(text.len()), 0);
    for (span, inner) in holes(text) {
        let value = match inner {
            Some("app") => id.app.as_str(),
            Some("name") => id.name.as_str(),
            // Keys that stand elsewhere are not checked: they may hold this.
            _ => continue,
        };
        filled.push_str(text.get(at..span.start).unwrap_or_default());
        filled.push_str(value);
        at = span.end;
    }
    filled.push_str(text.get(at..).unwrap_or_default());
    filled
}

impl OutputRule {
    /// Where to, for this stream.
    pub fn url_for(&self, id: &StreamId) -> Secret {
        Secret::new(fill(self.url.expose(), id))
    }

    /// The key, for this stream.
    pub fn key_for(&self, id: &StreamId) -> Option<Secret> {
        self.key.as_ref().map(|key| Secret::new(fill(key.expose(), id)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn templates_are_filled_and_nothing_else_is_touched() {
        let id = StreamId::parse("app/inst/show").unwrap();
        for (text, filled) in [
            ("rtmp://h/${app}/${name}", "rtmp://h/app/inst/show"),
            ("${name}${name}", "showshow"),
            ("$name ${x} $${app}", "$name ${x} $app/inst"),
            ("${app", "${app"),
            ("", ""),
        ] {
            assert_eq!(fill(text, &id), filled, "{text}");
        }
    }

    #[test]
    fn unknown_and_open_ones_are_found() {
        assert_eq!(unknown("rtmp://h/${app}/${name}"), None);
        assert_eq!(unknown("${nmae}"), Some(Some("nmae")));
        assert_eq!(unknown("${app}${"), Some(None));
        assert_eq!(unknown("${}"), Some(Some("")));
        assert!(uses("x${name}", "name") && !uses("x$name", "name"));
    }
}
