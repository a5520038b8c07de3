//! Lines made of numbers: what is sent, what stays behind and what is skipped follows from what they carry.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, clippy::cast_sign_loss, clippy::cast_possible_truncation)]

use super::*;

const TICK: Duration = Duration::from_millis(250);
const MAX_LAG: Duration = Duration::from_secs(4);

/// An output of 4 Mb/s.
struct Output {
    id: u64,
    name: &'static str,
    /// Megabits a second that its own way carries.
    own: f64,
    backlog: f64,
    sent: f64,
    skips: u32,
    /// In which looks its lag is seen: it holds itself back in the others.
    seen: fn(u32) -> bool,
    told: Vec<(f64, What)>,
}

struct World {
    line: Uplink,
    /// Megabits a second.
    carries: f64,
    rate: f64,
    outputs: Vec<Output>,
    /// What is seen of bytes comes in lumps of so many.
    lump: u64,
    now: Instant,
    seconds: f64,
}

impl World {
    fn new(carries: f64, outputs: &[(&'static str, Priority)]) -> Self {
        let now = Instant::now();
        let mut world = Self {
            line: Uplink::new(Rules::default()),
            carries,
            rate: 4.0,
            outputs: Vec::new(),
            lump: 1,
            now,
            seconds: 0.0,
        };
        outputs.iter().for_each(|(name, priority)| world.join(name, *priority, Some(MAX_LAG)));
        world
    }

    fn join(&mut self, name: &'static str, priority: Priority, max_lag: Option<Duration>) {
        let (id, change) = self.line.join(self.now, Joins { name: name.into(), priority, max_lag });
        let told = change.map(|change| (self.seconds, change.what)).into_iter().collect();
        self.outputs.push(Output { id, name, own: f64::MAX, backlog: 0.0, sent: 0.0, skips: 0, seen: |_| true, told });
    }

    fn of(&mut self, name: &str) -> &mut Output {
        self.outputs.iter_mut().find(|output| output.name == name).unwrap()
    }

    fn yields(&self, name: &str) -> bool {
        let output = self.outputs.iter().find(|output| output.name == name).unwrap();
        self.line.yields(output.id).is_some()
    }

    /// Goes on for so long: a line gives all who want something the same, and what one leaves goes to the others.
    fn run(&mut self, seconds: f64) {
        let end = self.seconds + seconds;
        while self.seconds < end {
            let step = TICK.as_secs_f64();
            for output in &mut self.outputs {
                match self.line.yields(output.id) {
                    Some(_) => output.backlog = 0.0,
                    None => output.backlog += self.rate * step,
                }
            }
            let mut room = self.carries * step;
            let mut wants: Vec<usize> = (0..self.outputs.len()).filter(|at| self.outputs[*at].backlog > 0.0).collect();
            let most = |output: &Output| output.backlog.min(output.own * step);
            wants.sort_by(|one, other| most(&self.outputs[*one]).total_cmp(&most(&self.outputs[*other])));
            for (served, at) in wants.iter().enumerate() {
                let output = &mut self.outputs[*at];
                let share = (room / (wants.len() - served) as f64).min(most(output));
                output.backlog -= share;
                output.sent += share;
                room -= share;
            }
            self.now += TICK;
            self.seconds += step;
            for output in &mut self.outputs {
                // What is hardly more than the last look's is what came just now.
                let lag = Duration::from_secs_f64(output.backlog / self.rate);
                if lag > MAX_LAG {
                    (output.backlog, output.skips) = (self.rate * 0.5, output.skips + 1);
                }
                let lag = (output.seen)((self.seconds / step) as u32).then_some(lag);
                let bytes = (output.sent * 125_000.0) as u64 / self.lump * self.lump;
                self.line.look(self.now, output.id, Look { lag, bytes });
            }
            for change in self.line.step(self.now) {
                let output = self.outputs.iter_mut().find(|output| output.id == change.member).unwrap();
                output.told.push((self.seconds, change.what));
            }
        }
    }
}

fn three(carries: f64) -> World {
    World::new(carries, &[("high", Priority::High), ("normal", Priority::Normal), ("low", Priority::Low)])
}

#[test]
fn where_there_is_room_for_two_of_three_the_lowest_yields_and_the_others_lose_nothing() {
    let mut world = three(9.0);
    world.run(120.0);
    for name in ["high", "normal"] {
        let output = world.of(name);
        assert_eq!((output.skips, output.told.len()), (0, 0), "{name}: {:?}", output.told);
    }
    let told = world.of("low").told.clone();
    assert_eq!(told[0].1, What::Yields);
    assert!(told[0].0 < 10.0, "{told:?}");
    // It is let in now and then, on trial, and less and less often.
    let tried: Vec<f64> = told.iter().filter(|(_, what)| matches!(what, What::GoesOn(_))).map(|(at, _)| *at).collect();
    assert!((2..=5).contains(&tried.len()), "{told:?}");
    assert!(told.iter().all(|(_, what)| !matches!(what, What::InVain(_))), "{told:?}");
    // And once there is room, it stays.
    world.carries = 13.0;
    world.run(330.0);
    assert!(!world.yields("low"));
    let before = world.of("low").told.len();
    world.run(120.0);
    assert_eq!(world.of("low").told.len(), before);
}

#[test]
fn among_equals_nobody_yields() {
    let mut world = World::new(6.0, &[("a", Priority::Normal), ("b", Priority::Normal), ("c", Priority::Normal)]);
    assert!(!world.line.is_mixed());
    world.run(60.0);
    assert!(world.outputs.iter().all(|output| output.told.is_empty() && output.skips > 0));
}

#[test]
fn where_there_is_room_for_one_both_others_yield() {
    let mut world = three(4.5);
    world.run(60.0);
    assert!(world.yields("normal") && world.yields("low"));
    assert!(world.of("high").skips <= 1);
    world.run(200.0);
    assert!(world.of("high").skips <= 1, "{:?}", world.of("high").skips);
}

#[test]
fn a_destination_that_is_slow_by_itself_silences_nobody_for_long() {
    for own in [0.0, 1.0, 3.0] {
        let mut world = three(100.0);
        world.of("high").own = own;
        world.run(600.0);
        for name in ["normal", "low"] {
            let silent: f64 =
                world.of(name).told.windows(2).filter(|it| it[0].1 == What::Yields).map(|it| it[1].0 - it[0].0).sum();
            assert!(silent < 20.0, "{name} of {own}: {:?}", world.of(name).told);
            assert!(!world.yields(name));
        }
        let asked = world.of("low").told.iter().filter(|(_, what)| *what == What::Yields).count();
        assert!((1..=6).contains(&asked), "{own}: {:?}", world.of("low").told);
    }
}

#[test]
fn lumps_are_no_help() {
    for lump in [30_000, 88_000] {
        let mut world = three(100.0);
        (world.lump, world.of("high").own) = (lump, 1.2);
        world.run(600.0);
        for name in ["normal", "low"] {
            assert!(
                world.of(name).told.iter().all(|(_, what)| !matches!(what, What::GoesOn(_))),
                "{:?}",
                world.of(name).told
            );
            assert!(!world.yields(name));
        }
        let mut world = three(9.0);
        world.lump = lump;
        world.run(120.0);
        assert!(world.of("high").skips == 0 && world.of("normal").told.is_empty());
    }
}

#[test]
fn a_destination_whose_rate_wavers_is_found_out_too() {
    let mut world = three(100.0);
    world.of("high").own = 1.0;
    world.run(3.5);
    // It happens to get better just when somebody yields, but never well.
    world.of("high").own = 1.5;
    world.run(600.0);
    let low = world.of("low").told.clone();
    assert!(!world.yields("low"), "{low:?}");
    let silent: f64 = low.windows(2).filter(|it| it[0].1 == What::Yields).map(|it| it[1].0 - it[0].0).sum();
    assert!(silent < 40.0, "{low:?}");
}

#[test]
fn a_short_trouble_of_all_costs_nobody_anything() {
    let mut world = three(20.0);
    world.run(10.0);
    world.carries = 0.0;
    world.run(1.25);
    world.carries = 20.0;
    world.run(60.0);
    assert!(world.outputs.iter().all(|output| output.told.is_empty() && output.skips == 0));
}

#[test]
fn one_that_was_let_go_for_its_silence_yields_when_it_is_back() {
    let mut world = three(9.0);
    world.run(10.0);
    assert!(world.yields("low"));
    let id = world.of("low").id;
    world.line.leave(world.now, id);
    world.outputs.retain(|output| output.name != "low");
    world.join("low", Priority::Low, Some(MAX_LAG));
    assert!(world.yields("low"));
    assert_eq!(world.of("low").told, [(10.0, What::Yields)]);
    world.carries = 13.0;
    world.run(60.0);
    assert!(!world.yields("low"));
}

#[test]
fn whose_reason_has_gone_goes_on() {
    let mut world = three(9.0);
    world.run(10.0);
    let id = world.of("high").id;
    world.line.leave(world.now, id);
    world.outputs.retain(|output| output.name != "high");
    world.run(30.0);
    assert!(!world.yields("low") && !world.yields("normal"));
    for name in ["normal", "low"] {
        let id = world.of(name).id;
        world.line.leave(world.now, id);
    }
    assert!(world.line.is_empty() && !world.line.is_mixed());
}

#[test]
fn players_yield_and_are_never_a_reason() {
    let mut world = World::new(6.0, &[("high", Priority::High)]);
    world.join("players", Priority::Low, None);
    world.run(30.0);
    assert!(world.yields("players") && world.of("high").skips == 0);
    let mut world = World::new(6.0, &[("low", Priority::Low)]);
    world.join("players", Priority::High, None);
    world.run(30.0);
    assert!(!world.yields("low"));
}

#[test]
fn of_many_several_yield_until_it_is_enough() {
    let names: Vec<&'static str> = (0..15).map(|number| &*format!("low{number}").leak()).collect();
    let mut outputs = vec![("high", Priority::High)];
    outputs.extend(names.iter().map(|name| (*name, Priority::Low)));
    // Room for twelve of sixteen.
    let mut world = World::new(50.0, &outputs);
    world.run(60.0);
    let yields = names.iter().filter(|name| world.yields(name)).count();
    assert!((3..=8).contains(&yields), "{yields}");
    assert!(world.of("high").skips <= 1, "{}", world.of("high").skips);
}

/// How long it has been silent.
fn silent(told: &[(f64, What)]) -> f64 {
    told.windows(2).filter(|it| it[0].1 == What::Yields).map(|it| it[1].0 - it[0].0).sum()
}

#[test]
fn one_that_is_late_by_itself_keeps_nobody_out_who_yields_to_another() {
    // High is well again; normal stays so many seconds behind, neither more nor less. Or it is high that does.
    for (who, seconds) in [("normal", 3.0), ("normal", 0.7), ("high", 3.0), ("high", 0.7)] {
        let mut world = three(9.0);
        world.run(10.0);
        let low = world.of("low").id;
        assert!(world.line.yields(low).is_some_and(|to| **to == *"high"));
        world.carries = 100.0;
        let output = world.of(who);
        (output.own, output.backlog) = (4.0, seconds * 4.0);
        world.run(22.0);
        assert!(!world.yields("low"), "{who} {seconds}: {:?}", world.of("low").told);
        // And it stays, but for what is tried when the one behind is heard again.
        world.run(600.0);
        let told = &world.of("low").told;
        assert!(silent(told) < 50.0, "{who} {seconds}: {told:?}");
        assert!(!world.yields("low"));
    }
}

#[test]
fn one_that_needs_the_room_keeps_it_though_it_is_not_the_one_that_was_yielded_to() {
    let mut world = three(9.0);
    world.run(10.0);
    assert!(world.yields("low"));
    // High takes nearly nothing of the line, normal is behind, and has just what it needs.
    (world.carries, world.of("high").own) = (8.0, 4.0);
    world.of("normal").backlog = 3.0 * 4.0;
    world.run(300.0);
    let told = &world.of("low").told;
    let tried = told.iter().filter(|(_, what)| matches!(what, What::GoesOn(_))).count();
    assert!((2..=6).contains(&tried), "{told:?}");
    assert!(world.of("high").skips + world.of("normal").skips <= 2);
}

#[test]
fn one_that_holds_itself_back_is_not_well_for_it() {
    let patterns: [fn(u32) -> bool; 4] =
        [|look| look % 2 == 0, |look| look % 3 == 0, |look| look % 6 != 0, |look| look % 9 != 0];
    for (seen, own) in (0..patterns.len()).flat_map(|at| [(at, 1.0), (at, 3.0)]) {
        let mut world = three(100.0);
        (world.of("high").seen, world.of("high").own) = (patterns[seen], own);
        world.run(600.0);
        let told = world.of("low").told.clone();
        assert!(told.iter().all(|(_, what)| !matches!(what, What::GoesOn(_))), "{seen} {own}: {told:?}");
        assert!(!world.yields("low") && !world.yields("normal"), "{seen} {own}: {told:?}");
        assert!(silent(&told) < 20.0, "{seen} {own}: {told:?}");
    }
    // Where it is the line it is heard all the same, and who yields comes back once there is room.
    let mut world = three(9.0);
    world.of("high").seen = patterns[0];
    world.run(30.0);
    assert!(world.yields("low") && world.of("high").skips <= 1);
    world.carries = 13.0;
    world.run(330.0);
    assert!(!world.yields("low"));
}

#[test]
fn who_comes_back_no_less_important_does_not_yield() {
    for (priority, yields) in [(Priority::Lowest, true), (Priority::Normal, true), (Priority::High, false)] {
        for high_left in [false, true] {
            let mut world = three(9.0);
            world.run(10.0);
            for name in ["low", "high"] {
                let id = world.of(name).id;
                if name == "low" || high_left {
                    world.line.leave(world.now, id);
                    world.outputs.retain(|output| output.name != name);
                }
            }
            world.join("low", priority, Some(MAX_LAG));
            assert_eq!(world.yields("low"), yields, "{priority:?} {high_left}");
        }
    }
}

#[test]
fn who_becomes_more_important_goes_on_and_who_becomes_less_is_yielded_to_no_more() {
    for (name, priority) in [("low", Priority::High), ("high", Priority::Lowest)] {
        let mut world = three(9.0);
        world.run(10.0);
        assert!(world.yields("low"));
        let id = world.of(name).id;
        assert_eq!(world.line.prioritise(world.now, id, world.line.members[&id].priority), []);
        let changes = world.line.prioritise(world.now, id, priority);
        assert!(matches!(changes.as_slice(), [Change { what: What::NoLess(_), .. }]), "{changes:?}");
        assert!(!world.yields("low"));
        world.run(60.0);
        // The lowest of now yields.
        assert!(world.outputs.iter().any(|output| world.line.yields(output.id).is_some()));
        assert!(!world.yields("low") || name == "high");
    }
}
