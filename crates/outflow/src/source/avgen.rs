//! `avgen`: a test source that draws and sounds its own programme, with GPAC's options and defaults.

pub mod clock;
mod disc;
mod generate;
pub mod picture;
mod settings;
pub mod sound;
pub mod strip;
mod text;

use tokio::sync::oneshot;

use crate::error::{Ended, SpecError};
use crate::node::Node;
use crate::options::{OptionSpec, Type};
use crate::source::{BoxFuture, Produces, Source, SourceJob, SourceKind};
use settings::Settings;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec::new("type", Type::Choice(&["a", "v", "av"]), "av", "what to make: audio, video or both"),
    OptionSpec::new("sizes", Type::Sizes, "1280x720", "picture size, even width and height"),
    OptionSpec::new("fps", Type::Fraction, "25", "frames per second, such as 25 or 30000/1001"),
    OptionSpec::new("rates", Type::Rates, "", "bit rate that the video encoder aims at"),
    OptionSpec::new("sr", Type::Count, "44100", "samples per second"),
    OptionSpec::new("ch", Type::Count, "1", "audio channels"),
    OptionSpec::new("flen", Type::Count, "1024", "samples made at a time"),
    OptionSpec::new("freq", Type::Count, "440", "beep in Hz on even seconds, doubled on every tenth"),
    OptionSpec::new("freq2", Type::Count, "659", "beep in Hz on odd seconds"),
    OptionSpec::new("blen", Type::Count, "50", "length of a beep in milliseconds"),
    OptionSpec::new("alter", Type::Bool, "no", "each beep in the next channel only"),
    OptionSpec::new("dur", Type::Fraction, "0", "seconds to make; 0 is without end"),
    OptionSpec::new("adjust", Type::Bool, "yes", "beep and flash on UTC seconds, not on seconds since the start"),
    OptionSpec::new("lock", Type::Bool, "no", "the clock in the picture follows the frame number, not the wall clock"),
    OptionSpec::new("dyn", Type::Bool, "yes", "move the banner"),
    OptionSpec::new("banner", Type::Text, settings::BANNER, "text of the banner"),
    OptionSpec::new("pack", Type::Choice(&["no", "ss", "tb"]), "no", "frame packing of views; only `no`"),
    OptionSpec::new("views", Type::Count, "1", "number of views; only 1"),
    OptionSpec::new("disparity", Type::Count, "20", "disparity between views").ignored(),
    OptionSpec::new("pfmt", Type::Text, "yuv", "pixel format; pictures are always I420").ignored(),
    OptionSpec::new("disc", Type::Fraction, "-1", "timestamp reset interval").ignored(),
    OptionSpec::new("evte", Type::Float, "0", "period of an event track").ignored(),
    OptionSpec::new("ntp", Type::Bool, "yes", "sender time in packets").ignored(),
    OptionSpec::new("copy", Type::Bool, "no", "copy pictures").ignored(),
    OptionSpec::new("logt", Type::Bool, "no", "log the time of each frame").ignored(),
];

/// The record of `avgen`.
pub const KIND: SourceKind = SourceKind {
    name: "avgen",
    summary: "a test card with frame number, UTC clock, a flash and a beep each second",
    options: &[OPTIONS],
    accepts: |_, _| false,
    produces: Produces::Raw,
    may_run_free: true,
    open,
};

fn open(node: &Node) -> Result<Box<dyn Source>, SpecError> {
    Ok(Box::new(Avgen { settings: Settings::read(node)? }))
}

struct Avgen {
    settings: Settings,
}

impl Source for Avgen {
    fn run(&mut self, job: SourceJob) -> BoxFuture<'_, Ended> {
        let settings = self.settings.clone();
        Box::pin(async move {
            let (done, ended) = oneshot::channel();
            // A thread of its own: it draws, and waits for encoders, which no runtime should be kept from its work by.
            let spawned = std::thread::Builder::new().name("avgen".into()).spawn(move || {
                let ended = generate::run(&settings, job, &done);
                let _ = done.send(ended);
            });
            match spawned {
                Ok(_) => ended.await.unwrap_or_else(|_| Ended::internal("the test source's thread ended early")),
                Err(error) => Ended::internal(format!("no thread for the test source: {error}")),
            }
        })
    }
}
