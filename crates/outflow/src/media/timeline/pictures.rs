//! What the order of pictures tells: where some are sent before others that are shown earlier, how much later than it is sent
//! each is shown counts in frames. So a frame's time is known even if the source's clock stands still and packets come late
//! and then many at once.

/// Offsets that differ by less are the same, rounded.
const SAME: i64 = 3;
/// Further than this from when it came, a picture is not put right in small steps.
pub(super) const FAR: i64 = 200;
/// What is less than this, in microseconds, is no frame but what was rounded.
const SHORTEST: i64 = 5_000;
/// So many pictures have every offset, but for key frames'.
const FEW: u8 = 16;

/// How time goes on over pictures whose order has to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// What one frame takes.
    pub(super) step: i64,
    /// How much a step may be longer or shorter: all that are sent between a picture and what is shown next to it are
    /// together wrong by half a frame at most.
    slack: i64,
    /// The least that a picture is shown later than it is sent.
    least: i64,
}

/// What is known of a video track's pictures.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pictures {
    /// How much later than they are sent pictures are shown, each once, the last first: between key frames it may always be
    /// one of two, that are several frames apart.
    offsets: [i32; 16],
    known: usize,
    /// How many came.
    count: u8,
    /// When the last of all that were sent is shown.
    shown: Option<i64>,
}

impl Pictures {
    /// A picture goes out.
    pub(super) fn sent(&mut self, out: i64, cts: i32) {
        self.count = self.count.saturating_add(1);
        let seen = self.offsets.iter().take(self.known).position(|seen| is_same(*seen, cts));
        if seen.is_none() {
            self.known = (self.known + 1).min(self.offsets.len());
        }
        if let Some(newer) = self.offsets.get_mut(..=seen.unwrap_or(self.known - 1)) {
            newer.rotate_right(1);
            newer[0] = cts;
        }
        self.shown = self.shown.max(Some(out + i64::from(cts)));
    }

    /// Whether this is not shown as much later as the last one. Then it does not have the same time.
    pub(super) fn differs(&self, cts: i32) -> bool {
        self.known > 0 && !is_same(self.offsets[0], cts)
    }

    /// How time goes on, if pictures are not sent as they are shown.
    pub(super) fn pace(&self, cts: i32) -> Option<Pace> {
        let mut offsets: Vec<_> =
            self.offsets.iter().take(self.known).chain([&cts]).map(|cts| i64::from(*cts)).collect();
        offsets.sort_unstable();
        let (least, most) = (*offsets.first()?, *offsets.last()?);
        if most - least < SAME {
            return None;
        }
        // The first few may be several frames apart, but then not from 0 too.
        let zero = if self.count < FEW { 0 } else { least };
        let frame = offsets.iter().fold(0, |frame, offset| measure(frame, 1000 * (offset - zero).abs()));
        let step = ((frame + 500) / 1000).max(1);
        Some(Pace { step, slack: (step * step / (2 * (most - least + step))).max(1), least })
    }

    /// When a picture is sent, a step after `last`, towards `target`, which is when it came. Where all that came is shown
    /// before all that comes, it may be anywhere: then it goes there if it is `far`, or too early anyhow.
    pub(super) fn paced(&self, pace: Pace, last: i64, cts: i32, target: i64, far: bool) -> i64 {
        let next = last + pace.step;
        // From here on all that comes is shown later than what came, even if the next one is a little early, and rounded.
        let shown = self.shown.unwrap_or(last) + pace.slack + SAME;
        let free = shown - i64::from(cts).min(pace.step + pace.least);
        if free < next && target > next && far {
            return target;
        }
        if free < next && target < next - FAR {
            return target.max(free).max(last + 1);
        }
        target.clamp(next - pace.slack, next + pace.slack)
    }
}

fn is_same(a: i32, b: i32) -> bool {
    (i64::from(a) - i64::from(b)).abs() < SAME
}

/// What a frame takes if both `a`, as far as is known, and `b` are several frames. In microseconds, but rounded before.
fn measure(a: i64, b: i64) -> i64 {
    if b < 1000 * SAME {
        return a;
    }
    let (mut frame, mut rest) = if a == 0 { (b, 0) } else { (a.min(b), a.max(b) % a.min(b)) };
    loop {
        rest = rest.min(frame - rest);
        if rest < SHORTEST.max(frame / 4) {
            break;
        }
        (frame, rest) = (rest, frame % rest);
    }
    // The longer it is, the more exactly it tells.
    for of_several in [a.min(b), a.max(b)].into_iter().filter(|of_several| *of_several > 0) {
        frame = of_several / ((of_several + frame / 2) / frame).max(1);
    }
    frame
}
