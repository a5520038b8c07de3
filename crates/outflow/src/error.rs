//! Errors that say whose fault they are, whether to retry, and where in the words the mistake stands.

use std::fmt;
use std::ops::Range;

/// Whose fault an ending is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The words, the file or the key given to us are wrong.
    Config,
    /// Name resolution, the route, TCP or TLS.
    Network,
    /// The other side said no, or stopped playing its part.
    Peer,
    /// The other side broke the protocol, or the media can't be carried.
    Protocol,
    /// We are at fault.
    Internal,
}

impl Origin {
    /// The stable name, as in `-json` and the API.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Config => "config",
            Origin::Network => "network",
            Origin::Peer => "peer",
            Origin::Protocol => "protocol",
            Origin::Internal => "internal",
        }
    }
}

/// Whether and how soon another attempt makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// At once: nothing was wrong.
    Now,
    /// After the usual backoff.
    Backoff,
    /// After a long backoff: the peer refused, and will hardly change its mind within seconds.
    Slow,
    /// Never: it would end the same way.
    Never,
}

/// A short, stable name of what happened, for `-json`, metrics and documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The input came to its clean end.
    InputEnded,
    /// We were told to stop.
    Stopped,
    /// No media for longer than `grace`.
    InputGone,
    /// The name could not be resolved.
    Resolve,
    /// The TCP connection was refused or could not be made.
    Connect,
    /// TLS failed: certificate, name or protocol.
    Tls,
    /// A deadline passed; the text says which.
    Timeout,
    /// Data waited and not a byte could be written for too long.
    Stalled,
    /// The uplink is too small, and an output of higher priority needs it.
    Uplink,
    /// The connection was reset or closed while live.
    Disconnected,
    /// The peer refused the publish or play: wrong key, app or name.
    Refused,
    /// The peer refused the media: it says that it does not take a codec.
    CodecRefused,
    /// The peer has no stream of this name, or not yet.
    NotFound,
    /// The name is in use at the peer.
    Busy,
    /// The stream would come back to where it was: this program or another has sent it already.
    Loop,
    /// The peer closed without a word shortly after publish: mostly a wrong key.
    ClosedAfterPublish,
    /// The peer broke the protocol.
    Protocol,
    /// The peer took more than a limit of ours allows; the text names it.
    Limit,
    /// The media can't be carried or read.
    Media,
    /// A file or pipe could not be read or written.
    File,
    /// A child process ended, hung or babbled.
    Child,
    /// An address could not be bound.
    Bind,
    /// A fault of ours.
    Internal,
}

impl Reason {
    /// The stable code, as in `-json`.
    pub fn code(self) -> &'static str {
        match self {
            Reason::InputEnded => "input_ended",
            Reason::Stopped => "stopped",
            Reason::InputGone => "input_gone",
            Reason::Resolve => "resolve",
            Reason::Connect => "connect",
            Reason::Tls => "tls",
            Reason::Timeout => "timeout",
            Reason::Stalled => "stalled",
            Reason::Uplink => "uplink",
            Reason::Disconnected => "disconnected",
            Reason::Refused => "refused",
            Reason::CodecRefused => "codec_refused",
            Reason::NotFound => "not_found",
            Reason::Busy => "busy",
            Reason::Loop => "loop",
            Reason::ClosedAfterPublish => "closed_after_publish",
            Reason::Protocol => "protocol",
            Reason::Limit => "limit",
            Reason::Media => "media",
            Reason::File => "file",
            Reason::Child => "child",
            Reason::Bind => "bind",
            Reason::Internal => "internal",
        }
    }
}

/// How one run of a source or sink came to its end. The text never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Whose fault.
    pub origin: Origin,
    /// Whether to try again.
    pub retry: Retry,
    /// The stable code.
    pub reason: Reason,
    /// One sentence for a person: what happened and, where known, what to do.
    pub text: String,
}

impl Ended {
    /// An ending with everything said.
    pub fn new(origin: Origin, retry: Retry, reason: Reason, text: impl Into<String>) -> Self {
        Self { origin, retry, reason, text: text.into() }
    }

    /// The input came to its clean end: nothing was wrong.
    pub fn clean() -> Self {
        Self::new(Origin::Peer, Retry::Never, Reason::InputEnded, "the input ended")
    }

    /// We were told to stop.
    pub fn stopped() -> Self {
        Self::new(Origin::Config, Retry::Never, Reason::Stopped, "stopped")
    }

    /// Trouble with the network, worth another attempt soon.
    pub fn network(reason: Reason, text: impl Into<String>) -> Self {
        Self::new(Origin::Network, Retry::Backoff, reason, text)
    }

    /// A fault of ours.
    pub fn internal(text: impl Into<String>) -> Self {
        Self::new(Origin::Internal, Retry::Backoff, Reason::Internal, text)
    }

    /// True for the two endings that are no fault: a clean end and a stop.
    pub fn is_clean(&self) -> bool {
        matches!(self.reason, Reason::InputEnded | Reason::Stopped)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Ended {}

/// A mistake in the words or the file: which word, which part of it, and the mend. Exit code 2; nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpecError {
    /// The position of the word on the command line, from 1; 0 where no single word is at fault.
    pub word_index: usize,
    /// The word as typed, secrets masked.
    pub word: String,
    /// The option or part of the word that is wrong, if one is.
    pub field: Option<String>,
    /// The byte range of the wrong part within [`SpecError::word`], for a caret.
    pub span: Option<Range<usize>>,
    /// What is wrong, one sentence.
    pub problem: String,
    /// What to do about it ("did you mean ...").
    pub hint: Option<String>,
}

impl SpecError {
    /// A mistake that still has to be told its place by [`SpecError::at`].
    pub fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), ..Self::default() }
    }

    /// Names the option at fault.
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Adds the mend.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the word at fault, where none is named yet.
    pub fn at(mut self, word_index: usize, word: impl Into<String>) -> Self {
        if self.word.is_empty() {
            self.word_index = word_index;
            self.word = word.into();
        }
        self
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.word.is_empty() {
            write!(f, "word {} `{}`: ", self.word_index, self.word)?;
        }
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.problem)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SpecError {}

/// Every mistake found in the words or the file; at least one. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecErrors {
    /// The mistakes, in the order of the words.
    pub list: Vec<SpecError>,
    /// What works but is hardly meant: it may explain a mistake.
    pub warnings: Vec<SpecError>,
}

impl SpecErrors {
    /// Mistakes in the words.
    pub fn new(list: Vec<SpecError>) -> Self {
        Self { list, warnings: Vec::new() }
    }
}

impl fmt::Display for SpecErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.list.iter().enumerate() {
            let line_break = if index > 0 { "\n" } else { "" };
            write!(f, "{line_break}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SpecErrors {}

impl From<SpecError> for SpecErrors {
    fn from(error: SpecError) -> Self {
        Self::new(vec![error])
    }
}
