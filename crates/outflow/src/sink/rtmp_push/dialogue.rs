//! The dialogue up to the answer to publish: bytes between a connection and a session, before the pump takes over.

use std::io;
use std::time::{Duration, Instant};

use outflow_rtmp::session::{ClientEvent, ClientSession, Redirect, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::verdict::{self, Words};
use crate::error::{Ended, Origin, Reason, Retry};
use crate::monitor::State;
use crate::net::connection::Connection;
use crate::sink::Progress;

/// A server that has said nothing for so long after publish gets media all the same: some never answer.
const SILENT_ANSWER: Duration = Duration::from_secs(5);

/// Where the dialogue led.
pub(super) struct Published {
    pub session: ClientSession,
    /// False where the server has not said yes.
    pub accepted: bool,
    /// When publish was asked for.
    pub asked: Instant,
}

/// Why the dialogue led nowhere.
pub(super) enum Failure {
    Ended(Ended),
    /// The server names another.
    Redirected(Redirect),
}

impl From<Ended> for Failure {
    fn from(ended: Ended) -> Self {
        Failure::Ended(ended)
    }
}

/// Speaks until the server has accepted or refused, or is silent after publish.
pub(super) async fn publish(
    connection: &mut Connection,
    mut session: ClientSession,
    progress: &Progress,
    words: &Words,
) -> Result<Published, Failure> {
    let mut asked = None;
    let mut buffer = vec![0; 8192];
    loop {
        if write(connection, &mut session).await.is_err() {
            // What the server said last tells more than that it does not take any more.
            let said = read_rest(connection, &mut session, &mut buffer).await;
            listen(&mut session, progress, words, &mut asked)?;
            return Err(verdict::closed(session.stage(), said.err().as_ref()).into());
        }
        if let (true, Some(asked)) = (listen(&mut session, progress, words, &mut asked)?, asked) {
            return Ok(Published { session, accepted: true, asked });
        }
        let reading = connection.read(&mut buffer);
        let read = match asked {
            None => reading.await,
            Some(asked) => match tokio::time::timeout_at((asked + SILENT_ANSWER).into(), reading).await {
                Ok(read) => read,
                Err(_) => {
                    session.assume_started();
                    return Ok(Published { session, accepted: false, asked });
                }
            },
        };
        match read {
            Ok(0) => return Err(verdict::closed(session.stage(), None).into()),
            Err(error) => return Err(verdict::closed(session.stage(), Some(&error)).into()),
            Ok(length) => {
                let received = session.receive(buffer.get(..length).unwrap_or_default());
                if let Err(error) = received {
                    listen(&mut session, progress, words, &mut asked)?;
                    return Err(protocol(&error).into());
                }
            }
        }
    }
}

async fn write(connection: &mut Connection, session: &mut ClientSession) -> io::Result<()> {
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

/// Takes what happened; true once the server has said yes.
fn listen(
    session: &mut ClientSession,
    progress: &Progress,
    words: &Words,
    asked: &mut Option<Instant>,
) -> Result<bool, Failure> {
    while let Some(event) = session.next_event() {
        match event {
            ClientEvent::StreamCreated(_) => {
                *asked = Some(Instant::now());
                progress.enter(State::Publishing);
            }
            ClientEvent::Started => return Ok(true),
            ClientEvent::Refused(refusal) => {
                return Err(match refusal.redirect {
                    Some(redirect) => Failure::Redirected(redirect),
                    None => verdict::refused(refusal.stage, &refusal.code, &refusal.description, words).into(),
                });
            }
            ClientEvent::Ended { code, description } => {
                return Err(verdict::refused(Stage::Over, &code, &description, words).into());
            }
            _ => {}
        }
    }
    Ok(false)
}

pub(super) fn protocol(error: &outflow_rtmp::Error) -> Ended {
    let text = format!("the server does not speak RTMP as it should: {error}");
    Ended::new(Origin::Protocol, Retry::Backoff, Reason::Protocol, text)
}
