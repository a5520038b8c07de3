//! What every reader of media files and byte streams has in common: packets out, errors with a place.

use std::fmt;

use crate::error::{Ended, Origin, Reason, Retry};
use crate::media::Packet;

/// Gives the packets of a file or byte stream, one at a time, in the order in which they should be sent.
pub(crate) trait Demuxer: Send {
    /// Whether there is video and audio, as far as that can be known before the first packet.
    fn tracks(&self) -> (Option<bool>, Option<bool>);

    /// The next packet with the file's own time (milliseconds, unwrapped), or `None` at the clean end. The packet's
    /// arrival is set by the caller.
    fn next(&mut self) -> Result<Option<Packet>, ReadError>;
}

/// Why media could not be read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadError {
    /// Byte of the file or stream, from 0, where one is at fault.
    pub(crate) offset: Option<u64>,
    /// What is wrong, and what to do.
    pub(crate) text: String,
    /// True where reading itself failed (a device, a vanished share), not the media.
    pub(crate) io: bool,
    /// True where it was only cut short because the run is being stopped.
    pub(crate) stopped: bool,
}

impl ReadError {
    /// The media is wrong at a byte.
    pub(crate) fn at(offset: u64, text: impl Into<String>) -> Self {
        Self { offset: Some(offset), text: text.into(), io: false, stopped: false }
    }

    /// The media as a whole is wrong.
    pub(crate) fn media(text: impl Into<String>) -> Self {
        Self { offset: None, text: text.into(), io: false, stopped: false }
    }

    /// Reading failed at a byte.
    pub(crate) fn io(offset: u64, error: &std::io::Error) -> Self {
        let stopped = error.kind() == std::io::ErrorKind::ConnectionAborted;
        Self { offset: Some(offset), text: format!("could not be read: {error}"), io: true, stopped }
    }

    /// The ending of a run over the input.
    pub(crate) fn ended(&self) -> Ended {
        if self.stopped {
            return Ended::stopped();
        }
        let reason = if self.io { Reason::File } else { Reason::Media };
        Ended::new(Origin::Config, Retry::Never, reason, self.to_string())
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            Some(offset) => write!(f, "byte {offset}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl std::error::Error for ReadError {}
