//! What a server's no means, in which class it falls, and how it is told without showing a key.

use std::io;

use outflow_rtmp::auth::LoginError;
use outflow_rtmp::session::Stage;
use outflow_rtmp::session::hops::LOOP;
use outflow_rtmp::url::{RtmpUrl, Target};

use crate::error::{Ended, Origin, Reason, Retry};
use crate::net::dial::plain;
use crate::secret::Secret;

/// Secrets of one destination, which servers like to quote.
#[derive(Debug, Default)]
pub struct Words(Vec<Secret>);

/// Shorter ones would blank out ordinary words, and are no keys.
const SHORTEST: usize = 4;
/// What a server says is kept up to this length, in bytes.
const LONGEST: usize = 200;

impl Words {
    /// The stream name, with and without its query, the values of all queries, and the password.
    pub fn of(url: &RtmpUrl, target: &Target) -> Self {
        let queries = [query_of(&target.name), query_of(&target.app), url.expose_query()].into_iter().flatten();
        let values = queries.flat_map(|query| query.split('&')).map(|pair| pair.split_once('=').map_or(pair, |p| p.1));
        let name = target.name.split('?').next().unwrap_or_default();
        let all = [target.name.as_str(), name, url.expose_password().unwrap_or_default()];
        let mut words: Vec<&str> = all.into_iter().chain(values).filter(|word| word.len() >= SHORTEST).collect();
        // The longest first: a part must not break up the whole.
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        words.dedup();
        Self(words.into_iter().map(Secret::new).collect())
    }

    /// Adds secrets that the URL does not hold.
    pub fn extend<'a>(&mut self, more: impl IntoIterator<Item = &'a Secret>) {
        let more = more.into_iter().filter(|word| word.expose().len() >= SHORTEST);
        self.0.extend(more.cloned());
        self.0.sort_by_key(|word| std::cmp::Reverse(word.expose().len()));
    }

    /// A server's words, fit to be shown.
    pub fn clean(&self, text: &str) -> String {
        let mut clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        for word in &self.0 {
            clean = clean.replace(word.expose(), "****");
        }
        clean.truncate(clean.floor_char_boundary(LONGEST));
        clean.trim().to_owned()
    }
}

fn query_of(text: &str) -> Option<&str> {
    text.split_once('?').map(|(_, query)| query)
}

/// What a server's refusal means.
pub fn refused(stage: Stage, code: &str, description: &str, words: &Words) -> Ended {
    let (code, description) = (words.clean(code), words.clean(description));
    let said = match (code.is_empty(), description.is_empty()) {
        (false, false) => format!("{code}: {description}"),
        (true, true) => "it gave no reason".to_owned(),
        _ => format!("{code}{description}"),
    };
    if description.starts_with(LOOP) {
        let text = format!("it would run in a circle: take one of the outputs on the way out ({said})");
        return Ended::new(Origin::Config, Retry::Slow, Reason::Loop, text);
    }
    if stage != Stage::Play && names_a_codec(&description) {
        let mend = "send H.264 and AAC there, or leave the track out with `tracks=`";
        let text = format!("the server does not take a codec of this stream ({said}): {mend}");
        return Ended::new(Origin::Peer, Retry::Slow, Reason::CodecRefused, text);
    }
    if code.ends_with(".BadName") {
        let text = format!("the stream name is in use at the server, or not allowed ({said})");
        return Ended::new(Origin::Peer, Retry::Backoff, Reason::Busy, text);
    }
    if description.contains("authmod=") {
        return user_wanted();
    }
    if code.ends_with(".StreamNotFound") {
        let text = format!("the server has no such stream now ({said})");
        return Ended::new(Origin::Peer, Retry::Backoff, Reason::NotFound, text);
    }
    let what = match stage {
        Stage::Play => {
            // Often said where nobody publishes yet.
            let text = format!("the server refused to play: name, app or key, or nobody publishes it ({said})");
            return Ended::new(Origin::Peer, Retry::Backoff, Reason::Refused, text);
        }
        Stage::Handshake | Stage::Connect => "the server refused the app, or who we are",
        Stage::CreateStream | Stage::Publish => "the server refused the publish: key, app or name",
        Stage::Started | Stage::Over if code.starts_with("NetStream.Publish.") => "the server took the publish back",
        Stage::Started | Stage::Over => {
            return Ended::network(Reason::Disconnected, format!("the server ended the session ({said})"));
        }
    };
    Ended::new(Origin::Peer, Retry::Slow, Reason::Refused, format!("{what} ({said})"))
}

/// What it means that a server asks for a user and password, and the URL has none.
pub fn user_wanted() -> Ended {
    let text = "the server wants a user and password: write them into the URL, as rtmp://USER:PASSWORD@HOST/APP";
    Ended::new(Origin::Peer, Retry::Slow, Reason::Refused, text.to_owned())
}

/// How the text begins that tells of a failed login.
pub const LOGIN_FAILED: &str = "the login failed";

/// What it means that a login has failed.
pub fn login(error: LoginError) -> Ended {
    Ended::new(Origin::Peer, Retry::Slow, Reason::Refused, format!("{LOGIN_FAILED}: {error}"))
}

/// Codecs as servers call them.
const CODECS: [&str; 14] =
    ["h264", "h265", "hevc", "avc", "av1", "vp8", "vp9", "vvc", "hvc1", "av01", "aac", "opus", "flac", "mp3"];
/// How a no begins or goes on, beside a codec's name.
const NO: [&str; 5] = ["support", "accept", "allow", "permit", "require"];

/// True if a refusal speaks of codecs. The status codes do not tell: `NetStream.Publish.Rejected`, which sounds like it, is
/// what many servers say to a wrong key.
fn names_a_codec(description: &str) -> bool {
    let said = description.to_ascii_lowercase().replace("h.26", "h26");
    let mut words = said.split(|c: char| !c.is_ascii_alphanumeric());
    let is_codec = |word: &str| word.starts_with("codec") || word.starts_with("fourcc");
    // A codec's name alone may be part of a stream's.
    words.clone().any(is_codec) || (words.any(|word| CODECS.contains(&word)) && NO.iter().any(|no| said.contains(no)))
}

/// What it means that a server closes without a word.
pub fn closed(stage: Stage, error: Option<&io::Error>) -> Ended {
    let how = match error.map(io::Error::kind) {
        None | Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe) => "closed the connection".to_owned(),
        Some(io::ErrorKind::ConnectionReset) => "reset the connection".to_owned(),
        Some(_) => format!("is lost ({})", error.map(plain).unwrap_or_default()),
    };
    match stage {
        Stage::Handshake => {
            let text = format!("the server {how} during the handshake: is it an RTMP port?");
            Ended::network(Reason::Disconnected, text)
        }
        Stage::Connect | Stage::CreateStream => {
            let text = format!("the server {how} without a word when it was told the app: does it know it?");
            Ended::network(Reason::Disconnected, text)
        }
        Stage::Play => {
            let text = format!("the server {how} without a word when it was asked to play: is there such a stream?");
            Ended::network(Reason::Disconnected, text)
        }
        _ => after_publish(&how),
    }
}

/// A close without a word soon after publish.
pub fn after_publish(how: &str) -> Ended {
    let text = format!("the server {how} without a word after publish: mostly a wrong key, app or name");
    Ended::new(Origin::Peer, Retry::Slow, Reason::ClosedAfterPublish, text)
}

/// What it means that the connection breaks while media flows.
pub fn lost(error: &io::Error) -> Ended {
    let how = match error.kind() {
        io::ErrorKind::ConnectionReset => "the server reset the connection".to_owned(),
        _ => format!("the connection is lost ({})", plain(error)),
    };
    Ended::network(Reason::Disconnected, how)
}

/// What it means that the server broke the protocol.
pub fn protocol(error: &outflow_rtmp::Error) -> Ended {
    let text = format!("the server does not speak RTMP as it should: {error}");
    Ended::new(Origin::Protocol, Retry::Backoff, Reason::Protocol, text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_and_tokens_are_not_quoted() {
        let url = RtmpUrl::parse("rtmp://user:passw0rd@h/live/abcd?token=t0ken&x=1").unwrap();
        let words = Words::of(&url, &url.target(None, None, None));
        let said = "abcd?token=t0ken&x=1 / abcd / t0ken / passw0rd / live\r\n";
        assert_eq!(words.clean(said), "**** / **** / **** / **** / live");
        assert_eq!(words.clean(&"é".repeat(200)).len(), 200);
        assert!(!format!("{words:?}").contains("abcd"));
    }

    #[test]
    fn a_no_has_its_class() {
        let words = Words::default();
        let class = |stage, code, description| {
            let ended = refused(stage, code, description, &words);
            (ended.reason, ended.retry)
        };
        let publish = Stage::Publish;
        assert_eq!(class(publish, "NetStream.Publish.BadName", "x"), (Reason::Busy, Retry::Backoff));
        assert_eq!(class(publish, "NetStream.Publish.Denied", ""), (Reason::Refused, Retry::Slow));
        assert_eq!(class(Stage::Connect, "NetConnection.Connect.InvalidApp", ""), (Reason::Refused, Retry::Slow));
        assert_eq!(class(Stage::Over, "NetConnection.Connect.Closed", ""), (Reason::Disconnected, Retry::Backoff));
        assert_eq!(class(Stage::Over, "NetStream.Publish.Denied", ""), (Reason::Refused, Retry::Slow));
        assert_eq!(class(Stage::Over, "NetStream.Publish.BadName", ""), (Reason::Busy, Retry::Backoff));
        for said in [
            "Unsupported video codec: 12",
            "HEVC is not supported",
            "Only H.264 is allowed here",
            "unsupported codec_id 8",
            "stream requires audio AAC",
            "fourCcList not understood",
        ] {
            for code in ["NetStream.Publish.Rejected", "NetStream.Publish.BadName", "NetConnection.Connect.Closed", ""]
            {
                for stage in [Stage::Connect, publish, Stage::Over] {
                    assert_eq!(class(stage, code, said), (Reason::CodecRefused, Retry::Slow), "{code}: {said}");
                }
            }
            assert_ne!(class(Stage::Play, "NetStream.Play.Failed", said).0, Reason::CodecRefused);
        }
        for said in ["Authentication Failed.", "no stream av1 here", "not allowed", "opusdei is not permitted", ""] {
            assert_eq!(class(publish, "NetStream.Publish.Rejected", said), (Reason::Refused, Retry::Slow), "{said}");
        }
        assert_eq!(class(publish, "NetStream.Publish.Denied", "a loop: x"), (Reason::Loop, Retry::Slow));
        assert_eq!(class(Stage::Play, "NetStream.Play.Failed", "a loop: x"), (Reason::Loop, Retry::Slow));
        assert!(refused(Stage::Connect, "", "", &words).text.contains("gave no reason"));
        assert!(
            refused(Stage::Connect, "NetConnection.Connect.Rejected", "[ code=403 need auth; authmod=adobe ]", &words)
                .text
                .contains("USER:PASSWORD@")
        );
    }

    #[test]
    fn a_close_without_a_word_is_read_by_its_stage() {
        assert_eq!(closed(Stage::Handshake, None).reason, Reason::Disconnected);
        assert_eq!(closed(Stage::Connect, None).retry, Retry::Backoff);
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let ended = closed(Stage::Publish, Some(&reset));
        assert_eq!((ended.reason, ended.retry), (Reason::ClosedAfterPublish, Retry::Slow));
        assert!(ended.text.contains("reset the connection"));
    }
}
