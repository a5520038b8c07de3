//! The two forms of hooks: what is sent, and what an answer means. SRS: its `http_hooks`; nginx-rtmp: its `on_*`.

use bytes::Bytes;
use outflow_rtmp::url::{Host, RtmpUrl};
use serde_json::{Value, json};

use super::{Action, Asked};
use crate::config::HookForm;
use crate::monitor;
use crate::monitor::alerts::Change;
use crate::net::http_client::{Answer, percent_decode};
use crate::secret::Secret;

/// Outputs that one answer may name.
const MOST_OUTPUTS: usize = 64;
/// Arguments of a stream name that are passed on in a form.
const MOST_ARGUMENTS: usize = 64;

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judged {
    Allowed,
    Refused(String),
    Failed(String),
}

/// The content type and the body of a call.
pub(super) type Body = (&'static str, Bytes);

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A call about a peer.
pub(super) fn body(form: HookForm, asked: &Asked, server_id: &str) -> Body {
    match form {
        HookForm::Srs => (JSON, srs_body(asked, server_id)),
        HookForm::Nginx => (FORM, nginx_body(asked)),
    }
}

/// A call about an alert of this stream, or of one of its outputs: what `-json` prints of it.
pub(super) fn alert(form: HookForm, app: &str, stream: &str, change: &Change, server_id: &str) -> Body {
    let mut told = monitor::json::alert(change);
    let about = match form {
        HookForm::Srs => json!({
            "server_id": server_id,
            "action": "on_alert",
            "vhost": "__defaultVhost__",
            "app": app,
            "stream_id": format!("{app}/{stream}"),
            "stream_url": format!("/{app}/{stream}"),
        }),
        HookForm::Nginx => json!({ "call": "alert", "app": app, "name": stream }),
    };
    if let (Value::Object(told), Value::Object(about)) = (&mut told, about) {
        told.extend(about);
        // As everywhere in these calls: the name within its app.
        told.insert("stream".into(), json!(stream));
    }
    match form {
        HookForm::Srs => (JSON, told.to_string().into()),
        HookForm::Nginx => (FORM, fields(&told).into()),
    }
}

/// The fields of an object as those of a form; what is null is left out.
fn fields(object: &Value) -> String {
    let mut body = String::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        field(name.as_bytes(), text.as_bytes(), &mut body);
    }
    body
}

fn field(name: &[u8], value: &[u8], body: &mut String) {
    if !body.is_empty() {
        body.push('&');
    }
    encode(name, body);
    body.push('=');
    encode(value, body);
}

fn srs_body(asked: &Asked, server_id: &str) -> Bytes {
    let action = match asked.action {
        Action::Publish => "on_publish",
        Action::Play => "on_play",
        Action::PublishDone => "on_unpublish",
        Action::PlayDone => "on_stop",
        Action::Forward => "on_forward",
    };
    let query = asked.query.expose().trim_start_matches('?');
    let param = if query.is_empty() { String::new() } else { format!("?{query}") };
    let mut body = json!({
        "server_id": server_id,
        "action": action,
        "client_id": asked.client_id,
        "ip": asked.ip.to_canonical().to_string(),
        "vhost": "__defaultVhost__",
        "app": asked.app,
        "stream": asked.stream,
        "param": param,
        "tcUrl": asked.tc_url.expose(),
        "stream_url": format!("/{}/{}", asked.app, asked.stream),
        "stream_id": format!("{}/{}", asked.app, asked.stream),
    });
    if let (Action::Play, Value::Object(fields)) = (asked.action, &mut body) {
        fields.insert("pageUrl".into(), json!(asked.page_url));
    }
    body.to_string().into()
}

/// The fields of nginx-rtmp's form, in its order.
fn nginx_fields(asked: &Asked) -> Vec<(&'static str, String)> {
    let call = match asked.action {
        Action::Publish => "publish",
        Action::Play => "play",
        Action::PublishDone => "publish_done",
        Action::PlayDone => "play_done",
        Action::Forward => "forward",
    };
    vec![
        ("app", asked.app.clone()),
        ("flashver", asked.flash_ver.clone()),
        ("swfurl", asked.swf_url.clone()),
        ("tcurl", asked.tc_url.expose().to_owned()),
        ("pageurl", asked.page_url.clone()),
        ("addr", asked.ip.to_canonical().to_string()),
        ("clientid", asked.client_id.clone()),
        ("call", call.to_owned()),
        ("name", asked.stream.clone()),
        ("type", "live".to_owned()),
    ]
}

fn nginx_body(asked: &Asked) -> Bytes {
    let fields = nginx_fields(asked);
    let mut body = String::new();
    fields.iter().for_each(|(name, value)| field(name.as_bytes(), value.as_bytes(), &mut body));
    let query = asked.query.expose().trim_start_matches('?');
    for argument in query.split('&').filter(|argument| !argument.is_empty()).take(MOST_ARGUMENTS) {
        let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
        let (name, value) = (form_decode(name), form_decode(value));
        // A peer that could send a second `name` or `addr` would choose who the hook believes it is.
        if !fields.iter().any(|(ours, _)| stands_for(&name, ours)) {
            field(&name, &value, &mut body);
        }
    }
    body.into()
}

/// Whether a form parser may take `name` for `ours`: some trim blanks, ignore case, or stop at `[` or a zero.
fn stands_for(name: &[u8], ours: &str) -> bool {
    let end = name.iter().position(|&byte| byte == b'[' || byte == 0).unwrap_or(name.len());
    name.get(..end).unwrap_or(name).trim_ascii().eq_ignore_ascii_case(ours.as_bytes())
}

fn form_decode(text: &str) -> Vec<u8> {
    percent_decode(&text.replace('+', " "))
}

fn encode(bytes: &[u8], into: &mut String) {
    for &byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => into.push(char::from(byte)),
            _ => into.push_str(&format!("%{byte:02X}")),
        }
    }
}

fn redirected(status: u16) -> Option<String> {
    (300..400).contains(&status).then(|| format!("the hook redirects (HTTP {status}), which is not followed"))
}

/// Whether the answer lets a peer in.
pub(super) fn verdict(form: HookForm, answer: &Answer) -> Judged {
    if let Some(text) = redirected(answer.status) {
        return Judged::Refused(text);
    }
    match (form, answer.status) {
        (HookForm::Nginx, 200..=299) => Judged::Allowed,
        (HookForm::Srs, 200) => match srs_code(&answer.body) {
            Ok((0, _)) => Judged::Allowed,
            Ok((code, _)) => Judged::Refused(format!("refused by the hook (code {code})")),
            Err(text) => Judged::Refused(text),
        },
        (_, status) => Judged::Refused(format!("refused by the hook (HTTP {status})")),
    }
}

/// The code of SRS's answer, and the whole answer.
fn srs_code(body: &[u8]) -> Result<(i64, Value), String> {
    let wrong = || "the hook's answer is neither 0 nor {\"code\": 0}".to_owned();
    let value: Value = serde_json::from_slice(body).map_err(|_| wrong())?;
    let code = value.as_i64().or_else(|| value.get("code").and_then(Value::as_i64));
    code.map(|code| (code, value)).ok_or_else(wrong)
}

/// The outputs that an answer names.
pub(super) fn outputs(form: HookForm, answer: &Answer) -> Result<Vec<Secret>, String> {
    let refused = || Err(format!("the hook names no outputs (HTTP {})", answer.status));
    match (form, answer.status) {
        (HookForm::Nginx, 300..=399) => match &answer.location {
            Some(url) => Ok(vec![output(url.expose(), 0)?]),
            None => refused(),
        },
        (HookForm::Nginx, 200..=299) if answer.body.trim_ascii().is_empty() => Ok(Vec::new()),
        (HookForm::Nginx, 200..=299) | (HookForm::Srs, 200) => listed(&answer.body),
        (_, status) => redirected(status).map_or_else(refused, Err),
    }
}

fn listed(body: &[u8]) -> Result<Vec<Secret>, String> {
    let (code, value) = srs_code(body)?;
    if code != 0 {
        return Err(format!("the hook names no outputs (code {code})"));
    }
    let urls = match value.get("data").and_then(|data| data.get("urls")) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(urls)) => urls,
        Some(_) => return Err("the hook's data.urls is not a list".into()),
    };
    if urls.len() > MOST_OUTPUTS {
        return Err(format!("the hook names {} outputs, {MOST_OUTPUTS} are the most", urls.len()));
    }
    let text = |(at, url): (usize, &Value)| match url {
        Value::String(url) => output(url, at),
        _ => Err(format!("the hook's data.urls[{at}] is not a text")),
    };
    urls.iter().enumerate().map(text).collect()
}

/// A URL that may be dialled. The error quotes nothing of it.
fn output(url: &str, at: usize) -> Result<Secret, String> {
    match RtmpUrl::parse(url) {
        Ok(parsed) if parsed.host() == Host::Any => Err(format!("URL {at} of the hook has no host")),
        Ok(_) => Ok(Secret::from(url)),
        Err(error) => Err(format!("URL {at} of the hook is not one to send to: {error}")),
    }
}
