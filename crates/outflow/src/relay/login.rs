//! Logins with user and password (`authmod=adobe`): asked for at connect, where a stream of that app wants one. Who guesses
//! is slowed down, and after some guesses not listened to for a while.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use outflow_rtmp::auth::adobe::{self, Verdict, Wrong};
use outflow_rtmp::session::ConnectRequest;
use parking_lot::Mutex;

use super::Relay;
use crate::monitor::Event;
use crate::registry::{Ask, Turned};

/// Wrong logins of one address ...
const MOST_WRONG: u32 = 10;
/// ... within this time; after them none is looked at until it is over.
const WINDOW: Duration = Duration::from_secs(60);
/// How long a wrong login waits for its answer.
const PAUSE: Duration = Duration::from_secs(1);
/// Addresses that are remembered; the one that has been quiet for the longest goes first.
const MOST_ADDRESSES: usize = 4096;

/// What a relay knows of those who log in.
pub(super) struct Logins {
    /// None where the system gave no random numbers: then nobody is let in who has to log in.
    gate: Option<adobe::Gate>,
    begin: Instant,
    wrong: Mutex<HashMap<IpAddr, Wrongs>>,
}

/// The wrong logins of an address.
struct Wrongs {
    count: u32,
    since: Instant,
}

impl Logins {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        let gate = getrandom::fill(&mut key).is_ok().then(|| adobe::Gate::new(key));
        Self { gate, begin: Instant::now(), wrong: Mutex::default() }
    }

    /// True if an address has guessed too often.
    fn is_shut(&self, address: IpAddr, now: Instant) -> bool {
        let wrong = self.wrong.lock();
        wrong.get(&network(address)).is_some_and(|it| it.count >= MOST_WRONG && now.duration_since(it.since) < WINDOW)
    }

    fn count(&self, address: IpAddr, now: Instant) {
        let mut wrong = self.wrong.lock();
        if wrong.len() >= MOST_ADDRESSES {
            wrong.retain(|_, it| now.duration_since(it.since) < WINDOW);
        }
        if wrong.len() >= MOST_ADDRESSES
            && let Some(oldest) = wrong.iter().min_by_key(|(_, it)| it.since).map(|(address, _)| *address)
        {
            wrong.remove(&oldest);
        }
        let it = wrong.entry(network(address)).or_insert(Wrongs { count: 0, since: now });
        if now.duration_since(it.since) >= WINDOW {
            *it = Wrongs { count: 0, since: now };
        }
        it.count += 1;
    }
}

/// An IPv4 address, or the 64 bits of an IPv6 address that one customer has.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Relay {
    /// The user that a peer has proved to be; `None` where none is asked for. What it is to be told otherwise.
    pub(super) fn log_in(&self, address: IpAddr, connect: &ConnectRequest) -> Result<Option<String>, Turned> {
        let config = self.core.lock().config.clone();
        let app = adobe::without_login(&connect.app);
        let wanted = config.streams.iter().filter(|rule| rule.name.begins_with(app)).any(|rule| {
            let (publishers, players) = (!rule.publish_users.is_empty(), !rule.play_users.is_empty());
            // The stream is not known yet, but what most peers are about to do is.
            connect.publishes.map_or(publishers || players, |publishes| if publishes { publishers } else { players })
        });
        if !wanted {
            return Ok(None);
        }
        let now = Instant::now();
        let turned = |description: String, pause| Turned { description, pause };
        let mut random = [0; 8];
        let gate = self.logins.gate.as_ref().filter(|_| getrandom::fill(&mut random).is_ok());
        let Some(gate) = gate.filter(|_| !self.logins.is_shut(address, now)) else {
            return Err(turned(adobe::turned_away(), PAUSE));
        };
        let seconds = now.duration_since(self.logins.begin).as_secs();
        let password = |user: &str| config.users.get(user).map(|password| password.expose().into());
        match gate.judge(&connect.app, &connect.tc_url, seconds, u64::from_be_bytes(random), password) {
            Verdict::Accept { user } => Ok(Some(user)),
            Verdict::Refuse { description, wrong: None } => Err(turned(description, Duration::ZERO)),
            Verdict::Refuse { description, wrong: Some(wrong) } => {
                self.logins.count(address, now);
                let mut why = match wrong {
                    Wrong::Unclear => "its login can't be understood, or is an answer to another server".to_owned(),
                    Wrong::User => "it logs in as a user that is not in [users]".to_owned(),
                    Wrong::Password { user } => format!("the password for user {user} is wrong"),
                    Wrong::Spent { user } => format!("the answer for user {user} was given before, or too late"),
                };
                if self.logins.is_shut(address, now) {
                    let (most, seconds) = (MOST_WRONG, WINDOW.as_secs());
                    why += &format!("; after {most} wrong logins from there none is looked at for up to {seconds} s");
                }
                let text = format!("a peer from {address} was refused: {why}");
                (self.around.events)(Event::Warning { who: "relay".into(), text });
                Err(turned(description, PAUSE))
            }
        }
    }
}

/// True if a peer may do what only these users may; anybody where there are none.
pub(super) fn is_one_of(users: &[String], ask: &Ask) -> bool {
    users.is_empty() || ask.user.as_ref().is_some_and(|user| users.contains(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_are_few_and_forgiven() {
        let (logins, now) = (Logins::new(), Instant::now());
        let address = |text: &str| text.parse::<IpAddr>().unwrap_or(Ipv6Addr::LOCALHOST.into());
        for _ in 0..MOST_WRONG {
            assert!(!logins.is_shut(address("2001:db8::1"), now));
            logins.count(address("2001:db8::2"), now);
        }
        assert!(logins.is_shut(address("2001:db8::3"), now), "one customer has them all");
        assert!(!logins.is_shut(address("2001:db8:0:1::1"), now) && !logins.is_shut(address("192.0.2.1"), now));
        assert!(!logins.is_shut(address("2001:db8::1"), now + WINDOW));
        logins.count(address("2001:db8::1"), now + WINDOW);
        assert!(!logins.is_shut(address("2001:db8::1"), now + WINDOW), "it begins anew");
    }

    #[test]
    fn addresses_are_bounded() {
        let (logins, now) = (Logins::new(), Instant::now());
        for number in 0..u32::try_from(MOST_ADDRESSES).unwrap_or(0) + 100 {
            logins.count(std::net::Ipv4Addr::from_bits(number).into(), now);
        }
        assert!(logins.wrong.lock().len() <= MOST_ADDRESSES);
        logins.count("::ffff:192.0.2.1".parse().unwrap_or(Ipv6Addr::LOCALHOST.into()), now + WINDOW);
        assert_eq!(logins.wrong.lock().len(), 1, "those of before are forgotten");
    }
}
