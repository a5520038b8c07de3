//! The dialogue up to the answer to publish or play: bytes between a connection and a session, before media flows.

use std::io;
use std::time::{Duration, Instant};

use outflow_rtmp::auth::Demand;
use outflow_rtmp::message::Message;
use outflow_rtmp::session::{ClientEvent, ClientSession, Redirect, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Watcher;
use super::verdict::{self, Words};
use crate::error::Ended;
use crate::monitor::State;
use crate::net::connection::Connection;

/// A server that has said nothing for so long after publish gets media all the same, and one that we play from is
/// waited for: some never answer.
const SILENT_ANSWER: Duration = Duration::from_secs(5);
/// Data messages kept that came before the answer to play: no server sends more than a handful.
const MOST_EARLY: usize = 16;

/// Where the dialogue led.
pub(super) struct Granted {
    pub session: ClientSession,
    /// False where the server has not said yes.
    pub accepted: bool,
    /// When publish or play was asked for.
    pub asked: Instant,
    /// Data messages that came before the answer.
    pub early: Vec<Message>,
}

/// Why the dialogue led nowhere.
pub(super) enum Failure {
    Ended(Ended),
    /// The server names another.
    Redirected(Redirect),
    /// The server wants a user and password.
    Login(Demand),
}

impl From<Ended> for Failure {
    fn from(ended: Ended) -> Self {
        Failure::Ended(ended)
    }
}

/// Speaks until the server has accepted or refused, or is silent after publish or play.
pub(super) async fn open(
    connection: &mut Connection,
    session: ClientSession,
    watcher: &dyn Watcher,
    words: &Words,
) -> Result<Granted, Failure> {
    let mut dialogue = Dialogue { session, watcher, words, asked: None, early: Vec::new() };
    let mut buffer = vec![0; 8192];
    loop {
        if write(connection, &mut dialogue.session).await.is_err() {
            // What the server said last tells more than that it does not take any more.
            let said = read_rest(connection, &mut dialogue.session, &mut buffer).await;
            dialogue.listen()?;
            return Err(verdict::closed(dialogue.session.stage(), said.err().as_ref()).into());
        }
        if let (true, Some(asked)) = (dialogue.listen()?, dialogue.asked) {
            return Ok(dialogue.granted(true, asked));
        }
        let reading = connection.read(&mut buffer);
        let read = match dialogue.asked {
            None => reading.await,
            Some(asked) => match tokio::time::timeout_at((asked + SILENT_ANSWER).into(), reading).await {
                Ok(read) => read,
                Err(_) => {
                    dialogue.session.assume_started();
                    return Ok(dialogue.granted(false, asked));
                }
            },
        };
        match read {
            Ok(0) => return Err(verdict::closed(dialogue.session.stage(), None).into()),
            Err(error) => return Err(verdict::closed(dialogue.session.stage(), Some(&error)).into()),
            Ok(length) => {
                let received = dialogue.session.receive(buffer.get(..length).unwrap_or_default());
                if let Err(error) = received {
                    dialogue.listen()?;
                    return Err(verdict::protocol(&error).into());
                }
            }
        }
    }
}

pub(super) async fn write(connection: &mut Connection, session: &mut ClientSession) -> io::Result<()> {
    while session.has_output() {
        let bytes = session.take_output();
        if bytes.is_empty() {
            break;
        }
        connection.write_all(&bytes).await?;
    }
    connection.flush().await
}

/// Reads what had come before the connection broke.
async fn read_rest(connection: &mut Connection, session: &mut ClientSession, buffer: &mut [u8]) -> io::Result<()> {
    loop {
        let length = connection.read(buffer).await?;
        if length == 0 || session.receive(buffer.get(..length).unwrap_or_default()).is_err() {
            return Ok(());
        }
    }
}

struct Dialogue<'a> {
    session: ClientSession,
    watcher: &'a dyn Watcher,
    words: &'a Words,
    asked: Option<Instant>,
    early: Vec<Message>,
}

impl Dialogue<'_> {
    fn granted(self, accepted: bool, asked: Instant) -> Granted {
        Granted { session: self.session, accepted, asked, early: self.early }
    }

    /// Takes what happened; true once the server has said yes. What came after that stays in the session.
    fn listen(&mut self) -> Result<bool, Failure> {
        while let Some(event) = self.session.next_event() {
            match event {
                ClientEvent::StreamCreated(_) => {
                    self.asked = Some(Instant::now());
                    self.watcher.enter(State::Publishing);
                }
                ClientEvent::Connected(connected)
                    if !self.session.has_token() && connected.secure_token().is_some() =>
                {
                    self.watcher
                        .note("the server asks for a secure token: if it refuses, give it as rtmp_token=SECRET".into());
                }
                ClientEvent::Started => return Ok(true),
                ClientEvent::Media(message) if self.early.len() < MOST_EARLY => self.early.push(message),
                ClientEvent::Refused(refusal) => {
                    return Err(match (refusal.redirect, refusal.auth) {
                        (Some(redirect), _) => Failure::Redirected(redirect),
                        (None, Some(demand)) => Failure::Login(demand),
                        (None, None) => {
                            verdict::refused(refusal.stage, &refusal.code, &refusal.description, self.words).into()
                        }
                    });
                }
                ClientEvent::Ended { code, description } => {
                    return Err(verdict::refused(Stage::Over, &code, &description, self.words).into());
                }
                _ => {}
            }
        }
        Ok(false)
    }
}
