//! Which log lines are wanted: levels for each part of the program, as `-logs=tool@level` gives them.

use crate::error::SpecError;
use crate::options::suggest::did_you_mean;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// No line at all.
    Quiet,
    /// Something failed for good.
    Error,
    /// Something failed and is tried again, or works but probably not as meant.
    Warning,
    /// What happens in a normal run.
    Info,
    /// Every step.
    Debug,
}

/// Their names, as typed.
pub const LEVELS: &[(&str, Level)] = &[
    ("quiet", Level::Quiet),
    ("error", Level::Error),
    ("warning", Level::Warning),
    ("info", Level::Info),
    ("debug", Level::Debug),
];

/// The part of the program that a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Sockets: listeners, connects, players.
    Network,
    /// The protocol and the state of outputs.
    Rtmp,
    /// Sources, encoders, skips.
    Media,
    /// Everything else.
    App,
}

/// Their names, as typed; `all` means each of them.
pub const TOOLS: &[(&str, Tool)] =
    &[("network", Tool::Network), ("rtmp", Tool::Rtmp), ("media", Tool::Media), ("app", Tool::App)];

/// The level wanted of each tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    network: Level,
    rtmp: Level,
    media: Level,
    app: Level,
}

impl Default for LogFilter {
    fn default() -> Self {
        Self { network: Level::Info, rtmp: Level::Info, media: Level::Info, app: Level::Info }
    }
}

impl LogFilter {
    /// True if a line of this tool and level is wanted.
    pub fn wants(&self, tool: Tool, level: Level) -> bool {
        let limit = match tool {
            Tool::Network => self.network,
            Tool::Rtmp => self.rtmp,
            Tool::Media => self.media,
            Tool::App => self.app,
        };
        level <= limit && level != Level::Quiet
    }

    /// Reads `tool@level[:tool@level ...]`; tools may be joined by commas, a level alone is for all.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let mut filter = Self::default();
        for part in text.split(':') {
            // GPAC's "no colour in logs": colour is used on terminals only.
            if part == "ncl" {
                continue;
            }
            let (tools, level) = part.rsplit_once('@').unwrap_or(("all", part));
            let Some((_, level)) = LEVELS.iter().find(|(name, _)| *name == level) else {
                let names = LEVELS.iter().map(|(name, _)| *name);
                let all = names.clone().collect::<Vec<_>>().join(", ");
                return Err(SpecError::new(format!("`{level}` is no level of logs"))
                    .hint(did_you_mean(level, names).unwrap_or(format!("levels are {all}"))));
            };
            for tool in tools.split(',') {
                filter.set(tool, *level)?;
            }
        }
        Ok(filter)
    }

    fn set(&mut self, tool: &str, level: Level) -> Result<(), SpecError> {
        match tool {
            "network" => self.network = level,
            "rtmp" => self.rtmp = level,
            "media" => self.media = level,
            "app" => self.app = level,
            "all" => *self = Self { network: level, rtmp: level, media: level, app: level },
            _ => {
                let names = TOOLS.iter().map(|(name, _)| *name).chain(["all"]);
                let all = names.clone().collect::<Vec<_>>().join(", ");
                return Err(SpecError::new(format!("`{tool}` is no part of the program that logs"))
                    .hint(did_you_mean(tool, names).unwrap_or(format!("parts are {all}"))));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn levels_are_set_for_tools() {
        let filter = LogFilter::parse("all@error:rtmp,media@debug").unwrap();
        assert!(filter.wants(Tool::Rtmp, Level::Debug) && filter.wants(Tool::Media, Level::Info));
        assert!(!filter.wants(Tool::Network, Level::Warning) && filter.wants(Tool::App, Level::Error));
        assert!(!LogFilter::parse("quiet").unwrap().wants(Tool::App, Level::Error));
        assert!(!LogFilter::default().wants(Tool::App, Level::Debug));
    }

    #[test]
    fn wrong_tools_and_levels_have_a_mend() {
        for (text, hint) in
            [("netwrok@info", "`network`"), ("all@debgu", "`debug`"), ("audio@info", "network, rtmp"), ("x", "quiet")]
        {
            assert!(LogFilter::parse(text).unwrap_err().hint.unwrap().contains(hint), "{text}");
        }
    }
}
