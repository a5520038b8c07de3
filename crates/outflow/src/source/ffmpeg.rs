//! The source `ffmpeg`: everything that the user's own `ffmpeg` can open, as a child process that writes FLV to a pipe.

mod child;
mod command;
mod fault;
mod guard;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use parking_lot::Mutex;

pub use self::guard::{GUARD_WORD, exec_guard, guard_with};

use self::child::{Child, Fate, Left};
use self::command::Command;
use self::fault::Fault;
use super::file::play::{self, Style};
use super::pipe::{Pieces, open_stream};
use super::{BoxFuture, Produces, Source, SourceJob, SourceKind};
use crate::error::{Ended, Origin, Reason, Retry, SpecError};
use crate::monitor::Event;
use crate::node::{MediaUrl, Node};
use crate::options::{OptionSpec, Type};
use crate::stop::stopper;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec::new("ffmpeg", Type::Text, "ffmpeg", "the program to run: a path, or a name that is looked up in PATH"),
    OptionSpec::new(
        "vcodec",
        Type::Text,
        "copy",
        "how ffmpeg makes the video: copy, an encoder of its (libx264; so for lavfi), or none",
    ),
    OptionSpec::new(
        "acodec",
        Type::Text,
        "copy",
        "how ffmpeg makes the audio: copy, an encoder of its (aac; so for lavfi), or none",
    ),
    OptionSpec::new(
        "format",
        Type::Text,
        "",
        "the format that ffmpeg is to expect (its -f before -i), where it can't tell",
    ),
    OptionSpec::new(
        "re",
        Type::Choice(&["auto", "yes", "no"]),
        "auto",
        "let ffmpeg read at the media's own pace; auto: for files",
    ),
    OptionSpec::new(
        "timeout",
        Type::Duration,
        "15s",
        "ffmpeg is ended and started again when nothing came from it for so long",
    ),
];

/// The record of the kind. It takes every word but RTMP, so that it must be the last of the registry.
pub const KIND: SourceKind = SourceKind {
    name: "ffmpeg",
    summary: "Whatever your own ffmpeg can open (srt, udp, rtsp, http, .mkv, .ts, devices, lavfi), as a child process.",
    options: &[OPTIONS],
    accepts: |url: &MediaUrl, _: bool| !url.is_rtmp(),
    produces: Produces::Encoded,
    may_run_free: true,
    open,
};

/// Bytes handed to the player at a time, and how many such pieces may wait.
const PIECE: usize = 64 << 10;
const PIECES: usize = 16;
/// The first burst of a live source (what ffmpeg read to learn of the streams) is not held back.
const STYLE: Style = Style { lead: Duration::from_secs(10), drift_ppm: 1000, times: Some(1) };

/// Validates the word: `ffmpeg` must be found, and a local file must be there.
fn open(node: &Node) -> Result<Box<dyn Source>, SpecError> {
    let command = Command::new(node)?;
    let timeout = node.options.duration("timeout").unwrap_or(Duration::from_secs(15));
    Ok(Box::new(FfmpegSource { command, timeout }))
}

struct FfmpegSource {
    command: Command,
    timeout: Duration,
}

impl Source for FfmpegSource {
    fn run(&mut self, job: SourceJob) -> BoxFuture<'_, Ended> {
        Box::pin(async move {
            let own = match guard::guard_program() {
                Ok(own) => own,
                Err(error) => return Ended::internal(format!("this program can't find itself: {error}")),
            };
            self.run_with(own, job).await
        })
    }
}

impl FfmpegSource {
    /// Runs with `own` as the program that guards the child.
    async fn run_with(&mut self, own: PathBuf, job: SourceJob) -> Ended {
        let (name, stop, shown) = (job.name.clone(), job.stop.clone(), self.command.shown().to_owned());
        let events = job.events.clone();
        let child = match Child::start(&own, &self.command, job.realtime) {
            Ok(child) => child,
            Err(error) => {
                let text = format!("{} could not be started: {error}", self.command.program());
                return Ended::new(Origin::Config, Retry::Backoff, Reason::Child, text);
            }
        };
        (job.events)(Event::InputStarted { input: job.name.clone(), what: format!("ffmpeg -i {shown}") });
        let (sender, pieces) = sync_channel(PIECES);
        let fate = Arc::new(Mutex::new(None));
        let mut media = Some(Pieces::new(pieces, stop.clone()));
        let (done, unread) = stopper();
        let player = async {
            let ended = play::on_thread(job, STYLE, Box::new(move || open_stream(media.take()))).await;
            done.stop();
            ended
        };
        let copier = child.copy(sender, self.timeout, PIECE, stop, unread, fate.clone());
        // Both end when either does: the player drops its end of the channel, the copier its own.
        let (ended, left) = tokio::join!(player, copier);
        let fate = fate.lock().take();
        let words = self.command.mask(&fault::last_words(&left.said));
        let ended = self.verdict(&name, ended, fate, &left, &words);
        if ended.is_clean() && !words.is_empty() {
            // It says only errors, and gives 0 also where it lost the end of its input.
            let text = format!("ffmpeg ended as if all were well, but had said: {words}");
            events(Event::Warning { who: name, text });
        }
        ended
    }

    /// What the run's ending is, from what the player met, how the child ended, and what it left.
    fn verdict(&self, name: &str, ended: Ended, fate: Option<Fate>, left: &Left, words: &str) -> Ended {
        if ended.reason == Reason::Stopped {
            return ended;
        }
        let said = if words.is_empty() { String::new() } else { format!("; it said: {words}") };
        // Its file header and metadata alone are no media.
        let nothing = !left.gave || ended.text == play::NO_MEDIA;
        let code = match &fate {
            Some(Fate::Exited(status)) => status.code(),
            Some(Fate::Done) if !words.is_empty() => Some(0),
            _ => None,
        };
        if nothing && let Some(fault) = fault::find(&left.said, code, self.command.is_here()) {
            // Its name is told before the text.
            let shown = self.command.shown();
            let what = if shown.rsplit('/').next() == Some(name) { "it" } else { shown };
            let text = match fault {
                Fault::Codec(text) => text,
                Fault::Lasting(mend) => format!("ffmpeg can't play {what}: {words}{mend}"),
            };
            return Ended::new(Origin::Config, Retry::Never, Reason::Media, text);
        }
        let fault = match fate {
            Some(Fate::Done) if ended.is_clean() => return ended,
            Some(Fate::Hung) => format!("ffmpeg gave nothing for {} s and was ended", self.timeout.as_secs()),
            Some(Fate::Exited(status)) => format!("ffmpeg ended: {status}"),
            Some(Fate::Done) if nothing => "ffmpeg ended without any media".to_owned(),
            // It ended well, but what it wrote was not; or we ended it, since that could not be read.
            Some(Fate::Done | Fate::Unread) | None => format!("what ffmpeg wrote is no media: {}", ended.text),
            Some(Fate::Lost(error)) => format!("the pipe from ffmpeg broke: {error}"),
        };
        Ended::new(Origin::Peer, Retry::Backoff, Reason::Child, format!("{fault}{said}"))
    }
}

#[cfg(test)]
#[path = "ffmpeg/tests.rs"]
mod tests;
