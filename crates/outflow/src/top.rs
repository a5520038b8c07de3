//! `outflow top`: a running relay in the terminal, through its API. It only looks.

mod model;
mod screen;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, mpsc};

use crate::net::dial::{Lookup, Resolver};
use crate::net::http_client::{HttpUrl, Route, get};
use crate::secret::Secret;
use model::{Model, Sort};

/// Which relay to look at.
#[derive(Debug)]
pub struct Top {
    /// Where its API is.
    pub url: HttpUrl,
    /// The API's token.
    pub token: Option<Secret>,
}

/// How often the relay is asked.
const EVERY: Duration = Duration::from_secs(1);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// More than a thousand outputs need.
const MOST: usize = 8 << 20;
/// How often keys are looked for.
const KEYS: Duration = Duration::from_millis(100);

/// Draws until it is told to quit. The error says why nothing can be drawn.
pub fn run(top: &Top, resolver: Arc<dyn Resolver>) -> Result<(), String> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(format!(
            "top draws on a terminal, and there is none; for programs the same is at {}",
            top.url.at("/v1/outputs")
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the system gives no events: {error}"))?;
    let mut terminal = ratatui::try_init().map_err(|error| format!("the terminal can't be drawn on: {error}"))?;
    let drawn = runtime.block_on(draw(top, &*resolver, &mut terminal));
    ratatui::restore();
    // A look-up that hangs is not waited for.
    runtime.shutdown_background();
    drawn.map_err(|error| format!("the terminal can't be drawn on: {error}"))
}

async fn draw(top: &Top, resolver: &dyn Resolver, terminal: &mut ratatui::DefaultTerminal) -> std::io::Result<()> {
    let mut model = Model::new(top.url.to_string());
    let mut keys = keyboard();
    let lookup = Mutex::new(Lookup::default());
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut asking = Box::pin(ask(top, resolver, &lookup));
    let mut under_way = true;
    loop {
        let now = Instant::now();
        terminal.draw(|frame| screen::draw(frame, &mut model, now))?;
        tokio::select! {
            key = keys.recv() => match key {
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                    let control = key.modifiers.contains(KeyModifiers::CONTROL);
                    if quits(key.code, control) {
                        return Ok(());
                    }
                    press(&mut model, key.code);
                }
                // Another size: it is drawn anew.
                Some(_) => {}
                None => return Ok(()),
            },
            answer = &mut asking, if under_way => {
                under_way = false;
                model.take(answer, Instant::now());
            }
            _ = ticks.tick() => {
                if !under_way {
                    asking.set(ask(top, resolver, &lookup));
                    under_way = true;
                }
            }
        }
    }
}

fn quits(key: KeyCode, control: bool) -> bool {
    matches!((key, control), (KeyCode::Char('q') | KeyCode::Esc, false) | (KeyCode::Char('c' | 'd'), true))
}

fn press(model: &mut Model, key: KeyCode) {
    match key {
        KeyCode::Char('r') => model.reverse(),
        KeyCode::Down | KeyCode::Char('j') => model.scroll(1),
        KeyCode::Up | KeyCode::Char('k') => model.scroll(-1),
        KeyCode::PageDown | KeyCode::Char(' ') => model.scroll(10),
        KeyCode::PageUp => model.scroll(-10),
        KeyCode::Home => model.scroll(i32::MIN),
        KeyCode::End => model.scroll(i32::MAX),
        KeyCode::Char(letter) => {
            if let Some(sort) = Sort::of_key(letter) {
                model.sort(sort);
            }
        }
        _ => {}
    }
}

/// Keys and changes of size, from a thread of their own: reading the terminal waits.
fn keyboard() -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(16);
    let reading = move || {
        while !sender.is_closed() {
            match event::poll(KEYS) {
                Ok(true) => match event::read().map(|event| sender.blocking_send(event)) {
                    Ok(Ok(())) => {}
                    _ => return,
                },
                Ok(false) => {}
                Err(_) => return,
            }
        }
    };
    // Without the thread the channel is closed at once, which ends it all.
    let _ = std::thread::Builder::new().name("keys".into()).spawn(reading);
    receiver
}

/// What the relay said, or why it did not.
type Answer = Result<(Vec<model::Output>, Vec<model::Stream>, Vec<model::Alert>), String>;

async fn ask(top: &Top, resolver: &dyn Resolver, lookup: &Mutex<Lookup>) -> Answer {
    let route = Route { resolver, lookup, tls: None };
    let both = async {
        let outputs = list(top, &route, "/v1/outputs").await?;
        let streams = list(top, &route, "/v1/streams").await?;
        // An older relay has none.
        let alerts = list(top, &route, "/v1/alerts").await.unwrap_or_default();
        Ok((outputs, streams, alerts))
    };
    match tokio::time::timeout(ANSWER, both).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} s", ANSWER.as_secs())),
    }
}

async fn list<T: DeserializeOwned>(top: &Top, route: &Route<'_>, path: &str) -> Result<Vec<T>, String> {
    let answer = get(route, &top.url.at(path), top.token.as_ref(), MOST).await.map_err(|error| error.to_string())?;
    match answer.status {
        200 => serde_json::from_slice(&answer.body).map_err(|_| "the answer is not that of outflow's API".to_owned()),
        401 => Err("the API wants its token: set OUTFLOW_API_TOKEN, or say --token-file=FILE".into()),
        403 => Err("the API does not know this host name: add it to api.hosts, or use an address".into()),
        status => Err(format!("the API answered {status}: is this the HTTP port of `outflow serve`?")),
    }
}
