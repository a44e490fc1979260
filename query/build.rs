//! Readiness asks for the newest migration, so the crate is built again when one is added.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
