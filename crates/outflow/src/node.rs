//! One word of a graph after parsing: what it is, its URL, its typed options, and how to name it in an error.

pub mod url;

use crate::error::SpecError;
use crate::options::Options;
use crate::options::platforms::{self, Platform};
use crate::secret::Secret;

/// A URL, path or pipe as typed, byte for byte. It may hold a stream key, so it is a secret. Made by [`MediaUrl::new`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaUrl {
    /// The scheme in lower case (`rtmp`, `file`), or `None` for a plain path, `-` or `pipe:N`.
    pub scheme: Option<String>,
    /// All of it.
    pub raw: Secret,
    /// What may be shown: user, key and query masked.
    pub shown: String,
}

/// One source, filter, encoder or sink of the graph.
#[derive(Debug, Clone)]
pub struct Node {
    /// The position of the word on the command line, from 1.
    pub index: usize,
    /// The word as typed, secrets masked: for errors and `-graph`.
    pub word: String,
    /// The name of its kind, as in the registries.
    pub kind: &'static str,
    /// Its name in logs, metrics and `-json`: `name=`, or made from the host; unique among its sort.
    pub name: String,
    /// Where from or where to, if the kind has a URL.
    pub url: Option<MediaUrl>,
    /// Its typed options.
    pub options: Options,
}

impl Node {
    /// The platform that an output leads to: the one that it names, else the one that its host belongs to.
    pub fn platform(&self) -> Option<&'static Platform> {
        let named = self.options.text("platform").and_then(|name| platforms::find(&name));
        named.or_else(|| platforms::of_host(self.url.as_ref()?.host()?))
    }

    /// A mistake in this word.
    pub fn error(&self, problem: impl Into<String>) -> SpecError {
        SpecError::new(problem).at(self.index, self.word.clone())
    }

    /// A mistake in one option of this word.
    pub fn option_error(&self, option: &str, problem: impl Into<String>) -> SpecError {
        self.error(problem).field(option)
    }
}
