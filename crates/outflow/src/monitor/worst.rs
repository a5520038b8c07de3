//! A figure that several tell, each of whom knows a part of it: the pumps, or whoever sends to one player alone. It is the worst of
//! what they last said, and not what the last of them said.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// One who tells. Each has a number of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Teller(u64);

impl Teller {
    /// For figures that one alone tells.
    pub const ONLY: Self = Self(0);

    /// Another one.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The figure. Few have something to tell at a time.
#[derive(Debug, Default)]
pub struct Worst(Mutex<Vec<(Teller, u64)>>);

impl Worst {
    /// What `teller` has to say from now on; 0 is nothing.
    pub fn tell(&self, teller: Teller, figure: u64) {
        let mut told = self.0.lock();
        match told.iter().position(|(who, _)| *who == teller) {
            Some(at) if figure == 0 => drop(told.swap_remove(at)),
            Some(at) => told[at].1 = figure,
            None if figure == 0 => {}
            None => told.push((teller, figure)),
        }
    }

    /// The worst of all; 0 where nobody has anything to say.
    pub fn get(&self) -> u64 {
        self.0.lock().iter().map(|(_, figure)| *figure).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_hides_what_another_said() {
        let (figure, [one, two]) = (Worst::default(), [Teller::new(), Teller::new()]);
        assert_eq!(figure.get(), 0);
        figure.tell(one, 300);
        figure.tell(two, 0);
        assert_eq!(figure.get(), 300);
        figure.tell(two, 500);
        figure.tell(one, 400);
        assert_eq!(figure.get(), 500);
        figure.tell(two, 0);
        assert_eq!(figure.get(), 400);
        figure.tell(one, 0);
        assert_eq!(figure.get(), 0);
    }
}
