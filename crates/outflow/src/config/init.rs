//! `serve --init`: a first file with a key of its own, and what to type into the encoder.

use super::Address;
use crate::secret::Secret;

/// Letters and digits that nobody confuses when they are read aloud.
const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// 24 of 31 letters: 118 bits.
const KEY_LETTERS: usize = 24;

/// What the first file is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wish {
    /// Where to listen; every address if nothing is said, since there is a key.
    pub rtmp: Option<Address>,
    /// Where the API listens; on loopback if nothing is said. Elsewhere it gets a token.
    pub http: Option<Address>,
}

/// A first file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Starter {
    /// The file; it holds a key, and so is to be readable by its owner only (0600).
    pub text: Secret,
    /// What to tell whoever asked for it. It holds the key: that is what they asked for.
    pub say: Secret,
}

/// Makes a first file; `path` is what it will be called.
pub fn starter(wish: &Wish, path: &str) -> Result<Starter, String> {
    let rtmp = wish.rtmp.unwrap_or(Address { ip: None, port: 1935 });
    let key = random()?;
    let (http, token) = match wish.http {
        Some(http) if !http.is_loopback() => (http.to_string(), Some(random()?)),
        Some(http) => (http.to_string(), None),
        None => ("127.0.0.1:1937".to_owned(), None),
    };
    let api = match &token {
        Some(token) => format!("\n# Who may use the API: `Authorization: Bearer TOKEN`.\n[api]\ntoken = \"{token}\"\n"),
        None => String::new(),
    };
    let text = format!(
        "# The relay's configuration: outflow serve --config {path}
# Everything that may stand here: docs/outflow.reference.toml. After a change: outflow serve --config {path} --check
# This file holds a key. Keep it to yourself (chmod 600).

[listen]
# Where encoders publish and players play. \":1935\" is every address, \"127.0.0.1:1935\" this machine only.
rtmp = \"{rtmp}\"
# API and web page.
http = \"{http}\"
{api}
# One stream: what is published with this key.
[[stream]]
name = \"live/show\"
publish_key = \"{key}\"
# Only this machine may play it. Remove the line to let everybody who knows the name.
play_from = [\"127.0.0.0/8\", \"::1\"]

# Where it goes. Take the # away and put in what your platform shows as server and stream key; add as many as you like.
#[[output]]
#name = \"youtube\"
#stream = \"live/show\"
#url = \"rtmps://a.rtmps.youtube.com/live2\"
#key = \"YOUR-STREAM-KEY\"

#[[output]]
#name = \"twitch\"
#stream = \"live/show\"
#url = \"rtmp://live.twitch.tv/app\"
#key = \"YOUR-STREAM-KEY\"
#delay = \"30s\"
"
    );
    let host = match rtmp.ip {
        Some(ip) if !ip.is_unspecified() => ip,
        _ => std::net::IpAddr::from([127, 0, 0, 1]),
    };
    let server = std::net::SocketAddr::new(host, rtmp.port);
    let elsewhere = if host.is_loopback() && !rtmp.is_loopback() {
        "\n              (from another machine: the name or address of this one in the place of 127.0.0.1)"
    } else {
        ""
    };
    let bearer = token.map_or(String::new(), |token| format!("\nToken of the API: {token}\n"));
    let say = format!(
        "{path} is written. In OBS: Settings, Stream, Service \"Custom...\"

  Server      rtmp://{server}/live{elsewhere}
  Stream Key  {key}
{bearer}
Put your platforms below [[output]] in {path}, then:

  outflow serve --config {path}
"
    );
    Ok(Starter { text: Secret::new(text), say: Secret::new(say) })
}

/// A key that nobody guesses, of letters that nobody confuses.
pub(crate) fn random() -> Result<String, String> {
    let mut key = String::with_capacity(KEY_LETTERS);
    while key.len() < KEY_LETTERS {
        let mut bytes = [0; 2 * KEY_LETTERS];
        getrandom::fill(&mut bytes).map_err(|error| format!("the system gives no random bytes: {error}"))?;
        // 31 letters: the value that is too much is thrown away, so that all are as likely.
        let letters = bytes.iter().filter_map(|byte| LETTERS.get(usize::from(byte & 31)));
        key.extend(letters.map(|letter| char::from(*letter)).take(KEY_LETTERS - key.len()));
    }
    Ok(key)
}
