//! The reports of `-r` and `-stats`, in the style of GPAC's.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::status::{Rates, rate};
use crate::monitor::board::{InputView, OutputView, View};
use crate::monitor::{InputStats, OutputStats, State};

/// `00:00:03.071`
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{:02}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, time.subsec_millis())
}

/// Bits per second over the whole run.
#[allow(clippy::cast_precision_loss)]
fn mean(bytes: u64, time: Duration) -> String {
    rate(bytes as f64 * 8.0 / time.as_secs_f64().max(0.001))
}

#[allow(clippy::cast_precision_loss)]
fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(0.001)
}

/// What the process has used, where the system tells: resident memory in kilobytes, and seconds of CPU.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Used {
    memory_kilobytes: Option<u64>,
    cpu: Option<Duration>,
}

impl Used {
    pub(super) fn now() -> Self {
        let pages = std::fs::read_to_string("/proc/self/statm").ok();
        let resident = pages.as_deref().and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
        let page = rustix::param::page_size() as u64;
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
        let cpu = u64::try_from(time.tv_sec).ok().map(|seconds| Duration::new(seconds, nanos));
        Self { memory_kilobytes: resident.map(|pages| pages.saturating_mul(page) / 1024), cpu }
    }

    fn text(self, uptime: Duration) -> String {
        let memory = self.memory_kilobytes.map_or(String::new(), |kilobytes| format!(" mem {kilobytes} kb"));
        let share = |cpu: Duration| 100.0 * cpu.as_secs_f64() / uptime.as_secs_f64().max(0.001);
        let cpu = self.cpu.map_or(String::new(), |cpu| format!(" CPU {:.0}", share(cpu)));
        format!("{memory}{cpu}")
    }
}

/// `-r`: one line for each input and output, or for those of these names or kinds only.
pub(super) fn session(view: &View, names: &[String], rates: &mut Rates, uptime: Duration, used: Used) -> String {
    let now = Instant::now();
    let wanted =
        |name: &str, kind: &str| names.is_empty() || names.iter().any(|wanted| wanted == name || wanted == kind);
    let mut text = format!("Outflow Session Status: Uptime {}{}\n", clock(uptime), used.text(uptime));
    let mut active = 0;
    for input in &view.inputs {
        active += usize::from(input.up_since.is_some());
        if wanted(&input.name, input.kind) {
            text.push_str(&input_line(input, uptime));
        }
    }
    for output in &view.outputs {
        active += usize::from(!matches!(output.state, State::Stopped | State::Failed));
        if wanted(&output.name, output.kind) {
            let begin = now.checked_sub(uptime).unwrap_or(now);
            let bits = rates.since(begin, &output.name, OutputStats::get(&output.stats.bytes), now);
            text.push_str(&output_line(output, bits));
        }
    }
    let _ = writeln!(text, "Active filters: {active}");
    text
}

fn title(name: &str, kind: &str) -> String {
    if name == kind { name.to_owned() } else { format!("{name} ({kind})") }
}

fn input_line(input: &InputView, uptime: Duration) -> String {
    let stats: &InputStats = &input.stats;
    let (packets, frames) = (OutputStats::get(&stats.packets), OutputStats::get(&stats.frames));
    let state = match (&input.up_since, &input.reason) {
        (Some(_), _) => "up".to_owned(),
        (None, Some(reason)) if reason.is_clean() => "EOS".to_owned(),
        (None, Some(reason)) => reason.text.clone(),
        // A generator has no arrival of its own to tell of.
        (None, None) if OutputStats::get(&stats.starts) > 0 => "up".to_owned(),
        (None, None) => "waiting".to_owned(),
    };
    format!("{}: {packets} pck {:.2} FPS - {state}\n", title(&input.name, input.kind), per_second(frames, uptime))
}

fn output_line(output: &OutputView, bits: f64) -> String {
    let stats = &output.stats;
    let reason = output.reason.as_ref().filter(|reason| !reason.is_clean());
    let reason = reason.map_or(String::new(), |reason| format!(": {}", reason.text));
    format!(
        "{}: {} connections {} pck {} skips {} lag {} ms - {}{reason}\n",
        title(&output.name, output.kind),
        OutputStats::get(&stats.connections),
        OutputStats::get(&stats.packets),
        rate(bits),
        OutputStats::get(&stats.skips),
        stats.lag_millis.get(),
        output.state.name(),
    )
}

/// How far away the destination is.
fn way(stats: &OutputStats) -> String {
    let mut text = String::new();
    if let Some(delay) = stats.delay(Instant::now()) {
        let _ = write!(
            text,
            "\n    delay to the destination {} ms, 95 % {} ms, 99 % {} ms",
            delay.p50, delay.p95, delay.p99
        );
    }
    if let Some(rtt) = stats.rtt() {
        let again = OutputStats::get(&stats.retransmits);
        let _ = write!(text, "\n    round-trip time {:.1} ms, {again} segments sent again", rtt.as_secs_f64() * 1000.0);
    }
    if let Some(age) = stats.last_byte_age(Instant::now()) {
        let get = OutputStats::get;
        let closed = if get(&stats.windows_closed) > 0 { ", window closed" } else { "" };
        let _ = write!(
            text,
            "\n    last byte {} ms ago, {} bytes unsent, {} unacknowledged{closed}",
            age.as_millis(),
            get(&stats.unsent),
            get(&stats.unacked)
        );
    }
    if let Some(bytes) = stats.rtmp_unacknowledged() {
        let _ = write!(text, "\n    {bytes} bytes sent that the destination's program has not acknowledged by RTMP");
    }
    if let Some(share) = stats.stability.lock().shares().hour {
        let _ = write!(text, "\n    sending for {:.2} % of the time", share * 100.0);
    }
    text
}

/// What an input sends.
fn media(stats: &InputStats) -> String {
    let media = stats.media.lock();
    let mut text = String::new();
    if let Some(video) = &media.video {
        let _ = write!(text, "\n    {}", video.codec);
        if let Some((width, height)) = video.size {
            let _ = write!(text, " {width}x{height}");
        }
        if let Some(interval) = video.keyframe_interval {
            let _ = write!(text, ", a key frame each {interval} ms");
        }
    }
    if let Some(audio) = &media.audio {
        let _ = write!(text, "\n    {}", audio.codec);
        if let (Some(rate), Some(channels)) = (audio.sample_rate, audio.channels) {
            let _ = write!(text, " {rate} Hz {channels} ch");
        }
    }
    if let Some(offset) = media.av_offset() {
        let _ = write!(text, "\n    sound {offset} ms ahead of the picture");
    }
    if let Some(jitter) = media.jitter() {
        let _ = write!(text, "\n    jitter {jitter} ms, {} gaps", media.gaps);
    }
    text
}

/// `-stats`: every figure of every input and output, at the end.
pub(super) fn figures(view: &View, uptime: Duration, used: Used) -> String {
    let mut text = format!("Filter stats - {} filters\n", view.inputs.len() + view.outputs.len());
    let (mut received, mut sent, mut packets) = (0, 0, 0);
    for input in &view.inputs {
        let stats: &InputStats = &input.stats;
        let bytes = OutputStats::get(&stats.bytes);
        received += bytes;
        let _ = writeln!(
            text,
            "Filter {} ({}) : {} starts\n    {} packets {bytes} bytes received, {}\n    {} video frames, {} key frames, {:.2} FPS, {} jumps in time mended{}",
            title(&input.name, input.kind),
            input.url,
            OutputStats::get(&stats.starts),
            OutputStats::get(&stats.packets),
            mean(bytes, uptime),
            OutputStats::get(&stats.frames),
            OutputStats::get(&stats.keyframes),
            per_second(OutputStats::get(&stats.frames), uptime),
            OutputStats::get(&stats.time_jumps),
            media(stats),
        );
    }
    for output in &view.outputs {
        let stats = &output.stats;
        let bytes = OutputStats::get(&stats.bytes);
        sent += bytes;
        packets += OutputStats::get(&stats.packets);
        let _ = writeln!(
            text,
            "Filter {} ({}) : {}, {} attempts\n    {} packets {bytes} bytes sent, {}\n    {} video frames, {} skips of {} packets, {} frames, {} groups; connected again {} times{}",
            title(&output.name, output.kind),
            output.url,
            output.state.name(),
            output.attempt.max(u32::from(output.ever_live)),
            OutputStats::get(&stats.packets),
            mean(bytes, uptime),
            OutputStats::get(&stats.frames),
            OutputStats::get(&stats.skips),
            OutputStats::get(&stats.skipped_packets),
            OutputStats::get(&stats.skipped_frames),
            OutputStats::get(&stats.skipped_groups),
            stats.reconnects(),
            way(stats),
        );
    }
    let cpu = used.cpu.map_or(String::new(), |cpu| format!(" CPU time {:.2} s", cpu.as_secs_f64()));
    let memory = used.memory_kilobytes.map_or(String::new(), |kilobytes| format!(" mem {kilobytes} kb"));
    let _ = writeln!(text, "Session stats - run time {}{cpu}{memory}", clock(uptime));
    let _ = writeln!(text, "Total: {received} bytes received {packets} packets {sent} bytes sent");
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::monitor::Event;
    use crate::monitor::board::Board;

    fn view() -> View {
        let board = Board::default();
        let (input, output) = (Arc::new(InputStats::default()), Arc::new(OutputStats::default()));
        OutputStats::add(&input.frames, 50);
        OutputStats::add(&input.packets, 80);
        OutputStats::add(&output.bytes, 250_000);
        OutputStats::add(&output.packets, 70);
        OutputStats::add(&output.skips, 2);
        OutputStats::add(&output.unacknowledged, 1 + 4096);
        board.add_input("avgen", "avgen", "", input);
        board.add_output("h", "rtmp_push", "rtmp://h/live/****", output);
        board.add_output("null", "null", "null", Arc::default());
        board.on(&Event::InputStarted { input: "avgen".into(), what: "a test picture".into() });
        let (state, output) = (State::Live, "h".to_owned());
        board.on(&Event::Output { output, state, reason: None, attempt: 1, retry_in: None });
        board.view()
    }

    #[test]
    fn the_session_is_told_line_by_line() {
        let time = Duration::from_secs(2);
        let text = session(&view(), &[], &mut Rates::default(), time, Used::default());
        assert_eq!(
            text,
            "Outflow Session Status: Uptime 00:00:02.000\n\
             avgen: 80 pck 25.00 FPS - up\n\
             h (rtmp_push): 0 connections 70 pck 1.00 Mb/s skips 2 lag 0 ms - live\n\
             null: 0 connections 0 pck 0 b/s skips 0 lag 0 ms - idle\n\
             Active filters: 3\n"
        );
        let text = session(&view(), &["h".into()], &mut Rates::default(), time, Used::default());
        assert!(text.contains("h (rtmp_push)") && !text.contains("avgen:"), "{text}");
    }

    #[test]
    fn the_figures_are_the_same() {
        let text = figures(&view(), Duration::from_secs(2), Used::default());
        for part in [
            "Filter stats - 3 filters",
            "50 video frames",
            "25.00 FPS",
            "70 packets 250000 bytes sent, 1.00 Mb/s",
            "2 skips",
            "4096 bytes sent that the destination's program has not acknowledged",
            "rtmp://h/live/****",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_was_used_is_told() {
        let used = Used::now();
        assert!(used.cpu.is_some());
        assert_eq!(used.memory_kilobytes.is_some(), cfg!(target_os = "linux"));
    }
}
