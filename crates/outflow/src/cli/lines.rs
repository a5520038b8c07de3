//! Events as log lines: which part of the program they come from, how much they matter, and the words for them.

use std::time::Duration;

use crate::error::Retry;
use crate::monitor::log::{Level, Tool};
use crate::monitor::{Event, State};

/// One event in a person's words: the part of the program, its level, whom it concerns, and the text.
pub(super) fn line(event: &Event) -> (Tool, Level, String) {
    match event {
        Event::Listening { address, serves } => {
            (Tool::Network, Level::Info, format!("listening on {address}: {serves}"))
        }
        Event::Output { output, state, reason, attempt, retry_in } => {
            let mut text = format!("{output}: {}", state_words(*state));
            if *state == State::Live && *attempt > 1 {
                text.push_str(&format!(" (attempt {attempt})"));
            }
            if let Some(reason) = reason.as_ref().filter(|reason| !reason.is_clean()) {
                text.push_str(&format!(": {}", reason.text));
            }
            if let Some(wait) = retry_in {
                text.push_str(&format!("; again in {}", short(*wait)));
            }
            (Tool::Rtmp, state_level(*state), text)
        }
        Event::PlayerJoined { output, peer } => (Tool::Network, Level::Info, format!("{output}: {peer} plays")),
        Event::PlayerLeft { output, peer, reason } => {
            (Tool::Network, Level::Info, format!("{output}: {peer} left: {reason}"))
        }
        Event::Skipped { output, peer, packets, millis, why } => {
            let peer = peer.map_or(String::new(), |peer| format!(" {peer}"));
            let text = format!(
                "{output}:{peer} {}: skipped {packets} packets, {millis} ms of media, to a key frame",
                why.as_deref().unwrap_or("was too slow")
            );
            (Tool::Media, Level::Warning, text)
        }
        Event::InputStarted { input, what } => (Tool::Media, Level::Info, format!("{input}: {what}")),
        Event::InputEnded { input, reason, retry_in } => {
            let level = match (reason.is_clean(), retry_in, reason.retry) {
                (true, ..) => Level::Info,
                // What ends it for good is told as its failure.
                (_, None, Retry::Never) => Level::Debug,
                _ => Level::Warning,
            };
            let again = retry_in.map_or(String::new(), |wait| format!("; again in {}", short(wait)));
            (Tool::Media, level, format!("{input}: {}{again}", reason.text))
        }
        Event::Alert(change) => {
            let (alert, rule) = (&change.alert, change.alert.rule.name());
            let who = alert.who();
            match change.cleared {
                None => {
                    let text = format!("{who}: alert {rule}: {}; {}", alert.text, alert.mend);
                    (Tool::App, Level::Warning, text)
                }
                Some(cleared) => {
                    let how =
                        if cleared.mended { "it is as it should be" } else { "there is nothing to judge any more" };
                    let lasted = short(cleared.lasted);
                    (Tool::App, Level::Info, format!("{who}: alert {rule} is cleared after {lasted}: {how}"))
                }
            }
        }
        Event::Failure { who, reason } => (Tool::App, Level::Error, format!("{who}: {}", reason.text)),
        Event::Note { who, text } => (Tool::App, Level::Info, format!("{who}: {text}")),
        Event::Warning { who, text } => (Tool::App, Level::Warning, format!("{who}: {text}")),
    }
}

fn state_words(state: State) -> &'static str {
    match state {
        State::WaitingInput => "waits for its input",
        State::Resolving => "looks its host up",
        State::Connecting => "connects",
        State::Handshaking => "greets the server",
        State::Publishing => "asks to publish",
        State::Backoff => "lost",
        other => other.name(),
    }
}

fn state_level(state: State) -> Level {
    match state {
        State::Failed => Level::Error,
        State::Backoff | State::Stalled | State::Yielding => Level::Warning,
        State::Live => Level::Info,
        _ => Level::Debug,
    }
}

/// `250ms`, `4.0s`, `5min`.
pub(super) fn short(time: Duration) -> String {
    match time.as_millis() {
        0..1000 => format!("{}ms", time.as_millis()),
        1000..120_000 => format!("{:.1}s", time.as_secs_f64()),
        _ => format!("{}min", time.as_secs() / 60),
    }
}

/// The time of day, UTC, in milliseconds: `10:12:33.123Z`.
pub(super) fn clock(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}Z", seconds % 60, since_epoch.subsec_millis())
}
