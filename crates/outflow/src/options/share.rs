//! What an output takes of a line that it shares with others: how fast it may catch up, and who goes first where the line
//! is too small. Read here for words and for `serve` alike.

use super::{OptionSpec, Options, Type};

/// How many times as fast as the stream an output catches up.
pub const BURST: OptionSpec = OptionSpec::new(
    "burst",
    Type::Count,
    "",
    "how many times as fast as the stream itself it may catch up with what it has not sent yet, so that the others on the \
     same line keep their share; 0 = as fast as it goes; if not given, 2 for a push and 4 for players, and 0 within this \
     machine",
);

/// Who goes first.
pub const PRIORITY: OptionSpec = OptionSpec::new(
    "priority",
    Type::Choice(&["highest|5", "high|4", "normal|3", "low|2", "lowest|1"]),
    "normal",
    "who goes first where outputs share a line that is too small: while one stays behind, the lowest of those that are below \
     it sends nothing, and goes on at a key frame when there is room again; nobody yields to players",
);

/// Rates at which nobody who is behind would ever be live.
const TOO_SLOW: u64 = 1;
const MOST: u64 = 1000;

/// How important an output is among those that share a line with it. The order is that of importance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// Goes last.
    Lowest,
    /// Goes after the usual ones.
    Low,
    /// What every output has that says nothing.
    #[default]
    Normal,
    /// Goes before the usual ones.
    High,
    /// Goes first.
    Highest,
}

impl Priority {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "lowest" => Self::Lowest,
            "low" => Self::Low,
            "normal" => Self::Normal,
            "high" => Self::High,
            "highest" => Self::Highest,
            _ => return None,
        })
    }

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lowest => "lowest",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Highest => "highest",
        }
    }
}

/// What an output takes of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// How many times as fast as the stream it catches up; 0 = as fast as it goes; `None` where nobody said.
    pub burst: Option<u32>,
    /// Who goes first.
    pub priority: Priority,
}

impl Share {
    /// Reads the options `burst` and `priority`. The error is about `burst`.
    ///
    /// # Errors
    /// A number with which it would never be live again.
    pub fn of(options: &Options) -> Result<Self, String> {
        let burst = options.count("burst").map(burst).transpose()?;
        let priority = options.text("priority").and_then(|name| Priority::parse(&name)).unwrap_or_default();
        Ok(Self { burst, priority })
    }
}

/// A value of `burst=`.
///
/// # Errors
/// One with which nobody would ever be live again.
pub fn burst(times: u64) -> Result<u32, String> {
    match u32::try_from(times) {
        Ok(times) if u64::from(times) != TOO_SLOW && u64::from(times) <= MOST => Ok(times),
        _ if times == TOO_SLOW => Err(format!("{LOOKS}; as fast as the stream comes, it would stay behind for ever")),
        _ => Err(LOOKS.into()),
    }
}

/// What a value of `burst=` looks like.
pub const LOOKS: &str = "it must be 2 to 1000 times, or 0 for as fast as it goes";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Value, defaults};
    use super::*;

    #[test]
    fn what_is_said_is_read_and_what_would_never_arrive_is_refused() {
        let mut options = Options::with_defaults(defaults(&[&[BURST, PRIORITY]]));
        assert_eq!(Share::of(&options), Ok(Share::default()));
        for (typed, priority) in [("high", Priority::High), ("1", Priority::Lowest), ("NORMAL", Priority::Normal)] {
            options.set("priority", super::super::value::parse(PRIORITY.ty, typed).unwrap());
            assert_eq!(Share::of(&options).unwrap().priority, priority);
        }
        for (times, right) in [(0, true), (1, false), (2, true), (1000, true), (1001, false), (1 << 40, false)] {
            options.set("burst", Value::Count(times));
            assert_eq!(Share::of(&options).is_ok(), right, "{times}");
        }
        assert!(Priority::Highest > Priority::High && Priority::Low > Priority::Lowest);
        for word in ["lowest", "low", "normal", "high", "highest"] {
            assert_eq!(Priority::parse(word).unwrap().name(), word);
        }
    }
}
