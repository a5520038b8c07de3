//! Two sessions, client and server, talking to each other in one thread.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use outflow_rtmp::session::*;

struct Pair {
    client: ClientSession,
    server: ServerSession,
    client_events: Vec<ClientEvent>,
}

impl Pair {
    fn new(config: ClientConfig) -> Self {
        let server = ServerSession::new(ServerConfig::new([7; 1528]));
        Pair { client: ClientSession::new(config), server, client_events: Vec::new() }
    }

    /// Carries bytes until both are silent or the server has an event.
    fn run(&mut self) -> Option<ServerEvent> {
        loop {
            while let Some(event) = self.client.next_event() {
                self.client_events.push(event);
            }
            if let Some(event) = self.server.next_event() {
                return Some(event);
            }
            let (up, down) = (self.client.take_output(), self.server.take_output());
            if up.is_empty() && down.is_empty() {
                return None;
            }
            self.server.receive(&up).unwrap();
            self.client.receive(&down).unwrap();
        }
    }
}

#[test]
fn publish() {
    let mut pair = Pair::new(ClientConfig::new(Role::Publish, "live", "key", "rtmp://host/live", [1; 1528]));
    assert_eq!(pair.run(), Some(ServerEvent::HandshakeDone));
    let Some(ServerEvent::Connect(connect)) = pair.run() else { panic!() };
    assert_eq!(connect.app, "live");
    pair.server.accept_connect().unwrap();
    let Some(ServerEvent::Publish(publish)) = pair.run() else { panic!() };
    assert_eq!((publish.stream_id, publish.name.expose()), (1, "key"));
    pair.server.accept_publish(1);
    assert_eq!(pair.run(), None);
    assert_eq!(pair.client.stage(), Stage::Started);
}
