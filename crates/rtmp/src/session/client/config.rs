//! What a client is to connect to and ask for.
use crate::amf0::Value;
use crate::limits::Limits;
use crate::secret::Secret;
use crate::session::Capabilities;

/// What a client does with its stream (Adobe RTMP 1.0 §7.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends it.
    Publish,
    /// Receives it.
    Play,
}

/// How a client session behaves (Adobe RTMP 1.0 §7.2.1.1). Fields that are empty are not sent.
#[derive(Clone)]
pub struct ClientConfig {
    /// Publish or play.
    pub role: Role,
    /// The application, as it stands in the URL.
    pub app: Secret,
    /// Stream name with its query; often a key.
    pub name: Secret,
    /// The URL of the application, without user name and password.
    pub tc_url: Secret,
    /// The program that the server is told of; see [`ClientConfig::new`].
    pub flash_ver: String,
    /// The URL of the player program; some servers want it to be right.
    pub swf_url: String,
    /// The URL of the web page around the player.
    pub page_url: String,
    /// Further arguments of connect; [`parse_conn`](crate::command::parse_conn) reads FFmpeg's notation.
    pub conn: Vec<Value>,
    /// Playing, sent as it is: -2000 live or else recorded, -1000 live only, from 0 on where a recording is to begin. Adobe
    /// RTMP 1.0 §7.2.2.1 counts in seconds, Flash Player and FFmpeg in milliseconds; servers take both.
    pub start: f64,
    /// Playing: the buffer told to the server, in milliseconds.
    pub buffer_ms: u32,
    /// Playing: the name for FCSubscribe, which some content networks want before play.
    pub subscribe: Option<Secret>,
    /// Publishing: chunk size to send with, 128 to 65536.
    pub chunk_size: u32,
    /// How often the server is asked to acknowledge, in bytes; 0 leaves it to the server.
    pub window_ack_size: u32,
    /// Limits on what the server may send.
    pub limits: Limits,
    /// Random bytes for the handshake.
    pub random: [u8; 1528],
    /// The handshake with digests instead of the plain one, for servers that ask for it.
    pub digest: bool,
    /// Enhanced RTMP: what we can do. Nothing is announced unless something is said here.
    pub capabilities: Capabilities,
    /// What a login appends to `app` and `tcUrl`, with its `?`: see [`auth`](crate::auth::Login::query).
    pub auth: Option<Secret>,
    /// Playing: the secret for servers that ask for a [secure token](crate::auth::secure_token).
    pub token: Option<Secret>,
    /// Marks of the relays that the stream has come through, the oldest first: see [`hops`](crate::session::hops).
    pub hops: Vec<String>,
}

impl ClientConfig {
    /// The usual values: as publisher the `flash_ver` of encoders, as player that of Flash Player on Linux.
    pub fn new(role: Role, app: &str, name: &str, tc_url: &str, random: [u8; 1528]) -> Self {
        let flash_ver = match role {
            Role::Publish => "FMLE/3.0 (compatible; FMSc/1.0)",
            Role::Play => "LNX 9,0,124,2",
        };
        ClientConfig {
            role,
            app: app.into(),
            name: name.into(),
            tc_url: tc_url.into(),
            flash_ver: flash_ver.to_owned(),
            swf_url: String::new(),
            page_url: String::new(),
            conn: Vec::new(),
            start: -2.0,
            buffer_ms: 3000,
            subscribe: None,
            chunk_size: 4096,
            window_ack_size: 2_500_000,
            limits: Limits::default(),
            random,
            digest: false,
            capabilities: Capabilities::default(),
            auth: None,
            token: None,
            hops: Vec::new(),
        }
    }
}
