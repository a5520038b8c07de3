//! The loop of one pump: visits the connections that called, and all connections of a stream with news.

mod ride;
mod tick;

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use slab::Slab;
use tokio::time::Sleep;

use super::Backend;
use super::class::Class;
use super::conn::ride::Ride;
use super::conn::{Conn, Room, Visit};
use super::load::{Load, Watch};
use super::ready::{Bell, Ready, Token};
use super::uplinks::Uplinks;
use super::uring::Ring;
use crate::error::Ended;
use crate::hub::Subscription;
use crate::monitor::{OutputStats, Teller};
use crate::stream::Stream;
use crate::wire::{KEPT, Shared};

/// How often deadlines and lag are looked at.
const TICK: Duration = Duration::from_millis(250);
/// The same where there is nothing to look at.
const IDLE: Duration = Duration::from_secs(3600);
/// How often the kernel is asked what the other hosts have, at most, while there is something that they lack.
const PROBE: Duration = Duration::from_millis(10);
/// Connections whose delay is measured: that takes a call for each probe.
const PUSHES: usize = 64;
const PLAYERS: usize = 4;
const READ_BYTES: usize = 64 * 1024;

/// What a pump is told from outside.
pub(super) enum Command {
    /// `moves`: its socket is registered with another thread.
    Attach {
        conn: Box<Conn>,
        moves: bool,
    },
    Finish(u64),
    /// Go on with this stream; an entry point so young will do.
    Switch(u64, Arc<Stream>, Duration),
    Abort(u64),
}

pub(super) struct Worker {
    ready: Arc<Ready>,
    commands: Arc<Mutex<Vec<Command>>>,
    load: Arc<Load>,
    uplinks: Arc<Uplinks>,
    /// Some of its connections yield to others.
    yields: bool,
    connections: Slab<Box<Seat>>,
    /// Where the connection with this number sits.
    places: HashMap<u64, usize>,
    streams: HashMap<u64, Group>,
    /// When to look at a connection though nobody calls (`delay=`, `latency=`, a lingering end), or at a class of them.
    dues: BTreeSet<(Instant, Due)>,
    next_stream: u64,
    room: Room,
    tokens: Vec<Token>,
    ticks: usize,
    /// How busy this thread is, once it runs.
    watch: Option<Watch>,
    /// Tells the lag of what is here; and the outputs that it told one of.
    teller: Teller,
    lagging: Vec<Arc<OutputStats>>,
    /// The connections whose delay is measured.
    probed: Vec<usize>,
    probe_at: Option<Instant>,
    /// Where many are written to with one call.
    ring: Option<Ring>,
    /// There is none though one was asked for, and nobody was told yet.
    lacks_ring: bool,
    /// What it came to for each.
    results: Vec<i32>,
}

/// What becomes due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Seat(usize),
    /// A class of a group: what was gathered for it leaves.
    Class(u64, usize),
}

struct Seat {
    conn: Conn,
    bell: Arc<Bell>,
    waker: Waker,
    stream: u64,
    /// The group of the stream that it waits to go on with: it hears the news of both.
    next: Option<u64>,
    due: Option<Instant>,
    /// The class in which it rides.
    aboard: Option<usize>,
}

impl Seat {
    fn is_in(&self, group: u64) -> bool {
        self.stream == group || self.next == Some(group)
    }
}

/// The connections of one stream: those of one class are visited together.
struct Group {
    stream: Arc<Stream>,
    bell: Arc<Bell>,
    classes: Vec<Class>,
    _subscription: Subscription<Shared>,
}

impl Group {
    /// True if all that this connection has not read is gathered for its class, and will leave.
    fn gathers_for(&self, conn: &Conn) -> bool {
        let class = self.classes.iter().find(|class| class.takes(&conn.order));
        class.is_some_and(|class| class.due.is_some() && conn.order.cursor.position() >= Some(class.edge))
    }

    fn add(&mut self, place: usize, conn: &Conn) {
        let known = self.classes.iter_mut().find(|class| class.takes(&conn.order));
        match known {
            Some(class) => class.members.push(place),
            None => self.classes.push(Class::new(&conn.order, self.stream.hub().head(), place)),
        }
    }
}

impl Worker {
    pub(super) fn new(
        ready: Arc<Ready>,
        commands: Arc<Mutex<Vec<Command>>>,
        load: Arc<Load>,
        backend: Backend,
        uplinks: Arc<Uplinks>,
    ) -> Self {
        let ring = (backend == Backend::IoUring).then(Ring::new);
        Self {
            ready,
            commands,
            load,
            uplinks,
            yields: false,
            connections: Slab::new(),
            places: HashMap::new(),
            streams: HashMap::new(),
            dues: BTreeSet::new(),
            next_stream: 0,
            room: Room { bytes: vec![0; READ_BYTES], messages: Vec::new(), gathers: true, leaves: false },
            tokens: Vec::new(),
            ticks: 0,
            watch: None,
            teller: Teller::new(),
            lagging: Vec::new(),
            probed: Vec::new(),
            probe_at: None,
            lacks_ring: ring.as_ref().is_some_and(Result::is_err),
            ring: ring.and_then(Result::ok),
            results: Vec::new(),
        }
    }

    /// Runs for ever. Not subject to the runtime's cooperative budget, which counts per task and would stop a pump with
    /// many connections halfway through a frame; turns are bounded here instead.
    pub(super) fn run(mut self) -> impl Future<Output = ()> + Send {
        let body = async move {
            self.watch = Some(Watch::new(Instant::now()));
            let mut sleep = Box::pin(tokio::time::sleep(TICK));
            let mut next_tick = Instant::now() + TICK;
            std::future::poll_fn(|context| self.poll(context, &mut sleep, &mut next_tick)).await
        };
        tokio::task::unconstrained(body)
    }

    fn poll(&mut self, context: &mut Context<'_>, sleep: &mut Pin<Box<Sleep>>, next_tick: &mut Instant) -> Poll<()> {
        self.ready.listen(context.waker());
        let now = Instant::now();
        // Before more is sent, whose acknowledgement would be taken for that of the frame. No timer of its own: whatever calls
        // next will do, as the kernel says when it came, and each wake-up of a machine that has little to do costs a tenth of a millisecond.
        if self.probe_at.is_some_and(|at| at <= now) {
            self.probe(now);
        }
        self.obey(now);
        self.answer(now);
        if now >= *next_tick {
            self.tick(now);
            *next_tick = now + TICK;
        }
        while let Some((at, due)) = self.dues.first().copied().filter(|(at, _)| *at <= now) {
            self.dues.remove(&(at, due));
            match due {
                Due::Seat(place) => self.visit(place, now, false),
                Due::Class(key, class) => self.depart(key, class, now),
            }
        }
        // Whoever comes wakes it, and is looked at in time.
        let next = if self.load.is_idle() && self.lagging.is_empty() { now + IDLE } else { *next_tick };
        let soonest = self.dues.first().map(|(due, _)| *due).into_iter().fold(next, Instant::min);
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
            let place = |id| self.places.get(id).copied();
            match command {
                Command::Attach { conn, moves } => self.attach(*conn, moves, now),
                Command::Finish(id) => {
                    let Some(place) = place(&id) else { continue };
                    self.alight(place);
                    match self.connections.get_mut(place).map(|seat| guarded(&mut seat.conn, Conn::close)) {
                        Some(None) => self.remove(place),
                        _ => self.visit(place, now, true),
                    }
                }
                Command::Switch(id, stream, fresh) => {
                    let Some(place) = place(&id) else { continue };
                    self.switch(place, &stream, fresh, now);
                }
                Command::Abort(id) => {
                    let Some(place) = place(&id) else { continue };
                    self.remove(place);
                }
            }
        }
    }

    fn attach(&mut self, conn: Conn, moves: bool, now: Instant) {
        let Some(mut conn) = conn.adopt(moves) else {
            self.load.leave();
            return;
        };
        if std::mem::take(&mut self.lacks_ring) {
            conn.warn(
                "the kernel gives no io_uring to one more thread: that one writes with a call for each connection",
            );
        }
        self.yields |= conn.join_line(&self.uplinks, now);
        let stream = conn.order.stream.clone();
        let entry = self.connections.vacant_entry();
        let place = entry.key();
        self.places.insert(conn.id, place);
        let bell = Bell::new(Token::Connection(place), &self.ready);
        let waker = Waker::from(bell.clone());
        entry.insert(Box::new(Seat { conn, bell, waker, stream: u64::MAX, next: None, due: None, aboard: None }));
        let group = self.join(&stream, place);
        if let Some(seat) = self.connections.get_mut(place) {
            seat.stream = group;
        }
        self.choose(place);
        self.visit(place, now, true);
    }

    fn switch(&mut self, place: usize, stream: &Arc<Stream>, fresh: Duration, now: Instant) {
        self.alight(place);
        let Some(seat) = self.connections.get_mut(place) else { return };
        let given_up = seat.next.take();
        let moves = seat.conn.switch(stream, fresh, now);
        if let Some(group) = given_up {
            self.leave(group, place);
        }
        if moves {
            let group = self.join(stream, place);
            if let Some(seat) = self.connections.get_mut(place) {
                seat.next = Some(group);
            }
        }
        self.visit(place, now, false);
    }

    /// The connection may read the stream that it waited for, or wait for it no longer: then it is in one group again.
    fn settle(&mut self, place: usize) {
        let Some(seat) = self.connections.get_mut(place).filter(|seat| !seat.conn.is_switching()) else { return };
        let Some(next) = seat.next.take() else { return };
        let left = match self.streams.get(&next) {
            Some(group) if Arc::ptr_eq(&group.stream, &seat.conn.order.stream) => {
                std::mem::replace(&mut seat.stream, next)
            }
            _ => next,
        };
        self.leave(left, place);
    }

    fn leave(&mut self, key: u64, place: usize) {
        // While the members of a class are visited their list is elsewhere; the visit itself tidies up.
        if let Some(group) = self.streams.get_mut(&key) {
            for class in &mut group.classes {
                class.members.retain(|member| *member != place);
            }
        }
        if !self.connections.iter().any(|(_, seat)| seat.is_in(key)) {
            self.give_up(key);
        }
    }

    fn give_up(&mut self, key: u64) {
        let Some(group) = self.streams.remove(&key) else { return };
        for (class, due) in group.classes.iter().enumerate().filter_map(|(at, class)| Some((at, class.due?))) {
            self.dues.remove(&(due, Due::Class(key, class)));
        }
    }

    fn join(&mut self, stream: &Arc<Stream>, place: usize) -> u64 {
        let known = self.streams.iter().find(|(_, group)| Arc::ptr_eq(&group.stream, stream)).map(|(key, _)| *key);
        let key = known.unwrap_or_else(|| {
            let key = self.next_stream;
            self.next_stream += 1;
            let bell = Bell::new(Token::Stream(key), &self.ready);
            let subscription = stream.hub().subscribe(Waker::from(bell.clone()));
            let group = Group { stream: stream.clone(), bell, classes: Vec::new(), _subscription: subscription };
            self.streams.insert(key, group);
            key
        });
        if let (Some(group), Some(seat)) = (self.streams.get_mut(&key), self.connections.get(place)) {
            group.add(place, &seat.conn);
        }
        key
    }

    /// Visits whoever called: a connection alone, a stream with all its connections that are not stuck.
    fn answer(&mut self, now: Instant) {
        let mut tokens = std::mem::take(&mut self.tokens);
        self.ready.take(&mut tokens);
        for token in tokens.drain(..) {
            match token {
                // Another may sit there by now: it is visited for nothing.
                Token::Connection(place) => {
                    if let Some(seat) = self.connections.get(place) {
                        seat.bell.answer();
                        self.visit(place, now, true);
                    }
                }
                Token::Stream(key) => self.announce(key, now),
            }
        }
        self.tokens = tokens;
    }

    /// A stream has news: they leave for those who wait for them, or are gathered.
    fn announce(&mut self, key: u64, now: Instant) {
        let Some(group) = self.streams.get_mut(&key) else { return };
        group.bell.answer();
        for class in 0..group.classes.len() {
            let Some(group) = self.streams.get_mut(&key) else { return };
            let Some(gathering) = group.classes.get_mut(class).filter(|class| class.gathers()) else {
                self.depart(key, class, now);
                continue;
            };
            let (bytes, items) = group.stream.hub().since(gathering.edge);
            let bytes = bytes.saturating_sub(items.saturating_mul(KEPT as u64));
            match (gathering.is_full(bytes), gathering.due) {
                (true, due) => {
                    self.dues.remove(&(due.unwrap_or(now), Due::Class(key, class)));
                    self.depart(key, class, now);
                }
                (false, Some(_)) => {}
                (false, None) => {
                    let due = now + gathering.latency;
                    gathering.due = Some(due);
                    self.dues.insert((due, Due::Class(key, class)));
                }
            }
        }
    }

    fn arrive(&mut self, place: usize, ridden: Ride, gathered: bool, now: Instant) {
        match ridden {
            Ride::Done => {}
            Ride::Visit => {
                // Who stands elsewhere is brought to where the others are, whatever it has gathered.
                self.room.gathers = !gathered;
                self.visit(place, now, false);
                self.room.gathers = true;
            }
            Ride::Gone => self.remove(place),
        }
    }

    fn visit(&mut self, place: usize, now: Instant, read: bool) {
        self.visit_seat(place, now, read);
        self.settle(place);
    }

    fn visit_seat(&mut self, place: usize, now: Instant, read: bool) {
        self.alight(place);
        let Some(seat) = self.connections.get_mut(place) else { return };
        // Asked only of who gathers: a visit without latency need not look for its group.
        self.room.leaves = !seat.conn.order.latency.is_zero()
            && self.streams.get(&seat.stream).is_some_and(|group| group.gathers_for(&seat.conn));
        let mut context = Context::from_waker(&seat.waker);
        match guarded(&mut seat.conn, |conn| conn.visit(now, &mut context, &mut self.room, read)) {
            Some(Visit::Wait(due)) => {
                if seat.conn.gauge.is_waiting() {
                    self.probe_at.get_or_insert(now + PROBE);
                }
                if let Some(old) = std::mem::replace(&mut seat.due, due) {
                    self.dues.remove(&(old, Due::Seat(place)));
                }
                self.dues.extend(due.map(|due| (due, Due::Seat(place))));
            }
            Some(Visit::Again) => seat.waker.wake_by_ref(),
            Some(Visit::Gone) | None => self.remove(place),
        }
    }

    /// Measures the delay of this connection, if not too many are measured.
    fn choose(&mut self, place: usize) {
        let Some(seat) = self.connections.get(place) else { return };
        let (push, probed) = (seat.conn.is_push(), self.probed.iter());
        let alike = probed.filter_map(|place| self.connections.get(*place)).filter(|seat| seat.conn.is_push() == push);
        if alike.count() >= if push { PUSHES } else { PLAYERS } {
            return;
        }
        self.alight(place);
        if let Some(seat) = self.connections.get_mut(place).filter(|seat| !seat.conn.gauge.probed) {
            seat.conn.gauge.probed = true;
            self.probed.push(place);
        }
    }

    fn probe(&mut self, now: Instant) {
        let mut more = false;
        for place in &self.probed {
            if let Some(seat) = self.connections.get_mut(*place).filter(|seat| seat.conn.gauge.is_waiting()) {
                seat.conn.probe(now);
                more |= seat.conn.gauge.is_waiting();
            }
        }
        self.probe_at = more.then(|| now + PROBE);
    }

    fn remove(&mut self, place: usize) {
        self.alight(place);
        let Some(seat) = self.connections.try_remove(place) else { return };
        self.uplinks.leave(seat.conn.id, Instant::now());
        self.places.remove(&seat.conn.id);
        if let Some(due) = seat.due {
            self.dues.remove(&(due, Due::Seat(place)));
        }
        if seat.conn.gauge.probed {
            self.probed.retain(|probed| *probed != place);
            // Another takes its place.
            let push = seat.conn.is_push();
            let next = self.connections.iter().find(|(_, seat)| seat.conn.is_push() == push && !seat.conn.gauge.probed);
            if let Some(place) = next.map(|(place, _)| place) {
                self.choose(place);
            }
        }
        self.load.leave();
        self.leave(seat.stream, place);
        if let Some(next) = seat.next {
            self.leave(next, place);
        }
        seat.conn.abandon();
    }
}

/// Does this with a connection; `None` where its code has a fault, which is told to whoever attached it. It is to be removed
/// then, and costs the others nothing.
fn guarded<T>(conn: &mut Conn, work: impl FnOnce(&mut Conn) -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(|| work(conn)));
    done.inspect_err(|_| {
        conn.report(Ended::internal("a fault in this connection's code; the others are untouched"));
    })
    .ok()
}
