//! Marks of the relays that a stream has come through, sent with connect so that a stream never runs in a circle.
//!
//! An extension of this crate's own: one text property of the connect object that every other server ignores.

/// The property of the connect object: marks with a space between them, the oldest first.
pub const PROPERTY: &str = "outflowHops";

/// How the description of a refusal begins where a stream has come back to where it was.
pub const LOOP: &str = "a loop: ";

/// Marks kept of what a client sends, and sent.
pub const MOST: usize = 32;

/// Longest mark, in bytes.
pub const LONGEST: usize = 64;

/// Whether this can be a mark: not empty, not too long, and of `A-Z a-z 0-9 : . _ -` only.
pub fn is_mark(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b":._-".contains(&byte);
    !text.is_empty() && text.len() <= LONGEST && text.bytes().all(fits)
}

/// The marks in what a client sent. What is no mark is left out, and so is what comes after [`MOST`] of them.
pub(super) fn read(text: &str) -> Vec<String> {
    text.split(' ').filter(|word| is_mark(word)).take(MOST).map(str::to_owned).collect()
}

/// The text to send, empty without marks. Of too many the latest are kept.
pub(super) fn write(hops: &[String]) -> String {
    let mut marks: Vec<&str> = hops.iter().map(String::as_str).filter(|mark| is_mark(mark)).collect();
    marks.drain(..marks.len().saturating_sub(MOST));
    marks.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_bounded_in_number_length_and_letters() {
        let long = "x".repeat(LONGEST + 1);
        let text = format!("a:1  b/2 {long} c\u{e9} d\n \u{0} {} last.one_-", &long[1..]);
        assert_eq!(read(&text), ["a:1", &long[1..], "last.one_-"]);
        let many: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        assert_eq!(read(&many.join(" ")), many[..MOST]);
        assert_eq!(read(&write(&many)), many[50 - MOST..]);
        assert_eq!(write(&["a b".to_owned(), "ok".to_owned()]), "ok");
        assert!(read("").is_empty() && write(&[]).is_empty());
    }
}
