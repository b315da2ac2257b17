//! Tells cargo that the binary holds what lies outside `src`.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
