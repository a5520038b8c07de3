//! The screen of `top`: one line for each output, and one more where there is something to say. Readable at 80 columns.

use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::model::{Alert, Model, Output, Sort, Stream, ago, until};

/// Streams shown at most: the rest is counted.
const STREAMS: usize = 4;
/// Alerts shown at most.
const ALERTS: usize = 4;
/// Columns of all figures together, with the space between them.
const FIGURES: usize = 65;

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, model: &mut Model, now: Instant) {
    let lost = u16::from(model.lost.is_some());
    let shown = model.streams.len().min(STREAMS + 1);
    let streams = u16::try_from(shown).unwrap_or(0).min(frame.area().height / 3);
    let alerts = u16::try_from(model.alerts.len().min(ALERTS + 1)).unwrap_or(0).min(frame.area().height / 4);
    let rows = [
        Constraint::Length(1),
        Constraint::Length(lost),
        Constraint::Length(alerts),
        Constraint::Length(streams),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ];
    let [title, banner, alarms, inputs, head, body, foot] = Layout::vertical(rows).areas(frame.area());
    let width = usize::from(frame.area().width);
    frame.render_widget(Paragraph::new(heading(model, now, width)), title);
    if let Some((since, why)) = &model.lost {
        let seconds = now.saturating_duration_since(*since).as_secs();
        let old = if model.heard.is_some() { "; the figures below are old" } else { "" };
        let text = format!(" NO CONNECTION for {seconds} s{old}: {why}");
        let style = Style::new().fg(Color::White).bg(Color::Red).add_modifier(Modifier::BOLD);
        frame.render_widget(Paragraph::new(format!("{:<width$}", cut(&text, width))).style(style), banner);
    }
    frame.render_widget(Paragraph::new(alerts_of(model, usize::from(alarms.height), width)), alarms);
    let lines: Vec<Line<'_>> = inputs_of(model, usize::from(inputs.height), width);
    frame.render_widget(Paragraph::new(lines), inputs);
    frame.render_widget(Paragraph::new(columns(model, width)), head);
    let height = usize::from(body.height);
    let mut lines: Vec<Line<'_>> = Vec::new();
    model.top = model.top.min(model.outputs.len().saturating_sub(1));
    for output in model.outputs.iter().skip(model.top) {
        if lines.len() >= height {
            break;
        }
        lines.extend(of_output(output, width));
    }
    if model.outputs.is_empty() && model.heard.is_some() {
        lines.push(Line::from(" there are no outputs: add one to the configuration, or through the API"));
    }
    let style = if model.lost.is_some() { Style::new().add_modifier(Modifier::DIM) } else { Style::new() };
    frame.render_widget(Paragraph::new(lines).style(style), body);
    frame.render_widget(Paragraph::new(keys(model, width)), foot);
}

fn heading(model: &Model, now: Instant, width: usize) -> Line<'static> {
    // Who waits for players is sending to nobody.
    let sending = model.outputs.iter().filter(|output| output.state == "live" && output.players != Some(0)).count();
    let age = model.heard.map_or("no answer yet".to_owned(), |heard| {
        format!("{} s ago", now.saturating_duration_since(heard).as_secs())
    });
    let alerts = match model.alerts.len() {
        0 => String::new(),
        1 => "  1 ALERT".to_owned(),
        count => format!("  {count} ALERTS"),
    };
    let text = format!(
        "outflow top  {}  {} outputs, {} sending{alerts}  {age}",
        model.url.trim_end_matches('/'),
        model.outputs.len(),
        sending
    );
    Line::from(cut(&text, width)).style(Style::new().add_modifier(Modifier::BOLD))
}

fn alerts_of(model: &Model, height: usize, width: usize) -> Vec<Line<'static>> {
    let room = if model.alerts.len() > height { height.saturating_sub(1) } else { height };
    let of = |alert: &Alert| {
        let critical = alert.severity == "critical";
        let (mark, colour) = if critical { ("▲", Color::Red) } else { ("△", Color::Yellow) };
        let who = alert.output.as_deref().unwrap_or(&alert.stream);
        let text = format!("{mark} {who}: {}: {}", alert.rule, alert.text);
        Line::from(cut(&text, width)).style(Style::new().fg(colour))
    };
    let mut lines: Vec<Line<'static>> = model.alerts.iter().take(room).map(of).collect();
    if room < model.alerts.len() && height > 0 {
        lines.push(Line::from(format!("   and {} more alerts", model.alerts.len() - room)));
    }
    lines
}

fn inputs_of(model: &Model, height: usize, width: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = Vec::new();
    let room = if model.streams.len() > height { height.saturating_sub(1) } else { height };
    for Stream { id, live, bitrate_bps, fps, players } in model.streams.iter().take(room) {
        let (mark, style) = if *live { ("<-", Style::new().fg(Color::Green)) } else { ("..", Style::new()) };
        let said = match live {
            true => format!("{} {fps:.0} fps, {players} players", rate(*bitrate_bps)),
            false => format!("no media comes, {players} players"),
        };
        let text = cut(&format!(" {id}  {said}"), width.saturating_sub(3));
        lines.push(Line::from(vec![Span::styled(mark, style), Span::raw(text)]));
    }
    if room < model.streams.len() && height > 0 {
        lines.push(Line::from(format!("   and {} more streams", model.streams.len() - room)));
    }
    lines
}

/// What is left for names.
fn name_width(width: usize) -> usize {
    width.saturating_sub(FIGURES).clamp(8, 32)
}

fn columns(model: &Model, width: usize) -> Line<'static> {
    let name = name_width(width);
    let mark = |sort: Sort, text: &str| {
        if model.sort == sort { format!("{text}{}", if model.reversed { '^' } else { 'v' }) } else { text.to_owned() }
    };
    let text = format!(
        "{:<name$} {:<13} {:>7} {:>9} {:>4} {:>7} {:>8} {:>5} {:>4}",
        mark(Sort::Name, "OUTPUT"),
        mark(Sort::State, "STATE"),
        mark(Sort::Since, "SINCE"),
        mark(Sort::Bitrate, "BITRATE"),
        "FPS",
        mark(Sort::Lag, "LAG"),
        mark(Sort::Delay, "DELAY95"),
        mark(Sort::Skips, "SKIP"),
        mark(Sort::Attempts, "TRY"),
    );
    let text = format!("{:<width$}", cut(&text, width));
    Line::from(text).style(Style::new().add_modifier(Modifier::REVERSED))
}

/// A state in words, shape and colour. "Sending", not "on air": only the platform knows that.
fn state(state: &str) -> (&'static str, &'static str, Color) {
    match state {
        "live" => ("●", "sending", Color::Green),
        "stalled" => ("▲", "STALLED", Color::Red),
        "yielding" => ("▽", "yields", Color::Yellow),
        "failed" => ("✖", "FAILED", Color::Red),
        "backoff" => ("↻", "retrying", Color::Yellow),
        "resolving" => ("◌", "looks up", Color::Yellow),
        "connecting" => ("◌", "connects", Color::Yellow),
        "handshaking" => ("◌", "handshake", Color::Yellow),
        "publishing" => ("◌", "publishes", Color::Yellow),
        "waiting_input" => ("…", "waits input", Color::Blue),
        "draining" => ("▽", "ends", Color::Blue),
        "stopped" => ("■", "stopped", Color::DarkGray),
        _ => ("○", "idle", Color::DarkGray),
    }
}

fn of_output(output: &Output, width: usize) -> Vec<Line<'static>> {
    let name = name_width(width);
    let (mark, word, colour) = state(&output.state);
    // Who waits for players is not sending until one is there.
    let word = match output.players.filter(|_| output.state == "live") {
        Some(players) => format!("serves {}", count(players)),
        None => word.to_owned(),
    };
    let sends = matches!(output.state.as_str(), "live" | "stalled" | "yielding");
    let figure = |text: String| if sends { text } else { "-".to_owned() };
    let delay = match &output.delay_ms {
        _ if output.is_closed() => "closed".to_owned(),
        Some(delay) => delay.p95.map_or("-".to_owned(), |p95| format!("{p95:.0}ms")),
        None => "-".to_owned(),
    };
    let rest = format!(
        " {:>7} {:>9} {:>4} {:>7} {:>8} {:>5} {:>4}",
        ago(&output.since).map_or("-".to_owned(), short),
        figure(rate(output.bitrate_bps)),
        figure(format!("{:.0}", output.fps)),
        figure(millis(output.lag_ms)),
        figure(delay),
        count(output.skips),
        count(u64::from(output.attempt)),
    );
    let first = Line::from(vec![
        Span::raw(format!("{:<name$} ", cut(&output.id, name))),
        Span::styled(format!("{:<13}", format!("{mark} {word}")), Style::new().fg(colour)),
        Span::raw(rest),
    ]);
    let mut more = Vec::new();
    if output.is_closed() {
        more.push("its host has the media, its program does not read".to_owned());
    }
    if let Some(reason) = output.reason.as_ref().filter(|reason| !reason.text.is_empty()) {
        more.push(reason.text.clone());
    }
    if let Some(wait) = output.next_retry_at.as_deref().and_then(until) {
        more.push(format!("again in {}", short(wait)));
    }
    if more.is_empty() {
        return vec![first];
    }
    let text = cut(&format!("  {} ({})", more.join("; "), output.stream), width);
    vec![first, Line::from(text).style(Style::new().fg(colour))]
}

fn keys(model: &Model, width: usize) -> Line<'static> {
    let mut text = String::from("q quit");
    for (sort, key, name) in Sort::ALL {
        let name = if model.sort == sort { name.to_uppercase() } else { name.to_owned() };
        text.push_str(&format!(" {key} {name}"));
    }
    text.push_str(" r reverse");
    Line::from(cut(&text, width)).style(Style::new().add_modifier(Modifier::DIM))
}

/// Cuts by characters; a `~` says that something is missing.
fn cut(text: &str, most: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.chars().count() > most {
        true => text.chars().take(most.saturating_sub(1)).chain(['~']).collect(),
        false => text,
    }
}

fn rate(bps: u64) -> String {
    match bps {
        1_000_000.. => format!("{:.2}Mb/s", bps as f64 / 1e6),
        1_000.. => format!("{:.0}kb/s", bps as f64 / 1e3),
        _ => format!("{bps}b/s"),
    }
}

fn millis(ms: u64) -> String {
    if ms >= 10_000 { format!("{:.1}s", ms as f64 / 1e3) } else { format!("{ms}ms") }
}

fn count(number: u64) -> String {
    match number {
        1_000_000.. => format!("{}M", number / 1_000_000),
        10_000.. => format!("{}k", number / 1_000),
        _ => number.to_string(),
    }
}

fn short(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..100 => format!("{seconds}s"),
        100..6000 => format!("{}m{:02}", seconds / 60, seconds % 60),
        6000..360_000 => format!("{}h{:02}", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
