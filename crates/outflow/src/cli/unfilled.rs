//! Values that were to be filled in and were not: names of shell variables, and the placeholders of instructions.

use super::shown;

/// What is told of [`is_example`].
pub(super) const EXAMPLE: (&str, &str) =
    ("it reads like an example of a key, not like a key", "put your own key in its place, or use key=env@VARIABLE");

/// Problem and mend, if all of `text` is the name of a variable (`$KEY`, `${KEY}`, `%KEY%`) or stands in brackets
/// (`<key>`, `{KEY}`).
pub(super) fn unfilled(text: &str) -> Option<(String, String)> {
    let name = |name: &str| {
        let right = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(right)
    };
    let between = |open: &str, close: &str| text.strip_prefix(open)?.strip_suffix(close);
    let variable = [("${", "}"), ("$", ""), ("%", "%")].into_iter().find_map(|(open, close)| {
        let variable = between(open, close).filter(|text| name(text))?;
        Some((open, variable, close))
    });
    if let Some((open, variable, close)) = variable {
        // A real key may look like this too: only what reads as a variable is shown.
        let seen = shown::indirect_place("env@", variable);
        let quotes = if open == "%" { "set it first" } else { "use double quotes" };
        let place = if seen == variable { variable } else { "VARIABLE" };
        return Some((
            format!("the shell did not fill in {open}{seen}{close}"),
            format!("{quotes}, or key=env@{place}"),
        ));
    }
    let bracketed = between("<", ">").or_else(|| between("{", "}"))?;
    (!bracketed.contains(['<', '>', '{', '}'])).then(|| {
        let hint = "put the value itself there, without brackets, or use key=env@VARIABLE";
        ("it still holds the placeholder of an example".into(), hint.into())
    })
}

/// True for the keys of instructions: `YOUR_KEY`, `xxxx-xxxx`.
pub(super) fn is_example(text: &str) -> bool {
    let letters: String = text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let crossed = letters.len() >= 4 && letters.bytes().all(|letter| letter == b'x');
    crossed || (letters.starts_with("your") && letters.ends_with("key")) || letters == "streamkey"
}

/// What a key may hold, but hardly does.
pub(super) fn doubtful(text: &str) -> Vec<(&'static str, &'static str)> {
    let mut found = vec![];
    let variable = text.match_indices('$').any(|(place, _)| {
        text.get(place + 1..)
            .is_some_and(|rest| rest.starts_with(|c: char| c == '{' || c == '_' || c.is_ascii_alphabetic()))
    });
    if variable {
        found.push((
            "it may hold the name of a shell variable, not its value",
            "use double quotes instead of single ones, or url=env@NAME; a `$` of the key itself is fine",
        ));
    }
    if text.contains('\\') {
        found.push(("it holds a backslash", "inside quotes a shell keeps it: remove it"));
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn variables_and_placeholders_are_found_only_where_they_are_all_there_is() {
        for text in ["$KEY", "${KEY}", "%KEY%", "$my_key", "<key>", "<your key>", "{KEY}"] {
            assert!(unfilled(text).is_some(), "{text}");
        }
        for text in ["", "$", "a$KEY", "$KEY-1", "$1abc", "%41", "%4%", "{", "<>x", "k", "${A}${B}"] {
            assert!(unfilled(text).is_none(), "{text}");
        }
        assert_eq!(unfilled("$KEY").unwrap().0, "the shell did not fill in $KEY");
        assert_eq!(unfilled("$KEY").unwrap().1, "use double quotes, or key=env@KEY");
        assert!(!unfilled("$l1ve_k3y").unwrap().0.contains("l1ve"));
    }

    #[test]
    fn examples() {
        for text in ["YOUR_KEY", "your-stream-key", "xxxx", "XXXX-xxxx-xxxx", "STREAM_KEY"] {
            assert!(is_example(text), "{text}");
        }
        for text in ["xxx", "key", "yours", "abcd-efgh", "", "x1xx"] {
            assert!(!is_example(text), "{text}");
        }
    }
}
