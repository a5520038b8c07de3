//! The status lines of a terminal: one for each output, redrawn in place, never wider than the terminal.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::lines::short;
use super::mistakes::Paint;
use crate::monitor::board::{OutputView, View};
use crate::monitor::{OutputStats, State};

/// More lines than this scroll a terminal away: the rest is counted.
const MOST_LINES: usize = 16;

/// Bytes at the last look, for bit rates.
#[derive(Debug, Default)]
pub(super) struct Rates {
    last: HashMap<String, (Instant, u64, f64)>,
}

impl Rates {
    /// Bits per second of one output since the last look; a look less than half a second later gives the same again.
    pub(super) fn of(&mut self, name: &str, bytes: u64, now: Instant) -> f64 {
        self.last.entry(name.to_owned()).or_insert((now, bytes, 0.0));
        self.since(now, name, bytes, now)
    }

    /// The same; the first look tells the mean since `begin`.
    pub(super) fn since(&mut self, begin: Instant, name: &str, bytes: u64, now: Instant) -> f64 {
        let entry = self.last.entry(name.to_owned()).or_insert((begin, 0, 0.0));
        let passed = now.saturating_duration_since(entry.0).as_secs_f64();
        if passed >= 0.5 {
            #[allow(clippy::cast_precision_loss)]
            let rate = bytes.saturating_sub(entry.1) as f64 * 8.0 / passed;
            *entry = (now, bytes, rate);
        }
        entry.2
    }
}

/// `2.61 Mb/s`
pub(super) fn rate(bits: f64) -> String {
    match bits {
        bits if bits >= 1e6 => format!("{:.2} Mb/s", bits / 1e6),
        bits if bits >= 1e3 => format!("{:.0} kb/s", bits / 1e3),
        bits => format!("{bits:.0} b/s"),
    }
}

/// `0:12:34`
pub(super) fn uptime(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Below this many columns words are shorter.
const ROOMY: usize = 100;
/// Below this many, figures have their initials only.
const NARROW: usize = 72;
/// The widest name where there is room, and what a name is never shortened below.
const NAME: (usize, usize) = (24, 6);
/// What is kept for the reason of an output that is lost.
const REASON: usize = 14;

/// One line for each output, each at most `width` columns wide. Names give way first, so that no figure is cut off.
pub(super) fn lines(view: &View, rates: &mut Rates, now: Instant, width: usize, paint: Paint) -> Vec<String> {
    let shown = || view.outputs.iter().take(MOST_LINES);
    let state_width =
        if width >= ROOMY { 13 } else { shown().map(|output| output.state.name().len()).max().unwrap_or(0) };
    let figures: Vec<String> = shown()
        .map(|output| {
            let bits = rates.of(&output.name, OutputStats::get(&output.stats.bytes), now);
            figures(output, bits, now, width)
        })
        .collect();
    let reason = |output: &OutputView| output.reason.as_ref().is_some_and(|reason| !reason.is_clean());
    let needed = figures
        .iter()
        .zip(shown())
        .map(|(text, output)| text.chars().count() + if reason(output) { REASON + 2 } else { 0 });
    // Two spaces, the state, a space before and the line's last column.
    let room = width.saturating_sub(1 + 2 + state_width + needed.max().unwrap_or(0));
    let (most, least) = NAME;
    let cap = room.clamp(least, if width >= ROOMY { most } else { 14 });
    let widest = shown().map(|output| output.name.chars().count()).max().unwrap_or(0).min(cap);
    let mut lines: Vec<String> = shown()
        .zip(&figures)
        .map(|(output, figures)| {
            let name = shorten(&output.name, cap);
            let mut plain = format!("{name:<widest$}  {:<state_width$}{figures}", output.state.name());
            if let Some(reason) = output.reason.as_ref().filter(|reason| !reason.is_clean()) {
                plain.push_str(&format!("  {}", reason.text));
            }
            colour(&cut(&plain, width), output.state, paint)
        })
        .collect();
    if view.outputs.len() > MOST_LINES {
        let live = view.outputs.iter().filter(|output| output.state == State::Live).count();
        let text = format!("and {} more ({live} of {} are live)", view.outputs.len() - MOST_LINES, view.outputs.len());
        lines.push(paint.faint(&cut(&text, width)));
    }
    lines
}

/// A name of at most `most` letters: its middle gives way, since names often differ at their ends.
fn shorten(name: &str, most: usize) -> String {
    let count = name.chars().count();
    if count <= most {
        return name.to_owned();
    }
    let end = most.saturating_sub(1) / 2;
    let begin = most.saturating_sub(1 + end);
    let mut short: String = name.chars().take(begin).collect();
    short.push('\u{2026}');
    short.extend(name.chars().skip(count - end));
    short
}

/// What stands between state and reason.
fn figures(output: &OutputView, bits: f64, now: Instant, width: usize) -> String {
    let again = if width >= ROOMY { "again in" } else { "in" };
    let narrow = width < NARROW;
    let gap = if narrow { " " } else { "  " };
    let (skips, players, retries) = if narrow { ("sk", "pl", "re") } else { ("skips", "players", "retries") };
    let stats = &output.stats;
    let mut text = format!(" {:>8}", uptime(now.saturating_duration_since(output.since)));
    if matches!(output.state, State::Live | State::Stalled | State::Yielding | State::Draining) {
        let lag = short(Duration::from_millis(stats.lag_millis.get()));
        let rate = if narrow { rate(bits).replace("b/s", "").replace(' ', "") } else { format!("{:>10}", rate(bits)) };
        text.push_str(&format!("{gap}{rate}{gap}lag {lag}"));
        // Where there is room for it, and where it says more than the state.
        if OutputStats::get(&stats.windows_closed) > 0 && output.kind.contains("push") {
            text.push_str(&format!("{gap}window closed"));
        } else if let Some(delay) = stats.delay(now).filter(|_| width >= ROOMY) {
            text.push_str(&format!("{gap}delay {}", short(Duration::from_millis(delay.p95))));
        }
    }
    text.push_str(&format!("{gap}{skips} {}", OutputStats::get(&stats.skips)));
    if output.kind.contains("listen") {
        text.push_str(&format!("{gap}{players} {}", OutputStats::get(&stats.connections)));
    } else {
        text.push_str(&format!("{gap}{retries} {}", output.attempt.saturating_sub(1)));
    }
    if let Some(at) = output.retry_at.filter(|_| output.state == State::Backoff) {
        text.push_str(&format!("{gap}{again} {}", short(at.saturating_duration_since(now))));
    }
    text
}

/// At most `width` columns: one less than the terminal has, so that no terminal wraps.
pub(super) fn cut(text: &str, width: usize) -> String {
    let width = width.saturating_sub(1).max(10);
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width - 1).collect();
    cut.push('\u{2026}');
    cut
}

fn colour(line: &str, state: State, paint: Paint) -> String {
    let word = state.name();
    let painted = match state {
        State::Live => paint.good(word),
        State::Failed => paint.bad(word),
        State::Backoff | State::Stalled | State::Yielding => paint.doubtful(word),
        _ => paint.faint(word),
    };
    line.replacen(&format!("  {word} "), &format!("  {painted} "), 1)
}

/// What takes the last drawing away and puts a new one there, in one piece so that nothing flickers.
pub(super) fn redraw(before: usize, above: &str, lines: &[String]) -> String {
    let mut text = String::new();
    if before > 0 {
        text.push_str(&format!("\x1b[{before}A\r"));
    }
    if !above.is_empty() {
        // Log lines scroll up over what was drawn; each clears the rest of its line.
        for line in above.lines() {
            text.push_str(line);
            text.push_str("\x1b[K\n");
        }
    }
    for line in lines {
        text.push_str(line);
        text.push_str("\x1b[K\n");
    }
    text.push_str("\x1b[J");
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;
    use crate::error::{Ended, Reason};
    use crate::monitor::board::Board;
    use crate::monitor::{Event, Teller};

    fn board() -> (Board, Arc<OutputStats>) {
        let board = Board::default();
        let stats = Arc::new(OutputStats::default());
        board.add_output("youtube", "rtmp_push", "rtmp://h/live/****", stats.clone());
        board.add_output("h", "rtmp_listen", "rtmp://h/live", Arc::default());
        (board, stats)
    }

    fn state(board: &Board, state: State, reason: Option<Ended>) {
        let retry_in = (state == State::Backoff).then(|| Duration::from_secs(3));
        board.on(&Event::Output { output: "youtube".into(), state, reason, attempt: 2, retry_in });
    }

    #[test]
    fn a_line_tells_state_rate_lag_skips_and_retries() {
        let (board, stats) = board();
        state(&board, State::Live, None);
        let mut rates = Rates::default();
        let begin = Instant::now();
        let draw = |rates: &mut Rates, now, width| lines(&board.view(), rates, now, width, Paint::default());
        draw(&mut rates, begin, 80);
        OutputStats::add(&stats.bytes, 250_000);
        OutputStats::add(&stats.skips, 3);
        stats.lag_millis.tell(Teller::ONLY, 120);
        let drawn = draw(&mut rates, begin + Duration::from_secs(1), 100);
        assert_eq!(drawn[0], "youtube  live           0:00:01   2.00 Mb/s  lag 120ms  skips 3  retries 1");
        assert_eq!(drawn[1], "h        idle           0:00:01  skips 0  players 0");
        state(&board, State::Backoff, Some(Ended::network(Reason::Connect, "connection refused")));
        let drawn = draw(&mut rates, Instant::now(), 100);
        assert!(drawn[0].starts_with("youtube  backoff        0:00:00  skips 3  retries 1  again in "), "{}", drawn[0]);
        assert!(drawn[0].ends_with("connection refused"), "{}", drawn[0]);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let (board, _) = board();
        state(&board, State::Backoff, Some(Ended::network(Reason::Connect, "é".repeat(300))));
        for width in [0, 10, 11, 40, 80, 200] {
            for line in lines(&board.view(), &mut Rates::default(), Instant::now(), width, Paint::default()) {
                assert!(line.chars().count() < width.max(11), "{width}: {line}");
            }
        }
    }

    /// Three outputs: live, lost, and one with a name that is longer than a narrow terminal.
    fn crowded() -> Board {
        let board = Board::default();
        let long = "a.rtmp.very-long-name.example.com[2]";
        for name in ["youtube", "backup", long] {
            let stats = Arc::new(OutputStats::default());
            OutputStats::add(&stats.skips, 12);
            stats.lag_millis.tell(Teller::ONLY, 119_900);
            board.add_output(name, "rtmp_push", "rtmp://h/live/****", stats);
        }
        let on = |output: &str, state, reason, retry_in| {
            board.on(&Event::Output { output: output.into(), state, reason, attempt: 13, retry_in });
        };
        on("youtube", State::Live, None, None);
        let lost = Ended::network(Reason::Connect, "connection refused by 127.0.0.1 port 1935, as before");
        on("backup", State::Backoff, Some(lost), Some(Duration::from_secs(3)));
        on(long, State::Live, None, None);
        board
    }

    #[test]
    fn at_80_columns_every_figure_is_there_and_only_names_and_reasons_give_way() {
        let drawn = lines(&crowded().view(), &mut Rates::default(), Instant::now(), 80, Paint::default());
        for (line, name) in drawn.iter().zip(["youtube", "backup", "a.r"]) {
            assert!(line.chars().count() < 80, "{line}");
            assert!(line.starts_with(name), "{line}");
            assert!(line.contains("  skips 12  retries 12"), "{line}");
        }
        for line in [&drawn[0], &drawn[2]] {
            assert!(line.contains("  live "), "{line}");
            assert!(line.contains("0:00:00       0 b/s  lag 119.9s"), "{line}");
            assert!(line.ends_with("retries 12"), "{line}");
        }
        assert!(drawn[2].contains("\u{2026}") && drawn[2].contains("2]  live"), "{}", drawn[2]);
        assert!(drawn[1].contains("  backoff  0:00:00"), "{}", drawn[1]);
        assert!(drawn[1].contains("s  connection r") && drawn[1].ends_with('\u{2026}'), "{}", drawn[1]);
    }

    #[test]
    fn at_60_columns_figures_have_initials() {
        let drawn = lines(&crowded().view(), &mut Rates::default(), Instant::now(), 60, Paint::default());
        for line in &drawn {
            assert!(line.chars().count() < 60, "{line}");
            assert!(line.contains(" sk 12 re 12"), "{line}");
        }
        assert!(drawn[0].ends_with("live     0:00:00 0 lag 119.9s sk 12 re 12"), "{}", drawn[0]);
        assert!(drawn[1].contains("s  connection"), "{}", drawn[1]);
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten("abcdefghij", 7), "abc\u{2026}hij");
        assert_eq!(shorten("abcdefghij", 6), "abc\u{2026}ij");
    }

    #[test]
    fn many_outputs_are_counted() {
        let board = Board::default();
        (0..40).for_each(|number| board.add_output(&number.to_string(), "null", "", Arc::default()));
        let drawn = lines(&board.view(), &mut Rates::default(), Instant::now(), 80, Paint::default());
        assert_eq!(drawn.len(), MOST_LINES + 1);
        assert_eq!(drawn.last().unwrap(), "and 24 more (0 of 40 are live)");
    }

    #[test]
    fn a_drawing_replaces_the_one_before() {
        assert_eq!(redraw(0, "", &["a".into()]), "a\x1b[K\n\x1b[J");
        assert_eq!(redraw(2, "log\n", &["a".into(), "b".into()]), "\x1b[2A\rlog\x1b[K\na\x1b[K\nb\x1b[K\n\x1b[J");
    }
}
