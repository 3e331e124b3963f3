//! Compiles the protocol definitions with protox: no `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    let files = [
        "tacit/common/v1/common.proto",
        "tacit/coordinator/v1/audit.proto",
        "tacit/coordinator/v1/consent.proto",
        "tacit/coordinator/v1/coordinator.proto",
        "tacit/coordinator/v1/letter.proto",
        "tacit/coordinator/v1/log.proto",
        "tacit/coordinator/v1/measure.proto",
        "tacit/coordinator/v1/subject.proto",
        "tacit/custodian/v1/custodian.proto",
        "tacit/holder/v1/holder.proto",
        "tacit/gateway/v1/consent.proto",
        "tacit/gateway/v1/gateway.proto",
        "tacit/gateway/v1/measure.proto",
    ];
    println!("cargo:rerun-if-changed={root}");
    let descriptors = protox::compile(files, [root])?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    let mut config = tonic_prost_build::Config::new();
    config.bytes(["."]);
    tonic_prost_build::configure()
        .file_descriptor_set_path(out.join("tacit.bin"))
        .compile_fds_with_config(descriptors.clone(), config)?;
    // The deny-test walks every service and method of this descriptor.
    std::fs::write(out.join("tacit.bin"), prost_bytes(&descriptors))?;
    Ok(())
}

fn prost_bytes(set: &impl prost::Message) -> Vec<u8> {
    set.encode_to_vec()
}
