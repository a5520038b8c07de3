//! `-o twitch:key=env@KEY`: a platform's name in the place of a URL.

use super::split::Piece;
use super::typing;
use super::words::Reader;
use crate::error::SpecError;
use crate::node::MediaUrl;
use crate::options::platforms::{self, Platform};

/// What a platform's name stands for.
pub(super) struct Preset<'a> {
    /// The platform.
    pub(super) platform: &'static Platform,
    /// Where it takes the stream.
    pub(super) url: String,
    /// The options that are left: `url=` is taken.
    pub(super) pieces: Vec<Piece<'a>>,
}

impl Reader<'_> {
    /// What this word stands for, if it is a platform's name. `Err` where that was told as wrong.
    pub(super) fn preset<'a>(
        &mut self,
        index: usize,
        name: &str,
        pieces: Vec<Piece<'a>>,
    ) -> Result<Option<Preset<'a>>, ()> {
        let Some(platform) = platforms::find(name) else { return Ok(None) };
        let (own, pieces): (Vec<_>, Vec<_>) = pieces.into_iter().partition(|piece| piece.name == "url");
        if own.iter().any(|piece| Some(piece.value) != own.first().map(|first| first.value)) {
            self.errors.push(typing::contradicts("url", "url").at(index, format!("{name}:url=")));
            return Err(());
        }
        let url = match own.last().and_then(|piece| piece.value) {
            Some(text) => typing::fetch(self.environment, text).map_err(|error| {
                self.errors.push(error.field("url").at(index, format!("{name}:url=")));
            })?,
            None => match platform.url {
                Some(url) => url.value.to_owned(),
                None => {
                    let variable = name.to_ascii_uppercase();
                    let problem = format!("{} gives every channel a URL of its own", platform.title);
                    let hint = format!(
                        "write `-o {name}:url=env@{variable}_URL:key=env@{variable}_KEY`; it stands in: {}",
                        platform.found
                    );
                    self.errors.push(SpecError::new(problem).hint(hint).at(index, name));
                    return Err(());
                }
            },
        };
        if !MediaUrl::output(&url).is_rtmp() {
            let error = SpecError::new("streams are sent to rtmp:// and rtmps:// URLs").field("url");
            let hint = format!("copy the URL from the platform: {}", platform.found);
            self.errors.push(error.hint(hint).at(index, name));
            return Err(());
        }
        let keyed = pieces.iter().any(|piece| matches!(piece.name, "key" | "rtmp_playpath") && piece.value.is_some());
        if !keyed && own.is_empty() {
            let variable = name.to_ascii_uppercase();
            let hint = format!("write `-o {name}:key=env@{variable}_KEY`; it stands in: {}", platform.found);
            self.errors
                .push(SpecError::new(format!("{} wants a stream key", platform.title)).hint(hint).at(index, name));
            return Err(());
        }
        Ok(Some(Preset { platform, url, pieces }))
    }
}
