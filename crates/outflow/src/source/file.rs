//! The source `file`: FLV, MP4, M4V and MOV files, in real time, once or in a loop.

pub(crate) mod demux;
mod flv;
mod identify;
mod mp4;
pub(crate) mod play;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

pub(crate) use self::flv::FlvDemuxer;
pub(crate) use self::identify::{ENOUGH, Looks, identify};

use self::demux::{Demuxer, ReadError};
use self::mp4::{Mp4Demuxer, Pick};
use self::play::Style;
use super::{BoxFuture, Produces, Source, SourceJob, SourceKind};
use crate::env::Env;
use crate::error::{Ended, Origin, Reason, Retry, SpecError};
use crate::monitor::Event;
use crate::node::{MediaUrl, Node};
use crate::options::{OptionSpec, Type};

const OPTIONS: &[OptionSpec] = &[
    OptionSpec::new("loop", Type::Bool, "false", "play again and again, with time going on"),
    OptionSpec::new("times", Type::Count, "1", "how many times to play, with time going on"),
    OptionSpec::new(
        "tracks",
        Type::List,
        "video,audio",
        "which tracks of an MP4 to send: video, audio, video:N, audio:N (N from 0)",
    ),
];

/// The record of the kind.
pub const KIND: SourceKind = SourceKind {
    name: "file",
    summary: "An FLV, MP4, M4V or MOV file, played in real time (reframer:rt=off: as fast as files take it).",
    options: &[OPTIONS],
    accepts,
    produces: Produces::Encoded,
    may_run_free: true,
    open,
};

/// The file that a URL names, if it names one.
pub(crate) fn path(url: &MediaUrl) -> Option<&Path> {
    url.path().map(Path::new)
}

fn accepts(url: &MediaUrl, _listen: bool) -> bool {
    let known = ["flv", "mp4", "m4v", "mov", "m4a", "f4v"];
    path(url).and_then(Path::extension).is_some_and(|end| known.iter().any(|known| end.eq_ignore_ascii_case(known)))
}

/// Validates the word, and reads the file's beginning (FLV) or index (MP4) once: what can't be read or carried is said
/// before anything starts.
fn open(node: &Node) -> Result<Box<dyn Source>, SpecError> {
    let path = node.url.as_ref().and_then(path).ok_or_else(|| node.error("no file is named"))?.to_owned();
    check_readable(node, &path)?;
    let times = times(node)?;
    let pick = pick(node)?;
    let (_, notes) = open_media(&path, pick).map_err(|error| node.error(format!("{}: {error}", path.display())))?;
    Ok(Box::new(FileSource { path, lock: None, pick, times, notes }))
}

/// Says why a path can't be read, if it can't.
pub(crate) fn check_readable(node: &Node, path: &Path) -> Result<std::fs::Metadata, SpecError> {
    let shown = path.display();
    let meta = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => node.error(format!("there is no file {shown}")),
        std::io::ErrorKind::PermissionDenied => node.error(format!("no permission to look at {shown}")),
        _ => node.error(format!("{shown}: {error}")),
    })?;
    if meta.is_dir() {
        return Err(node.error(format!("{shown} is a directory, not a file")));
    }
    rustix::fs::access(path, rustix::fs::Access::READ_OK)
        .map_err(|error| node.error(format!("{shown} can't be read: {}", std::io::Error::from(error))))?;
    Ok(meta)
}

/// How often to play; `None` = for ever.
fn times(node: &Node) -> Result<Option<u64>, SpecError> {
    match (node.options.bool("loop"), node.options.is_set("times"), node.options.count("times").unwrap_or(1)) {
        (_, true, 0) => Err(node.option_error("times", "0 times is not at all: write a number from 1, or loop")),
        (true, true, _) => Err(node.option_error("times", "it says how often, loop says for ever: write one of them")),
        (true, false, _) => Ok(None),
        (false, _, times) => Ok(Some(times)),
    }
}

fn pick(node: &Node) -> Result<Pick, SpecError> {
    if !node.options.is_set("tracks") {
        return Ok(Pick::default());
    }
    let mut pick = Pick { video: None, audio: None, named: true };
    for word in node.options.list("tracks").unwrap_or_default() {
        let (kind, number) = word.split_once(':').unwrap_or((&word, "0"));
        let wrong = || node.option_error("tracks", format!("`{word}` is not video, audio, video:N or audio:N"));
        let number: usize = number.parse().map_err(|_| wrong())?;
        let place = match kind {
            "video" => &mut pick.video,
            "audio" => &mut pick.audio,
            _ => return Err(wrong()),
        };
        if place.replace(number).is_some() {
            let text = format!("two {kind} tracks can't be sent at once yet: name one");
            return Err(node.option_error("tracks", text));
        }
    }
    Ok(pick)
}

/// What to do with a file that is neither FLV nor MP4, after what it is.
const NOT_OURS: &str = "; FLV, MP4, M4V and MOV files are read here: look whether it is complete and plays in a player; \
    other formats go through your own ffmpeg: ffmpeg -i FILE -c copy -f flv - | outflow -i - ...";

/// Opens a file by what it is, not by its name, and says what there is to know of it.
fn open_media(path: &Path, pick: Pick) -> Result<(Box<dyn Demuxer>, Vec<String>), ReadError> {
    let failed = |error: std::io::Error| ReadError { offset: None, ..ReadError::io(0, &error) };
    let mut file = File::open(path).map_err(failed)?;
    let mut head = Vec::with_capacity(ENOUGH);
    Read::by_ref(&mut file).take(ENOUGH as u64).read_to_end(&mut head).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    match identify(&head) {
        Looks::Mp4 => {
            let length = file.metadata().map_err(failed)?.len();
            let mut media = Mp4Demuxer::open(file, length, pick)?;
            let notes = std::mem::take(&mut media.notes);
            Ok((Box::new(media), notes))
        }
        Looks::MpegTs => Err(ReadError::media(
            "this is an MPEG transport stream; your own ffmpeg can open it: give it a name that ends in .ts",
        )),
        Looks::FlvOrOther if head.is_empty() => Err(ReadError::media("the file is empty")),
        Looks::FlvOrOther if pick.named => Err(ReadError::media("`tracks` picks tracks of MP4 files, this is none")),
        Looks::FlvOrOther => match FlvDemuxer::new(file).look_ahead() {
            Ok(media) => Ok((Box::new(media), Vec::new())),
            Err(error) if head.starts_with(b"FLV") || error.io => Err(error),
            Err(error) => Err(ReadError { text: format!("{}{NOT_OURS}", error.text), ..error }),
        },
    }
}

struct FileSource {
    path: PathBuf,
    /// Held as long as the input is there: an output that is told to write the same file finds it locked.
    lock: Option<File>,
    pick: Pick,
    times: Option<u64>,
    notes: Vec<String>,
}

impl Source for FileSource {
    fn prepare<'a>(&'a mut self, _env: &'a Env) -> BoxFuture<'a, Result<(), Ended>> {
        Box::pin(async move {
            let failed = |text| Err(Ended::new(Origin::Config, Retry::Never, Reason::File, text));
            let shown = self.path.display();
            let file = match File::open(&self.path) {
                Ok(file) => file,
                Err(error) => return failed(format!("{shown} could not be opened: {error}")),
            };
            // Shared with other readers. Some file systems have no locks, which is no reason not to play.
            if flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK) {
                return failed(format!("{shown} is being written, by an output of this command or another program"));
            }
            self.lock = Some(file);
            Ok(())
        })
    }

    fn run(&mut self, job: SourceJob) -> BoxFuture<'_, Ended> {
        for text in self.notes.drain(..) {
            (job.events)(Event::Note { who: job.name.clone(), text });
        }
        let (path, pick) = (self.path.clone(), self.pick);
        let style = Style { lead: Duration::ZERO, drift_ppm: 0, times: self.times };
        Box::pin(async move {
            if job.stop.is_stopped() {
                return Ended::stopped();
            }
            let what = format!("file {}", path.display());
            (job.events)(Event::InputStarted { input: job.name.clone(), what });
            let gone = path.clone();
            let ended =
                play::on_thread(job, style, Box::new(move || open_media(&path, pick).map(|(media, _)| media))).await;
            match std::fs::metadata(&gone) {
                Err(error) if !ended.is_clean() && ended.reason == Reason::File => {
                    let text = format!("{}: {error}", gone.display());
                    Ended::new(Origin::Config, Retry::Never, Reason::File, text)
                }
                _ => ended,
            }
        })
    }
}

#[cfg(test)]
#[path = "file/file_tests.rs"]
mod tests;
