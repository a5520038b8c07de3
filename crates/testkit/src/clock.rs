//! Clocks of publishers that misbehave: which timestamp a message gets that is due at a given moment of the broadcast.

/// What a publisher does to its timestamps.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    /// What it does, for messages.
    pub name: &'static str,
    /// The timestamp, before it is taken modulo 2^32, of what is due so many milliseconds after the beginning: of audio
    /// (`true`) or of video and data.
    clock: fn(bool, i64) -> i64,
    /// The longest step, in milliseconds, that a reader may have to see beyond that of one frame.
    pub longest: i64,
    /// How much audio and video may be moved against each other in the end, in milliseconds.
    pub apart: i64,
}

/// When scripts begin to misbehave: until then peers have their time to come.
pub const BEGINS: i64 = 2_500;

const HOUR: i64 = 3_600_000;

const fn script(name: &'static str, clock: fn(bool, i64) -> i64) -> Script {
    Script { name, clock, longest: 0, apart: 5 }
}

/// `by` from `from` on.
fn from(now: i64, from: i64, by: i64) -> i64 {
    if now >= BEGINS + from { by } else { 0 }
}

/// `now`, which stands still for `millis` from `from` on and then has fallen behind by as much.
fn frozen(now: i64, from: i64, millis: i64) -> i64 {
    now - (now - BEGINS - from).clamp(0, millis)
}

/// Behind by one frame more each second.
fn falls_behind(now: i64) -> i64 {
    now - 40 * ((now - BEGINS).max(0) / 1000)
}

/// One fault each.
pub const SCRIPTS: &[Script] = &[
    script("begins at 20,000 s", |_, now| 20_000_000 + now),
    script("crosses 2^24 ms", |_, now| (1 << 24) - BEGINS - 1_000 + now),
    script("crosses 2^31 ms", |_, now| (1 << 31) - BEGINS - 1_000 + now),
    script("crosses 2^32 ms", |_, now| (1 << 32) - BEGINS - 1_000 + now),
    script("jumps ahead by an hour", |_, now| 5_000 + now + from(now, 1_000, HOUR)),
    script("jumps back by an hour", |_, now| 20_000_000 + now - from(now, 1_000, HOUR)),
    Script { longest: 250, ..script("jumps ahead by 250 ms", |_, now| now + from(now, 1_000, 250)) },
    script("jumps back by 250 ms", |_, now| 20_000_000 + now - from(now, 1_000, 250)),
    script("stands still for 3 s", |_, now| 20_000_000 + frozen(now, 500, 3_000)),
    Script {
        longest: 3_000,
        ..script("stands still for 3 s and catches up", |_, now| {
            20_000_000 + if (BEGINS + 500..BEGINS + 3_500).contains(&now) { BEGINS + 500 } else { now }
        })
    },
    script("goes back by a frame each second", |_, now| 20_000_000 + falls_behind(now)),
    script("goes back by 2^31 ms", |_, now| 20_000_000 + now - from(now, 1_000, 1 << 31)),
    // Audio frames take 23 ms, video frames 40: that is how exactly a track can be put behind its own last packet.
    Script {
        apart: 45,
        ..script("audio jumps alone", |audio, now| 5_000 + now + if audio { from(now, 1_000, HOUR) } else { 0 })
    },
    Script {
        apart: 45,
        ..script("video jumps alone", |audio, now| 20_000_000 + now - if audio { 0 } else { from(now, 1_000, HOUR) })
    },
    script("audio jumps alone and returns", |audio, now| {
        20_000_000 + now + if audio { from(now, 500, HOUR) - from(now, 2_000, HOUR) } else { 0 }
    }),
    Script {
        apart: 45,
        ..script("video jumps alone, twice", |audio, now| {
            20_000_000 + now - if audio { 0 } else { from(now, 500, HOUR) + from(now, 1_500, HOUR) }
        })
    },
    Script {
        apart: 45,
        ..script("video at 0 and audio at 20,000 s", |audio, now| now + i64::from(audio) * 20_000_000)
    },
    Script { apart: 45, ..script("audio at 0 and video at 2^31 ms", |audio, now| now + (i64::from(!audio) << 31)) },
    // Then time is what really passes, also while the players come.
    Script { longest: 8_000, apart: 45, ..script("stands still from the beginning", |_, _| 0) },
];

/// Many faults one after the other, for tests that have little time.
pub const ENCORE: [Script; 3] = [
    Script {
        longest: 250,
        ..script("20,000 s, an hour ahead and back, 250 ms ahead and back", |_, now| {
            20_000_000 + now + from(now, 500, HOUR) - from(now, 1_500, HOUR) + from(now, 2_500, 250)
                - from(now, 3_500, 250)
        })
    },
    Script {
        longest: 2_000,
        ..script("2^32, two seconds lost, a frame back each second, an hour of audio alone and back", |audio, now| {
            let lone = if audio { from(now, 3_000, HOUR) - from(now, 4_000, HOUR) } else { 0 };
            (1 << 32) - BEGINS - 500 + falls_behind(now) + lone + from(now, 1_000, 2_000)
        })
    },
    Script {
        apart: 45,
        ..script(
            "video at 0 and audio at 20,000 s, back by 2^31, 2 s of standing still, an hour of video alone",
            |audio, now| {
                let lone = if audio { 20_000_000 } else { from(now, 4_000, HOUR) };
                frozen(now, 1_500, 2_000) + lone - from(now, 1_000, 1 << 31)
            },
        )
    },
];

impl Script {
    /// The timestamp of what is due `now` milliseconds after the beginning.
    pub fn time(&self, audio: bool, now: u32) -> u32 {
        (self.clock)(audio, i64::from(now)) as u32
    }
}

/// The script of this name.
pub fn named(name: &str) -> Script {
    *SCRIPTS.iter().find(|script| script.name == name).expect("a script of this name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_do_what_they_say() {
        let begins = u32::try_from(BEGINS).unwrap();
        let at = |name: &str, audio, now| named(name).time(audio, now);
        assert_eq!(at("begins at 20,000 s", true, 7), 20_000_007);
        assert_eq!(at("crosses 2^32 ms", false, begins + 999), u32::MAX);
        assert_eq!(at("crosses 2^32 ms", false, begins + 1_000), 0);
        assert_eq!(at("jumps back by an hour", false, begins + 999), 20_000_000 + begins + 999);
        assert_eq!(at("jumps back by an hour", false, begins + 1_000), 16_400_000 + begins + 1_000);
        assert_eq!(at("stands still for 3 s", true, begins + 2_000), 20_000_000 + begins + 500);
        assert_eq!(at("stands still for 3 s", true, begins + 4_000), 20_000_000 + begins + 1_000);
        assert_eq!(at("goes back by a frame each second", true, begins + 2_000), 20_000_000 + begins + 1_920);
        assert_eq!(at("audio jumps alone", false, begins + 2_000), 5_000 + begins + 2_000);
        assert_eq!(at("audio at 0 and video at 2^31 ms", false, 1), (1 << 31) + 1);
    }
}
