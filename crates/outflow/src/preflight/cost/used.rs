//! What processes use: CPU time and resident memory, those that they start themselves included (`ffmpeg`).

use std::time::Duration;

/// CPU, as parts of one core, and resident memory in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Used {
    pub(super) cpu: f64,
    pub(super) memory: u64,
}

/// CPU time so far of these processes and their children. `None` if one of them has ended.
#[cfg(target_os = "linux")]
pub(super) fn cpu(ids: &[u32]) -> Option<Duration> {
    let family = family(ids);
    let mut sum = Duration::ZERO;
    for id in family {
        match (linux::cpu(id), ids.contains(&id)) {
            (Some(cpu), _) => sum += cpu,
            (None, true) => return None,
            // A child that has just ended.
            (None, false) => {}
        }
    }
    Some(sum)
}

/// Resident memory of these processes and their children.
#[cfg(target_os = "linux")]
pub(super) fn memory(ids: &[u32]) -> u64 {
    family(ids).into_iter().filter_map(linux::memory).sum()
}

/// These processes, and all that descend from them.
#[cfg(target_os = "linux")]
fn family(ids: &[u32]) -> Vec<u32> {
    let parents = linux::parents();
    let mut found = ids.to_vec();
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = parents.iter().filter(|(id, of)| *of == parent && !found.contains(id)).map(|(id, _)| *id);
        let children: Vec<u32> = children.collect();
        found.extend(children);
        next += 1;
    }
    found
}

#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;

    /// The fields of `/proc/ID/stat` from the third, the state, on.
    fn stat(id: u32) -> Option<Vec<String>> {
        let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // After the name, which may hold anything, in parentheses.
        let (_, rest) = text.rsplit_once(')')?;
        Some(rest.split_whitespace().map(str::to_owned).collect())
    }

    /// CPU time of one process, finer than clock ticks where the kernel tells it.
    pub(super) fn cpu(id: u32) -> Option<Duration> {
        let fields = stat(id)?;
        if fields.first()? == "Z" {
            return None;
        }
        // utime and stime, fields 14 and 15.
        let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        let hertz = rustix::param::clock_ticks_per_second().max(1);
        let coarse = Duration::from_secs_f64(ticks as f64 / hertz as f64);
        // Threads that have ended are in the ticks only: nearly always there are none, or little of them.
        let fine = threads(id).filter(|fine| fine.abs_diff(coarse) < Duration::from_millis(50));
        Some(fine.unwrap_or(coarse))
    }

    /// What the scheduler has counted of each thread, in nanoseconds.
    fn threads(id: u32) -> Option<Duration> {
        let mut sum = 0;
        for task in std::fs::read_dir(format!("/proc/{id}/task")).ok()? {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            sum += text.split_whitespace().next()?.parse::<u64>().ok()?;
        }
        Some(Duration::from_nanos(sum))
    }

    pub(super) fn memory(id: u32) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{id}/statm")).ok()?;
        let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    }

    /// Every process with its parent.
    pub(super) fn parents() -> Vec<(u32, u32)> {
        let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
        let ids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        ids.filter_map(|id| Some((id, stat(id)?.get(1)?.parse().ok()?))).collect()
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn cpu(_ids: &[u32]) -> Option<Duration> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn memory(_ids: &[u32]) -> u64 {
    0
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn our_own_is_counted_and_that_of_children() {
        let own = std::process::id();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let family = family(&[own]);
        assert!(family.contains(&child.id()) && family.first() == Some(&own), "{family:?}");
        let before = cpu(&[own]).unwrap();
        let begin = std::time::Instant::now();
        while begin.elapsed() < Duration::from_millis(100) {
            std::hint::black_box(begin);
        }
        assert!(cpu(&[own]).unwrap() > before);
        assert!(memory(&[own]) > 1 << 20);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(cpu(&[child.id()]), None, "one that has ended is told");
    }
}
