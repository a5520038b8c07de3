//! The one error type of the crate: what was wrong, where, and which part of which specification says so.
use std::fmt;

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What was wrong and where. `Display` prints both; it never holds a stream key, a password or a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}{at}")]
pub struct Error {
    /// What was wrong.
    pub kind: ErrorKind,
    /// Where it was seen.
    pub at: At,
}

/// The place of an error; fields that do not apply are `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct At {
    /// Bytes before the offending one: counted from the start of the connection or file for handshake, chunk and FLV
    /// errors, from the start of the message's payload for AMF and message errors, of the URL for URL errors.
    pub offset: Option<u64>,
    /// The chunk stream id.
    pub csid: Option<u32>,
    /// The RTMP message type id, or the FLV tag type.
    pub message_type: Option<u8>,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = " (at ";
        if let Some(offset) = self.offset {
            write!(f, "{separator}byte {offset}")?;
            separator = ", ";
        }
        if let Some(csid) = self.csid {
            write!(f, "{separator}chunk stream {csid}")?;
            separator = ", ";
        }
        if let Some(message_type) = self.message_type {
            write!(f, "{separator}message type {message_type}")?;
            separator = ", ";
        }
        if separator == ", " { f.write_str(")") } else { Ok(()) }
    }
}

impl Error {
    /// An error at a byte offset.
    pub fn at(kind: ErrorKind, offset: u64) -> Self {
        Self { kind, at: At { offset: Some(offset), ..At::default() } }
    }

    /// Adds the byte offset unless one is known already.
    #[must_use]
    pub fn or_offset(mut self, offset: u64) -> Self {
        self.at.offset.get_or_insert(offset);
        self
    }

    /// Adds the chunk stream.
    #[must_use]
    pub fn on_csid(mut self, csid: u32) -> Self {
        self.at.csid = Some(csid);
        self
    }

    /// Adds the message type.
    #[must_use]
    pub fn in_message(mut self, message_type: u8) -> Self {
        self.at.message_type = Some(message_type);
        self
    }

    /// The specification and section that the peer, or the caller, went against.
    pub fn section(&self) -> &'static str {
        self.kind.section()
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, at: At::default() }
    }
}

/// Every way in which input or use of this crate can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    // Handshake
    /// The first byte is no RTMP version.
    #[error("the peer does not speak RTMP: its first byte is 0x{0:02x}, not 3")]
    NotRtmp(u8),
    /// C0 or S0 is 6 or 8: encrypted RTMP (RTMPE).
    #[error("the peer wants RTMPE (version {0}), which is not supported; use rtmps:// for encryption")]
    Rtmpe(u8),
    /// The first bytes are an HTTP request or answer: an RTMPT tunnel, or a browser.
    #[error("the peer speaks HTTP, not RTMP; RTMP over HTTP (rtmpt://) is not supported")]
    Http,
    /// The first byte starts a TLS record.
    #[error("the peer speaks TLS, but this is plain RTMP; use rtmp:// there or rtmps:// here")]
    Tls,

    // Chunk stream
    /// A chunk of type 2 or 3 came on a chunk stream that never had a header to refer to.
    #[error("a type {fmt} chunk header refers to an earlier header, and there is none")]
    NoPreviousHeader {
        /// The chunk type, 0 to 3.
        fmt: u8,
    },
    /// A new header inside an unfinished message announces another length.
    #[error("a chunk inside an unfinished message changes the message's length from {was} to {now} bytes")]
    LengthChanged {
        /// The length announced first.
        was: u32,
        /// The length in the new header.
        now: u32,
    },
    /// A message is longer than its type may be.
    #[error("the peer announces a message of {length} bytes, more than the limit of {limit}")]
    MessageTooLong {
        /// The announced length in bytes.
        length: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A message is cut into too many chunks: a tiny chunk size makes work.
    #[error("the peer cuts a message into more than {limit} chunks; it should set a larger chunk size")]
    TooManyChunks {
        /// The limit on chunks in one message.
        limit: u32,
    },
    /// Too many chunk streams in use.
    #[error("the peer uses more than {limit} chunk streams")]
    TooManyChunkStreams {
        /// The limit on remembered chunk streams.
        limit: u32,
    },
    /// Too many messages begun and not finished.
    #[error("the peer has begun more than {limit} messages without finishing them")]
    TooManyPartialMessages {
        /// The limit on unfinished messages.
        limit: u32,
    },
    /// Unfinished messages hold too many bytes.
    #[error("the peer's unfinished messages hold more than {limit} bytes")]
    TooManyPartialBytes {
        /// The limit in bytes.
        limit: u64,
    },
    /// Set Chunk Size with 0 or with the top bit set.
    #[error("the peer sets a chunk size of {0}, which is not between 1 and 2147483647")]
    BadChunkSize(u32),

    // Messages
    /// A message ends before its fixed fields do.
    #[error("{what} needs {need} bytes and has {got}")]
    MessageTooShort {
        /// The name of the message.
        what: &'static str,
        /// Bytes needed.
        need: usize,
        /// Bytes there.
        got: usize,
    },
    /// A part of an aggregate message is longer than the rest of it, or is an aggregate itself.
    #[error("an aggregate message is broken: {0}")]
    BadAggregate(&'static str),

    /// A message that cannot be written as chunks: a mistake of the calling program.
    #[error("this message cannot be sent: {0}")]
    Unsendable(&'static str),

    // AMF
    /// A value ends before its type says so.
    #[error("an AMF value ends too early: {what} needs {need} more bytes and {got} are left")]
    AmfTruncated {
        /// What was being read.
        what: &'static str,
        /// Bytes needed.
        need: usize,
        /// Bytes left.
        got: usize,
    },
    /// A type marker that does not exist or may not stand here.
    #[error("0x{marker:02x} is not an AMF{version} type that may stand here")]
    AmfMarker {
        /// The marker byte.
        marker: u8,
        /// 0 or 3.
        version: u8,
    },
    /// A reference to a string, object or class that was not sent before.
    #[error("an AMF{version} {what} reference to number {index} points at nothing (only {known} are known)")]
    AmfReference {
        /// 0 or 3.
        version: u8,
        /// What is referred to: string, object or class.
        what: &'static str,
        /// The number.
        index: u32,
        /// How many there are.
        known: u32,
    },
    /// An externalizable class, whose format only its author knows.
    #[error("an AMF3 object is of an externalizable class, whose form cannot be known")]
    AmfExternalizable,
    /// One of the AMF limits is passed.
    #[error("an AMF message has more than {limit} {what}")]
    AmfLimit {
        /// What there is too much of: levels of nesting, values, bytes.
        what: &'static str,
        /// The limit.
        limit: u32,
    },

    // Commands and sessions
    /// A command misses something that it cannot do without, or has it in the wrong type.
    #[error("the command {command} is broken: {problem}")]
    BadCommand {
        /// The command's name, one of the known ones.
        command: &'static str,
        /// What is missing or wrong.
        problem: &'static str,
    },
    /// A name (app, stream name, tcUrl ...) is longer than allowed.
    #[error("{what} is longer than {limit} bytes")]
    NameTooLong {
        /// Which name.
        what: &'static str,
        /// The limit in bytes.
        limit: u32,
    },
    /// More createStream calls than a connection may make.
    #[error("the peer has more than {limit} message streams open")]
    TooManyStreams {
        /// The limit.
        limit: u32,
    },
    /// The peer sent something at a time when it may not.
    #[error("the peer sent {what} {when}")]
    OutOfOrder {
        /// What was sent.
        what: &'static str,
        /// The state, as words that follow "the peer sent X": "before connect".
        when: &'static str,
    },
    /// The peer refused a request.
    #[error("the peer refused {request}: {code}{}{description}", if description.is_empty() { "" } else { ", " })]
    Refused {
        /// What was asked: connect, createStream, publish, play.
        request: &'static str,
        /// The code of the status object, such as `NetStream.Publish.BadName`; escape it before it gets here.
        code: String,
        /// The description, cut and freed of control characters and secrets by the session.
        description: String,
    },
    /// A call on a session that its state does not allow: a mistake of the calling program.
    #[error("this session cannot {0} now")]
    Misuse(&'static str),

    // FLV
    /// The bytes are not an FLV file.
    #[error("this is {0}, not FLV")]
    NotFlv(&'static str),
    /// A tag header cannot be right: the file is damaged here, or the reader is not at a tag.
    #[error("this is no FLV tag: {0}")]
    BadFlvTag(&'static str),
    /// A tag is encrypted (the filter bit).
    #[error("the FLV tag is encrypted, which is not supported")]
    EncryptedFlvTag,
    /// A tag is longer than the limit.
    #[error("the FLV tag announces {length} bytes, more than the limit of {limit}")]
    FlvTagTooLong {
        /// The announced length in bytes.
        length: u32,
        /// The limit in bytes.
        limit: u32,
    },
    /// An audio or video tag's header is cut short or contradicts itself.
    #[error("the {media} header is broken: {problem}")]
    BadMediaHeader {
        /// "audio" or "video".
        media: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// A codec's configuration record cannot be read.
    #[error("the {record} cannot be read: {problem}")]
    BadCodecConfig {
        /// The record's name.
        record: &'static str,
        /// What is wrong.
        problem: &'static str,
    },

    // URL
    /// A URL cannot be used; the text says what and how to mend it, and never quotes the URL.
    #[error("the URL cannot be used: {problem}; {mend}")]
    BadUrl {
        /// What is wrong.
        problem: &'static str,
        /// How to mend it.
        mend: &'static str,
    },
}

impl ErrorKind {
    /// The specification and section that was gone against.
    pub fn section(&self) -> &'static str {
        use ErrorKind as K;
        match self {
            K::NotRtmp(_) | K::Rtmpe(_) | K::Http | K::Tls => "Adobe RTMP 1.0 §5.2.2",
            K::NoPreviousHeader { .. } | K::LengthChanged { .. } => "Adobe RTMP 1.0 §5.3.1.2",
            K::MessageTooLong { .. } | K::TooManyPartialMessages { .. } | K::TooManyPartialBytes { .. } => {
                "Adobe RTMP 1.0 §5.3 (a limit of this program)"
            }
            K::TooManyChunks { .. } | K::BadChunkSize(_) => "Adobe RTMP 1.0 §5.4.1",
            K::TooManyChunkStreams { .. } => "Adobe RTMP 1.0 §5.3.1.1 (a limit of this program)",
            K::Unsendable(_) => "Adobe RTMP 1.0 §5.3.1",
            K::MessageTooShort { .. } => "Adobe RTMP 1.0 §5.4 and §7.1",
            K::BadAggregate(_) => "Adobe RTMP 1.0 §7.1.6",
            K::AmfTruncated { .. } | K::AmfMarker { version: 0, .. } | K::AmfReference { version: 0, .. } => {
                "Adobe AMF 0 §2"
            }
            K::AmfMarker { .. } | K::AmfReference { .. } => "Adobe AMF 3 §2 and §3",
            K::AmfExternalizable => "Adobe AMF 3 §3.12",
            K::AmfLimit { .. } => "Adobe AMF 0 §2 (a limit of this program)",
            K::BadCommand { .. } | K::NameTooLong { .. } | K::TooManyStreams { .. } | K::Refused { .. } => {
                "Adobe RTMP 1.0 §7.2"
            }
            K::OutOfOrder { .. } | K::Misuse(_) => "Adobe RTMP 1.0 §7.2 and §7.3",
            K::NotFlv(_) => "Adobe FLV 10.1 §E.2",
            K::BadFlvTag(_) | K::EncryptedFlvTag | K::FlvTagTooLong { .. } => "Adobe FLV 10.1 §E.4.1",
            K::BadMediaHeader { .. } => {
                "Adobe FLV 10.1 §E.4.2 and §E.4.3, Enhanced RTMP v2 \"ExVideoTagHeader\" and \"ExAudioTagHeader\""
            }
            K::BadCodecConfig { .. } => "ISO/IEC 14496-15 §5.3.3, 14496-10 §7.3.2.1, 14496-3 §1.6.2.1",
            K::BadUrl { .. } => "RFC 3986 §3",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn display_says_what_and_where() {
        let error = Error::at(ErrorKind::BadChunkSize(0), 12).on_csid(2).in_message(1);
        assert_eq!(
            error.to_string(),
            "the peer sets a chunk size of 0, which is not between 1 and 2147483647 (at byte 12, chunk stream 2, message type 1)"
        );
        assert_eq!(error.section(), "Adobe RTMP 1.0 §5.4.1");
        assert!(!Error::from(ErrorKind::Http).to_string().contains("(at"));
        let refused = ErrorKind::Refused { request: "publish", code: "A.B".into(), description: "busy".into() };
        assert_eq!(refused.to_string(), "the peer refused publish: A.B, busy");
    }

    #[test]
    fn an_offset_once_known_is_kept() {
        let error = Error::at(ErrorKind::Http, 3).or_offset(9);
        assert_eq!(error.at.offset, Some(3));
        assert_eq!(Error::from(ErrorKind::Http).or_offset(9).at.offset, Some(9));
    }
}
