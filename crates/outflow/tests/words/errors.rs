//! Every mistake has one clear error: the word, what is wrong, and the mend.

use crate::{mistakes, parse_words};

/// (line, the word shown, a part of the problem, a part of the hint)
type Case = (&'static str, &'static str, &'static str, &'static str);

fn check(cases: &[Case]) {
    for (line, word, problem, hint) in cases {
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        check_words(&words, word, problem, hint);
    }
}

fn check_words(words: &[&str], word: &str, problem: &str, hint: &str) {
    let line = words.join(" ");
    let errors = match parse_words(words) {
        Ok(command) => panic!("{line}: taken: {command:?}"),
        Err(errors) => errors.list,
    };
    let found = errors.iter().find(|error| error.word == word && error.problem.contains(problem));
    let Some(error) = found else { panic!("{line}: no such error among {errors:#?}") };
    let told = error.hint.as_deref().unwrap_or_default();
    assert!(told.contains(hint), "{line}: the hint is {told:?}");
    assert!(error.word_index >= 1 && error.word_index <= words.len().max(20), "{line}: {error:?}");
    if let Some(span) = &error.span {
        assert!(error.word.get(span.clone()).is_some_and(|text| !text.is_empty()), "{line}: {error:?}");
    }
    assert_eq!(errors.len(), 1, "{line}: one mistake, one error, not {errors:#?}");
}

#[test]
fn an_option_says_one_thing() {
    check(&[
        (
            "-i in.flv -o rtmp://h/live/k:gpac:burst=2:burst=3",
            "rtmp://h/live/****:gpac:burst=2:burst=3",
            "`burst` is given twice, with two values",
            "say it once",
        ),
        (
            "-i in.flv -o rtmp://h/live/k:gpac:burst=2:name=x:burst=3:burst=2",
            "rtmp://h/live/****:gpac:burst=2:name=x:burst=3:burst=2",
            "`burst` is given twice",
            "say it once",
        ),
        (
            "-i in.flv -o rtmp://h/live/k:gpac:max_lag=1s:max_lag=2s --max_lag=2s",
            "rtmp://h/live/****:gpac:max_lag=1s:max_lag=2s",
            "`max_lag` is given twice",
            "say it once",
        ),
        (
            "-i in.flv -o rtmp://h/live/:gpac:key=s3cret1:key=s3cret2",
            "rtmp://h/live/:gpac:key=****:key=****",
            "`key` is given twice",
            "say it once",
        ),
        (
            "-i in.flv -o rtmp://h/live/k:gpac:tracks=video:tracks=audio",
            "rtmp://h/live/****:gpac:tracks=video:tracks=audio",
            "`tracks` is given twice",
            "say it once",
        ),
        (
            "-i in.flv -o rtmp://h:1/live:gpac:listen:rtmp_listen=0",
            "rtmp://h:1/live:gpac:listen:rtmp_listen=0",
            "`listen` and `rtmp_listen` are one option, given twice with two values",
            "say it once",
        ),
        (
            "-i in.flv -o rtmp://h/live/k:gpac:name=x:N=y",
            "rtmp://h/live/****:gpac:name=x:N=y",
            "`name` and `N` are one option",
            "say it once",
        ),
        ("avgen:lock:!lock c=avc c=aac -o null", "avgen:lock:!lock", "`lock` is given twice", "say it once"),
        (
            "avgen c=avc:b=1m:bitrate=2m c=aac -o null",
            "c=avc:b=1m:bitrate=2m",
            "`b` and `bitrate` are one",
            "say it once",
        ),
        ("-i in.flv:FID=a:FID=b -o null:SID=b", "in.flv:FID=a:FID=b", "`FID` is given twice", "say it once"),
        (
            "-i in.flv -o kick:url=rtmps://h/app:url=rtmps://g/app:key=k",
            "kick:url=",
            "`url` is given twice",
            "say it once",
        ),
        (
            "-i in.flv -o rtmp://h/live/k -o rtmp://g/live/k --max_lag=1s --max_lag=2s",
            "--max_lag=2s",
            "`max_lag` is given twice, with two values",
            "say it once",
        ),
    ]);
    // The same again, for others, and a word that says otherwise than all are told.
    for line in [
        "-i in.flv -o rtmp://h/live/k:gpac:burst=2:burst=2",
        "-i in.flv -o rtmp://h/live/k:gpac:max_lag=1s:max_lag=1000ms",
        "-i in.flv -o rtmp://h:1/live:gpac:listen:rtmp_listen=1",
        "-i in.flv -o rtmp://h/live/k:gpac:max_lag=1s --max_lag=2s --max_lag=2s",
        "-i in.flv -o rtmp://h/live/k --max_lag=2s --rtmp_push:max_lag=1s --max_lag=2s",
        "-i in.flv -o rtmp://h/live/k:gpac:burst=2 -o rtmp://g/live/k:gpac:burst=3",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(parse_words(&words).is_ok(), "{line}");
    }
}

#[test]
fn options_and_values() {
    check(&[
        (
            "-i in.flv -o rtmp://h/live/k:gpac:max_lagg=4s",
            "rtmp://h/live/****:gpac:max_lagg=****",
            "not an option of rtmp_push",
            "`max_lag`",
        ),
        (
            "-i in.flv -o rtmp://h/live/k:gpac:max_lag=4m",
            "rtmp://h/live/****:gpac:max_lag=4m",
            "unknown unit `m`",
            "5min",
        ),
        (
            "-i in.flv -o rtmp://h/live/k:gpac:max_lag",
            "rtmp://h/live/****:gpac:max_lag",
            "value is missing",
            "max_lag=VALUE",
        ),
        (
            "-i in.flv -o rtmp://h/live/k:gpac:!max_lag",
            "rtmp://h/live/****:gpac:!max_lag",
            "yes-or-no",
            "max_lag=VALUE",
        ),
        ("-i in.flv -o rtmp://h/live/k:gpac:ffmt=mp4", "rtmp://h/live/****:gpac:ffmt=mp4", "carries FLV", "ffmt=flv"),
        ("-i in.flv -o out.flv:ext=mp4", "out.flv:ext=mp4", "written as FLV", "ext=flv"),
        (
            "-i in.flv -o rtmp://h:1/live:gpac:listen:start=now",
            "rtmp://h:1/live:gpac:listen:start=now",
            "none of `gop`, `key`",
            "one of",
        ),
        (
            "-i in.flv -o rtmp://h/live/k:gpac:bogus=1",
            "rtmp://h/live/****:gpac:bogus=****",
            "not an option",
            "outflow help rtmp_push",
        ),
        ("-i in.flv -o rtmp://h/live/k:gpac:name=", "rtmp://h/live/****:gpac:name=", "1 to 64 letters", "backup"),
        ("-i in.flv -o rtmp://h/live/k:gpac::", "rtmp://h/live/****:gpac::", "no option after the colon", "remove"),
        ("avgen:siz=240x160 c=avc c=aac -o null", "avgen:siz=****", "not an option of avgen", "`sizes`"),
        ("avgen:size=240x160 c=avc c=aac -o null", "avgen:size=****", "not an option of avgen", "`sizes`"),
        ("avgen:sise=240x160 c=avc c=aac -o null", "avgen:sise=****", "not an option of avgen", "`sizes`"),
        ("avgen:sizes=240 c=avc c=aac -o null", "avgen:sizes=240", "not a picture size", "1280x720"),
        ("avgen c=avc:b=0 c=aac -o null", "c=avc:b=0", "bit rate is 0", "b=2m"),
        ("avgen c=avc:profile=hgih c=aac -o null", "c=avc:profile=hgih", "none of", "`high`"),
        ("avgen c=avc c=aac:profile=hgih -o null", "c=aac:profile=hgih", "none of", "aac_low"),
        ("avgen c=avc c=aac -o null --profile=hgih", "--profile=hgih", "none of", ""),
        (
            "-i in.flv -o rtmp://h/live/k:gpac:cafile=x.pem",
            "rtmp://h/live/****:gpac:cafile=****",
            "not an option of rtmp_push",
            "ca=FILE",
        ),
        (
            "-i in.flv -o rtmp://h/live/k:gpac:localaddr=10.0.0.1",
            "rtmp://h/live/****:gpac:localaddr=****",
            "not an option of rtmp_push",
            "bind=ADDRESS",
        ),
        (
            "-i in.flv -o rtmps://h/live/k:gpac:tls_verify=0",
            "rtmps://h/live/****:gpac:tls_verify=****",
            "not an option of rtmp_push",
            "always verified",
        ),
        (
            "-i in.flv -o rtmp://h/live/k:gpac:tracks=video,audio:1",
            "rtmp://h/live/****:gpac:tracks=video,audio:****",
            "the colon before it has ended `tracks=`",
            "write ::tracks=video,audio:1::",
        ),
        (
            "-i in.flv -o rtmp://h:1/live:gpac:listen:tracks=video:1,audio:2:max_lag=1s",
            "rtmp://h:1/live:gpac:listen:tracks=video:****:****:max_lag=1s",
            "the colon before it has ended `tracks=`",
            "write ::tracks=video:1,audio:2::",
        ),
        (
            "-i in.flv -o rtmp://h/live/k:gpac:tracks=audio:x1",
            "rtmp://h/live/****:gpac:tracks=audio:****",
            "not an option of rtmp_push",
            "lists them",
        ),
        ("-i in.flv -o rtmp://h/live/k --ffmt=mp4", "--ffmt=mp4", "carries FLV", "ffmt=flv"),
        ("-i in.flv -o null --max_lag=1s", "--max_lag=****", "no word here takes", "every word that has it"),
        ("-i in.flv -o null --loopp", "--loopp", "no word and no program option", "`loop`"),
        ("-i in.flv -o rtmp://h/live/k --max_lag=x", "--max_lag=x", "not a duration", "250ms"),
        ("-i in.flv:RSID -o null", "in.flv:RSID", "not offered yet", "FID="),
        ("-i in.flv:TAG=x -o null", "in.flv:TAG=****", "not offered yet", "FID="),
        ("-i in.flv:FS=x -o null", "in.flv:FS=****", "not offered yet", "new session"),
    ]);
}

#[test]
fn urls() {
    check(&[
        ("-i in.flv -o rtmp://h:8889:rtmp_listen=1", "rtmp://h:****", "not a port", "put `:gpac:`"),
        ("-i in.flv -o rtmp://h:99999/live/k", "rtmp://h:99999/live/****", "not between 1 and 65535", "65535"),
        ("-i in.flv -o rtmp://::1/live/k", "rtmp://:****/live/****", "stands in brackets", "[::1]"),
        ("-i in.flv -o rtmp://[::1/live/k", "rtmp://[", "closing bracket", "[::1]"),
        ("-i in.flv -o rtmp:///live/k", "rtmp:///live/****", "no host to dial", "rtmp_listen=1"),
        ("-i in.flv -o rtpm://h/live/k", "rtpm://h/live/****", "nothing here takes rtpm://", "rtmp://"),
        ("-i in.flv -o rtmpt://h/live/k", "rtmpt://h/live/****", "rtmpt:// is not offered", "rtmps://"),
        ("-i in.flv -o srt://h:9000", "srt://h:9000", "nothing here takes srt://", "rtmp, rtmps"),
        ("-i in.flv -o rtmp:/h/live/k", "****", "not quite a URL", "rtmp://HOST"),
        ("-i in.flv -o live.example.com/app/k", "live.example.com/****", "without its scheme", "rtmp://HOST"),
        ("-i in.flv -o out.mp4", "out.mp4", "nothing here can use it", ".flv"),
        ("-i missing.flv -o null", "missing.flv", "no such file", "its name"),
        ("-i dir -o null", "dir", "is a directory", "one file"),
        ("-i in.flv -o nowhere/out.flv", "nowhere/out.flv", "no directory nowhere", "make it first"),
        ("-i in.flv -o dir", "dir", "is a directory", "out.flv"),
        ("-i in.flv rtmp://h/live/k", "rtmp://h/live/****", "needs its direction", "-o URL"),
        ("in.flv -o null", "****", "needs its direction", "-i FILE"),
        ("-i in.flv -o", "-o", "no URL follows", "-o URL"),
        ("-i in.flv -o -graph", "-o", "no URL follows", "variable"),
        ("-i in.flv null", "null", "an output needs -o", "-o null"),
        ("file -o null", "file", "used through its URL", "-i URL"),
    ]);
}

#[test]
fn keys_that_a_shell_mangled() {
    let url = "rtmp://h/live/k";
    let shown = "rtmp://h/live/****";
    for (words, word, problem, hint) in [
        // An empty variable, an unset one, one that was expanded by mistake.
        (&["-i", "in.flv", "-o", ""][..], "****", "the URL is empty", "url=env@VARIABLE"),
        (&["-i", "in.flv", "-o", "rtmp://h/live/"], "rtmp://h/live/", "no key follows", "key=env@VARIABLE"),
        (
            &["-i", "in.flv", "-o", "rtmp://h/live/k:gpac:key="],
            "rtmp://h/live/****:gpac:key=****",
            "value is empty",
            "env@VARIABLE",
        ),
        (
            &["-i", "in.flv", "-o", "rtmp://h/live/:gpac:key="],
            "rtmp://h/live/:gpac:key=****",
            "value is empty",
            "unset",
        ),
        (
            &["-i", "in.flv", "-o", "rtmp://h/live:gpac:key=env@NOT_SET"],
            "rtmp://h/live:gpac:key=env@NOT_SET",
            "NOT_SET is not set",
            "export",
        ),
        (
            &["-i", "in.flv", "-o", "rtmp://h/live:gpac:key=env@l1ve_key"],
            "rtmp://h/live:gpac:key=env@****",
            "**** is not set",
            "without `$`",
        ),
        (
            &["-i", "in.flv", "-o", "rtmp://h/live:gpac:key=env@EMPTY"],
            "rtmp://h/live:gpac:key=env@EMPTY",
            "env@EMPTY is empty",
            "put the value",
        ),
        (
            &["-i", "in.flv", "-o", "rtmp://h/live:gpac:key=file@/no/file"],
            "rtmp://h/live:gpac:key=file@/no/file",
            "can't be read",
            "file@PATH",
        ),
        (
            &["-i", "in.flv", "-o", "rtmp://h/live:gpac:key=fd@9"],
            "rtmp://h/live:gpac:key=fd@9",
            "can't be read",
            "3<FILE",
        ),
        (
            &["-i", "in.flv", "-o", "rtmp://h/live:gpac:key=file@/run/two-lines"],
            "rtmp://h/live:gpac:key=file@/run/two-lines",
            "value fetched",
            "secret text",
        ),
        (&["-i", "in.flv", "-o", "url=env@NOT_SET"], "url=", "NOT_SET is not set", "export"),
        (&["-i", "in.flv", "-o", "env@TARGET"], "****", "written `url=env@NAME`", "url="),
        // The shell cut the word at a space, `&` or `?`.
        (&["-i", "in.flv", "-o", url, "y=2"], "****", "no word that is known", "put the whole word in quotes"),
        (&["-i", "in.flv", "-o", url, "?bandwidthtest=true"], "****", "no word that is known", "quotes"),
        (&["-i", "in.flv", "-o", url, "&key=abc"], "****", "no word that is known", "quotes"),
        (&["-i", "in.flv", "-o", "rtmp://h/live/:gpac:name=x", "l1ve_abc"], "****", "no word that is known", "quotes"),
        (&["-i", "in.flv", "-o", "rtmp://h/live/k live=1"], shown, "holds a space", ":gpac:"),
        (&["-i", "in.flv", "-o", "rtmp://h/live/k\n"], shown, "line break", "copy the URL again"),
        (&["-i", "in.flv", "-o", " rtmp://h/live/k"], "****", "with a space", "remove"),
        (&["-i", "in.flv", "-o", "\"rtmp://h/live/k\""], "****", "quotes are part", "whole word"),
        (
            &["-i", "in.flv", "-o", "rtmp://h/live:gpac:key= k"],
            "rtmp://h/live:gpac:key=****",
            "ends with a space",
            "remove",
        ),
        // The key holds a colon: never cut in silence.
        (
            &["-i", "in.flv", "-o", "rtmp://h/live/k:123"],
            "rtmp://h/live/****:****",
            "not an option",
            "put :gpac: before the options",
        ),
        (
            &["-i", "in.flv", "-o", "rtmp://h/live/k:x=1:y"],
            "rtmp://h/live/****:****=****:****",
            "not an option",
            ":gpac:",
        ),
        (&["-i", "in.flv", "-o", "rtmp://h/live/k:"], "rtmp://h/live/****:", "no option after the colon", ":gpac:"),
        (&["-i", "in.flv", "-o", "rtmp://h/live?t=a:b"], "rtmp://h/live?****:****", "not an option", ":gpac:"),
        (&["–i", "in.flv"], "****", "typographic dash", "plain `-`"),
        // The shell filled nothing in: single quotes, another shell's syntax, an example that was copied.
        (&["-i", "in.flv", "-o", "rtmp://h/live/$KEY"], shown, "did not fill in $KEY", "key=env@KEY"),
        (&["-i", "in.flv", "-o", "rtmp://h/live/${KEY}"], shown, "did not fill in ${KEY}", "double quotes"),
        (&["-i", "in.flv", "-o", "rtmp://h/live/%KEY%"], shown, "did not fill in %KEY%", "key=env@KEY"),
        (&["-i", "in.flv", "-o", "rtmp://h/$APP/k"], "rtmp://h/$APP/****", "did not fill in $APP", "double quotes"),
        (&["-i", "in.flv", "-o", "rtmp://h/live?key=$KEY"], "rtmp://h/live?****", "did not fill in $KEY", "quotes"),
        (&["-i", "in.flv", "-o", "rtmp://h/live/<key>"], shown, "placeholder", "without brackets"),
        (&["-i", "in.flv", "-o", "rtmp://h/live/{KEY}"], shown, "placeholder", "env@VARIABLE"),
        (
            &["-i", "in.flv", "-o", "rtmp://h/live:gpac:key=$KEY"],
            "rtmp://h/live:gpac:key=****",
            "did not fill in $KEY",
            "key=env@KEY",
        ),
        (&["-i", "in.flv", "-o", "rtmp://h/live", "--key=${KEY}"], "--key=****", "fill in ${KEY}", "key=env@KEY"),
        // The shell cut a key before its dash; a path that ends in a key, with a scheme that no output has.
        (&["-i", "in.flv", "-o", url, "-SECRET"], "-S****", "not an option", "whole word in quotes"),
        (&["-i", "in.flv", "-o", url, "--SECRET"], "--****", "no program option", "outflow help"),
        (&["-i", "in.flv", "-o", "http://h/app/SECRET"], "http://h/app/****", "takes http://", "rtmp"),
        (&["-i", "in.flv", "-o", "https://h/SECRET"], "https://h/****", "takes https://", "rtmp"),
        (&["-i", "in.flv", "-o", "rtsp://h/app/SECRET"], "rtsp://h/app/****", "takes rtsp://", "rtmp"),
    ] {
        let errors = match parse_words(words) {
            Ok(command) => panic!("{words:?}: taken: {command:?}"),
            Err(errors) => errors.list,
        };
        let told = errors.iter().any(|error| {
            error.word == word
                && error.problem.contains(problem)
                && error.hint.as_deref().unwrap_or_default().contains(hint)
        });
        assert!(told, "{words:?}: {errors:#?}");
    }
    for (word, problem) in [
        ("rtmp://h/live/pre$KEY", "shell variable"),
        ("rtmp://h/live/a${KEY}", "shell variable"),
        ("rtmp://h/live:gpac:key=pre$KEY", "shell variable"),
        ("rtmp://h/live:gpac:key=a\\b", "backslash"),
        ("rtmp://h/live:gpac:key=YOUR_KEY", "example of a key"),
        ("rtmp://h/live/xxxx-xxxx", "example of a key"),
        ("rtmp://h/live/k\\?a=1", "backslash"),
        ("rtmp://h/live/k?token=", "ends early"),
        ("rtmp://h//k", "two slashes"),
    ] {
        let warnings = crate::parse(&format!("-i in.flv -o {word}")).unwrap_or_else(|errors| panic!("{errors}")).2;
        assert!(warnings.iter().any(|warning| warning.problem.contains(problem)), "{word}: {warnings:?}");
    }
}

#[test]
fn links() {
    check(&[
        ("avgen -o rtmp://h/live/k", "avgen", "raw pictures and sound", "c=avc c=aac` before -o"),
        (
            "avgen c=avc -o rtmp://h/live/k",
            "avgen",
            "raw sound",
            "`c=aac` before -o, or leave the sound out with `type=v`",
        ),
        ("avgen c=aac -o rtmp://h/live/k", "avgen", "raw pictures must", "type=a"),
        ("avgen reframer:rt=on -o rtmp://h/live/k", "avgen", "raw pictures and sound", "c=avc c=aac"),
        ("-i in.flv c=avc -o rtmp://h/live/k", "c=avc", "encoded already", "leave the encoder out"),
        ("avgen c=avc c=avc c=aac -o null", "c=avc", "took the pictures already", "FID="),
        ("c=avc avgen:type=v c=avc -o null", "c=avc", "before its source", "source first"),
        ("avgen c=hevc c=aac -o null", "c=hevc", "no such encoder", "c=avc, c=aac"),
        ("avgen c=libx264 c=aac -o null", "c=libx264", "no such encoder", "did you mean `c=avc`"),
        ("avgen enc c=aac -o null", "enc", "which encoder", "enc:c=avc"),
        ("avgen c=avc c=aac", "avgen", "nothing takes this source's media", "-o URL"),
        ("-i in.flv", "in.flv", "nothing takes this source's media", "-o URL"),
        ("-o rtmp://h/live/k", "rtmp://h/live/****", "no source", "-i URL"),
        ("avgne c=avc c=aac -o null", "avgne", "no word that is known", "`avgen`"),
        ("-i in.flv inspekt -o null", "inspekt", "no word that is known", "`inspect`"),
        (
            "-i in.flv -i b.flv -o rtmp://h/live/k",
            "rtmp://h/live/****",
            "video of word 2 `in.flv` and of word 4 `b.flv`",
            "SID=v#video,a#audio",
        ),
        ("-i in.flv:FID=a -o null:SID=b", "null:SID=b", "no word has FID=b", "FID=b"),
        ("-i in.flv:FID=cam -o null:SID=cma", "null:SID=cma", "no word has FID=cma", "`cam`"),
        ("-i in.flv:FID=a -i b.flv:FID=a @ -o null", "b.flv:FID=a", "FID=a is taken by word 2", "of its own"),
        ("-i in.flv:FID=a -o null:SID=a#vidoe", "null:SID=a#vidoe", "#video and #audio", "`video`"),
        ("-i in.flv:FID=a -o null -i b.flv -o out.flv:SID=a", "out.flv:SID=a", "another session", "before that source"),
        ("-i in.flv -o null:FID=a -o out.flv:SID=a", "out.flv:SID=a", "an output", "name a source"),
        ("-i in.flv @5 -o null", "null", "before the first word", "previous word"),
        ("-i in.flv @@1 -o null", "@@1", "not offered yet", "`@N`"),
        ("-i in.flv @x -o null", "@x", "not a number", "`@1`"),
        ("-i in.flv -o null @", "@", "no word follows", "before the word"),
        ("-i in.flv @ -i b.flv -o null", "b.flv", "takes no media", "leave"),
        ("avgen:FID=s:type=v c=aac:SID=s c=avc -o null", "c=aac:SID=s", "give nothing that it takes", "#video"),
        (
            "avgen c=avc c=aac reframer:rt=off -o rtmp://h/live/k",
            "reframer:rt=off",
            "network output",
            "leave rt=off out",
        ),
        ("-i in.flv reframer:rt=off reframer:rt=on -o null", "reframer:rt=on", "another pace", "enough"),
    ]);
}

#[test]
fn outputs_that_can_not_live_together() {
    let twice = "-i in.flv -o rtmp://127.0.0.1:9/live:gpac:listen -o";
    for (line, problem) in [
        (format!("{twice} rtmp://127.0.0.1:9/live:gpac:listen"), "same port and path"),
        (format!("{twice} rtmp://:9/live/:gpac:listen"), "same port and path"),
        (format!("{twice} rtmp://localhost:9/live:gpac:listen"), "same port and path"),
        ("-i in.flv -o rtmp://:9/live/a:listen -o rtmp://:9/a:listen:rtmp_app=live".into(), "same port and path"),
        ("-i in.flv -o rtmp://h/live/k -o rtmp://H:1935/live/k".into(), "same URL and key"),
        ("-i in.flv -o rtmp://h/live:gpac:key=k -o rtmp://h/live:gpac:key=k:name=x".into(), "same URL and key"),
        ("-i in.flv -o rtmp://h/live/k?a=1 -i b.flv -o rtmp://h/live/k?a=1".into(), "same URL and key"),
        ("-i rtmp://:1935/live/a:gpac:listen -o rtmp://127.0.0.1/live/a".into(), "this same program"),
        ("-i rtmp://127.0.0.1:1935/live:gpac:listen -o rtmp://localhost/live/a".into(), "this same program"),
        ("-i rtmp://127.0.0.1/live/a -o rtmp://127.0.0.1/live:gpac:listen".into(), "this same program"),
        ("-i rtmp://:1/live:gpac:listen -o null -i rtmp://:1/live:gpac:listen -o null".into(), "same port and path"),
        ("-i in.flv -o out.flv -o ./out.flv".into(), "same file"),
        ("-i in.flv -o in.flv".into(), "same file"),
        ("-i in.flv -o null:name=a -o rtmp://h/live/k:name=a".into(), "the name `a` is taken"),
    ] {
        let errors = mistakes(&line);
        assert!(
            errors.iter().any(|error| error.problem.contains(problem) && error.hint.is_some()),
            "{line}: {errors:?}"
        );
    }
    for line in [
        format!("{twice} rtmp://127.0.0.1:10/live:gpac:listen"),
        format!("{twice} rtmp://127.0.0.1:9/other:gpac:listen"),
        format!("{twice} rtmp://:9/live/a:gpac:listen"),
        format!("{twice} rtmp://localhost:9:gpac:listen"),
        "-i rtmp://:1/live:listen -o null -i rtmp://:1/live/a:listen -o null".into(),
        format!("{twice} rtmp://127.0.0.2:9/live:gpac:listen"),
        "-i in.flv -o rtmp://:9/live/a:listen -o rtmp://:9/live/b:listen".into(),
        "-i in.flv -o rtmp://h/live/k -o rtmp://h/live/k2 -o rtmp://g/live/k".into(),
        "-i in.flv -o rtmp://h/live:gpac:key=k -o rtmp://h/live:gpac:key=k2".into(),
        "-i in.flv -o rtmp://h/live/k?a=1 -o rtmp://h/live/k?a=2".into(),
        "-i rtmp://:1935/live/a:listen -o rtmp://:1935/live/a:listen".into(),
        "-i rtmp://:1935/live/a:listen -o rtmp://127.0.0.1/live/b".into(),
        "-i in.flv -o null -o null".into(),
    ] {
        crate::graph(&line);
    }
}

#[test]
fn options_of_the_program() {
    check(&[
        ("-grahp -i in.flv -o null", "-grahp", "not an option of this program", "`-graph`"),
        ("-i in.flv -o null -runfor", "-runfor", "value is missing", "-runfor=MS"),
        ("-i in.flv -o null -runfor=soon", "-runfor=soon", "not a duration", "250ms"),
        ("-i in.flv -o null -runfor=0", "-runfor=0", "is 0", "leave -runfor out"),
        ("-i in.flv -o null -logs=netwrok@info", "-logs=netwrok@info", "no part of the program", "`network`"),
        ("-i in.flv -o null -logs=all@loud", "-logs=all@loud", "no level", "quiet"),
        ("-i in.flv -o null -http=:1937", "-http=:1937", "everybody who reaches this machine", "OUTFLOW_API_TOKEN"),
        ("-i in.flv -o null -http=1937", "-http=1937", "no address to listen on", "127.0.0.1:1937"),
        ("-i in.flv -o null -graph=1", "-graph=1", "takes no value", "-graph"),
        ("-i in.flv -o null -args=/no/file", "-args", "can't be read", "-args=FILE"),
        ("-args=/run/words", "rtmp://h.example/live/****", "holds a space", ":gpac:"),
        ("check", "check", "nothing to look at", "check -i URL"),
        ("check --uplink=much -i in.flv -o null", "check --uplink", "much", "write a number"),
        (
            "check --json -i in.flv -o rtmp://h/live/k:gpac:max_lagg=1",
            "rtmp://h/live/****:gpac:max_lagg=****",
            "not an option",
            "`max_lag`",
        ),
        ("check --publish=mian -i in.flv -o rtmp://h/live/k:gpac:name=main", "check --publish", "no output", "`main`"),
        ("probe", "probe", "wants a URL", "outflow probe rtmps://"),
        ("probe rtmp://h/live/k rtmp://h/live/k", "probe", "one URL", "outflow probe rtmps://"),
        ("probe in.flv", "****", "only servers", "rtmp://HOST/APP"),
        ("probe --paly rtmp://h/live/k", "--paly", "no flag of probe", "`--play`"),
        ("probe rtmp://h:99999/live/k", "rtmp://h:99999/live/****", "port 99999", "between 1 and 65535"),
        ("top ftp://h", "ftp://h", "begin with http://", "127.0.0.1:1937"),
        ("top --token=k3y 127.0.0.1:1937", "--token", "no flag of top", "`--token-file`"),
        ("top --token-file=/no/file", "top --token-file", "can't be read", "file@PATH"),
        ("man outflow", "man outflow", "no further words", "outflow help NAME"),
        ("-i in.flv -o null:name=main -r=mian", "-r", "no input and no output", "`main`"),
        ("-i in.flv -o null:name=main -r=zebra", "-r", "no input and no output", "in.flv, main"),
        ("--graf -i in.flv -o null", "--graf", "no program option", "`-graph`"),
        ("help outptus", "help outptus", "no such topic", "`outputs`"),
    ]);
}

#[test]
fn names_of_platforms() {
    check(&[
        ("-i in.flv -o twitch", "twitch", "wants a stream key", "key=env@TWITCH_KEY"),
        ("-i in.flv -o kick:key=k3y", "kick", "URL of its own", "url=env@KICK_URL"),
        ("-i in.flv -o twitch:key=k3y:max_lagg=4", "twitch:key=****:max_lagg=****", "not an option", "`max_lag`"),
        ("-i in.flv -o kick:url=https://h/app:key=k3y", "kick", "rtmps://", "copy the URL"),
        ("-i in.flv -o rtmp://h/live/k:gpac:platform=twich", "rtmp://h/live/****:gpac:platform=twich", "", "`twitch`"),
    ]);
}

#[test]
fn every_mistake_is_told_at_once_and_in_order() {
    let errors = mistakes("-i missing.flv -o rtmp://h/live/k:gpac:max_lagg=1 -o srt://h:1 -grahp");
    assert_eq!(errors.iter().map(|error| error.word_index).collect::<Vec<_>>(), [2, 4, 6, 7]);
}

#[cfg(unix)]
#[test]
fn words_that_are_no_text() {
    use std::os::unix::ffi::OsStringExt;
    let args = vec![std::ffi::OsString::from_vec(vec![b'-', 0xff])];
    let errors = outflow::cli::parse_with(&args, &crate::registry::World, &crate::registry::registries()).unwrap_err();
    assert!(errors.list[0].problem.contains("UTF-8"));
}

#[test]
fn options_of_the_program_alone_are_no_request_for_help() {
    for line in ["-runfor=500", "-graph", "-args=/run/empty", "-stats -json", "-y"] {
        let errors = mistakes(line);
        assert_eq!(errors.len(), 1, "{line}: {errors:#?}");
        assert!(errors[0].problem.contains("nothing would run"), "{line}: {}", errors[0]);
        assert!(errors[0].hint.as_deref().unwrap_or_default().contains("-i URL -o URL"), "{line}");
    }
    assert!(matches!(parse_words::<&str>(&[]), Ok(outflow::cli::Command::Help(_))), "an empty line asks for help");
}

#[test]
fn a_word_that_is_no_text_is_one_mistake() {
    use std::os::unix::ffi::OsStringExt;
    for bad in [b"rtmp://h/live/k\xff".to_vec(), b"\xff".to_vec()] {
        let mut words: Vec<std::ffi::OsString> = ["-i", "in.flv", "-o"].map(Into::into).into();
        words.push(std::ffi::OsString::from_vec(bad));
        let errors = outflow::cli::parse_with(&words, &crate::registry::World, &crate::registry::registries());
        let errors = errors.unwrap_err().list;
        assert_eq!(errors.len(), 1, "{errors:#?}");
        assert!(errors[0].problem.contains("not UTF-8") && errors[0].word_index == 4, "{errors:?}");
    }
}

#[test]
fn what_can_be_no_piece_of_a_key_is_named() {
    check(&[
        // A file that is there, and `null`, were not cut by any shell.
        ("-i in.flv resample -o null", "resample", "no word that is known", "inspect"),
        ("-i in.flv:loop resample -o null", "resample", "no word that is known", "inspect"),
        ("-i in.flv -o null resample", "resample", "no word that is known", "inspect"),
        ("-i in.flv -o null -resample", "-resample", "not an option", "outflow help"),
        ("-i in.flv -o null:rtmp_listen=1", "null:rtmp_listen=****", "not an option of null", "outflow help null"),
        ("-i in.flv -o -", "-", "nothing here can use it", ".flv"),
        // A URL may have been, and so may the value of an option.
        ("-i in.flv -o rtmp://h/live/k resample", "****", "no word that is known", "quotes"),
        ("-i rtmp://h/live/k resample -o null", "****", "no word that is known", "quotes"),
        ("-i in.flv -o null:name=x resample", "****", "no word that is known", "quotes"),
    ]);
}

#[test]
fn mistakes_name_the_words_that_were_typed() {
    check(&[
        ("-i in.flv -o null --null:bogus=x", "--null:bogus=****", "no word and no program option", ""),
        ("-i in.flv -o null --null@bogus=x", "--null@bogus=****", "no word and no program option", ""),
        ("-i in.flv -o null --file:loop=maybe", "--file:loop=maybe", "", ""),
        ("-i in.flv -o null @9", "@9", "no word follows the link", "before the word"),
        ("-i in.flv -o null @#video", "@#video", "no word follows the link", "before the word"),
    ]);
}

#[test]
fn a_user_without_a_password_is_told_to_be_of_no_use() {
    let told = |line: &str| crate::parse(line).unwrap_or_else(|errors| panic!("{errors}")).2;
    let warnings = told("-i rtmps://someone@h/live/k -o null");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].problem.contains("no password"), "{}", warnings[0]);
    assert!(!warnings[0].to_string().contains("someone"), "{}", warnings[0]);
    for line in ["-i in.flv -o rtmp://h/live/k", "-i in.flv -o rtmp://u:p@h/live/k", "-i rtmps://u:p@h/live/k -o null"]
    {
        assert!(told(line).is_empty(), "{line}");
    }
}
