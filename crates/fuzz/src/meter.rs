//! Bounds on memory: an allocator that knows its peak, in every program that has this crate in it.
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Runs `work` and fails if more than `bytes` were allocated at one time, counted from where it began.
///
/// The counters are the program's, so only one thread may measure at a time, and the others must do little.
pub fn within<T>(bytes: usize, what: &str, work: impl FnOnce() -> T) -> T {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let result = work();
    let used = HEAP.peak_usage().saturating_sub(before);
    assert!(used <= bytes, "{what}: {used} bytes of memory, where {bytes} are allowed");
    result
}
