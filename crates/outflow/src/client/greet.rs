//! A connection as far as the answer to `connect`, and no further: it tells the server the app and nothing of the stream.

use std::time::{Duration, Instant};

use outflow_rtmp::amf0::Value;
use outflow_rtmp::auth::Login;
use outflow_rtmp::session::{ClientEvent, ClientSession, Connected};
use tokio::io::AsyncReadExt;

use super::dialogue;
use super::settings::{Destination, Settings};
use super::verdict;
use crate::error::Ended;
use crate::net::connection::Connection;

/// What a server said up to there.
#[derive(Debug, Default)]
pub struct Greeting {
    /// How long the handshake took.
    pub handshake: Option<Duration>,
    /// How long the answer to `connect` took after it.
    pub connect: Option<Duration>,
    /// What the server says of itself, freed of our secrets: name and value.
    pub says: Vec<(&'static str, String)>,
    /// Where it sends us instead.
    pub redirect: Option<Destination>,
    /// It wants a user and password, which the next connect will bring.
    pub login: bool,
}

/// What servers tell of themselves, in the order of interest.
const PROPERTIES: [&str; 5] = ["fmsVer", "version", "server", "capabilities", "capsEx"];

/// Speaks until the answer to `connect`. What came before a failure stands in `greeting`.
///
/// # Errors
/// Why the server did not accept: a refusal, or the end of the connection.
pub async fn greet(
    connection: &mut Connection,
    settings: &Settings,
    destination: &Destination,
    login: &mut Option<Login>,
    greeting: &mut Greeting,
) -> Result<(), Ended> {
    let mut config = settings.session(destination, 0, &[]);
    config.auth = login.as_ref().and_then(Login::query).cloned();
    let mut session = ClientSession::new(config);
    let mut begin = Instant::now();
    let mut buffer = vec![0; 8192];
    loop {
        let written = dialogue::write(connection, &mut session).await;
        written.map_err(|error| verdict::closed(session.stage(), Some(&error)))?;
        let received = match connection.read(&mut buffer).await {
            Ok(0) => return Err(verdict::closed(session.stage(), None)),
            Err(error) => return Err(verdict::closed(session.stage(), Some(&error))),
            Ok(length) => session.receive(buffer.get(..length).unwrap_or_default()),
        };
        while let Some(event) = session.next_event() {
            match event {
                ClientEvent::HandshakeDone => {
                    greeting.handshake = Some(begin.elapsed());
                    begin = Instant::now();
                }
                // What the session has to say now asks for a stream: it is never sent.
                ClientEvent::Connected(connected) => {
                    greeting.connect = Some(begin.elapsed());
                    greeting.says = says(&connected, settings);
                    return Ok(());
                }
                ClientEvent::Refused(refusal) => {
                    greeting.redirect =
                        refusal.redirect.as_ref().and_then(|redirect| destination.redirected(redirect).ok());
                    if let (Some(demand), None) = (&refusal.auth, &greeting.redirect) {
                        let login = login.as_mut().ok_or_else(verdict::user_wanted)?;
                        super::settings::answer(login, demand, &destination.target.app).map_err(verdict::login)?;
                        greeting.login = true;
                        return Ok(());
                    }
                    let (code, text) = (&refusal.code, &refusal.description);
                    return Err(verdict::refused(refusal.stage, code, text, &settings.words));
                }
                ClientEvent::Ended { code, description } => {
                    return Err(verdict::refused(session.stage(), &code, &description, &settings.words));
                }
                _ => {}
            }
        }
        received.map_err(|error| verdict::protocol(&error))?;
    }
}

fn says(connected: &Connected, settings: &Settings) -> Vec<(&'static str, String)> {
    let text = |object: &Value, name: &str| match (object.get_str(name), object.get_f64(name)) {
        (Some(text), _) if !text.is_empty() => Some(settings.words.clean(text)),
        (_, Some(number)) => Some(format!("{number}")),
        _ => None,
    };
    let data = connected.info.get("data");
    let told = |name: &'static str| {
        let found = text(&connected.properties, name).or_else(|| text(&connected.info, name));
        let found = found.or_else(|| data.and_then(|data| text(data, name)))?;
        Some((name, found))
    };
    PROPERTIES.into_iter().filter_map(told).collect()
}
