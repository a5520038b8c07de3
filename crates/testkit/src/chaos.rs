//! What a seeded adversary does to links that lead through proxies: one harm after the other, the same for the same seed.

use std::time::Duration;

use crate::proxy::Proxy;
use crate::random::Random;

/// What is done to one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Bytes arrive so much later, both ways.
    Delay(Duration),
    /// At most so many bytes a second get up.
    Throttle(u64),
    /// Nothing moves.
    Freeze,
    /// One byte in so many that go up is changed.
    CorruptUp(u64),
    /// One byte in so many that come down is changed.
    CorruptDown(u64),
    /// Open connections are reset.
    Cut,
    /// The server is told that the client has said all.
    HalfClose,
    /// The client is told that the server has said all.
    HalfCloseDown,
    /// All is well.
    Heal,
}

impl Harm {
    /// Its name, to count it by.
    pub fn name(&self) -> &'static str {
        match self {
            Harm::Delay(_) => "delay",
            Harm::Throttle(_) => "throttle",
            Harm::Freeze => "freeze",
            Harm::CorruptUp(_) => "corrupt up",
            Harm::CorruptDown(_) => "corrupt down",
            Harm::Cut => "cut",
            Harm::HalfClose => "half-close up",
            Harm::HalfCloseDown => "half-close down",
            Harm::Heal => "heal",
        }
    }

    /// Does it; what was done before and lasts is over.
    pub fn apply(self, proxy: &Proxy) {
        proxy.heal();
        match self {
            Harm::Delay(delay) => proxy.set(|link| (link.up.delay, link.down.delay) = (delay, delay)),
            Harm::Throttle(rate) => proxy.set(|link| link.up.bytes_per_second = Some(rate)),
            Harm::Freeze => proxy.set(|link| (link.up.frozen, link.down.frozen) = (true, true)),
            Harm::CorruptUp(one_in) => proxy.set(|link| link.up.corrupt = Some(one_in)),
            Harm::CorruptDown(one_in) => proxy.set(|link| link.down.corrupt = Some(one_in)),
            Harm::Cut => proxy.cut(),
            Harm::HalfClose => proxy.half_close(),
            Harm::HalfCloseDown => proxy.half_close_down(),
            Harm::Heal => {}
        }
    }
}

/// The adversary.
#[derive(Debug)]
pub struct Chaos {
    random: Random,
    /// Bytes a second of an unhurt link.
    rate: u64,
}

impl Chaos {
    /// For links that carry `rate` bytes a second when they are well.
    pub fn new(seed: u64, rate: u64) -> Self {
        Self { random: Random::new(seed), rate }
    }

    /// Which of `links` links is next, and what is done to it.
    pub fn next(&mut self, links: usize) -> (usize, Harm) {
        let random = &mut self.random;
        let which = usize::try_from(random.below(links as u64)).expect("a small number");
        let harm = match random.below(12) {
            0 | 1 => Harm::Delay(random.time(Duration::from_millis(20)..Duration::from_millis(800))),
            // From a tenth of what is needed to a little more than that.
            2 | 3 => Harm::Throttle(self.rate / 10 + random.below(self.rate)),
            4 => Harm::Freeze,
            5 => Harm::CorruptUp(1 << (8 + random.below(12))),
            6 => Harm::CorruptDown(1 << (3 + random.below(8))),
            7 => Harm::Cut,
            8 => Harm::HalfClose,
            9 => Harm::HalfCloseDown,
            _ => Harm::Heal,
        };
        (which, harm)
    }

    /// A time within the range, for whatever else comes and goes.
    pub fn time(&mut self, range: std::ops::Range<Duration>) -> Duration {
        self.random.time(range)
    }

    /// True in this fraction of all cases.
    pub fn chance(&mut self, fraction: f64) -> bool {
        self.random.chance(fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_harm_comes_and_repeats_with_the_seed() {
        let draw = |seed| {
            let mut chaos = Chaos::new(seed, 250_000);
            (0..200).map(|_| chaos.next(20)).collect::<Vec<_>>()
        };
        assert_eq!(draw(5), draw(5));
        assert_ne!(draw(5), draw(6));
        let mut names: Vec<_> = draw(5).iter().map(|(_, harm)| harm.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 9);
        assert!(draw(5).iter().all(|(which, _)| *which < 20));
    }
}
