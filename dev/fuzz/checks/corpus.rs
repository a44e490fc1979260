//! The inputs that are part of the project, for tests without libFuzzer.

use std::fs;
use std::path::Path;

/// Checks every input of a target, and its beginnings: of long ones, about twenty.
pub(crate) fn replay(target: &str, check: fn(&[u8])) {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = package.ancestors().map(|folder| folder.join("dev/fuzz/corpus"));
    let folder = folders.find(|folder| folder.is_dir()).expect("the folder of all corpora").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&folder).expect("a corpus") {
        let path = entry.expect("an entry of the corpus").path();
        // What libFuzzer adds on a machine has no ending, and is not the same on another.
        if path.extension().is_none() {
            continue;
        }
        let input = fs::read(&path).expect("an input");
        for length in (0..input.len()).step_by(input.len().div_ceil(20).max(1)) {
            check(&input[..length]);
        }
        check(&input);
        inputs += 1;
    }
    assert!(inputs > 0, "{} has no inputs", folder.display());
}
