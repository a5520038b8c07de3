//! `latency=` beside `max_lag=`: what is gathered for too long would be skipped as too old. For words and `serve` alike.

use std::time::Duration;

use super::Options;

/// The longest time for which bytes are gathered, whatever `latency=` says.
pub fn most(max_lag: Duration) -> Duration {
    max_lag / 2
}

/// Problem and mend, where these options ask for a longer one.
pub fn doubt(options: &Options) -> Option<(String, String)> {
    let (latency, max_lag) = (options.duration("latency")?, options.duration("max_lag")?);
    let most = most(max_lag);
    if latency <= most {
        return None;
    }
    let problem =
        format!("{latency:?} is more than half of `max_lag`, which is {max_lag:?}: bytes are gathered for {most:?}");
    let mut hint = format!("let `latency` be {most:?} or less, or `max_lag` {:?} or more", latency.saturating_mul(2));
    // `latency=67` is hardly meant to be more than a minute.
    let millis = Duration::from_millis(latency.as_secs());
    if latency > max_lag && latency.subsec_nanos() == 0 && millis <= most {
        hint = format!("{hint}; a number alone is seconds: for milliseconds write {millis:?}");
    }
    Some((problem, hint))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Value, defaults, rtmp, value};
    use super::*;

    #[test]
    fn more_than_half_of_max_lag_is_told_with_both_and_the_mend() {
        for tables in [rtmp::PUSH, rtmp::LISTEN_OUTPUT] {
            let doubt = |latency: &str, max_lag: Option<&str>| {
                let mut options = Options::with_defaults(defaults(tables));
                let duration = |text| Value::Duration(value::duration(text).unwrap());
                options.set("latency", duration(latency));
                max_lag.into_iter().for_each(|max_lag| options.set("max_lag", duration(max_lag)));
                super::doubt(&options)
            };
            for (latency, max_lag) in [("67ms", None), ("2s", None), ("0", Some("0")), ("500ms", Some("1s"))] {
                assert_eq!(doubt(latency, max_lag), None, "{latency} {max_lag:?}");
            }
            let (problem, hint) = doubt("67", None).unwrap();
            assert_eq!(problem, "67s is more than half of `max_lag`, which is 4s: bytes are gathered for 2s");
            assert_eq!(
                hint,
                "let `latency` be 2s or less, or `max_lag` 134s or more; a number alone is seconds: for milliseconds write 67ms"
            );
            let (problem, hint) = doubt("600ms", Some("1")).unwrap();
            assert_eq!(problem, "600ms is more than half of `max_lag`, which is 1s: bytes are gathered for 500ms");
            assert_eq!(hint, "let `latency` be 500ms or less, or `max_lag` 1.2s or more");
            for latency in ["3", "3000"] {
                assert!(!doubt(latency, None).unwrap().1.contains("milliseconds"), "{latency}");
            }
        }
        assert_eq!(super::doubt(&Options::default()), None);
    }
}
