//! Readers are woken once for all that comes in one go: what one read of a socket brings is published whole before anybody
//! on another core begins to send it.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::task::Waker;

#[derive(Default)]
struct Held {
    corks: usize,
    wakers: Vec<Waker>,
}

thread_local! {
    static HELD: RefCell<Held> = RefCell::default();
}

/// Holds back the waking of every hub's readers by this thread until it is dropped. Not to be kept across an `await`, which
/// its type forbids in a task that may move.
#[must_use]
pub struct Cork(PhantomData<*const ()>);

impl Cork {
    /// From now on.
    pub fn hold() -> Self {
        HELD.with_borrow_mut(|held| held.corks += 1);
        Self(PhantomData)
    }
}

impl Drop for Cork {
    fn drop(&mut self) {
        let mut wakers = HELD.with_borrow_mut(|held| {
            held.corks -= 1;
            if held.corks == 0 { std::mem::take(&mut held.wakers) } else { Vec::new() }
        });
        // Outside of the borrow: whoever is woken may publish.
        wakers.drain(..).for_each(Waker::wake);
        HELD.with_borrow_mut(|held| {
            if held.wakers.capacity() == 0 {
                held.wakers = wakers;
            }
        });
    }
}

/// Wakes, at once or when the cork is drawn.
pub(super) fn wake(waker: &Waker) {
    let held = HELD.with_borrow_mut(|held| {
        if held.corks > 0 && !held.wakers.iter().any(|known| known.will_wake(waker)) {
            held.wakers.push(waker.clone());
        }
        held.corks > 0
    });
    if !held {
        waker.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_is_woken_once_when_the_last_cork_is_drawn() {
        let counts: [Arc<Count>; 2] = Default::default();
        let wakers = counts.clone().map(Waker::from);
        let woken = || counts.each_ref().map(|count| count.0.load(Ordering::Relaxed));
        wake(&wakers[0]);
        assert_eq!(woken(), [1, 0], "at once");
        let outer = Cork::hold();
        wake(&wakers[0]);
        wake(&wakers[1]);
        {
            let _inner = Cork::hold();
            wake(&wakers[0]);
        }
        assert_eq!(woken(), [1, 0]);
        drop(outer);
        assert_eq!(woken(), [2, 1]);
        wake(&wakers[1]);
        assert_eq!(woken(), [2, 2], "at once again");
    }
}
