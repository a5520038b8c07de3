//! Every type of value: what it takes, and what it says of what it doesn't.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

const LIVE: Type = Type::Choice(&["any|-2", "live|-1", "recorded|0"]);

#[test]
fn values_that_are_right() {
    let texts = |parts: &[&str]| Value::List(parts.iter().map(|part| (*part).to_owned()).collect());
    for (ty, text, value) in [
        (Type::Bool, "yes", Value::Bool(true)),
        (Type::Bool, "1", Value::Bool(true)),
        (Type::Bool, "No", Value::Bool(false)),
        (Type::Count, "0", Value::Count(0)),
        (Type::Count, "4096", Value::Count(4096)),
        (Type::Count, "2k", Value::Count(2000)),
        (Type::Rate, "200k", Value::Count(200_000)),
        (Type::Rate, "2.5M", Value::Count(2_500_000)),
        (Type::Rate, "1G", Value::Count(1_000_000_000)),
        (Type::Float, "-0.5", Value::Float(-0.5)),
        (Type::Duration, "250ms", Value::Duration(Duration::from_millis(250))),
        (Type::Duration, "4s", Value::Duration(Duration::from_secs(4))),
        (Type::Duration, "4", Value::Duration(Duration::from_secs(4))),
        (Type::Duration, "0.5", Value::Duration(Duration::from_millis(500))),
        (Type::Duration, "5min", Value::Duration(Duration::from_secs(300))),
        (Type::Duration, "2h", Value::Duration(Duration::from_secs(7200))),
        (Type::Size, "240x160", Value::Size(240, 160)),
        (Type::Size, "720", Value::Size(1280, 720)),
        (Type::Size, "HD", Value::Size(1920, 1080)),
        (Type::Size, "4k", Value::Size(3840, 2160)),
        (Type::Sizes, "240x160,360", Value::Sizes(vec![(240, 160), (640, 360)])),
        (Type::Rates, "200k,1m", Value::Rates(vec![200_000, 1_000_000])),
        (Type::Fraction, "25", Value::Fraction(25, 1)),
        (Type::Fraction, "30000/1001", Value::Fraction(30000, 1001)),
        (Type::Fraction, "30000-1001", Value::Fraction(30000, 1001)),
        (Type::Fraction, "-1/1", Value::Fraction(-1, 1)),
        (Type::Fraction, "0/0", Value::Fraction(0, 1)),
        (Type::Fraction, "29.97", Value::Fraction(29_970_000, 1_000_000)),
        (Type::List, "video,audio:2", texts(&["video", "audio:2"])),
        (Type::List, "a,,b,c", texts(&["a,b", "c"])),
        (LIVE, "live", Value::Text("live".into())),
        (LIVE, "-1", Value::Text("live".into())),
        (Type::Secret, "a:b?c=d", Value::Secret(Secret::new("a:b?c=d"))),
    ] {
        assert_eq!(parse(ty, text).unwrap(), value, "{ty:?} {text}");
    }
}

#[test]
fn values_that_are_wrong_say_so_with_a_mend() {
    for (ty, text, problem) in [
        (Type::Bool, "maybe", "neither yes nor no"),
        (Type::Count, "", "not a number"),
        (Type::Count, "-1", "not a number"),
        (Type::Count, "1.5", "not a whole number"),
        (Type::Rate, "200kb", "unknown unit `kb`"),
        (Type::Rate, "99999999999999999999", "too large"),
        (Type::Rate, "99999999999g", "too large"),
        (Type::Float, "NaN", "not a number"),
        (Type::Duration, "5m", "unknown unit `m`"),
        (Type::Duration, "soon", "not a duration"),
        (Type::Duration, "-1", "not a duration"),
        (Type::Duration, "9000000h", "longer than a year"),
        (Type::Size, "240*160", "not a picture size"),
        (Type::Size, "0x0", "not between"),
        (Type::Size, "99999x1", "not between"),
        (Type::Fraction, "1/0", "not a fraction"),
        (Type::Fraction, "x", "not a fraction"),
        (LIVE, "life", "none of"),
        (Type::Secret, "", "is empty"),
        (Type::Secret, "abc\n", "line break"),
        (Type::Secret, " abc", "space"),
    ] {
        let error = parse(ty, text).unwrap_err();
        assert!(error.problem.contains(problem), "{ty:?} {text}: {}", error.problem);
        assert!(error.hint.is_some(), "{ty:?} {text} has no mend");
    }
    assert_eq!(parse(LIVE, "life").unwrap_err().hint.as_deref(), Some("did you mean `live`?"));
    assert_eq!(duration_millis("5000").unwrap(), Duration::from_secs(5));
    assert_eq!(duration_millis("5s").unwrap(), Duration::from_secs(5));
}

proptest! {
    #[test]
    fn no_text_can_panic(text in "\\PC{0,30}") {
        for ty in [Type::Bool, Type::Count, Type::Float, Type::Secret, Type::Duration, Type::Rate, Type::Size,
            Type::Sizes, Type::Rates, Type::Fraction, Type::List, LIVE] {
            let _ = parse(ty, &text);
        }
    }

    #[test]
    // A part that begins or ends with a comma can't be told from the separator beside it.
    fn lists_come_back(parts in proptest::collection::vec("[a-z:]([a-z,:]{0,4}[a-z:])?", 1..5)) {
        let text = parts.iter().map(|part| part.replace(',', ",,")).collect::<Vec<_>>().join(",");
        prop_assert_eq!(list(&text), parts);
    }

    #[test]
    fn a_secret_is_never_in_its_error(text in "[a-z]{8}[ \\n\\t]") {
        let error = parse(Type::Secret, &text).unwrap_err();
        let shown = format!("{error} {error:?}");
        prop_assert!(!shown.contains(text.trim()));
    }
}
