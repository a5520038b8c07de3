//! One program for all targets: `OUTFLOW_FUZZ` names the one to run, and the words are libFuzzer's.
//! `OUTFLOW_FUZZ_UNPACK=FOLDER` and `OUTFLOW_FUZZ_PACK=FOLDER` write the committed corpus there, or make it of what is there.
#![no_main]
use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use outflow_fuzz::{Target, corpus, find};

static TARGET: OnceLock<&'static Target> = OnceLock::new();

/// The largest file of the committed corpus.
const MOST: usize = 96 * 1024;

fuzz_target!(
    init: {
        let name = std::env::var("OUTFLOW_FUZZ").unwrap_or_default();
        let Some(target) = find(&name) else {
            eprintln!("OUTFLOW_FUZZ names no target: {name}");
            std::process::exit(2);
        };
        if let Ok(folder) = std::env::var("OUTFLOW_FUZZ_UNPACK") {
            corpus::unpack(target, Path::new(&folder)).expect("the corpus can be written");
            std::process::exit(0);
        }
        if let Ok(folder) = std::env::var("OUTFLOW_FUZZ_PACK") {
            let count = corpus::pack(&name, Path::new(&folder), MOST).expect("the corpus can be read");
            println!("{name}: {count} inputs kept");
            std::process::exit(0);
        }
        let _ = TARGET.set(target);
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            (target.run)(data);
        }
    }
);
