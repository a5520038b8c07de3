//! How long the threads of a process waited for a processor, so that a test that measures time can tell a machine with too
//! much to do from a program that waits for something.

use std::collections::HashMap;
use std::time::Duration;

/// Watches one process. Where the kernel keeps no such account (Linux does, in `schedstat`), it sees nothing.
#[derive(Debug)]
pub struct Starved {
    process: String,
    /// Nanoseconds of each thread so far.
    known: HashMap<String, u64>,
    worst: Duration,
}

impl Starved {
    /// Watches the process with this id; what was before the first look does not count.
    pub fn new(process: u32) -> Self {
        Self { process: format!("/proc/{process}/task"), known: HashMap::new(), worst: Duration::ZERO }
    }

    /// To be called often: what a thread waited between two looks is taken for one wait.
    pub fn look(&mut self) {
        for thread in std::fs::read_dir(&self.process).into_iter().flatten().filter_map(Result::ok) {
            let Some(waited) = waited(&thread.path().join("schedstat")) else { continue };
            let name = thread.file_name().to_string_lossy().into_owned();
            if let Some(before) = self.known.insert(name, waited) {
                self.worst = self.worst.max(Duration::from_nanos(waited.saturating_sub(before)));
            }
        }
    }

    /// The longest that any thread waited between two looks.
    pub fn worst(&self) -> Duration {
        self.worst
    }
}

/// The second number: nanoseconds spent waiting on a run queue (Documentation/scheduler/sched-stats.rst).
fn waited(path: &std::path::Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_sleeps_waits_for_nothing_and_one_of_many_waits() {
        let mut starved = Starved::new(std::process::id());
        starved.look();
        if starved.known.is_empty() {
            return;
        }
        let spinning: Vec<_> = (0..std::thread::available_parallelism().unwrap().get() * 4)
            .map(|_| {
                std::thread::spawn(|| {
                    let start = std::time::Instant::now();
                    while start.elapsed() < Duration::from_millis(400) {
                        std::hint::spin_loop();
                    }
                })
            })
            .collect();
        let mut looks = 0;
        while spinning.iter().any(|thread| !thread.is_finished()) {
            starved.look();
            looks += 1;
            std::thread::yield_now();
        }
        assert!(looks > 1 && starved.worst() > Duration::ZERO, "{looks} looks, {starved:?}");
    }
}
