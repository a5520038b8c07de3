//! Adobe's login (`authmod=adobe`): the hash of both roles, and the server's side.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha2::Sha256;

use crate::secret::Secret;

/// How long a server's challenge can be answered, in seconds: a person may be asked for the password in between.
const LIFETIME: u64 = 120;

/// Longest user name taken, in bytes.
const LONGEST_USER: usize = 255;

/// Proofs remembered, so that none is taken twice. Only who knows a password can add one, and each is forgotten once its
/// challenge is too old to be answered.
const MOST_SPENT: usize = 16_384;

/// What begins every description; GStreamer looks for the brackets.
const REJECT: &str = "[ AccessManager.Reject ] : ";

/// The proof that the sender knows the password:
/// `b64(md5(b64(md5(user + salt + password)) + dare + client_challenge))`.
///
/// `dare` is the server's `opaque`, or its `challenge` if it sent no `opaque`.
pub fn response(user: &str, password: &Secret, salt: &str, dare: &str, client_challenge: &str) -> String {
    let inner = STANDARD.encode(md5(&[user, salt, password.expose()]));
    STANDARD.encode(md5(&[&inner, dare, client_challenge]))
}

pub(super) fn md5(parts: &[&str]) -> [u8; 16] {
    let mut hash = Md5::new();
    parts.iter().for_each(|part| hash.update(part.as_bytes()));
    hash.finalize().into()
}

/// `app` or `tcUrl` without what a login has appended to it.
pub fn without_login(text: &str) -> &str {
    divide(text).0
}

/// The text before the login, and the login. It stands at the end, after a query if there is one
/// (`live?token=1?authmod=adobe&user=u`).
fn divide(text: &str) -> (&str, Option<&str>) {
    let begin = ["?authmod=", "&authmod="].iter().filter_map(|mark| text.find(mark)).min();
    match begin.and_then(|begin| text.split_at_checked(begin)) {
        Some((before, login)) => (before, login.get(1..)),
        None => (text, None),
    }
}

/// What a server's gate says to a connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Refuse with `NetConnection.Connect.Rejected` and this description; the client may come back.
    Refuse {
        /// For [`reject_connect`](crate::session::ServerSession::reject_connect).
        description: String,
        /// What was wrong with the answer; `None` if the client is only asked for the next step.
        wrong: Option<Wrong>,
    },
    /// The client has proved to be this user.
    Accept {
        /// The user.
        user: String,
    },
}

/// What is wrong with a login. Worth counting: somebody may be guessing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Another method, or something that is no user name.
    Unclear,
    /// There is no such user. What it said is not told: it may be a password in the wrong place.
    User,
    /// The password of this user, who is known, is another.
    Password {
        /// The user.
        user: String,
    },
    /// The answer of this user was right once: it was taken before, or comes too late, or was made for another server.
    Spent {
        /// The user.
        user: String,
    },
}

/// The server's side of Adobe's login.
///
/// It remembers nothing of logins that are under way: salt and challenge are made of a secret key and of the `opaque` text
/// that the client sends back, so that nobody can fill memory by beginning logins. It remembers the proofs that it has taken,
/// as long as their challenges last: who overhears one can't use it again. Clones remember together.
#[derive(Clone)]
pub struct Gate {
    key: Secret,
    /// The code of each proof that was taken, and when its challenge was made.
    spent: Arc<Mutex<HashMap<[u8; 16], u64>>>,
}

impl Gate {
    /// A gate with 32 random bytes, new at each start of the program.
    pub fn new(key: [u8; 32]) -> Self {
        Gate { key: STANDARD.encode(key).into(), spent: Arc::default() }
    }

    /// Judges a connect by its `app`, or its `tcUrl` if only that has the login. `now` is a time in seconds from any clock
    /// that does not stand still, `random` a new number for each call; `password` tells a user's password.
    ///
    /// An unknown user is told so (`reason=nosuchuser`), as by Adobe's servers, once it has answered a challenge of ours.
    pub fn judge(
        &self,
        app: &str,
        tc_url: &str,
        now: u64,
        random: u64,
        password: impl FnOnce(&str) -> Option<Secret>,
    ) -> Verdict {
        let refuse = |description: String, wrong| Verdict::Refuse { description, wrong };
        let Some(login) = divide(app).1.or(divide(tc_url).1) else {
            return refuse(format!("{REJECT}[ code=403 need auth; authmod=adobe ] : "), None);
        };
        let value = |name: &str| {
            let mut pairs = login.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let user = value("user").unwrap_or_default();
        let strange = |c: char| c.is_control() || c.is_whitespace() || c == '?';
        if user.is_empty() || user.len() > LONGEST_USER || user.contains(strange) || value("authmod") != Some("adobe") {
            return refuse(failure("authfailed"), Some(Wrong::Unclear));
        }
        let Some(response) = value("response") else {
            let opaque = self.opaque(user, now, random);
            let (salt, challenge) = (self.derive("salt", &opaque), self.derive("challenge", &opaque));
            let values = format!("user={user}&salt={salt}&challenge={challenge}&opaque={opaque}");
            return refuse(format!("{REJECT}[ authmod=adobe ] : ?reason=needauth&{values}"), None);
        };
        let (opaque, theirs) = (value("opaque").unwrap_or_default(), value("challenge").unwrap_or_default());
        let user = user.to_owned();
        let Some(made) = self.made(&user, opaque) else {
            return refuse(failure("authfailed"), Some(Wrong::Unclear));
        };
        let Some(known) = password(&user) else {
            return refuse(failure("nosuchuser"), Some(Wrong::User));
        };
        let salt = self.derive("salt", opaque);
        // Clients hash the opaque text; some the challenge, and send the text back all the same.
        let challenge = self.derive("challenge", opaque);
        let right = [opaque, &challenge]
            .map(|dare| Secret::from(self::response(&user, &known, &salt, dare, theirs)).matches(response));
        if !right.contains(&true) {
            return refuse(failure("authfailed"), Some(Wrong::Password { user }));
        }
        if now.saturating_sub(made) > LIFETIME || !self.spend(opaque, made, now) {
            return refuse(failure("authfailed"), Some(Wrong::Spent { user }));
        }
        Verdict::Accept { user }
    }

    /// False if a proof for this challenge was taken before.
    fn spend(&self, opaque: &str, made: u64, now: u64) -> bool {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.retain(|_, made| now.saturating_sub(*made) <= LIFETIME);
        // Taken by what it decodes to: the same bytes may be written in more than one way.
        let code = self.code(&[b"spent", &STANDARD.decode(opaque).unwrap_or_default()]);
        spent.len() < MOST_SPENT && spent.insert(code, made).is_none()
    }

    /// When it was made, a random number, and a code over both and the user.
    fn opaque(&self, user: &str, now: u64, random: u64) -> String {
        let mut bytes = [now.to_be_bytes(), random.to_be_bytes()].concat();
        let code = self.code(&[&bytes, user.as_bytes()]);
        bytes.extend_from_slice(&code);
        STANDARD.encode(bytes)
    }

    /// When a challenge was made for this user; `None` if it is not one of ours.
    fn made(&self, user: &str, opaque: &str) -> Option<u64> {
        let bytes = STANDARD.decode(opaque).ok()?;
        let (head, code) = bytes.split_at_checked(16)?;
        let expected = Secret::from(STANDARD.encode(self.code(&[head, user.as_bytes()])));
        let made = head.first_chunk().map(|time| u64::from_be_bytes(*time));
        made.filter(|_| expected.matches(&STANDARD.encode(code)))
    }

    fn derive(&self, what: &str, opaque: &str) -> String {
        let code = self.code(&[what.as_bytes(), opaque.as_bytes()]);
        STANDARD.encode(code.first_chunk::<6>().unwrap_or(&[0; 6]))
    }

    fn code(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut code = [0; 16];
        // A key of any length will do.
        if let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(self.key.expose().as_bytes()) {
            parts.iter().for_each(|part| {
                hmac.update(&(part.len() as u64).to_be_bytes());
                hmac.update(part);
            });
            code.iter_mut().zip(hmac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
        }
        code
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}

fn failure(reason: &str) -> String {
    format!("{REJECT}[ authmod=adobe ] : ?reason={reason}")
}

/// The refusal of a login that is not looked at: `reason=authfailed`.
pub fn turned_away() -> String {
    failure("authfailed")
}
