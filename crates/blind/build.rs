//! Declares the configuration that chooses the curve arithmetic (.cargo/config.toml), so that the compiler
//! knows its name and this crate may ask for it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!(
        "cargo::rustc-check-cfg=cfg(curve25519_dalek_backend, values(\"avx512\", \"simd\", \"serial\", \"fiat\"))"
    );
}
