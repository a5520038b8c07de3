//! Text from a peer, made fit for logs and errors.

/// Longest text kept, in bytes.
const MAX_TEXT: usize = 1024;

/// `text` cut to a sane length, without control characters, and with every occurrence of a secret as `****`.
///
/// A stream name with a query is looked for as a whole and without the query, since peers quote either.
pub(super) fn clean(text: &str, secrets: &[&str]) -> String {
    let mut clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    for secret in secrets {
        let bare = secret.split('?').next().unwrap_or_default();
        for form in [secret, bare] {
            // Shorter ones would blank out ordinary words, and are no keys.
            if form.len() >= 4 {
                clean = clean.replace(form, "****");
            }
        }
    }
    clean.truncate(clean.floor_char_boundary(MAX_TEXT));
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_control_characters_and_length() {
        assert_eq!(clean("no key abcd?x=1 (abcd)\r\n\u{1b}[31m", &["abcd?x=1"]), "no key **** (****)   [31m");
        assert_eq!(clean("a live stream", &["a", ""]), "a live stream");
        assert_eq!(clean(&"é".repeat(2000), &[]).len(), 1024);
    }
}
