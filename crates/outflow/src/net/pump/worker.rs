//! The loop of one pump: visits the connections that called, and all connections of a stream with news.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::time::Sleep;

use super::conn::{Conn, Room, Visit};
use super::ready::{Bell, Ready, Token};
use crate::error::Ended;
use crate::hub::Subscription;
use crate::monitor::OutputStats;
use crate::stream::Stream;
use crate::wire::Shared;

/// How often deadlines and lag are looked at.
const TICK: Duration = Duration::from_millis(250);
/// Players are looked at in every so many ticks, pushes in each.
const SELDOM: u64 = 4;
/// How often the kernel is asked what the other hosts have, while there is something that they lack.
const PROBE: Duration = Duration::from_millis(10);
/// Connections whose delay is measured: that takes a call for each probe.
const PUSHES: usize = 64;
const PLAYERS: usize = 4;
const READ_BYTES: usize = 64 * 1024;

/// What a pump is told from outside.
pub(super) enum Command {
    Attach(Box<Conn>),
    Finish(u64),
    /// Go on with this stream; an entry point so young will do.
    Switch(u64, Arc<Stream>, Duration),
    Abort(u64),
}

pub(super) struct Worker {
    ready: Arc<Ready>,
    commands: Arc<Mutex<Vec<Command>>>,
    load: Arc<AtomicUsize>,
    connections: HashMap<u64, Seat>,
    streams: HashMap<u64, Group>,
    /// When to look at a connection though nobody calls (`delay=`, `latency=`, a lingering end).
    dues: BTreeSet<(Instant, u64)>,
    next_stream: u64,
    room: Room,
    tokens: Vec<Token>,
    ticks: u64,
    /// The connections whose delay is measured.
    probed: Vec<u64>,
    probe_at: Option<Instant>,
}

struct Seat {
    conn: Conn,
    bell: Arc<Bell>,
    waker: Waker,
    stream: u64,
    /// The group of the stream that it waits to go on with: it hears the news of both.
    next: Option<u64>,
    due: Option<Instant>,
}

impl Seat {
    fn is_in(&self, group: u64) -> bool {
        self.stream == group || self.next == Some(group)
    }
}

/// The connections of one stream: visited together when it has news.
struct Group {
    stream: Arc<Stream>,
    bell: Arc<Bell>,
    members: Vec<u64>,
    _subscription: Subscription<Shared>,
}

impl Worker {
    pub(super) fn new(ready: Arc<Ready>, commands: Arc<Mutex<Vec<Command>>>, load: Arc<AtomicUsize>) -> Self {
        let room = Room { bytes: vec![0; READ_BYTES], messages: Vec::new() };
        let (connections, streams) = (HashMap::new(), HashMap::new());
        let (dues, tokens) = (BTreeSet::new(), Vec::new());
        Self {
            ready,
            commands,
            load,
            connections,
            streams,
            dues,
            next_stream: 0,
            room,
            tokens,
            ticks: 0,
            probed: Vec::new(),
            probe_at: None,
        }
    }

    /// Runs for ever. Not subject to the runtime's cooperative budget, which counts per task and would stop a pump with
    /// many connections halfway through a frame; turns are bounded here instead.
    pub(super) fn run(mut self) -> impl Future<Output = ()> + Send {
        let body = async move {
            let mut sleep = Box::pin(tokio::time::sleep(TICK));
            let mut next_tick = Instant::now() + TICK;
            std::future::poll_fn(|context| self.poll(context, &mut sleep, &mut next_tick)).await
        };
        tokio::task::unconstrained(body)
    }

    fn poll(&mut self, context: &mut Context<'_>, sleep: &mut Pin<Box<Sleep>>, next_tick: &mut Instant) -> Poll<()> {
        self.ready.listen(context.waker());
        let now = Instant::now();
        self.obey(now);
        self.answer(now);
        if now >= *next_tick {
            self.tick(now);
            *next_tick = now + TICK;
        }
        while let Some((due, id)) = self.dues.first().copied().filter(|(due, _)| *due <= now) {
            self.dues.remove(&(due, id));
            self.visit(id, now, false);
        }
        if self.probe_at.is_some_and(|at| at <= now) {
            self.probe(now);
        }
        let due = self.dues.first().map(|(due, _)| *due);
        let soonest = due.into_iter().chain(self.probe_at).fold(*next_tick, Instant::min);
        if sleep.deadline().into_std() != soonest {
            sleep.as_mut().reset(soonest.into());
        }
        if sleep.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn obey(&mut self, now: Instant) {
        let commands = std::mem::take(&mut *self.commands.lock());
        for command in commands {
            match command {
                Command::Attach(conn) => self.attach(*conn, now),
                Command::Finish(id) => {
                    if let Some(seat) = self.connections.get_mut(&id) {
                        seat.conn.close();
                    }
                    self.visit(id, now, true);
                }
                Command::Switch(id, stream, fresh) => self.switch(id, &stream, fresh, now),
                Command::Abort(id) => self.remove(id),
            }
        }
    }

    fn attach(&mut self, conn: Conn, now: Instant) {
        let id = conn.id;
        let Some(conn) = conn.adopt() else {
            self.load.fetch_sub(1, Ordering::Relaxed);
            return;
        };
        let bell = Bell::new(Token::Connection(id), &self.ready);
        let stream = self.join(&conn.order.stream, id);
        let waker = Waker::from(bell.clone());
        self.connections.insert(id, Seat { conn, bell, waker, stream, next: None, due: None });
        self.choose(id);
        self.visit(id, now, true);
    }

    fn switch(&mut self, id: u64, stream: &Arc<Stream>, fresh: Duration, now: Instant) {
        let Some(seat) = self.connections.get_mut(&id) else { return };
        let given_up = seat.next.take();
        let moves = seat.conn.switch(stream, fresh, now);
        if let Some(group) = given_up {
            self.leave(group, id);
        }
        if moves {
            let group = self.join(stream, id);
            if let Some(seat) = self.connections.get_mut(&id) {
                seat.next = Some(group);
            }
        }
        self.visit(id, now, false);
    }

    /// The connection may read the stream that it waited for, or wait for it no longer: then it is in one group again.
    fn settle(&mut self, id: u64) {
        let Some(seat) = self.connections.get_mut(&id).filter(|seat| !seat.conn.is_switching()) else { return };
        let Some(next) = seat.next.take() else { return };
        let left = match self.streams.get(&next) {
            Some(group) if Arc::ptr_eq(&group.stream, &seat.conn.order.stream) => {
                std::mem::replace(&mut seat.stream, next)
            }
            _ => next,
        };
        self.leave(left, id);
    }

    fn leave(&mut self, group: u64, id: u64) {
        // While its members are being visited the list is elsewhere; the visit itself tidies up.
        if let Some(group) = self.streams.get_mut(&group) {
            group.members.retain(|member| *member != id);
        }
        if !self.connections.values().any(|seat| seat.is_in(group)) {
            self.streams.remove(&group);
        }
    }

    fn join(&mut self, stream: &Arc<Stream>, id: u64) -> u64 {
        if let Some((key, group)) = self.streams.iter_mut().find(|(_, group)| Arc::ptr_eq(&group.stream, stream)) {
            group.members.push(id);
            return *key;
        }
        let key = self.next_stream;
        self.next_stream += 1;
        let bell = Bell::new(Token::Stream(key), &self.ready);
        let subscription = stream.hub().subscribe(Waker::from(bell.clone()));
        let group = Group { stream: stream.clone(), bell, members: vec![id], _subscription: subscription };
        self.streams.insert(key, group);
        key
    }

    /// Visits whoever called: a connection alone, a stream with all its connections that are not stuck.
    fn answer(&mut self, now: Instant) {
        let mut tokens = std::mem::take(&mut self.tokens);
        self.ready.take(&mut tokens);
        for token in tokens.drain(..) {
            match token {
                Token::Connection(id) => {
                    if let Some(seat) = self.connections.get(&id) {
                        seat.bell.answer();
                        self.visit(id, now, true);
                    }
                }
                Token::Stream(key) => {
                    let Some(group) = self.streams.get_mut(&key) else { continue };
                    group.bell.answer();
                    let members = std::mem::take(&mut group.members);
                    for id in &members {
                        if self.connections.get(id).is_some_and(|seat| seat.conn.blocked_since.is_none()) {
                            self.visit(*id, now, false);
                        }
                    }
                    if let Some(group) = self.streams.get_mut(&key) {
                        group.members = members;
                        group.members.retain(|id| self.connections.get(id).is_some_and(|seat| seat.is_in(key)));
                    }
                }
            }
        }
        self.tokens = tokens;
    }

    fn visit(&mut self, id: u64, now: Instant, read: bool) {
        self.visit_seat(id, now, read);
        self.settle(id);
    }

    fn visit_seat(&mut self, id: u64, now: Instant, read: bool) {
        let Some(seat) = self.connections.get_mut(&id) else { return };
        let mut context = Context::from_waker(&seat.waker);
        let visit = catch_unwind(AssertUnwindSafe(|| seat.conn.visit(now, &mut context, &mut self.room, read)));
        match visit {
            Ok(Visit::Wait(due)) => {
                if seat.conn.gauge.is_waiting() {
                    self.probe_at.get_or_insert(now + PROBE);
                }
                if let Some(old) = std::mem::replace(&mut seat.due, due) {
                    self.dues.remove(&(old, id));
                }
                self.dues.extend(due.map(|due| (due, id)));
            }
            Ok(Visit::Again) => seat.waker.wake_by_ref(),
            Ok(Visit::Gone) => self.remove(id),
            Err(_) => {
                seat.conn.report(Ended::internal("a fault in this connection's code; the others are untouched"));
                self.remove(id);
            }
        }
    }

    /// Measures the delay of this connection, if not too many are measured.
    fn choose(&mut self, id: u64) {
        let Some(seat) = self.connections.get(&id) else { return };
        let (push, probed) = (seat.conn.is_push(), self.probed.iter());
        let alike = probed.filter_map(|id| self.connections.get(id)).filter(|seat| seat.conn.is_push() == push);
        if alike.count() >= if push { PUSHES } else { PLAYERS } {
            return;
        }
        if let Some(seat) = self.connections.get_mut(&id).filter(|seat| !seat.conn.gauge.probed) {
            seat.conn.gauge.probed = true;
            self.probed.push(id);
        }
    }

    fn probe(&mut self, now: Instant) {
        let mut more = false;
        for id in &self.probed {
            if let Some(seat) = self.connections.get_mut(id).filter(|seat| seat.conn.gauge.is_waiting()) {
                seat.conn.probe(now);
                more |= seat.conn.gauge.is_waiting();
            }
        }
        self.probe_at = more.then(|| now + PROBE);
    }

    fn tick(&mut self, now: Instant) {
        // The worst of each output's connections is found first and stored once: a look in between must not see none.
        let mut worst: HashMap<*const OutputStats, (Arc<OutputStats>, u64)> = HashMap::new();
        let mut over = Vec::new();
        self.ticks += 1;
        let measures = super::measures();
        for (id, seat) in &mut self.connections {
            if measures && (seat.conn.is_push() || (id + self.ticks).is_multiple_of(SELDOM)) {
                seat.conn.look(now);
            }
            let stats = &seat.conn.order.stats;
            let entry = worst.entry(Arc::as_ptr(stats)).or_insert_with(|| (stats.clone(), 0));
            entry.1 = entry.1.max(seat.conn.lag_millis(now));
            if let Some(ended) = seat.conn.tick(now) {
                seat.conn.report(ended);
                over.push(*id);
            }
        }
        for (stats, lag) in worst.into_values() {
            stats.lag_millis.store(lag, Ordering::Relaxed);
        }
        for id in over {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(seat) = self.connections.remove(&id) else { return };
        if let Some(due) = seat.due {
            self.dues.remove(&(due, id));
        }
        if seat.conn.gauge.probed {
            self.probed.retain(|probed| *probed != id);
            // Another takes its place.
            let push = seat.conn.is_push();
            let next = self.connections.iter().find(|(_, seat)| seat.conn.is_push() == push && !seat.conn.gauge.probed);
            if let Some(id) = next.map(|(id, _)| *id) {
                self.choose(id);
            }
        }
        self.load.fetch_sub(1, Ordering::Relaxed);
        self.leave(seat.stream, id);
        if let Some(next) = seat.next {
            self.leave(next, id);
        }
        seat.conn.abandon();
    }
}
