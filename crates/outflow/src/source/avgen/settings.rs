//! The options of `avgen`, checked: everything the generator needs, within the bounds that it was made for.

use crate::error::SpecError;
use crate::media::raw::least_rate;
use crate::node::Node;

use super::sound::Sound;

/// The banner where none is given.
pub(super) const BANNER: &str = "Outflow test source: every frame numbered, a flash and a beep each second";

/// The sample rates of AAC (ISO/IEC 14496-3, table 1.18): there is no other encoder for the samples.
const SAMPLE_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];

/// What to make.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    /// Whether to make video.
    pub(super) video: bool,
    /// Whether to make audio.
    pub(super) audio: bool,
    /// Width in pixels, even.
    pub(super) width: u32,
    /// Height in pixels, even.
    pub(super) height: u32,
    /// Frame rate numerator; at least `den`.
    pub(super) num: u32,
    /// Frame rate denominator.
    pub(super) den: u32,
    /// The rate that the video encoder aims at, in bits per second.
    pub(super) rate: Option<u64>,
    /// A second thought about `rates` to tell as a warning.
    pub(super) warning: Option<String>,
    /// The beeps.
    pub(super) sound: Sound,
    /// Samples per run.
    pub(super) run: u32,
    /// Seconds to make, as a fraction.
    pub(super) duration: Option<(u64, u64)>,
    /// Beep on UTC seconds.
    pub(super) adjust: bool,
    /// The clock follows the frame number.
    pub(super) lock: bool,
    /// The banner moves.
    pub(super) moving: bool,
    /// The banner.
    pub(super) banner: String,
}

impl Settings {
    pub(super) fn read(node: &Node) -> Result<Self, SpecError> {
        let kind = node.options.text("type").unwrap_or_else(|| "av".into());
        let (width, height) = size(node)?;
        let (num, den) = frame_rate(node)?;
        let rates = node.options.rates("rates").unwrap_or_default();
        let least = least_rate(width, height, num, den);
        if let Some(rate) = rates.first().filter(|rate| **rate < least) {
            return Err(node
                .option_error("rates", format!("{rate} bits per second are too few for {width}x{height}"))
                .hint(format!("take rates={}k or more, or a smaller size", least.div_ceil(1000))));
        }
        let warning =
            (rates.len() > 1).then(|| format!("`rates` has {} values for one size: the first is taken", rates.len()));
        let rate = bounded(node, "sr", 44_100, 7350, 96_000, "Hz")?;
        if !SAMPLE_RATES.contains(&rate) {
            let rates = SAMPLE_RATES.map(|rate| rate.to_string()).join(", ");
            return Err(node
                .option_error("sr", format!("AAC has no sample rate of {rate} Hz"))
                .hint(format!("take one of {rates}")));
        }
        let channels = bounded(node, "ch", 1, 1, 8, "channels")?;
        if channels == 7 {
            return Err(node.option_error("ch", "AAC has no layout of 7 channels").hint("take ch=1 to ch=6, or ch=8"));
        }
        let beep = bounded(node, "blen", 50, 1, 1000, "ms")?;
        let sound = Sound {
            rate,
            channels,
            alter: node.options.bool("alter"),
            freq: bounded(node, "freq", 440, 1, 48_000, "Hz")?,
            freq2: bounded(node, "freq2", 659, 1, 48_000, "Hz")?,
            beep: (rate * beep / 1000).max(2),
        };
        if node.options.text("pack").is_some_and(|pack| pack != "no") || node.options.count("views").unwrap_or(1) != 1 {
            let option = if node.options.is_set("views") { "views" } else { "pack" };
            return Err(node.option_error(option, "stereoscopic views can't be made").hint("leave it out"));
        }
        Ok(Self {
            video: kind.contains('v'),
            audio: kind.contains('a'),
            width,
            height,
            num,
            den,
            rate: rates.first().copied(),
            warning,
            sound,
            run: bounded(node, "flen", 1024, 16, 65_536, "samples")?,
            duration: duration(node)?,
            adjust: on(node, "adjust"),
            lock: node.options.bool("lock"),
            moving: on(node, "dyn"),
            banner: node.options.text("banner").unwrap_or_else(|| BANNER.into()),
        })
    }
}

/// A boolean whose default is true.
fn on(node: &Node, name: &str) -> bool {
    node.options.get(name).is_none() || node.options.bool(name)
}

fn size(node: &Node) -> Result<(u32, u32), SpecError> {
    let sizes = node.options.sizes("sizes").unwrap_or_default();
    let (width, height) = sizes.first().copied().unwrap_or((1280, 720));
    if sizes.len() > 1 {
        return Err(node
            .option_error("sizes", "several sizes from one source can't be sent yet")
            .hint(format!("give one, sizes={width}x{height}, and a source with outputs of its own for each other")));
    }
    if !(32..=3840).contains(&width) || !(32..=2160).contains(&height) {
        return Err(node
            .option_error("sizes", format!("{width}x{height} is out of bounds"))
            .hint("take a size from 32x32 to 3840x2160, such as 640x360"));
    }
    if width % 2 != 0 || height % 2 != 0 {
        return Err(node
            .option_error("sizes", format!("{width}x{height} is odd, and pictures have half as many colour samples"))
            .hint(format!("sizes={}x{}", width & !1, height & !1)));
    }
    Ok((width, height))
}

fn frame_rate(node: &Node) -> Result<(u32, u32), SpecError> {
    let (num, den) = node.options.fraction("fps").unwrap_or((25, 1));
    let divisor = greatest_common_divisor(num.unsigned_abs(), den.unsigned_abs()).max(1);
    let negative = (num < 0) != (den < 0);
    let (num, den) = (num.unsigned_abs() / divisor, den.unsigned_abs() / divisor);
    match (u32::try_from(num), u32::try_from(den)) {
        (Ok(num), Ok(den)) if !negative && den != 0 && den <= 1_000_000 && num >= den && num / den <= 240 => {
            Ok((num, den))
        }
        _ => Err(node
            .option_error("fps", "the frame rate is out of bounds")
            .hint("take 1 to 240 frames per second, such as fps=25 or fps=30000/1001")),
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// `dur`: nothing, 0 or a negative value is without end, as in GPAC.
fn duration(node: &Node) -> Result<Option<(u64, u64)>, SpecError> {
    let Some((num, den)) = node.options.fraction("dur") else { return Ok(None) };
    if num == 0 || den == 0 || (num < 0) != (den < 0) {
        return Ok(None);
    }
    let (num, den) = (num.unsigned_abs(), den.unsigned_abs());
    if num / den > 10 * 366 * 86_400 || den > 1_000_000_000 {
        return Err(node.option_error("dur", "the duration is out of bounds").hint("leave it out to run without end"));
    }
    Ok(Some((num, den)))
}

fn bounded(node: &Node, name: &str, default: u32, min: u32, max: u32, unit: &str) -> Result<u32, SpecError> {
    let value = node.options.count(name).unwrap_or(u64::from(default));
    match u32::try_from(value) {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        _ => Err(node
            .option_error(name, format!("{value} is out of bounds"))
            .hint(format!("take {min} to {max} {unit}; the default is {default}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::unwrap_in_result)]
    use super::*;
    use crate::options::{Options, Value};

    fn node(options: &[(&'static str, Value)]) -> Node {
        let mut node = Node {
            index: 1,
            word: "avgen".into(),
            kind: "avgen",
            name: "avgen".into(),
            url: None,
            options: Options::default(),
        };
        for (name, value) in options {
            node.options.set(name, value.clone());
        }
        node
    }

    #[test]
    fn gpacs_defaults() {
        let settings = Settings::read(&node(&[])).unwrap();
        assert!(settings.video && settings.audio && settings.adjust && settings.moving && !settings.lock);
        assert_eq!((settings.width, settings.height, settings.num, settings.den), (1280, 720, 25, 1));
        let sound = Sound { rate: 44_100, channels: 1, alter: false, freq: 440, freq2: 659, beep: 2205 };
        assert_eq!((settings.sound, settings.run, settings.duration), (sound, 1024, None));
    }

    #[test]
    fn a_wrong_option_names_itself_and_the_mend() {
        let wrong = [
            ("sizes", Value::Sizes(vec![(640, 360), (320, 180)]), "sizes=640x360"),
            ("sizes", Value::Sizes(vec![(641, 360)]), "sizes=640x360"),
            ("sizes", Value::Sizes(vec![(8, 8)]), "32x32"),
            ("sizes", Value::Sizes(vec![(100_000, 100_000)]), "3840x2160"),
            ("fps", Value::Fraction(0, 1), "1 to 240"),
            ("fps", Value::Fraction(-25, 1), "1 to 240"),
            ("fps", Value::Fraction(1000, 1), "1 to 240"),
            ("fps", Value::Fraction(i64::MIN, 1), "1 to 240"),
            ("ch", Value::Count(0), "1 to 8"),
            ("ch", Value::Count(7), "ch=8"),
            ("sr", Value::Count(1), "7350"),
            ("sr", Value::Count(12_345), "48000"),
            ("blen", Value::Count(5000), "1000"),
            ("flen", Value::Count(0), "65536"),
            ("rates", Value::Rates(vec![10_000]), "rates=93k"),
            ("views", Value::Count(2), "leave it out"),
            ("pack", Value::Text("ss".into()), "leave it out"),
        ];
        for (name, value, mend) in wrong {
            let error = Settings::read(&node(&[(name, value)])).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(name));
            assert!(error.hint.as_ref().unwrap().contains(mend), "{error}");
        }
    }

    #[test]
    fn rates_and_fractions() {
        let options = [
            ("fps", Value::Fraction(60_000, 2002)),
            ("sizes", Value::Sizes(vec![(240, 160)])),
            ("rates", Value::Rates(vec![200_000, 1])),
            ("dur", Value::Fraction(5, 2)),
            ("type", Value::Text("v".into())),
        ];
        let settings = Settings::read(&node(&options)).unwrap();
        assert_eq!((settings.num, settings.den), (30_000, 1001));
        assert_eq!((settings.rate, settings.duration), (Some(200_000), Some((5, 2))));
        assert!(settings.warning.is_some() && !settings.audio);
    }
}
