//! What a server did, as a client sees it.
use crate::amf0::Value;
use crate::auth::{Demand, secure_token};
use crate::error::{Error, ErrorKind};
use crate::message::Message;
use crate::secret::Secret;
use crate::session::Capabilities;

/// How far a client session has come (Adobe RTMP 1.0 §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The handshake is not done.
    Handshake,
    /// Waiting for the answer to connect.
    Connect,
    /// Waiting for the answer to createStream.
    CreateStream,
    /// Waiting for the answer to publish.
    Publish,
    /// Waiting for the answer to play.
    Play,
    /// Publishing or playing.
    Started,
    /// Refused, or ended by the server.
    Over,
}

impl Stage {
    fn request(self) -> &'static str {
        match self {
            Stage::Handshake => "the handshake",
            Stage::Connect => "connect",
            Stage::CreateStream => "createStream",
            Stage::Publish => "publish",
            Stage::Play => "play",
            Stage::Started | Stage::Over => "to go on",
        }
    }
}

/// What happened (Adobe RTMP 1.0 §7.1, §7.2).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The handshake is done; connect has been sent.
    HandshakeDone,
    /// The server has accepted the connect; the stream is being asked for.
    Connected(Connected),
    /// The server has made the message stream.
    StreamCreated(u32),
    /// The server has accepted the publish or play.
    Started,
    /// The server has refused; it does nothing more for this connection.
    Refused(Refusal),
    /// Audio, video or data (types 8, 9, 18) of the stream played. Aggregates are split, AMF3 data is in AMF0 form,
    /// video and data without content is left out.
    Media(Message),
    /// Nothing more comes of the stream.
    StreamEof,
    /// The server has ended the stream or the connection.
    Ended {
        /// The status code, such as `NetStream.Play.UnpublishNotify`; `NetConnection.Connect.Closed` for a bare close.
        code: String,
        /// The server's words, freed of names and control characters.
        description: String,
    },
    /// Enhanced RTMP v2, "Reconnect Request": the server wants the client to connect anew; this connection still works.
    ReconnectRequest {
        /// Where to: absolute, `//host/app` or `/app`; the same as before if `None`.
        tc_url: Option<Secret>,
        /// The server's words, freed of names and control characters.
        description: String,
    },
    /// The server has received so many bytes, modulo 2^32; compare with
    /// [`ClientSession::sent`](super::ClientSession::sent).
    Acknowledged(u32),
    /// The answer to [`ClientSession::ping`](super::ClientSession::ping).
    Pong(u32),
}

/// The answer to connect (Adobe RTMP 1.0 §7.2.1.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Connected {
    /// The server's properties: `fmsVer`, `capabilities`, those of Enhanced RTMP.
    pub properties: Value,
    /// The status object; some servers put properties here.
    pub info: Value,
}

impl Connected {
    /// What the server announced of Enhanced RTMP: among its properties, or in the status object.
    pub fn capabilities(&self) -> Capabilities {
        let properties = Capabilities::read(&self.properties);
        if properties.is_empty() { Capabilities::read(&self.info) } else { properties }
    }

    /// The challenge of a server that asks for a [secure token](crate::auth::secure_token), wherever it stands: librtmp
    /// and GStreamer look for it at any depth.
    pub fn secure_token(&self) -> Option<&str> {
        find(&self.properties, DEEPEST).or_else(|| find(&self.info, DEEPEST))
    }
}

/// How deep a challenge is looked for.
const DEEPEST: usize = 4;

fn find(value: &Value, depth: usize) -> Option<&str> {
    let own = value.get_str(secure_token::PROPERTY);
    let deeper = || value.fields()?.iter().find_map(|(_, value)| find(value, depth.checked_sub(1)?));
    own.or_else(deeper)
}

/// A refusal, as far as the server explained it (Adobe RTMP 1.0 §7.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was refused.
    pub stage: Stage,
    /// `error` in most cases.
    pub level: String,
    /// Such as `NetStream.Publish.BadName`; may be empty.
    pub code: String,
    /// The server's words, freed of names and control characters.
    pub description: String,
    /// Where the server wants the client to go instead.
    pub redirect: Option<Redirect>,
    /// The server wants a user and password: give it to a [`Login`](crate::auth::Login), and connect again.
    pub auth: Option<Demand>,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let Refusal { stage, code, description, .. } = refusal;
        Error::from(ErrorKind::Refused { request: stage.request(), code, description })
    }
}

/// Another server, named in a refusal: in no specification, as Flash Media Server and SRS have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The URL to use as tcUrl.
    pub tc_url: Secret,
    /// The whole URL with the stream's name, if the server gave one.
    pub url: Option<Secret>,
}
