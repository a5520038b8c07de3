//! What a publisher sent, decoded from the bytes that were tapped before the server, by another implementation than ours.

use std::io::Cursor;

use crate::flv::Tag;
use crate::wire::{self, kind};

/// C0, C1 and C2, which no client sends more or less of (RTMP 1.0 §5.2).
const HANDSHAKE: usize = 1 + 1536 + 1536;

/// The audio, video and data messages of a connection's bytes; a last message that is cut off is left out.
pub async fn decode(bytes: &[u8]) -> Result<Vec<Tag>, String> {
    let Some(chunks) = bytes.get(HANDSHAKE..) else { return Ok(Vec::new()) };
    let (mut reader, _writer) = wire::split(Box::new(tokio::io::join(Cursor::new(chunks.to_vec()), tokio::io::sink())));
    let mut tags = Vec::new();
    while let Some(message) = reader.next().await.map_err(|error| format!("after {} messages: {error}", tags.len()))? {
        if matches!(message.kind, kind::AUDIO | kind::VIDEO | kind::DATA) {
            tags.push(Tag::from_message(&message));
        }
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{Behaviour, Setup};
    use crate::media::made_up;
    use crate::proxy::Proxy;
    use crate::publisher::Publisher;

    #[tokio::test]
    async fn what_passed_the_proxy_is_what_was_sent() {
        let server = Setup::new([Behaviour::Good]).start().await;
        let proxy = Proxy::start_tapping(server.address()).await;
        let mut publisher = Publisher::connect(&format!("rtmp://{}/live/k", proxy.address())).await.unwrap();
        let sent = made_up(30, 10, 9000);
        for tag in &sent {
            publisher.send_tag(tag, 0).await.unwrap();
        }
        server.wait_for_media(0, 62).await;
        assert_eq!(decode(&proxy.tapped()[0]).await.unwrap(), sent);
        assert_eq!(decode(b"short").await, Ok(Vec::new()));
    }
}
