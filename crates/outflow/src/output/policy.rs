//! How an output is supervised: a value, made from its word's options.

use std::time::Duration;

use super::backoff::LEAST;
use crate::limits::Limits;
use crate::options::Options;
use crate::sink::Role;

/// How an output is supervised.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether an attempt waits for the input's first key frame, and ends with the input's clean end.
    pub needs_input: bool,
    /// The first wait before another attempt.
    pub retry: Duration,
    /// The longest wait.
    pub retry_max: Duration,
    /// Attempts in a row before the output fails for good; 0 = no limit.
    pub retries: u32,
    /// How long a connection is kept without media; `None` = for ever.
    pub grace: Option<Duration>,
    /// How long data may wait without a byte leaving; `None` = for ever.
    pub stall: Option<Duration>,
    /// The deadline for looking up the name.
    pub resolve: Duration,
    /// The deadline for connecting (and opening, for what does not connect).
    pub connect: Duration,
    /// The deadline for the handshake and `connect`.
    pub handshake: Duration,
    /// The deadline for the answer to `publish`.
    pub publish: Duration,
    /// The deadline for draining.
    pub drain: Duration,
    /// By how much the output is held back on purpose: so much longer lasts draining after the input's end.
    pub delay: Duration,
}

impl Policy {
    /// With the deadlines that these limits set.
    pub fn within(self, limits: &Limits) -> Self {
        Self { handshake: limits.handshake, publish: limits.answer, ..self }
    }
}

/// Longer than any program runs, and small enough to be added to an instant.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl Default for Policy {
    /// What a push gets.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            needs_input: true,
            retry: seconds(1),
            retry_max: seconds(10),
            retries: 0,
            grace: Some(seconds(60)),
            stall: Some(seconds(10)),
            resolve: seconds(10),
            connect: seconds(10),
            handshake: seconds(10),
            publish: seconds(15),
            drain: seconds(5),
            delay: Duration::ZERO,
        }
    }
}

/// The policy that a word's options ask for: `retry`, `retry_max`, `retries`, `grace`, `delay` and `timeout`, each where
/// the word knows it.
pub fn policy(role: Role, options: &Options) -> Policy {
    let mut policy = Policy::default();
    policy.retry = options.duration("retry").unwrap_or(policy.retry).max(LEAST);
    policy.retry_max = options.duration("retry_max").unwrap_or(policy.retry_max).max(policy.retry);
    policy.delay = options.duration("delay").unwrap_or(policy.delay);
    if let Some(retries) = options.count("retries") {
        policy.retries = u32::try_from(retries).unwrap_or(u32::MAX);
    }
    match role {
        Role::Push => {
            policy.grace = options.duration("grace").or(policy.grace);
            if let Some(timeout) = options.duration("timeout").filter(|timeout| !timeout.is_zero()) {
                policy.connect = timeout;
            }
        }
        Role::Serve | Role::Store => {
            policy.needs_input = false;
            policy.grace = None;
            // A disk that hangs is shown, and waited for: another attempt would find it hanging too.
            policy.stall = (role == Role::Store).then_some(FOR_EVER);
        }
    }
    policy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Value;

    #[test]
    fn options_make_the_policy() {
        let mut options = Options::default();
        options.set("retry", Value::Duration(Duration::from_millis(200)));
        options.set("retries", Value::Count(3));
        options.set("grace", Value::Duration(Duration::from_secs(7)));
        options.set("timeout", Value::Duration(Duration::from_secs(2)));
        let push = policy(Role::Push, &options);
        assert_eq!((push.retry, push.retries, push.connect), (Duration::from_millis(200), 3, Duration::from_secs(2)));
        assert_eq!((push.grace, push.needs_input), (Some(Duration::from_secs(7)), true));
        let serve = policy(Role::Serve, &options);
        assert_eq!((serve.grace, serve.stall, serve.needs_input), (None, None, false));
        options.set("timeout", Value::Duration(Duration::ZERO));
        assert_eq!(policy(Role::Push, &options).connect, Duration::from_secs(10));
    }
}
